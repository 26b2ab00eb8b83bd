//! The lock on a disk. udev leaves a disk alone while we hold it (systemd.io/BLOCK_DEVICE_LOCKING).

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::system::has_udev;
use super::{DeviceError, failed};
use crate::host::uevent::Monitor;

/// How long somebody else may keep a disk locked: udev does for as long as it probes, others for one change of the table.
const DEADLINE: Duration = Duration::from_secs(60);
/// Nobody tells that a lock is free: an event of udev often goes with it, and this much later we ask anyway.
const PAUSE: Duration = Duration::from_millis(50);

/// Who else may hold the lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    Readers,
    Nobody,
}

/// Locks a disk, and waits for whoever holds it.
///
/// # Errors
/// `Locked` after 60 s, `Io` when the kernel refuses.
pub(super) fn lock(disk: File, node: &Path, sharing: Sharing) -> Result<Flock<File>, DeviceError> {
    within(DEADLINE, disk, node, sharing)
}

fn within(
    patience: Duration,
    mut disk: File,
    node: &Path,
    sharing: Sharing,
) -> Result<Flock<File>, DeviceError> {
    let how = match sharing {
        Sharing::Readers => FlockArg::LockSharedNonblock,
        Sharing::Nobody => FlockArg::LockExclusiveNonblock,
    };
    let deadline = Instant::now() + patience;
    let mut monitor = None;
    loop {
        disk = match Flock::lock(disk, how) {
            Ok(locked) => return Ok(locked),
            Err((disk, Errno::EWOULDBLOCK | Errno::EINTR)) => disk,
            Err((_, error)) => return Err(failed("lock", node)(error)),
        };
        if Instant::now() >= deadline {
            return Err(DeviceError::Locked {
                device: node.to_owned(),
                waited: patience,
            });
        }
        let events = match monitor.take() {
            Some(events) => events,
            None => {
                tracing::info!("waiting for the lock on {}", node.display());
                Monitor::open(has_udev()).map_err(failed("listen for devices on", Path::new("netlink")))?
            }
        };
        events
            .next(deadline.min(Instant::now() + PAUSE))
            .map_err(failed("listen for devices on", Path::new("netlink")))?;
        monitor = Some(events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_is_waited_for_but_not_for_ever() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(file.path()).unwrap();
        let reader = lock(open(), file.path(), Sharing::Readers).unwrap();
        let other = lock(open(), file.path(), Sharing::Readers).unwrap();
        let patience = Duration::from_millis(1);
        let refused = within(patience, open(), file.path(), Sharing::Nobody).unwrap_err();
        assert!(matches!(refused, DeviceError::Locked { .. }), "{refused}");
        drop((reader, other));
        assert!(within(patience, open(), file.path(), Sharing::Nobody).is_ok());
    }
}
