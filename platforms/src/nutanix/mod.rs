//! `nutanix`: Nutanix. A config drive that is always attached, also without a config.

use crate::config_drive::{ALWAYS_ATTACHED, OPENSTACK, files, missing};
use crate::{Access, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("nutanix");

/// A machine of Nutanix.
pub struct Nutanix;

impl Platform for Nutanix {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "`/openstack/latest/user_data` of the drive `config-2`. No such drive within 300 s is a failure."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let (label, path) = OPENSTACK;
        match files(via, ID, label, &[path], ALWAYS_ATTACHED)? {
            Some(files) => Ok(files.into_iter().flatten().find_map(UserData::new)),
            None => Err(missing(ID, label, ALWAYS_ATTACHED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    #[test]
    fn the_config_is_on_the_drive() {
        let via = RecordedAccess::of_drives(&[("config-2", "/openstack/latest/user_data", "config")]);
        assert_eq!(Nutanix.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        let via = RecordedAccess::of_drives(&[("config-2", "/openstack/latest/meta_data.json", "{}")]);
        assert_eq!(Nutanix.user_data(&via), Ok(None));
    }

    #[test]
    fn no_drive_is_a_failure_with_the_time_it_was_awaited() {
        let PlatformError::Access { source, .. } =
            Nutanix.user_data(&RecordedAccess::of_drives(&[])).unwrap_err()
        else {
            panic!("another failure")
        };
        assert_eq!(
            source.to_string(),
            "the drive labelled config-2 did not appear within 300 s"
        );
    }
}
