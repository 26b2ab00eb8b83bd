//! `brightbox`: OpenStack's drive and service under a name of its own.

use crate::openstack::{from_drive_or_service, metadata::Nova};
use crate::{Access, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

/// What it says beside the config. No agent has names for it: these are OpenStack's.
static NOVA: Nova = Nova {
    id: PlatformId::new("brightbox"),
    prefix: "BRIGHTBOX_",
};

/// A machine of Brightbox.
pub struct Brightbox;

impl Platform for Brightbox {
    fn id(&self) -> PlatformId {
        PlatformId::new("brightbox")
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "As `openstack`."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        from_drive_or_service(via, self.id())
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(&NOVA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    #[test]
    fn it_is_asked_like_openstack() {
        let via =
            RecordedAccess::of_http(&[("http://169.254.169.254/openstack/latest/user_data", 200, "config")]);
        assert_eq!(Brightbox.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        let PlatformError::Access { id, .. } = Brightbox
            .user_data(&RecordedAccess::of_broken_drive("config-2"))
            .unwrap_err()
        else {
            panic!("another failure")
        };
        assert_eq!(id.as_str(), "brightbox");
    }
}
