//! `ibmcloud`: IBM Cloud, VPC. A NoCloud drive, attached where the user gave a config.

mod metadata;

use crate::config_drive::{MAYBE_ATTACHED, NOCLOUD, files, first_of};
use crate::{Access, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("ibmcloud");

/// An instance of IBM Cloud.
pub struct IbmCloud;

impl Platform for IbmCloud {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "`/user-data` of the drive `cidata`. No such drive within 30 s is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let (label, path) = NOCLOUD;
        let found = files(via, ID, label, &[path], MAYBE_ATTACHED)?;
        Ok(found.and_then(first_of))
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
    fn the_config_is_on_the_drive_and_no_drive_is_no_config() {
        let via = RecordedAccess::of_drives(&[("cidata", "/user-data", "config")]);
        assert_eq!(IbmCloud.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(via.asked(), ["drive Label(\"cidata\") for 30 s"]);
        let via = RecordedAccess::of_drives(&[("cidata", "/meta-data", "instance-id: 1")]);
        assert_eq!(IbmCloud.user_data(&via), Ok(None));
        assert_eq!(IbmCloud.user_data(&RecordedAccess::of_drives(&[])), Ok(None));
    }

    #[test]
    fn a_drive_that_cannot_be_read_is_a_failure() {
        let via = RecordedAccess::of_broken_drive("cidata");
        assert!(matches!(
            IbmCloud.user_data(&via),
            Err(PlatformError::Access { .. })
        ));
    }
}
