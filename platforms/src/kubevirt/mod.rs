//! `kubevirt`: a virtual machine on Kubernetes. Its volume `cloudInitNoCloud` or `cloudInitConfigDrive` is a drive of one
//! kind or the other; the one that is there has the config.

mod metadata;

use std::time::Duration;

use crate::config_drive::{ALWAYS_ATTACHED, NOCLOUD, OPENSTACK, files, first_of, missing};
use crate::{Access, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("kubevirt");

/// How long one kind is awaited before the other is looked for: what a drive of the other kind may lose, since a machine
/// has one.
const TURN: Duration = Duration::from_millis(100);

/// A virtual machine of KubeVirt.
pub struct KubeVirt;

impl Platform for KubeVirt {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "`/user-data` of the drive `cidata`, or `/openstack/latest/user_data` of `config-2`. Neither within 300 s is a failure."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let turns = ALWAYS_ATTACHED.as_millis() / TURN.as_millis();
        for (turn, (label, path)) in (0..turns).zip([NOCLOUD, OPENSTACK].into_iter().cycle()) {
            // The first looks do not wait: as a rule the drive has been there from the start.
            let wait = if turn < 2 { Duration::ZERO } else { TURN };
            if let Some(files) = files(via, ID, label, &[path], wait)? {
                return Ok(first_of(files));
            }
        }
        Err(missing(ID, "cidata or config-2", ALWAYS_ATTACHED))
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    #[test]
    fn either_drive_has_the_config() {
        let via = RecordedAccess::of_drives(&[("cidata", "/user-data", "config")]);
        assert_eq!(KubeVirt.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(via.asked(), ["drive Label(\"cidata\") for 0 s"]);
        let via = RecordedAccess::of_drives(&[("config-2", "/openstack/latest/user_data", "config")]);
        assert_eq!(KubeVirt.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked(),
            [
                "drive Label(\"cidata\") for 0 s",
                "drive Label(\"config-2\") for 0 s"
            ]
        );
        let via = RecordedAccess::of_drives(&[("config-2", "/openstack/latest/meta_data.json", "{}")]);
        assert_eq!(KubeVirt.user_data(&via), Ok(None));
    }

    #[test]
    fn without_a_drive_the_wait_has_an_end() {
        let via = RecordedAccess::of_drives(&[]);
        let error = KubeVirt.user_data(&via).unwrap_err();
        assert!(matches!(error, PlatformError::Access { .. }), "{error:?}");
        assert_eq!(via.asked().len(), 3000);
    }
}
