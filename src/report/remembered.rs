//! The failure that a machine remembers without power, in the small memory of its firmware.

use kindling_config_spec::json;
use serde::{Deserialize, Serialize};

use super::Failure;

/// Bytes of it. Some firmware has few kilobytes for all variables together.
pub const LIMIT: usize = 1024;
/// Stands where something was cut.
const CUT: char = '…';

/// Why the first boot of a machine failed, when it did so first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The kernel's id of the boot. Boots after it may have failed in the same way.
    pub boot: String,
    /// When, RFC 3339 in UTC, by a clock that nobody may have set.
    pub time: String,
    /// The record, cut where it was longer than there is room.
    pub failure: Failure,
}

impl Remembered {
    /// A record that fits: the reasons are cut first, then the rest.
    #[must_use]
    pub fn new(failure: Failure, boot: String, time: String) -> Self {
        let mut cut = Self { boot, time, failure };
        while let Some(over) = cut.bytes().len().checked_sub(LIMIT).filter(|over| *over > 0) {
            let failure = &mut cut.failure;
            let mut parts = failure.why.last_mut().into_iter().collect::<Vec<_>>();
            if parts.is_empty() {
                parts.extend([&mut failure.what, &mut failure.next]);
            }
            let has_cut = parts.into_iter().any(|part| shorten(part, over));
            if !has_cut && failure.why.pop().is_none() && failure.place.take().is_none() {
                break;
            }
        }
        cut
    }

    /// As it is kept: JSON.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        json::text(self).into_bytes()
    }

    /// What was kept; `None` for what is none of ours.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        json::read(bytes)
    }
}

/// Takes a part of `over` bytes off the end of a text, for a letter of it may be six bytes of JSON; `false` when there is
/// nothing left to take.
fn shorten(text: &mut String, over: usize) -> bool {
    /// Less of a text says nothing.
    const KEPT: usize = 40;
    let mark = CUT.len_utf8();
    let end = text.len().saturating_sub(over.div_ceil(6) + mark).max(KEPT);
    if end + mark >= text.len() {
        return false;
    }
    text.truncate(text.floor_char_boundary(end));
    text.push(CUT);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    fn of(what: &str, why: &[&str], next: &str) -> Remembered {
        let failure = Failure {
            code: "program-failed".into(),
            stage: Stage::Disks,
            what: what.into(),
            place: Some("merged config, /storage/filesystems/0".into()),
            why: why.iter().map(|why| (*why).to_owned()).collect(),
            next: next.into(),
        };
        let boot = "8c2f1e3a-77b0-4b6e-9d8e-0123456789ab".to_owned();
        Remembered::new(failure, boot, "2031-04-05T06:07:08Z".to_owned())
    }

    #[test]
    fn what_fits_is_kept_whole_and_read_back() {
        let whole = of("make a file system", &["mkfs failed", "no space"], "look");
        assert_eq!(whole.failure.why, ["mkfs failed", "no space"]);
        assert_eq!(Remembered::read(&whole.bytes()), Some(whole));
        assert_eq!(Remembered::read(b"{}"), None);
    }

    #[test]
    fn reasons_are_cut_first() {
        let long = "ß\n\"".repeat(2_000);
        let cut = of("make a file system", &["mkfs failed", &long], "look");
        assert!(cut.bytes().len() <= LIMIT);
        assert!(cut.bytes().len() > LIMIT / 2);
        assert_eq!(cut.failure.what, "make a file system");
        assert_eq!(cut.failure.why.len(), 2);
        assert!(cut.failure.why[1].ends_with(CUT));
        assert_eq!(Remembered::read(&cut.bytes()), Some(cut));
    }

    #[test]
    fn nothing_is_longer_than_there_is_room() {
        let long = "\"ß".repeat(2_000);
        for cut in [of(&long, &[long.as_str(); 50], "look"), of(&long, &[], &long)] {
            assert!(cut.bytes().len() <= LIMIT, "{}", cut.bytes().len());
            assert_eq!(cut.failure.code, "program-failed");
            assert!(cut.failure.what.starts_with("\"ß"));
        }
    }
}
