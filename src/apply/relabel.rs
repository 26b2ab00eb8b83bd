//! Labels what was written, on a target with SELinux: the kernel has no policy yet, so nothing labels it by itself.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedSet;

use super::{ApplyError, Outcome};
use crate::host::process::Processes;
use crate::host::sysroot::Sysroot;
use crate::invocation::{Invocation, Program};
use crate::plan::mounts::below;

/// Labels the paths that are there, directories with all they hold; a path that no step made is left out. Links among
/// their parents are replaced inside the root first: `setfiles` would follow them out of it.
pub(super) fn label(
    processes: &dyn Processes,
    sysroot: &Sysroot,
    contexts: &Path,
    paths: &OrderedSet<PathBuf>,
) -> Result<Outcome, ApplyError> {
    let root = sysroot.path();
    let mut list = Vec::new();
    for path in paths {
        if sysroot.look(path)?.is_some() {
            let real = sysroot.resolve(path)?;
            list.extend_from_slice(below(root, &real).as_os_str().as_encoded_bytes());
            list.push(0);
        }
    }
    if list.is_empty() {
        return Ok(Outcome::AlreadySo);
    }
    let mut call = Invocation::new(Program::Setfiles)
        .arg("-vF0")
        .option("-r", Some(root.as_os_str()))
        .arg(below(root, contexts).into_os_string())
        .args(["-f", "-"]);
    call.stdin = Some(list);
    processes.run(&call)?;
    Ok(Outcome::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Scripted;
    use crate::host::sysroot::Access;

    #[test]
    fn paths_are_labelled_where_they_really_are() {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        sysroot.make_dirs(Path::new("/var/home/ada")).unwrap();
        sysroot
            .symlink(Path::new("/home"), Path::new("/var/home"), Access::default())
            .unwrap();
        let programs = Scripted::default();
        let paths = ["/home/ada", "/not/there"].map(PathBuf::from).into();
        label(&programs, &sysroot, Path::new("/etc/selinux/x/contexts"), &paths).unwrap();
        let root = dir.path().display();
        assert_eq!(
            programs.calls(),
            [format!(
                "setfiles -vF0 -r {root} {root}/etc/selinux/x/contexts -f -"
            )]
        );
        assert_eq!(programs.inputs(), [format!("{root}/var/home/ada\0")]);
    }
}
