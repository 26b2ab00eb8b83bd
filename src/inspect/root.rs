//! The entries and texts of a directory.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use kindling_config_spec::units::{Bytes, Mode};

use super::listing::{Entry, Listing, is_unknown};
use super::{InspectError, TEXT_LIMIT, Texts};
use crate::host::sysroot::Sysroot;
use crate::inventory::target::Kind;

/// Anybody's permission to execute.
const EXECUTE: u32 = 0o111;

/// Walks the directory `path`.
pub(super) fn list(path: &Path) -> Result<(Sysroot, Listing), InspectError> {
    let root = Sysroot::open(path)?;
    let mut listing = Listing::default();
    // The walk keeps its own list of what to enter: a hostile tree may be deeper than the stack.
    let mut dirs = vec![String::from("/")];
    while let Some(dir) = dirs.pop() {
        let at = dir.trim_end_matches('/');
        for name in root.names(Path::new(&dir))? {
            let Some(name) = name.to_str() else {
                listing.leave_out(&[at.as_bytes(), b"/", name.as_bytes()].concat());
                continue;
            };
            let path = format!("{at}/{name}");
            if is_unknown(&path) {
                continue;
            }
            // Gone since it was listed: a root that is in use changes.
            let Some(node) = root.look(Path::new(&path))? else {
                continue;
            };
            let entry = match node.kind {
                Kind::Directory => {
                    dirs.push(path.clone());
                    Entry::Directory
                }
                Kind::File => {
                    let Mode(mode) = node.mode;
                    Entry::File {
                        program: mode & EXECUTE != 0,
                    }
                }
                Kind::Symlink { target } => Entry::Link {
                    target: target.to_string_lossy().into_owned(),
                },
                Kind::Other => Entry::Special,
            };
            listing.put(path, entry);
        }
    }
    Ok((root, listing))
}

/// Reads the texts at `wanted`.
pub(super) fn texts(root: &Sysroot, wanted: &[String]) -> Result<Texts, InspectError> {
    let mut texts = Texts::new();
    for path in wanted {
        if let Some(text) = root.read_text(Path::new(path), Bytes(TEXT_LIMIT))? {
            texts.push((path.clone(), text));
        }
    }
    Ok(texts)
}
