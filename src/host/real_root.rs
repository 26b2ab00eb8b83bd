//! The real root from beside it: what stands on it before anybody has mounted it, what is kept for it in the initramfs, and
//! the stamp on its boot file system.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kindling_config_spec::units::Bytes;
use nix::mount::MntFlags;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::media::await_path;
use super::mounts::keep_to_ourselves;
use super::process::{ProcessError, Processes};
use super::sysroot::Sysroot;
use crate::invocation::{Invocation, Program};

/// The program that is running.
const OURSELVES: &str = "/proc/self/exe";

/// Whether a device is there, or comes within that time.
#[must_use]
pub fn appears(device: &Path, within: Duration) -> bool {
    await_path(device, within).is_ok()
}

/// A file on a device that nobody has mounted yet; `None` where there is none. It is mounted with these arguments of
/// mount(8) below `scratch`, where only this process sees it. To be called before there is a second thread.
///
/// # Errors
/// The kernel's answer, and what `mount` says of a device without a file system it knows.
pub fn read_unmounted(
    processes: &dyn Processes,
    (node, how): (&Path, &[String]),
    scratch: &Path,
    file: &Path,
    limit: Bytes,
) -> io::Result<Option<Vec<u8>>> {
    keep_to_ourselves()?;
    let dir = scratch.join("root");
    fs::create_dir_all(&dir)?;
    let call = Invocation::new(Program::Mount).args(how);
    processes
        .run(&call.arg(node).arg(&dir))
        .map_err(io::Error::other)?;
    let read = Sysroot::open(&dir).and_then(|root| root.read_bytes(file, limit));
    // Should it not come off, it goes with this process.
    if nix::mount::umount2(&dir, MntFlags::UMOUNT_NOFOLLOW).is_ok() {
        drop(fs::remove_dir(dir));
    }
    read.map_err(io::Error::other)
}

/// Whether programs on the file system of `dir` cannot be run.
///
/// # Errors
/// The kernel's answer.
pub fn is_noexec(dir: &Path) -> io::Result<bool> {
    Ok(statvfs(dir)?.flags().contains(FsFlags::ST_NOEXEC))
}

/// The bytes of the program that is running.
///
/// # Errors
/// The kernel's answer.
pub fn ourselves() -> io::Result<Vec<u8>> {
    fs::read(OURSELVES)
}

/// Makes a symbolic link, and the directories it stands in; one that is there stays.
///
/// # Errors
/// The kernel's answer.
pub fn link(target: &Path, at: &Path) -> io::Result<()> {
    if let Some(dir) = at.parent() {
        fs::create_dir_all(dir)?;
    }
    match std::os::unix::fs::symlink(target, at) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Brings everything that was written to its medium.
pub fn sync() {
    nix::unistd::sync();
}

/// A stamp could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// Its file system is read-only and stays so.
    #[error("cannot make {} writable, which holds the stamp", at.display())]
    Writable {
        /// Where it is mounted.
        at: PathBuf,
        /// Why.
        source: ProcessError,
    },
    /// It is not there, or the kernel refuses.
    #[error("cannot remove the stamp {}", stamp.display())]
    Remove {
        /// The stamp.
        stamp: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Removes a stamp from its file system, for good when this returns. A read-only file system is writable for that long.
///
/// # Errors
/// [`StampError`]. That the stamp is not there is one: then somebody else has ended the first boot (engine.md 5.6).
pub fn remove_stamp(processes: &dyn Processes, stamp: &Path) -> Result<(), StampError> {
    let failed = |source| StampError::Remove {
        stamp: stamp.to_owned(),
        source,
    };
    fs::symlink_metadata(stamp).map_err(failed)?;
    let dir = stamp.parent().unwrap_or(Path::new("/"));
    let flags = statvfs(dir).map_err(|error| failed(error.into()))?.flags();
    let was_read_only = flags.contains(FsFlags::ST_RDONLY);
    let at = mount_point(dir).map_err(failed)?;
    let remount = |how| Invocation::new(Program::Mount).args(["-o", how]).arg(&at);
    if was_read_only {
        processes
            .run(&remount("remount,rw"))
            .map_err(|source| StampError::Writable {
                at: at.clone(),
                source,
            })?;
    }
    let removed = fs::remove_file(stamp).and_then(|()| Ok(nix::unistd::syncfs(File::open(dir)?)?));
    if was_read_only && let Err(error) = processes.run(&remount("remount,ro")) {
        tracing::warn!("{} stays writable: {error}", at.display());
    }
    removed.map_err(failed)
}

/// Where the file system of `dir` is mounted.
fn mount_point(dir: &Path) -> io::Result<PathBuf> {
    let dir = dir.canonicalize()?;
    let device = fs::metadata(&dir)?.dev();
    let mut at = dir.as_path();
    while let Some(above) = at.parent()
        && fs::metadata(above)?.dev() == device
    {
        at = above;
    }
    Ok(at.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Scripted;

    #[test]
    fn a_stamp_goes_once_and_its_absence_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let stamp = dir.path().join("ignition.firstboot");
        File::create(&stamp).unwrap();
        let processes = Scripted::default();
        remove_stamp(&processes, &stamp).unwrap();
        assert!(!stamp.exists());
        assert_eq!(processes.calls(), [""; 0], "it was writable");
        let error = remove_stamp(&processes, &stamp).unwrap_err();
        assert!(matches!(&error, StampError::Remove { source, .. }
            if source.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn the_mount_point_is_where_the_device_changes() {
        assert_eq!(mount_point(Path::new("/proc/self")).unwrap(), Path::new("/proc"));
        assert_eq!(mount_point(Path::new("/")).unwrap(), Path::new("/"));
    }

    #[test]
    fn a_link_that_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("a/b");
        link(Path::new("../c"), &at).unwrap();
        link(Path::new("../c"), &at).unwrap();
        assert_eq!(fs::read_link(&at).unwrap(), Path::new("../c"));
    }
}
