//! What platforms with a config drive have in common.

use std::time::Duration;

use crate::{Access, AccessError, Drive, DriveName, PlatformError, PlatformId};

/// Where NoCloud drives (`cidata`) have the config.
pub(crate) const NOCLOUD: (&str, &str) = ("cidata", "/user-data");

/// Where OpenStack's config drives (`config-2`) have it.
pub(crate) const OPENSTACK: (&str, &str) = ("config-2", "/openstack/latest/user_data");

/// How long a drive may take that is always attached. The reference waits without end, in the stage that runs before the
/// network: a machine with a broken drive would stand still there and say nothing.
pub(crate) const ALWAYS_ATTACHED: Duration = Duration::from_secs(300);

/// How long a drive may take that is attached only where the user gave a config.
pub(crate) const MAYBE_ATTACHED: Duration = Duration::from_secs(30);

/// The files at `paths` of the drive labelled `label`; `None` when no such drive appears within `wait`.
///
/// # Errors
/// [`PlatformError::Access`] when it is there and cannot be read.
pub(crate) fn files(
    via: &dyn Access,
    id: PlatformId,
    label: &str,
    paths: &[&str],
    wait: Duration,
) -> Result<Option<Vec<Option<Vec<u8>>>>, PlatformError> {
    let drive = Drive {
        name: DriveName::Label(label),
        wait,
    };
    match via.drive(&drive, paths) {
        Ok(files) => Ok(Some(files)),
        Err(AccessError::Absent { .. }) => Ok(None),
        Err(source) => Err(PlatformError::Access { id, source }),
    }
}

/// The failure of a drive that must be there.
pub(crate) fn missing(id: PlatformId, label: &str, waited: Duration) -> PlatformError {
    let source = AccessError::Absent {
        what: format!("the drive labelled {label}"),
        waited,
    };
    PlatformError::Access { id, source }
}
