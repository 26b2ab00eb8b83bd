//! Which directories were made for mount points. `/run` does not outlive a power cut, so the target itself says so.

use std::path::{Path, PathBuf};

use kindling_config_spec::json;
use kindling_config_spec::units::Bytes;

use crate::host::sysroot::{Sysroot, SysrootError};

/// The list: a JSON string a line, in the root file system, where `/etc` is not a mount point in the initramfs. The
/// files stage removes it when it is done.
pub const NOTED: &str = "/etc/.kindling-mount-points";
/// More lines than any config has mount points.
const LIMIT: Bytes = Bytes(1 << 20);

/// Says durably which directories are about to be made for a mount point.
///
/// # Errors
/// When the target cannot be written.
pub fn note(sysroot: &Sysroot, path: &Path) -> Result<(), SysrootError> {
    // A line that a killed run tore ends here.
    let mut lines = String::from("\n");
    for component in path.ancestors() {
        if sysroot.look(component)?.is_none() {
            lines.push_str(&json::text(&component.to_string_lossy()));
            lines.push('\n');
        }
    }
    if lines == "\n" {
        return Ok(());
    }
    sysroot.make_dirs(Path::new("/etc"))?;
    sysroot.append_durably(Path::new(NOTED), lines.as_bytes())
}

/// The directories that this and earlier, interrupted runs made for mount points and that are there, each once.
///
/// # Errors
/// When the list or a directory cannot be read.
pub fn noted(sysroot: &Sysroot) -> Result<Vec<PathBuf>, SysrootError> {
    let text = sysroot.read_bytes(Path::new(NOTED), LIMIT)?.unwrap_or_default();
    // A torn line is no JSON: a directory of that name was not made.
    let lines = text.split(|byte| *byte == b'\n');
    let mut made = Vec::new();
    for path in lines.filter_map(json::read::<PathBuf>) {
        if !made.contains(&path) && sysroot.look(&path)?.is_some() {
            made.push(path);
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_noted_before_they_are_made() {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        note(&sysroot, Path::new("/home/ada/data")).unwrap();
        assert!(noted(&sysroot).unwrap().is_empty());
        // Killed here, it notes them once more.
        note(&sysroot, Path::new("/home/ada/data")).unwrap();
        sysroot.make_dirs(Path::new("/home/ada/data")).unwrap();
        note(&sysroot, Path::new("/home/ada/data")).unwrap();
        let expected: Vec<PathBuf> = ["/home/ada/data", "/home/ada", "/home"].map(PathBuf::from).into();
        assert_eq!(noted(&sysroot).unwrap(), expected);
    }

    #[test]
    fn a_torn_line_names_no_other_directory() {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        for path in ["/etc", "/var"] {
            sysroot.make_dirs(Path::new(path)).unwrap();
        }
        // What is left of `"/var/lib/x"`.
        sysroot.append_durably(Path::new(NOTED), b"\n\"/var").unwrap();
        assert!(noted(&sysroot).unwrap().is_empty());
        note(&sysroot, Path::new("/srv")).unwrap();
        sysroot.make_dirs(Path::new("/srv")).unwrap();
        assert_eq!(noted(&sysroot).unwrap(), [PathBuf::from("/srv")]);
    }
}
