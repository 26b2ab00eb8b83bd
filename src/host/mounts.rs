//! The mount boundary: what is mounted, and unmounting.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::MntFlags;

use crate::inventory::mounts::{MountPoint, MountPoints};
use crate::inventory::target::Kind;

use super::sysroot::{Sysroot, SysrootError};

/// How long a busy file system may stay busy while the programs that used it end.
const BUSY_DEADLINE: Duration = Duration::from_secs(3);
/// The kernel has no event for "no longer busy", so this is asked again after a pause.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Looks at one mount path of the target, component by component.
///
/// # Errors
/// A component that cannot be read.
pub fn look(sysroot: &Sysroot, paths: &[PathBuf]) -> Result<MountPoints, SysrootError> {
    let mounted = mount_targets();
    let mut points = MountPoints::new();
    for path in paths {
        let target = crate::plan::mounts::below(sysroot.path(), path);
        let target = target.canonicalize().unwrap_or(target);
        let mut point = MountPoint {
            mounted: mounted.contains(&target),
            obstacle: None,
        };
        let mut ancestors: Vec<&Path> = path.ancestors().collect();
        ancestors.reverse();
        for component in ancestors {
            // A link is looked at as itself, since nothing above it is one.
            match sysroot.look(component)? {
                Some(node) if node.kind == Kind::Directory => {}
                Some(node) => {
                    point.obstacle = Some((component.to_owned(), node.kind.name().to_owned()));
                    break;
                }
                None => break,
            }
        }
        points.insert(path.clone(), point);
    }
    Ok(points)
}

/// Every mount point of this process's mount namespace (proc_pid_mountinfo(5), field 5).
fn mount_targets() -> Vec<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| PathBuf::from(unescaped(field)))
        .collect()
}

/// Undoes the kernel's `\ooo` for blank, tab, line end and backslash.
fn unescaped(field: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

/// Unmounts `target`, waiting a short while for it to become idle.
///
/// # Errors
/// `EBUSY` after 3 s, or the kernel's first other answer.
pub fn unmount(target: &Path) -> io::Result<()> {
    let deadline = Instant::now() + BUSY_DEADLINE;
    loop {
        match nix::mount::umount2(target, MntFlags::empty()) {
            Ok(()) => return Ok(()),
            Err(Errno::EBUSY) if Instant::now() < deadline => pause(),
            Err(error) => return Err(error.into()),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the kernel reports no event when a file system becomes idle"
)]
fn pause() {
    std::thread::sleep(BUSY_PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_mount_points() {
        assert_eq!(unescaped("/mnt/x\\040y\\134z"), "/mnt/x y\\z");
    }
}
