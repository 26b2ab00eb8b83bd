//! `azurestack`: Azure in one's own data centre. Its metadata service knows no user data, so that the config is the custom
//! data on the disc of the provisioning agent.

mod metadata;

use crate::azure::{CUSTOM_DATA, MARK};
use crate::config_drive::on_disc;
use crate::{Access, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("azurestack");

/// A virtual machine of Azure Stack Hub.
pub struct AzureStack;

impl Platform for AzureStack {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "`/CustomData.bin` of the UDF or ISO 9660 disc with `/ovf-env.xml`. No such disc within 300 s is a failure."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        on_disc(via, ID, &["udf", "iso9660"], MARK, CUSTOM_DATA)
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccessError;
    use crate::recorded::RecordedAccess;

    #[test]
    fn the_disc_has_either_file_system() {
        for kind in ["udf", "iso9660"] {
            let via =
                RecordedAccess::of_drives(&[(kind, MARK, "<Environment/>"), (kind, CUSTOM_DATA, "config")]);
            assert_eq!(AzureStack.user_data(&via), Ok(UserData::new(b"config".to_vec())));
            assert_eq!(
                via.asked(),
                ["drive FileSystem([\"udf\", \"iso9660\"]) for 300 s"]
            );
        }
        let via = RecordedAccess::of_drives(&[("udf", MARK, "<Environment/>")]);
        assert_eq!(AzureStack.user_data(&via), Ok(None));
    }

    #[test]
    fn without_a_disc_the_wait_has_an_end() {
        let PlatformError::Access { source, .. } =
            AzureStack.user_data(&RecordedAccess::of_drives(&[])).unwrap_err()
        else {
            panic!("another failure")
        };
        assert!(matches!(source, AccessError::Absent { .. }), "{source}");
        let broken = AzureStack.user_data(&RecordedAccess::of_broken_drive("udf"));
        assert!(
            matches!(
                broken,
                Err(PlatformError::Access {
                    source: AccessError::Failed { .. },
                    ..
                })
            ),
            "{broken:?}"
        );
    }
}
