//! A writer of `newc` archives, the form the kernel unpacks: what stands in a later archive replaces what an earlier one
//! held at the same path. So a new engine needs no new run of dracut.
//!
//! Format: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeSet;

/// An archive in memory. Owners are root, times are zero: equal contents give equal bytes.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    next_inode: u32,
}

const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

impl Archive {
    /// Adds a file at `path` (no leading slash) with the permission bits `mode`, and the folders above it.
    pub fn file(&mut self, path: &str, mode: u32, contents: &[u8]) {
        self.folders_above(path);
        self.entry(path, REGULAR | mode, contents);
    }

    /// Adds a symbolic link at `path`, and the folders above it.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.folders_above(path);
        self.entry(path, SYMLINK | 0o777, target.as_bytes());
    }

    /// The finished archive, padded to the 512 bytes that let another one follow.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, b"");
        self.pad(512);
        self.bytes
    }

    /// The kernel makes no parents by itself.
    fn folders_above(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            let folder = &path[..at];
            if self.folders.insert(folder.to_owned()) {
                self.entry(folder, FOLDER | 0o755, b"");
            }
        }
    }

    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) {
        self.next_inode += 1;
        let size =
            u32::try_from(contents.len()).expect("the format's sizes have 32 bits; our files are small");
        let name = u32::try_from(path.len() + 1).expect("paths are short");
        self.bytes.extend_from_slice(b"070701");
        // inode, mode, uid, gid, links, mtime, size, device ×2, special device ×2, name size, checksum (unused).
        for field in [self.next_inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0] {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad(4);
        self.bytes.extend_from_slice(contents);
        self.pad(4);
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_parents_before_children_and_a_trailer() {
        let mut archive = Archive::default();
        archive.file("usr/bin/tool", 0o755, b"abc");
        archive.symlink("usr/bin/alias", "tool");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 512, 0);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} is missing"));
        assert!(at("usr\0") < at("usr/bin\0") && at("usr/bin\0") < at("usr/bin/tool\0"));
        assert_eq!(text.matches("usr/bin\0").count(), 1, "a folder is written once");
        assert!(
            at("000081ed") < at("TRAILER!!!"),
            "mode 0100755 stands before the trailer"
        );
    }
}
