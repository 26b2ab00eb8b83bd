//! The mount boundary: what is mounted, and unmounting.

mod holders;
mod noted;
mod table;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};

use crate::inventory::mounts::{MountPoint, MountPoints};
use crate::inventory::target::Kind;

use super::process::Running;
use super::sysroot::{Sysroot, SysrootError};
pub use holders::Holders;
pub use noted::{NOTED, note, noted};
use table::Mounted;

/// How long a busy file system may stay busy while the programs that used it end.
const BUSY_DEADLINE: Duration = Duration::from_secs(3);
/// The kernel has no event for "no longer busy", so this is asked again: soon, for most users of a file system are gone
/// within moments, and then after twice the pause each time.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// What a longer pause would save is nothing any more.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// One file system that the config wants mounted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its place in the config's list.
    pub index: usize,
    /// Where, in the target.
    pub path: &'a Path,
    /// Its device, or for virtiofs its tag.
    pub device: &'a str,
    /// Its format.
    pub format: &'a str,
}

/// Looks at the mount paths of the target, component by component. Of several at one path the earlier lies below.
///
/// # Errors
/// A component or the list of mounts that cannot be read.
pub fn look(sysroot: &Sysroot, wanted: &[Wanted<'_>]) -> Result<MountPoints, SysrootError> {
    let mounts = table::parse(&read_mountinfo()?);
    let root = sysroot.path();
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut by_path: OrderedMap<&Path, Vec<Wanted<'_>>> = OrderedMap::new();
    for one in wanted {
        by_path.entry(one.path).or_default().push(*one);
    }
    let mut points = MountPoints::new();
    for (path, wanted) in by_path {
        // No link is followed here: what is mounted behind one is not ours.
        let target = root.join(path.strip_prefix("/").unwrap_or(path));
        let mounted = ours(&table::stack(&mounts, &target), &wanted);
        let obstacle = obstacle(sysroot, path)?;
        for (place, one) in wanted.iter().enumerate() {
            let point = MountPoint {
                mounted: place < mounted,
                obstacle: obstacle.clone(),
            };
            points.insert(one.index, point);
        }
    }
    Ok(points)
}

/// How many of `wanted`, from the first, are the uppermost of what is mounted at their path.
fn ours(stack: &[&Mounted], wanted: &[Wanted<'_>]) -> usize {
    let is_on_top = |count: &usize| {
        let top = stack.iter().rev().take(*count).rev();
        stack.len() >= *count && top.zip(wanted).all(|(mounted, wanted)| is_of(mounted, wanted))
    };
    (1..=wanted.len()).rev().find(is_on_top).unwrap_or(0)
}

/// Whether a mount is of the file system wanted. The number tells, but for btrfs, which shows one of its own: there the
/// source does. A share has a tag, which means something to its own type only. Of a device whose name is gone by now,
/// the type is all there is to compare.
fn is_of(mounted: &Mounted, wanted: &Wanted<'_>) -> bool {
    if wanted.format == "virtiofs" {
        return mounted.format == wanted.format && mounted.source == wanted.device;
    }
    let real = |path: &str| Path::new(path).canonicalize().ok();
    let Some(node) = real(wanted.device) else {
        // A file without a name, which a program shows, is none that can be resolved either.
        return mounted.format == wanted.format || mounted.source == wanted.device;
    };
    let number = node.metadata().ok().map(|at| {
        let number = at.rdev();
        format!(
            "{}:{}",
            nix::sys::stat::major(number),
            nix::sys::stat::minor(number)
        )
    });
    number.as_ref() == Some(&mounted.number) || real(&mounted.source) == Some(node)
}

/// From here on this process and what it starts have mounts of their own, which end with them. To be called before there is
/// a second thread.
///
/// # Errors
/// The kernel's answer: this is root's to do.
pub fn keep_to_ourselves() -> io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    let ours = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    Ok(nix::mount::mount(
        None::<&str>,
        "/",
        None::<&str>,
        ours,
        None::<&str>,
    )?)
}

/// An empty directory to mount a root at, gone with this value.
pub struct Place(PathBuf);

impl Place {
    /// Makes it.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn new() -> io::Result<Self> {
        Self::below(Path::new("/tmp"))
    }

    /// By the name that the kernel's list of mounts has for it: the directory may be a link.
    fn below(dir: &Path) -> io::Result<Self> {
        let template = dir
            .canonicalize()?
            .join("kindling-root-".to_owned() + &"X".repeat(6));
        Ok(Self(nix::unistd::mkdtemp(&template)?))
    }

    /// Makes it, with a file system in it that is only in memory.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn in_memory() -> io::Result<Self> {
        let place = Self::new()?;
        memory(Path::new("nodes"), &place.0, MsFlags::empty())?;
        Ok(place)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Unmounts what is mounted there.
    ///
    /// # Errors
    /// The kernel's answer; `EINVAL`, that nothing is, is none.
    pub fn leave(self) -> io::Result<()> {
        match nix::mount::umount2(&self.0, MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) | Err(Errno::EINVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // After a failure something may still be mounted there. What cannot be taken off goes with this process.
        let _ = nix::mount::umount2(&self.0, MntFlags::MNT_DETACH);
        drop(std::fs::remove_dir(&self.0));
    }
}

fn memory(name: &Path, target: &Path, flags: MsFlags) -> io::Result<()> {
    Ok(nix::mount::mount(
        Some(name),
        target,
        Some("tmpfs"),
        flags,
        Some("mode=755"),
    )?)
}

/// Mounts nothing under the name of `node` at `target`: a directory that stays empty.
///
/// # Errors
/// The kernel's answer.
pub fn nothing(node: &Path, target: &Path) -> io::Result<()> {
    memory(node, target, MsFlags::MS_RDONLY)
}

/// Waits until `node` is mounted at `target` by a program. `false` says that the program ended first.
///
/// # Errors
/// `TimedOut` where it does neither within the limit; the kernel's answer.
pub fn appears(node: &Path, target: &Path, program: &mut Running, limit: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + limit;
    // Opened before the first look, so that no mount is missed between a look and the wait (proc_pid_mounts(5)).
    let changes = std::fs::File::open(MOUNTINFO)?;
    loop {
        let text = String::from_utf8_lossy(&std::fs::read(MOUNTINFO)?).into_owned();
        let mounts = table::parse(&text);
        let seen = table::stack(&mounts, target);
        if seen.last().is_some_and(|seen| Path::new(&seen.source) == node) {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let said = format!("it has mounted nothing within {} s", limit.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, said));
        }
        if !program.goes_on_until(changes.as_fd(), left)? {
            return Ok(false);
        }
    }
}

