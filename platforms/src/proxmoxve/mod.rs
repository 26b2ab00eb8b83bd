//! `proxmoxve`: Proxmox. A NoCloud drive. What Proxmox itself writes as user data is for another engine, so a config may
//! stand in the vendor's data.

mod metadata;

use crate::config_drive::{MAYBE_ATTACHED, files};
use crate::{Access, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("proxmoxve");

/// What data for that other engine begins with.
const CLOUD_CONFIG: &[u8] = b"#cloud-config\n";

/// A virtual machine of Proxmox.
pub struct ProxmoxVe;

impl Platform for ProxmoxVe {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "`/user-data`, or `/vendor-data` where that is for cloud-init, of the drive `cidata`. No such drive within 30 s is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let found = files(via, ID, "cidata", &["/user-data", "/vendor-data"], MAYBE_ATTACHED)?;
        Ok(found.and_then(choose))
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

/// The first of the files that is a config of ours.
fn choose(files: Vec<Option<Vec<u8>>>) -> Option<UserData> {
    files
        .into_iter()
        .flatten()
        .filter(|file| !file.starts_with(CLOUD_CONFIG))
        .find_map(UserData::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    #[test]
    fn data_for_another_engine_is_passed_over() {
        let other = "#cloud-config\nhostname: n1\n";
        for (user, vendor, expected) in [
            ("config", "vendor", Some("config")),
            (other, "vendor", Some("vendor")),
            ("", "vendor", Some("vendor")),
            (other, other, None),
            ("#cloud-config", "vendor", Some("#cloud-config")),
        ] {
            let via = RecordedAccess::of_drives(&[
                ("cidata", "/user-data", user),
                ("cidata", "/vendor-data", vendor),
            ]);
            let expected = expected.and_then(|text| UserData::new(text.as_bytes().to_vec()));
            assert_eq!(ProxmoxVe.user_data(&via), Ok(expected), "{user:?} {vendor:?}");
        }
        assert_eq!(ProxmoxVe.user_data(&RecordedAccess::of_drives(&[])), Ok(None));
    }
}
