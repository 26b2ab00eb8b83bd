//! Files that a person asked for by name, as `-o` does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Writes a file that everybody may read, as far as the umask lets them; one that is there keeps its mode and, where that
/// can be, its owner. It is there as a whole or as it was, but for what is no regular file, and for directories in which
/// nothing may appear or be renamed: there it is written in place.
///
/// # Errors
/// When the kernel refuses.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let there = fs::metadata(path).ok();
    let is_regular = there.as_ref().is_none_or(fs::Metadata::is_file);
    let is_dangling = there.is_none() && fs::symlink_metadata(path).is_ok();
    if !is_regular || is_dangling {
        return in_place(path, bytes);
    }
    // A link stays one.
    let real = if there.is_some() {
        path.canonicalize()?
    } else {
        path.to_owned()
    };
    // Until it is somebody's as the one before it was, nobody else opens it.
    let mode = if there.is_some() { 0o600 } else { 0o644 };
    let Some((temporary, mut file)) = beside(&real, mode) else {
        return in_place(path, bytes);
    };
    let as_before = match &there {
        Some(there) => {
            // Nobody but root gives files away, and nobody else need be told.
            drop(fchown(&file, Some(there.uid()), Some(there.gid())));
            file.set_permissions(there.permissions())
        }
        None => Ok(()),
    };
    let filled = as_before
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_data());
    let placed = filled.map(|()| fs::rename(&temporary, &real).is_ok());
    if !matches!(placed, Ok(true)) {
        // Nothing depends on it.
        drop(fs::remove_file(&temporary));
    }
    if placed? { Ok(()) } else { in_place(path, bytes) }
}

/// A new file in the same directory; `None` where there cannot be one.
fn beside(path: &Path, mode: u32) -> Option<(PathBuf, File)> {
    let name = path.file_name()?.to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .ok()?;
    Some((temporary, file))
}

fn in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)?
        .write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        symlink("file", &link).unwrap();
        // The first time the link leads to nothing.
        write(&link, b"first, and long").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"first, and long");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let inode = fs::metadata(&file).unwrap().ino();
        write(&link, b"second").unwrap();
        let at = fs::metadata(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"second");
        assert_eq!(at.mode() & 0o777, 0o600);
        assert_ne!(at.ino(), inode, "it was written beside and renamed");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_regular_file_is_written_to() {
        let full = write(Path::new("/dev/full"), b"x").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        write(Path::new("/dev/null"), b"x").unwrap();
        let dir = tempfile::tempdir().unwrap();
        assert!(write(dir.path(), b"x").is_err());
        assert!(write(&dir.path().join("absent/file"), b"x").is_err());
    }
}
