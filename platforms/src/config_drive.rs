//! What platforms with a config drive have in common.

pub(crate) mod metadata;

use std::time::Duration;

use crate::{
    Access, AccessError, Drive, DriveName, Metadata, Platform, PlatformError, PlatformId, Reach, UserData,
};

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

/// The files at `paths` of whichever drive comes first of those labelled with one of `labels`; `None` when none appears
/// within so many `seconds`.
///
/// # Errors
/// As [`files`].
pub(crate) fn files_of_any(
    via: &dyn Access,
    id: PlatformId,
    labels: &[&str],
    paths: &[&str],
    seconds: u64,
) -> Result<Option<Vec<Option<Vec<u8>>>>, PlatformError> {
    // In turn, since any of them may come.
    for turn in 0..=seconds {
        for (place, label) in labels.iter().enumerate() {
            let wait = Duration::from_secs(u64::from(turn > 0 && place == 0));
            if let Some(files) = files(via, id, label, paths, wait)? {
                return Ok(Some(files));
            }
        }
    }
    Ok(None)
}

/// The config among files of a drive.
pub(crate) fn first_of(files: Vec<Option<Vec<u8>>>) -> Option<UserData> {
    files.into_iter().flatten().find_map(UserData::new)
}

/// The config of the disc in an optical drive that has one of these types and the file that only the platform writes.
///
/// # Errors
/// [`PlatformError::Access`] when no such disc appears, or one that cannot be read.
pub(crate) fn on_disc(
    via: &dyn Access,
    id: PlatformId,
    types: &[&str],
    mark: &str,
    path: &str,
) -> Result<Option<UserData>, PlatformError> {
    let drive = Drive {
        name: DriveName::FileSystem(types),
        wait: ALWAYS_ATTACHED,
    };
    let files = via
        .drive(&drive, &[mark, path])
        .map_err(|source| PlatformError::Access { id, source })?;
    Ok(files.into_iter().nth(1).flatten().and_then(UserData::new))
}

/// The failure of a drive that must be there.
pub(crate) fn missing(id: PlatformId, label: &str, waited: Duration) -> PlatformError {
    let source = AccessError::Absent {
        what: format!("the drive labelled {label}"),
        waited,
    };
    PlatformError::Access { id, source }
}

/// A platform that attaches a drive to every machine, also to one without a config.
pub struct AttachedDrive {
    pub(crate) id: PlatformId,
    /// Label of the drive, path of the config on it.
    pub(crate) file: (&'static str, &'static str),
    pub(crate) place: &'static str,
    pub(crate) metadata: &'static dyn Metadata,
}

impl Platform for AttachedDrive {
    fn id(&self) -> PlatformId {
        self.id
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        self.place
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let (label, path) = self.file;
        match files(via, self.id, label, &[path], ALWAYS_ATTACHED)? {
            Some(files) => Ok(first_of(files)),
            None => Err(missing(self.id, label, ALWAYS_ATTACHED)),
        }
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self.metadata)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    /// Holds a platform to its drive, and to an end of the wait for it.
    pub(crate) fn reads(platform: &AttachedDrive) {
        let (label, path) = platform.file;
        let via = RecordedAccess::of_drives(&[(label, path, "config")]);
        assert_eq!(platform.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        let via = RecordedAccess::of_drives(&[(label, "/other", "{}")]);
        assert_eq!(platform.user_data(&via), Ok(None));
        let PlatformError::Access { source, .. } =
            platform.user_data(&RecordedAccess::of_drives(&[])).unwrap_err()
        else {
            panic!("another failure")
        };
        assert_eq!(
            source.to_string(),
            format!("the drive labelled {label} did not appear within 300 s")
        );
    }
}
