//! The mount and umount stages.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedSet;

use super::{ApplyError, Host, Outcome, relabel};
use crate::host::mounts;
use crate::host::sysroot::Sysroot;
use crate::invocation::Invocation;
use crate::plan::step::MountLabels;

/// Makes the mount point, mounts, remembers the directories it made, and labels what is new.
pub(super) fn mount(
    host: &Host<'_>,
    path: &Path,
    call: &Invocation,
    mounted: bool,
    labels: Option<&MountLabels>,
    made: &mut Vec<PathBuf>,
) -> Result<Outcome, ApplyError> {
    // Opened anew: what was mounted just now may be the root itself.
    let root = host.sysroot()?.path();
    if !mounted {
        let sysroot = Sysroot::open(root)?;
        // A file system mounted just now may hold a link on the way to this one.
        if let Some((obstacle, kind)) = mounts::obstacle(&sysroot, path)? {
            return Err(ApplyError::MountPath {
                path: path.to_owned(),
                obstacle,
                kind,
            });
        }
        mounts::note(&sysroot, path)?;
        made.append(&mut sysroot.make_dirs(path)?);
        if let Some(labels) = labels {
            let points = mounts::within(root)?;
            let new = new_directory(path, &mounts::noted(&sysroot)?, &points);
            label(host, &sysroot, labels, new)?;
        }
        host.processes.run(call)?;
    }
    if let Some(labels) = labels.filter(|labels| labels.inside) {
        let sysroot = Sysroot::open(root)?;
        let names = sysroot.names(path)?;
        if names.iter().all(|name| name == "lost+found") {
            label(host, &sysroot, labels, Some(path))?;
        }
    }
    Ok(if mounted {
        Outcome::AlreadySo
    } else {
        Outcome::Changed
    })
}

/// The first directory on the way to `path` that was made for it, also by a run that was interrupted. Labels are given
/// with all that a directory holds: one with a file system in it has got its own before that was mounted.
fn new_directory<'a>(path: &'a Path, noted: &[PathBuf], points: &OrderedSet<PathBuf>) -> Option<&'a Path> {
    let is_new = |above: &&Path| {
        noted.iter().any(|made| made == above) && !points.iter().any(|point| point.starts_with(above))
    };
    path.ancestors().filter(is_new).last()
}

/// Labels `path` with all it holds; not where the policy lies under what was mounted just now.
fn label(
    host: &Host<'_>,
    sysroot: &Sysroot,
    labels: &MountLabels,
    path: Option<&Path>,
) -> Result<(), ApplyError> {
    let Some(path) = path else { return Ok(()) };
    if sysroot.look(&labels.contexts)?.is_none() {
        return Ok(());
    }
    let paths = [path.to_owned()].into();
    relabel::label(host.processes, sysroot, &labels.contexts, &paths).map(drop)
}

/// Unmounts what is mounted at `point`, which the target calls `path`.
pub(super) fn unmount(path: &Path, point: &Path, absent: bool) -> Result<Outcome, ApplyError> {
    if absent {
        return Ok(Outcome::AlreadySo);
    }
    mounts::unmount(point, path)?;
    Ok(Outcome::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Keys;
    use crate::host::fake::{Disks, Scripted};
    use crate::host::sysroot::Access;
    use crate::invocation::Program;

    #[test]
    fn what_is_labelled_holds_no_mounted_file_system() {
        let made = ["/home", "/home/a", "/home/c"].map(PathBuf::from);
        for (path, noted, points, expected) in [
            ("/home/a", &made[..2], &["/"][..], Some("/home")),
            ("/home/c", &made[..], &["/", "/home/a"], Some("/home/c")),
            ("/home/a", &made[1..2], &["/", "/home"], Some("/home/a")),
            ("/home/a", &made[..2], &["/", "/home/a"], None),
            ("/srv", &made[..], &["/"], None),
            ("/", &made[..], &["/"], None),
        ] {
            let points = points.iter().map(PathBuf::from).collect();
            let new = new_directory(Path::new(path), noted, &points);
            assert_eq!(new, expected.map(Path::new), "{path} in {points:?}");
        }
    }

    /// Mounts with programs that do nothing at `/srv/data` below a root, and returns what was run with what input.
    fn mounted(root: &Path, mounted: bool, inside: bool) -> (Outcome, Vec<String>, Vec<String>) {
        let sysroot = Sysroot::open(root).unwrap();
        let (programs, disks, keys) = (Scripted::default(), Disks::default(), Keys::new());
        let host = Host {
            keys: &keys,
            processes: &programs,
            devices: &disks,
            sysroot: Some(&sysroot),
            fetcher: None,
            journal: None,
            receipt: None,
            noted: None,
        };
        let labels = MountLabels {
            contexts: "/etc/contexts".into(),
            inside,
        };
        let (path, call) = (Path::new("/srv/data"), Invocation::new(Program::Mount).arg("x"));
        let outcome = mount(&host, path, &call, mounted, Some(&labels), &mut Vec::new()).unwrap();
        let names = |calls: Vec<String>| {
            calls
                .iter()
                .map(|call| call.split(' ').next().unwrap().to_owned())
                .collect()
        };
        (outcome, names(programs.calls()), programs.inputs())
    }

    fn root_with_policy() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        sysroot.make_dirs(Path::new("/etc")).unwrap();
        sysroot
            .put(Path::new("/etc/contexts"), b"", Access::default())
            .unwrap();
        dir
    }

    #[test]
    fn new_directories_are_labelled_before_the_mount_and_an_empty_file_system_behind_it() {
        let dir = root_with_policy();
        let root = dir.path().display().to_string();
        let (outcome, calls, inputs) = mounted(dir.path(), false, true);
        assert_eq!(outcome, Outcome::Changed);
        assert_eq!(calls, ["setfiles", "mount", "setfiles"]);
        assert_eq!(inputs, [format!("{root}/srv\0"), format!("{root}/srv/data\0")]);
        // A run that was killed between: the directories are there, and noted.
        assert_eq!(
            mounted(dir.path(), false, true).1,
            ["setfiles", "mount", "setfiles"]
        );
        // Killed behind the mount.
        std::fs::create_dir(dir.path().join("srv/data/lost+found")).unwrap();
        let (outcome, calls, _) = mounted(dir.path(), true, true);
        assert_eq!(
            (outcome, calls),
            (Outcome::AlreadySo, vec!["setfiles".to_owned()])
        );
    }

    #[test]
    fn a_file_system_with_content_keeps_its_labels() {
        let dir = root_with_policy();
        std::fs::create_dir_all(dir.path().join("srv/data/somebody's")).unwrap();
        assert_eq!(mounted(dir.path(), false, true).1, ["mount"]);
        assert!(mounted(dir.path(), true, true).1.is_empty());
    }

    #[test]
    fn a_format_without_labels_and_a_hidden_policy_are_left_alone() {
        let dir = root_with_policy();
        assert_eq!(mounted(dir.path(), false, false).1, ["setfiles", "mount"]);
        std::fs::remove_file(dir.path().join("etc/contexts")).unwrap();
        assert_eq!(mounted(dir.path(), false, true).1, ["mount"]);
    }
}
