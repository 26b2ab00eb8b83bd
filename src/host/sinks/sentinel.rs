//! Files that say by being there how the boot ended.

use std::io;
use std::path::Path;

use kindling_config_spec::units::Mode;

use crate::host::machine;
use crate::host::sysroot::{Access, Sysroot, SysrootError};

/// Everybody may read what is no secret.
const MODE: u32 = 0o644;

/// Puts `text` into file `name` of `dir`, whole, and removes `instead_of` beside it.
///
/// # Errors
/// The kernel's answer.
pub fn below_run(dir: &Path, name: &str, text: &str, instead_of: &str) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    // First gone, then there: both at once would be believed by either reader.
    machine::remove(&dir.join(instead_of))?;
    machine::replace(&dir.join(name), text.as_bytes(), MODE)
}

/// The same in the target below `root`, whose links lead nowhere else.
///
/// # Errors
/// The kernel's answer.
pub fn in_target(
    root: &Path,
    dir: &Path,
    name: &str,
    text: &str,
    instead_of: &str,
) -> Result<(), SysrootError> {
    let sysroot = Sysroot::open(root)?;
    let access = |mode| Access {
        mode: Some(Mode(mode)),
        ..Access::default()
    };
    sysroot.make_dirs_as(dir, access(0o755))?;
    let other = dir.join(instead_of);
    if sysroot.look(&other)?.is_some() {
        sysroot.remove(&other)?;
    }
    sysroot.put_durably(&dir.join(name), text.as_bytes(), access(MODE))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_one_takes_the_place_of_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("cluster-api");
        below_run(&at, "failed", "why\n", "ok").unwrap();
        below_run(&at, "ok", "success\n", "failed").unwrap();
        let names: Vec<_> = fs::read_dir(&at)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["ok"]);
        assert_eq!(fs::read_to_string(at.join("ok")).unwrap(), "success\n");
        assert_eq!(
            fs::metadata(at.join("ok")).unwrap().permissions().mode() & 0o777,
            0o644
        );
    }

    #[test]
    fn a_link_of_the_target_does_not_lead_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("var")).unwrap();
        symlink("/srv/../../../srv", root.join("var/lib")).unwrap();
        for name in ["bad", "ok"] {
            let other = if name == "ok" { "bad" } else { "ok" };
            in_target(&root, Path::new("/var/lib/x"), name, "t\n", other).unwrap();
        }
        assert_eq!(fs::read_to_string(root.join("srv/x/ok")).unwrap(), "t\n");
        assert!(!root.join("srv/x/bad").exists());
        assert!(!dir.path().join("srv").exists());
    }
}
