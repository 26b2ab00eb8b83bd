//! The journal in the target: what an interrupted run cannot otherwise recognise as its own.
//!
//! Before a file gets its name, its path and the digest of its content stand here, on the medium. A run that
//! starts again knows by them which of the files it finds are its own and complete. Lines of another config
//! count for nothing. Nothing in it is secret, but nobody else needs it: mode 0600.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use kindling_config_spec::json;
use kindling_config_spec::order::{OrderedMap, OrderedSet};
use kindling_config_spec::units::Bytes;

use super::sysroot::{Sysroot, SysrootError};
use crate::inventory::target::AccountWork;

/// Where it is.
pub const JOURNAL: &str = "/var/lib/kindling/journal";
/// More than a million files; a larger one is not ours.
const LIMIT: Bytes = Bytes(512 << 20);

/// The journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the record of what was written")]
pub struct JournalError(#[from] pub SysrootError);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// The lines after it belong to the config with this digest.
    Config(String),
    /// A file is about to get its content.
    File {
        /// Where.
        path: PathBuf,
        /// SHA-256 of the content, or SHA-512 where the config has that of it; in hex.
        digest: String,
        /// Nothing stood there before: whatever stands there later is ours.
        new: bool,
    },
    /// A key file is about to appear where nothing was. Of a key not even a digest is kept.
    Key(PathBuf),
    /// An account program is about to run.
    Begun(AccountWork),
    /// It has ended well.
    Done(AccountWork),
    /// It has refused and made nothing: as if it had not begun.
    NotBegun(AccountWork),
}

/// What the lines of one config say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Path to the digests of what any run was about to put there.
    pub files: OrderedMap<PathBuf, Vec<String>>,
    /// Those of `files` where nothing stood before.
    pub new: OrderedSet<PathBuf>,
    /// Key files.
    pub keys: OrderedSet<PathBuf>,
    /// Account programs that began and did not end.
    pub unfinished: OrderedSet<AccountWork>,
    /// The digest of the last other config that wrote here.
    pub other: Option<String>,
}

/// The journal of one run, written to the target.
pub struct Journal<'a> {
    sysroot: &'a Sysroot,
    config_digest: String,
}

impl<'a> Journal<'a> {
    /// The journal for the config with this digest.
    #[must_use]
    pub fn new(sysroot: &'a Sysroot, config_digest: String) -> Self {
        Self {
            sysroot,
            config_digest,
        }
    }

    /// What an earlier run of the same config wrote. A torn last line is left out.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self) -> Result<Entries, JournalError> {
        let text = self.sysroot.read_bytes(Path::new(JOURNAL), LIMIT)?;
        Ok(parse(text.as_deref().unwrap_or_default(), &self.config_digest))
    }

    /// Adds lines and forces them to the medium. Nothing for an empty list.
    ///
    /// # Errors
    /// When the target cannot be written.
    pub fn record(&self, lines: &[Line]) -> Result<(), JournalError> {
        if lines.is_empty() {
            return Ok(());
        }
        let path = Path::new(JOURNAL);
        self.sysroot.make_dirs(path.parent().unwrap_or(path))?;
        // A torn line of a killed run ends here, and the config's own line comes first again.
        let mut text = String::from("\n");
        for line in [Line::Config(self.config_digest.clone())].iter().chain(lines) {
            text.push_str(&json::text(line));
            text.push('\n');
        }
        self.sysroot.append_durably(path, text.as_bytes())?;
        Ok(())
    }
}

fn parse(text: &[u8], config_digest: &str) -> Entries {
    let mut entries = Entries::default();
    let mut is_ours = false;
    // A power cut may leave any bytes in its last block: a line that is none is left out.
    let lines = text.split(|byte| *byte == b'\n');
    for line in lines.filter_map(json::read) {
        match line {
            Line::Config(digest) => {
                is_ours = digest == config_digest;
                if !is_ours {
                    entries.other = Some(digest);
                }
            }
            Line::File { path, digest, new } if is_ours => {
                if new {
                    entries.new.insert(path.clone());
                }
                entries.files.entry(path).or_default().push(digest);
            }
            Line::Key(path) if is_ours => drop(entries.keys.insert(path)),
            Line::Begun(work) if is_ours => drop(entries.unfinished.insert(work)),
            Line::Done(work) | Line::NotBegun(work) if is_ours => drop(entries.unfinished.remove(&work)),
            Line::File { .. } | Line::Key(_) | Line::Begun(_) | Line::Done(_) | Line::NotBegun(_) => {}
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, digest: &str) -> Line {
        Line::File {
            path: path.into(),
            digest: digest.into(),
            new: false,
        }
    }

    #[test]
    fn lines_of_another_config_and_torn_ones_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        let other = Journal::new(&sysroot, "other".into());
        other.record(&[file("/a", "1")]).unwrap();
        let ours = Journal::new(&sysroot, "ours".into());
        let entries = ours.read().unwrap();
        assert_eq!(entries.other.as_deref(), Some("other"));
        assert_eq!(
            Entries {
                other: None,
                ..entries
            },
            Entries::default()
        );
        let user = |name: &str| AccountWork::NewUser {
            name: name.into(),
            home: Some(Path::new("/home").join(name)),
            own_group: true,
        };
        ours.record(&["ada", "bob"].map(|name| Line::Begun(user(name))))
            .unwrap();
        sysroot
            .append_durably(Path::new(JOURNAL), b"{\"file\":[\"/torn\xff\",\0\0")
            .unwrap();
        let lines = [
            Line::Done(user("ada")),
            file("/b", "2"),
            Line::Key("/k".into()),
            file("/b", "3"),
        ];
        ours.record(&lines).unwrap();
        let entries = ours.read().unwrap();
        let digests = ["2", "3"].map(str::to_owned).to_vec();
        assert_eq!(entries.files, OrderedMap::from([("/b".into(), digests)]));
        assert_eq!(entries.keys, OrderedSet::from(["/k".into()]));
        assert_eq!(other.read().unwrap().keys, OrderedSet::new());
        assert_eq!(entries.unfinished, OrderedSet::from([user("bob")]));
    }
}
