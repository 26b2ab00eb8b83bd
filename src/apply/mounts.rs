//! The mount and umount stages.

use std::path::{Path, PathBuf};

use super::{ApplyError, Host, Outcome};
use crate::host::mounts;
use crate::invocation::Invocation;

/// Makes the mount point, mounts, and remembers the directories it made.
pub(super) fn mount(
    host: &Host<'_>,
    path: &Path,
    call: &Invocation,
    mounted: bool,
    made: &mut Vec<PathBuf>,
) -> Result<Outcome, ApplyError> {
    if mounted {
        return Ok(Outcome::AlreadySo);
    }
    let sysroot = host.sysroot()?;
    // A file system mounted just now may hold a link on the way to this one.
    if let Some((obstacle, kind)) = mounts::obstacle(sysroot, path)? {
        return Err(ApplyError::MountPath {
            path: path.to_owned(),
            obstacle,
            kind,
        });
    }
    mounts::note(sysroot, path)?;
    made.append(&mut sysroot.make_dirs(path)?);
    host.processes.run(call)?;
    // Descriptors opened before show what is under the mount.
    sysroot.forget_resolved();
    Ok(Outcome::Changed)
}

/// Unmounts what is mounted.
pub(super) fn unmount(host: &Host<'_>, path: &Path, absent: bool) -> Result<Outcome, ApplyError> {
    if absent {
        return Ok(Outcome::AlreadySo);
    }
    let target = crate::plan::mounts::below(host.sysroot()?.path(), path);
    mounts::unmount(&target).map_err(|source| ApplyError::Unmount {
        path: path.to_owned(),
        source,
    })?;
    Ok(Outcome::Changed)
}
