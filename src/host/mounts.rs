//! The mount boundary: what is mounted, and unmounting.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::MntFlags;

use kindling_config_spec::units::Bytes;

use crate::inventory::mounts::{MountPoint, MountPoints};
use crate::inventory::target::Kind;

use super::sysroot::{Sysroot, SysrootError};

/// How long a busy file system may stay busy while the programs that used it end.
const BUSY_DEADLINE: Duration = Duration::from_secs(3);
/// The kernel has no event for "no longer busy", so this is asked again after a pause.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Directories that mount stages made, one a line, kept in the root file system: `/run` does not outlive a power cut,
/// and `/etc` is not a mount point in the initramfs. The files stage removes it when it is done.
pub const NOTED: &str = "/etc/.kindling-mount-points";
/// More lines than any config has mount points.
const NOTED_LIMIT: Bytes = Bytes(1 << 20);

/// One file system that the config wants mounted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where, in the target.
    pub path: &'a Path,
    /// Its device, or for virtiofs its tag.
    pub device: &'a str,
}

/// Looks at the mount paths of the target, component by component.
///
/// # Errors
/// A component that cannot be read.
pub fn look(sysroot: &Sysroot, wanted: &[Wanted<'_>]) -> Result<MountPoints, SysrootError> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points = MountPoints::new();
    for Wanted { path, device } in wanted {
        let target = crate::plan::mounts::below(sysroot.path(), path);
        let target = target.canonicalize().unwrap_or(target);
        let mounted = topmost(&table, &target).is_some_and(|found| is_device(&found, device));
        points.insert(
            (*path).to_owned(),
            MountPoint {
                mounted,
                obstacle: obstacle(sysroot, path)?,
            },
        );
    }
    Ok(points)
}

/// Where something is mounted at or below `root`, as paths in the target.
#[must_use]
pub fn within(root: &Path) -> BTreeSet<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    points_within(&table, &root)
}

fn points_within(mountinfo: &str, root: &Path) -> BTreeSet<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points
        .filter_map(|point| {
            let point = PathBuf::from(unescaped(point));
            Some(Path::new("/").join(point.strip_prefix(root).ok()?))
        })
        .collect()
}

/// The first component of `path` that is there and not a directory, and what it is.
///
/// # Errors
/// A component that cannot be read.
pub fn obstacle(sysroot: &Sysroot, path: &Path) -> Result<Option<(PathBuf, String)>, SysrootError> {
    let mut ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.reverse();
    for component in ancestors {
        // A link is looked at as itself, since nothing above it is one.
        match sysroot.look(component)? {
            Some(node) if node.kind == Kind::Directory => {}
            Some(node) => return Ok(Some((component.to_owned(), node.kind.name().to_owned()))),
            None => break,
        }
    }
    Ok(None)
}

/// Says durably which directories are about to be made for a mount point.
///
/// # Errors
/// When the target cannot be written.
pub fn note(sysroot: &Sysroot, path: &Path) -> Result<(), SysrootError> {
    let mut lines = String::new();
    for component in path.ancestors() {
        if sysroot.look(component)?.is_none() {
            lines.push_str(&component.to_string_lossy());
            lines.push('\n');
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    sysroot.make_dirs(Path::new("/etc"))?;
    sysroot.append_durably(Path::new(NOTED), lines.as_bytes())
}

/// The directories that this and earlier, interrupted boots made for mount points.
///
/// # Errors
/// When the list is there and cannot be read.
pub fn noted(sysroot: &Sysroot) -> Result<Vec<PathBuf>, SysrootError> {
    let text = sysroot
        .read_text(Path::new(NOTED), NOTED_LIMIT)?
        .unwrap_or_default();
    // The last line may be torn: a directory of that name was not made yet.
    Ok(text
        .lines()
        .filter(|line| line.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}

/// What proc_pid_mountinfo(5) says of one mount: device number and source.
struct Mounted {
    number: String,
    source: String,
}

/// The mount that is seen at `target`: the last one listed there.
fn topmost(mountinfo: &str, target: &Path) -> Option<Mounted> {
    mountinfo.lines().rev().find_map(|line| {
        let mut fields = line.split(' ');
        let number = fields.nth(2)?;
        let at = fields.nth(1)?;
        if PathBuf::from(unescaped(at)) != target {
            return None;
        }
        let source = line.split(" - ").nth(1)?.split(' ').nth(1)?;
        Some(Mounted {
            number: number.to_owned(),
            source: unescaped(source),
        })
    })
}

/// Whether a mount is of `device`. The number tells, but for btrfs, which shows one of its own, and virtiofs, which has a
/// tag: there the source does.
fn is_device(mounted: &Mounted, device: &str) -> bool {
    let number = std::fs::metadata(device).ok().map(|at| {
        let number = at.rdev();
        format!(
            "{}:{}",
            nix::sys::stat::major(number),
            nix::sys::stat::minor(number)
        )
    });
    let real = |path: &str| Path::new(path).canonicalize().ok();
    let same_source = || real(device).is_some_and(|node| real(&mounted.source) == Some(node));
    mounted.source == device || number.as_ref() == Some(&mounted.number) || same_source()
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
    fn the_last_mount_at_a_path_is_the_one_that_is_seen() {
        let table = "36 35 0:31 / /sysroot/var rw - bind /dev/root rw\n\
                     37 36 254:17 / /sysroot/var rw,noatime shared:1 - xfs /dev/vdb1 rw\n\
                     38 36 254:18 / /sysroot/var/x rw - ext4 /dev/vdb2 rw\n";
        let found = topmost(table, Path::new("/sysroot/var")).unwrap();
        assert_eq!(
            (found.number.as_str(), found.source.as_str()),
            ("254:17", "/dev/vdb1")
        );
        assert!(is_device(&found, "/dev/vdb1"));
        assert!(!is_device(&found, "/dev/vdb2"));
        assert!(topmost(table, Path::new("/sysroot")).is_none());
    }

    #[test]
    fn mount_points_below_the_root() {
        let table = "36 35 0:31 / /sysroot rw - ext4 /dev/vda1 rw\n\
                     37 36 254:17 / /sysroot/var/a\\040b rw - xfs /dev/vdb1 rw\n\
                     38 36 254:18 / /sysroots rw - ext4 /dev/vdb2 rw\n";
        let found = points_within(table, Path::new("/sysroot"));
        assert_eq!(found, ["/", "/var/a b"].map(PathBuf::from).into());
    }

    #[test]
    fn directories_are_noted_before_they_are_made() {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        note(&sysroot, Path::new("/home/ada/data")).unwrap();
        sysroot.make_dirs(Path::new("/home/ada/data")).unwrap();
        note(&sysroot, Path::new("/home/ada/data")).unwrap();
        let expected: Vec<PathBuf> = ["/home/ada/data", "/home/ada", "/home"].map(PathBuf::from).into();
        assert_eq!(noted(&sysroot).unwrap(), expected);
    }

    #[test]
    fn escaped_mount_points() {
        assert_eq!(unescaped("/mnt/x\\040y\\134z"), "/mnt/x y\\z");
    }
}
