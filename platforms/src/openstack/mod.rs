//! `openstack`: a config drive, or the metadata service of Nova. `brightbox` is the same cloud under another name.

pub(crate) mod metadata;

use crate::config_drive::OPENSTACK;
use crate::drive_or_service::{Drives, Service, config_of};
use crate::service::{Absent, IMDS, config, get};
use crate::{Access, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

/// What it says beside the config.
static NOVA: metadata::Nova = metadata::Nova {
    id: PlatformId::new("openstack"),
    prefix: "OPENSTACK_",
};

/// A machine of OpenStack.
pub struct OpenStack;

impl Platform for OpenStack {
    fn id(&self) -> PlatformId {
        PlatformId::new("openstack")
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`/openstack/latest/user_data` of the drive `config-2` or `CONFIG-2`, also before the network; else \
         `http://169.254.169.254/openstack/latest/user_data`. 404, and no drive within 10 s, is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        from_drive_or_service(via, self.id())
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(&NOVA)
    }
}

/// The config of a machine that has a drive, a service, or both.
pub(crate) fn from_drive_or_service(
    via: &dyn Access,
    id: PlatformId,
) -> Result<Option<UserData>, PlatformError> {
    let (_, path) = OPENSTACK;
    config_of(&Drives { via, id, path }, || {
        let url = format!("{IMDS}/openstack/latest/user_data");
        config(via, id, &get(&url, &[]), Absent::NoConfig).map(Service::Said)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive_or_service::LABELS;
    use crate::recorded::RecordedAccess;

    const URL: &str = "http://169.254.169.254/openstack/latest/user_data";

    #[test]
    fn a_drive_that_is_there_wins_and_needs_no_network() {
        for label in LABELS {
            let via = RecordedAccess::of_drives(&[(label, "/openstack/latest/user_data", "config")]);
            assert_eq!(OpenStack.user_data(&via), Ok(UserData::new(b"config".to_vec())));
            assert!(via.asked().iter().all(|asked| asked.starts_with("drive")));
        }
        let via = RecordedAccess::of_drives(&[("config-2", "/openstack/latest/meta_data.json", "{}")]);
        assert_eq!(OpenStack.user_data(&via), Ok(None));
    }

    #[test]
    fn without_a_drive_the_service_is_asked_once_the_network_is_up() {
        assert!(
            OpenStack
                .user_data(&RecordedAccess::of_drives(&[]))
                .unwrap_err()
                .needs_network()
        );
        let via = RecordedAccess::of_http(&[(URL, 200, "config")]);
        assert_eq!(OpenStack.user_data(&via), Ok(UserData::new(b"config".to_vec())));
    }

    #[test]
    fn what_the_service_does_not_say_a_late_drive_may() {
        let via = RecordedAccess::of_http(&[(URL, 404, "")]);
        assert_eq!(OpenStack.user_data(&via), Ok(None));
        assert_eq!(via.seconds_waited(), 10);
        let via = RecordedAccess::of_http(&[(URL, 403, "")]);
        assert!(matches!(
            OpenStack.user_data(&via),
            Err(PlatformError::Access { .. })
        ));
        assert_eq!(via.seconds_waited(), 30);
    }

    #[test]
    fn a_drive_that_cannot_be_read_does_not_hide_the_service() {
        let via = RecordedAccess::of_http(&[(URL, 200, "config")]).with_broken_drive("config-2");
        assert_eq!(OpenStack.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        let via = RecordedAccess::of_http(&[(URL, 404, "")]).with_broken_drive("config-2");
        assert!(matches!(
            OpenStack.user_data(&via),
            Err(PlatformError::Access { .. })
        ));
    }
}
