//! `ibmcloud-classic`: IBM Cloud before VPC. A drive with OpenStack's tree on a FAT file system, attached to machines that
//! are made from a template.

use crate::config_drive::metadata::OnDrive;
use crate::config_drive::{MAYBE_ATTACHED, OPENSTACK, files, first_of};
use crate::{Access, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("ibmcloud-classic");

/// What the drive says beside the config. Its keys are those of whoever ordered the machine, and are not taken.
static METADATA: OnDrive = OnDrive {
    id: ID,
    prefix: "IBMCLOUD_CLASSIC_",
    has_keys: false,
    has_network: true,
};

/// A virtual server of IBM Cloud's classic infrastructure.
pub struct IbmCloudClassic;

impl Platform for IbmCloudClassic {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "`/openstack/latest/user_data` of the drive `config-2`. No such drive within 30 s is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let (label, path) = OPENSTACK;
        Ok(files(via, ID, label, &[path], MAYBE_ATTACHED)?.and_then(first_of))
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(&METADATA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    #[test]
    fn the_config_is_on_the_drive_and_no_drive_is_no_config() {
        let via = RecordedAccess::of_drives(&[("config-2", "/openstack/latest/user_data", "config")]);
        assert_eq!(
            IbmCloudClassic.user_data(&via),
            Ok(UserData::new(b"config".to_vec()))
        );
        assert_eq!(via.asked(), ["drive Label(\"config-2\") for 30 s"]);
        for files in [
            vec![("config-2", "/openstack/latest/meta_data.json", "{}")],
            vec![("config-2", "/openstack/latest/user_data", "")],
            vec![],
        ] {
            let via = RecordedAccess::of_drives(&files);
            assert_eq!(IbmCloudClassic.user_data(&via), Ok(None), "{files:?}");
        }
    }

    #[test]
    fn a_drive_that_cannot_be_read_is_a_failure() {
        let via = RecordedAccess::of_broken_drive("config-2");
        assert!(matches!(
            IbmCloudClassic.user_data(&via),
            Err(PlatformError::Access { .. })
        ));
    }
}
