//! Discs in optical drives, known by the type of their file system and by a file that is on them.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use kindling_platforms::AccessError;
use nix::libc::O_NONBLOCK;

use super::{MediaPaths, failed, list};
use crate::host::block::has_disc;
use crate::host::uevent::{Monitor, has_property};

/// After which time a drive is looked at again without an event: one that failed, or was not ready, tells nobody when it
/// would do better.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What one device brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is no optical drive, is empty, or has a disc of somebody else.
    Nothing,
    /// The wanted files.
    Found(Vec<Option<Vec<u8>>>),
}

impl MediaPaths {
    /// The files at `paths` of the first disc that has a file system of `kinds` and the first of the files, awaited for
    /// `wait`. What fails meanwhile is tried again.
    ///
    /// # Errors
    /// `Absent` when no such disc appeared in time; `Failed` and `TooLarge` when the last try of one failed.
    pub(super) fn read_disc(
        &self,
        kinds: &[&str],
        wait: Duration,
        paths: &[&str],
    ) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        let deadline = Instant::now() + wait;
        let unheard = |error: io::Error| failed("device events".to_owned(), &error);
        // Subscribed before the first look, so that nothing can appear between look and wait unseen.
        let monitor = Monitor::open(Path::new("/run/udev/control").exists()).map_err(unheard)?;
        let types: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let mut pause = || {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            let soon = deadline.min(Instant::now() + LOOK_AGAIN);
            // An empty event says that some were lost.
            let is_other = |event: &Vec<u8>| !event.is_empty() && !has_property(event, "SUBSYSTEM=block");
            while monitor
                .next(soon)
                .map_err(unheard)?
                .is_some_and(|event| is_other(&event))
            {}
            Ok(true)
        };
        let devices = || list(&self.blocks);
        let found = search(&devices, &|name| self.look(name, &types, paths), &mut pause)?;
        found.ok_or_else(|| AccessError::Absent {
            what: format!(
                "a disc with a file system {} and {}",
                kinds.join(" or "),
                paths[0]
            ),
            waited: wait,
        })
    }

    /// Looks at one device.
    fn look(&self, name: &str, types: &[String], paths: &[&str]) -> Result<Look, AccessError> {
        // The kernel writes the slashes of a name as exclamation marks.
        let node = self.nodes.join(name.replace('!', "/"));
        // Not to wait for a disc: without this flag an empty drive cannot be opened at all.
        let device = match OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&node) {
            Ok(device) => device,
            // It has no node yet, or is a kind of device that cannot be opened now. An optical drive always can.
            Err(_) => return Ok(Look::Nothing),
        };
        let what = || node.display().to_string();
        if has_disc(&device).map_err(|error| failed(what(), &error))? != Some(true) {
            return Ok(Look::Nothing);
        }
        drop(device);
        let files = self.read_mounted(&node, types, paths)?;
        Ok(files
            .filter(|files| files.first().is_some_and(Option::is_some))
            .map_or(Look::Nothing, Look::Found))
    }
}

/// Looks at all devices, again after each `pause`, until one brings something or the pause says that it is over.
///
/// # Errors
/// That of the last round, when it is over and a device failed; that of the list and of the pause.
fn search(
    devices: &dyn Fn() -> Result<Vec<String>, AccessError>,
    look: &dyn Fn(&str) -> Result<Look, AccessError>,
    pause: &mut dyn FnMut() -> Result<bool, AccessError>,
) -> Result<Option<Vec<Option<Vec<u8>>>>, AccessError> {
    loop {
        let mut failure = None;
        for name in devices()? {
            match look(&name) {
                Ok(Look::Found(files)) => return Ok(Some(files)),
                Ok(Look::Nothing) => {}
                Err(error) => failure = Some(error),
            }
        }
        if !pause()? {
            return failure.map_or(Ok(None), Err);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn broken(name: &str) -> AccessError {
        AccessError::Failed {
            what: name.to_owned(),
            why: "it cannot be mounted: EIO".to_owned(),
        }
    }

    /// Searches where each round has the devices of one entry: `name`, and what a look at it brings.
    fn searched(rounds: &[&[(&str, Result<&str, ()>)]]) -> Result<Option<String>, AccessError> {
        let round = Cell::new(0);
        let devices = || {
            let present = rounds[round.get()].iter();
            Ok(present.map(|(name, _)| (*name).to_owned()).collect())
        };
        let look = |name: &str| {
            let (_, held) = rounds[round.get()]
                .iter()
                .find(|(known, _)| *known == name)
                .unwrap();
            match held {
                Ok("") => Ok(Look::Nothing),
                Ok(text) => Ok(Look::Found(vec![Some(text.as_bytes().to_vec())])),
                Err(()) => Err(broken(name)),
            }
        };
        let mut pause = || {
            round.set(round.get() + 1);
            Ok(round.get() < rounds.len())
        };
        let found = search(&devices, &look, &mut pause)?;
        Ok(found.map(|mut files| String::from_utf8(files.remove(0).unwrap()).unwrap()))
    }

    #[test]
    fn discs_of_others_are_passed_over() {
        assert_eq!(
            searched(&[&[("sda", Ok("")), ("sr0", Ok("")), ("sr1", Ok("config"))]]),
            Ok(Some("config".to_owned()))
        );
        assert_eq!(searched(&[&[("sda", Ok(""))], &[]]), Ok(None));
    }

    #[test]
    fn a_drive_that_fails_or_comes_late_is_looked_at_again() {
        assert_eq!(
            searched(&[&[("sr0", Err(()))], &[("sr0", Err(()))], &[("sr0", Ok("config"))]]),
            Ok(Some("config".to_owned()))
        );
        assert_eq!(
            searched(&[&[], &[("sr0", Ok(""))], &[("sr0", Ok("config"))]]),
            Ok(Some("config".to_owned()))
        );
        // One broken drive does not hide the other.
        assert_eq!(
            searched(&[&[("sr0", Err(())), ("sr1", Ok("config"))]]),
            Ok(Some("config".to_owned()))
        );
    }

    #[test]
    fn what_still_fails_at_the_end_is_told() {
        assert_eq!(
            searched(&[&[("sr0", Ok(""))], &[("sr0", Err(()))]]),
            Err(broken("sr0"))
        );
        assert_eq!(searched(&[&[("sr0", Err(()))], &[("sr0", Ok(""))]]), Ok(None));
    }

    #[test]
    fn the_wait_has_an_end_and_what_is_no_optical_drive_is_never_mounted() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for path in ["block/sda", "block/cciss!c0d0", "block/sr9", "dev/cciss"] {
            std::fs::create_dir_all(at(path)).unwrap();
        }
        for node in ["dev/sda", "dev/cciss/c0d0"] {
            std::fs::File::create(at(node)).unwrap();
        }
        let paths = MediaPaths {
            blocks: at("block"),
            nodes: at("dev"),
            scratch: at("scratch"),
            ..MediaPaths::default()
        };
        let wait = Duration::from_millis(60);
        let error = paths
            .read_disc(&["udf", "iso9660"], wait, &["/ovf-env.xml"])
            .unwrap_err();
        assert_eq!(
            error,
            AccessError::Absent {
                what: "a disc with a file system udf or iso9660 and /ovf-env.xml".to_owned(),
                waited: wait
            }
        );
        assert!(!at("scratch").exists());
    }
}