fn read_mountinfo() -> Result<String, SysrootError> {
    let bytes = std::fs::read(MOUNTINFO).map_err(|source| SysrootError {
        doing: "read",
        path: MOUNTINFO.into(),
        source,
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where something is mounted at or below `root`, as paths in the target.
///
/// # Errors
/// When the list of mounts cannot be read: then nobody may claim that nothing is.
pub fn within(root: &Path) -> Result<OrderedSet<PathBuf>, SysrootError> {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    Ok(points_within(&table::parse(&read_mountinfo()?), &root))
}

fn points_within(mounts: &[Mounted], root: &Path) -> OrderedSet<PathBuf> {
    let inside = mounts
        .iter()
        .filter_map(|mounted| mounted.at.strip_prefix(root).ok());
    inside.map(|point| Path::new("/").join(point)).into_set()
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

/// A file system that was not unmounted.
#[derive(Debug, thiserror::Error)]
pub enum UnmountError {
    /// It stayed busy.
    #[error("cannot unmount {}: {holders}", path.display())]
    Busy {
        /// The path in the target.
        path: PathBuf,
        /// Who uses it.
        holders: Holders,
    },
    /// The kernel refused.
    #[error("cannot unmount {}", path.display())]
    Refused {
        /// The path in the target.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

/// Unmounts what is seen at `target`, which the target itself calls `path`, waiting a short while for it to become idle.
///
/// # Errors
/// `Busy` after 3 s, or the kernel's first other answer.
pub fn unmount(target: &Path, path: &Path) -> Result<(), UnmountError> {
    let deadline = Instant::now() + BUSY_DEADLINE;
    let mut pause = FIRST_PAUSE;
    loop {
        match nix::mount::umount2(target, MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) => return Ok(()),
            Err(Errno::EBUSY) if Instant::now() < deadline => {
                if pause == FIRST_PAUSE {
                    tracing::info!("{} is busy: trying again for {BUSY_DEADLINE:?}", path.display());
                }
                sleep(pause);
                pause = LONGEST_PAUSE.min(pause * 2);
            }
            Err(Errno::EBUSY) => {
                let kernel = holders::Kernel {
                    proc: Path::new("/proc"),
                    sys: Path::new("/sys"),
                };
                return Err(UnmountError::Busy {
                    path: path.to_owned(),
                    holders: kernel.holders(target, path),
                });
            }
            // systemd unmounts too, when it stops what it knows of.
            Err(Errno::EINVAL) if !is_mounted(target) => return Ok(()),
            Err(error) => {
                return Err(UnmountError::Refused {
                    path: path.to_owned(),
                    source: error.into(),
                });
            }
        }
    }
}

/// Whether something is mounted at `target`. Where nobody can tell, it is.
fn is_mounted(target: &Path) -> bool {
    within(target).map_or(true, |points| points.contains(Path::new("/")))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the kernel reports no event when a file system becomes idle"
)]
fn sleep(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_has_unmounted_is_unmounted() {
        let dir = tempfile::tempdir().unwrap();
        let ended = unmount(dir.path(), Path::new("/var/lib/data"));
        // Only root is told what is no mount point.
        assert_eq!(ended.is_ok(), nix::unistd::geteuid().is_root(), "{ended:?}");
        let gone = unmount(&dir.path().join("gone"), Path::new("/gone"));
        assert!(matches!(gone, Err(UnmountError::Refused { .. })), "{gone:?}");
    }

    #[test]
    fn a_place_has_the_name_that_the_list_of_mounts_has() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        let place = Place::below(&link).unwrap();
        assert_eq!(place.path().canonicalize().unwrap(), place.path());
        let expected = real.canonicalize().unwrap();
        assert_eq!(place.path().parent(), Some(expected.as_path()));
        drop(place);
        assert_eq!(std::fs::read_dir(&real).unwrap().count(), 0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "this stands for a program")]
    fn a_program_that_mounts_nothing_is_not_waited_for_without_end() {
        use crate::host::process::System;
        use crate::invocation::{Invocation, Program};
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("fuse2fs");
        let target = dir.path().join("target");
        for (text, limit, expected) in [
            ("#!/bin/sh\nexec sleep 600\n", 10, Err(io::ErrorKind::TimedOut)),
            ("#!/bin/sh\nexit 3\n", 600_000, Ok(false)),
        ] {
            std::fs::write(&script, text).unwrap();
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
            let system = System::new(dir.path().into());
            let mut running = system.start(&Invocation::new(Program::Fuse2fs)).unwrap();
            let ended = appears(&script, &target, &mut running, Duration::from_millis(limit));
            assert_eq!(ended.map_err(|error| error.kind()), expected, "{text}");
        }
    }

    fn mounted(number: &str, format: &str, source: &str) -> Mounted {
        let line = format!("1 2 {number} / /sysroot/var rw - {format} {source} rw");
        table::parse(&line).remove(0)
    }

    fn wanted<'a>(device: &'a str, format: &'a str) -> Wanted<'a> {
        Wanted {
            index: 0,
            path: Path::new("/var"),
            device,
            format,
        }
    }

    #[test]
    fn a_mount_is_known_by_its_device_or_its_tag() {
        // Character devices that every machine has serve as well: 1:3 and 1:5.
        let on_null = mounted("1:3", "ext4", "/dev/other");
        assert!(is_of(&on_null, &wanted("/dev/null", "ext4")));
        assert!(!is_of(&on_null, &wanted("/dev/zero", "ext4")));
        let anonymous = mounted("0:41", "btrfs", "/dev/zero");
        assert!(is_of(&anonymous, &wanted("/dev/zero", "btrfs")));
        assert!(!is_of(&anonymous, &wanted("/dev/null", "btrfs")));
        let share = mounted("0:42", "virtiofs", "homes");
        assert!(is_of(&share, &wanted("homes", "virtiofs")));
        assert!(!is_of(&share, &wanted("others", "virtiofs")));
        assert!(!is_of(
            &mounted("0:43", "tmpfs", "homes"),
            &wanted("homes", "virtiofs")
        ));
        // Its link is gone.
        assert!(is_of(&on_null, &wanted("/dev/not-there", "ext4")));
        assert!(!is_of(&on_null, &wanted("/dev/not-there", "xfs")));
    }

    #[test]
    fn of_several_at_one_path_the_uppermost_count() {
        let (null, zero) = (
            mounted("1:3", "ext4", "/dev/null"),
            mounted("1:5", "xfs", "/dev/zero"),
        );
        let foreign = mounted("0:50", "tmpfs", "tmpfs");
        let both = [wanted("/dev/null", "ext4"), wanted("/dev/zero", "xfs")];
        for (stack, expected) in [
            (vec![], 0),
            (vec![&foreign], 0),
            (vec![&foreign, &null], 1),
            (vec![&foreign, &null, &zero], 2),
            (vec![&null, &foreign], 0),
            (vec![&zero], 0),
            (vec![&zero, &null], 1),
            (vec![&null, &null], 1),
        ] {
            assert_eq!(ours(&stack, &both), expected, "{stack:?}");
        }
    }

    #[test]
    fn mount_points_below_the_root() {
        let table = "36 35 0:31 / /sysroot rw - ext4 /dev/vda1 rw\n\
                     37 36 254:17 / /sysroot/var/a\\040b rw - xfs /dev/vdb1 rw\n\
                     38 36 254:18 / /sysroots rw - ext4 /dev/vdb2 rw\n";
        let found = points_within(&table::parse(table), Path::new("/sysroot"));
        assert_eq!(found, ["/", "/var/a b"].map(PathBuf::from).into());
    }
}
