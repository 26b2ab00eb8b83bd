//! A config as a person gives it: a file, or standard input for `-`.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use kindling_config_spec::butane::files::{LocalFiles, NoFiles};
use kindling_config_spec::json;
use serde::de::DeserializeOwned;

use super::USAGE;
use super::words::Flag;
use crate::fetch::DOCUMENT_LIMIT;
use crate::host::local_files::LocalDirectory;
use crate::report::Unparsable;

/// What the help calls a config that is given by name.
pub(super) const CONFIG: &str = "The config (Ignition 3 or 2 JSON, Butane YAML), or `-` for standard input.";

/// Where local files are: [`local_files`].
pub(super) const FILES_DIR: Flag = Flag::with(
    "files-dir",
    "DIR",
    "The directory with the local files that a Butane config names; without it there are none, as at boot.",
);

/// The files below `dir`, which [`FILES_DIR`] names; none without one.
///
/// # Errors
/// A line that names the directory and says why it cannot be used.
pub(super) fn local_files(dir: Option<&Path>) -> Result<Box<dyn LocalFiles>, String> {
    let Some(dir) = dir else {
        return Ok(Box::new(NoFiles));
    };
    match LocalDirectory::open(dir, DOCUMENT_LIMIT) {
        Ok(files) => Ok(Box::new(files)),
        Err(error) => Err(format!("cannot use {} for local files: {error}", dir.display())),
    }
}

/// A document that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// There is no such file, or it is not for us.
    #[error("{0}")]
    Closed(#[from] io::Error),
    /// It is larger than any config.
    #[error("it is larger than {} MiB; no config is: check the name", DOCUMENT_LIMIT >> 20)]
    TooLarge,
    /// It is not text.
    #[error("it is not UTF-8 text from byte {at} on (line {line}); write the config in UTF-8, uncompressed")]
    NotText {
        /// Offset of the first byte that is none of a text.
        at: usize,
        /// Its line, from 1.
        line: usize,
    },
}

impl Unreadable {
    /// The exit status: a name that leads nowhere is a mistake of the command line, the rest is one of the config.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Closed(_) => USAGE,
            Self::TooLarge | Self::NotText { .. } => 1,
        }
    }
}

/// Reads the document at `path`.
///
/// # Errors
/// See [`Unreadable`].
pub(super) fn read(path: &Path) -> Result<String, Unreadable> {
    let bytes = if path == Path::new("-") {
        limited(io::stdin(), 0)?
    } else {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        limited(file, size)?
    };
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Unreadable::NotText { at, line }
    })
}

/// Reads a record that we wrote: `what` it is used as, and the command that makes one.
///
/// # Errors
/// A line that names the file, says why, and how to make it.
pub(super) fn read_record<T: DeserializeOwned>(path: &Path, what: &str, made_by: &str) -> Result<T, String> {
    let unusable = |why: &dyn Display| {
        let path = path.display();
        format!("cannot use {path} as {what}: {why}; make the file with `{made_by} > FILE`")
    };
    let text = read(path).map_err(|error| unusable(&error))?;
    json::parse(&text).map_err(|error| unusable(&Unparsable::of(&error)))
}

/// All of `from`, which says that it has `size` bytes: no room is wasted, nor more taken than a document may have.
fn limited(from: impl Read, size: u64) -> Result<Vec<u8>, Unreadable> {
    let most = DOCUMENT_LIMIT + 1;
    let room = usize::try_from(size.saturating_add(1).min(most)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(room);
    from.take(most).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > DOCUMENT_LIMIT {
        return Err(Unreadable::TooLarge);
    }
    Ok(bytes)
}
