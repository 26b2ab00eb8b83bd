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

const MAGIC: &[u8] = b"070701";
/// Bytes of an entry before its name: 13 fields of 8 digits behind the magic.
const HEADER: usize = 110;
const SIZE_FIELD: usize = 6;
const NAME_SIZE_FIELD: usize = 11;

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
        self.bytes.extend_from_slice(MAGIC);
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

/// The archives in `bytes` without the entries at `paths`, and which of those there were. What is a hard link elsewhere
/// must not be asked for: its bytes may be the others'.
///
/// # Panics
/// Where `bytes` are something else than such archives.
#[must_use]
pub fn without<'a>(bytes: &[u8], paths: &[&'a str]) -> (Vec<u8>, Vec<&'a str>) {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        // Between archives there are zeros.
        if bytes[at] == 0 {
            kept.push(0);
            at += 1;
            continue;
        }
        assert_eq!(&bytes[at..at + MAGIC.len()], MAGIC, "at byte {at}");
        let [size, name] = [SIZE_FIELD, NAME_SIZE_FIELD].map(|field| {
            let from = at + MAGIC.len() + 8 * field;
            let digits = str::from_utf8(&bytes[from..from + 8]).expect("fields are hexadecimal digits");
            usize::from_str_radix(digits, 16).expect("fields are hexadecimal digits")
        });
        let name_ends = at + HEADER + name;
        let end = (name_ends.next_multiple_of(4) + size).next_multiple_of(4);
        let path = &bytes[at + HEADER..name_ends - 1];
        match paths.iter().find(|wanted| wanted.as_bytes() == path) {
            Some(path) => found.push(*path),
            None => kept.extend_from_slice(&bytes[at..end]),
        }
        at = end;
    }
    (kept, found)
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

    #[test]
    fn entries_are_left_out_of_every_archive_and_the_others_are_as_they_were() {
        let archive = |paths: &[&str]| {
            let mut archive = Archive::default();
            paths
                .iter()
                .for_each(|path| archive.file(path, 0o755, path.as_bytes()));
            archive.finish()
        };
        let mut both = archive(&["bin/one", "bin/two"]);
        both.extend(archive(&["bin/two", "bin/three"]));
        let (kept, found) = without(&both, &["bin/two", "bin/four"]);
        assert_eq!(found, ["bin/two", "bin/two"]);
        let text = String::from_utf8_lossy(&kept);
        assert!(text.contains("bin/one\0") && text.contains("bin/three\0") && !text.contains("bin/two"));
        assert_eq!(without(&both, &[]), (both.clone(), Vec::new()));
    }
}
