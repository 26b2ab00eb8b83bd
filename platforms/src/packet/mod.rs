//! `packet`: Equinix Metal, by its metadata service.
//!
//! The service refuses the `Accept` of config servers.

use crate::service::{Absent, OneRead};
use crate::{Access, Platform, PlatformError, PlatformId, Reach, UserData};

const URL: &str = "https://metadata.packet.net/userdata";

/// What is asked.
const CONFIG: OneRead = OneRead {
    id: PlatformId::new("packet"),
    url: URL,
    headers: &[("Accept", "*/*")],
    absent: Absent::Failure,
};

/// A machine of Equinix Metal.
pub struct Packet;

impl Platform for Packet {
    fn id(&self) -> PlatformId {
        CONFIG.id
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`https://metadata.packet.net/userdata`. 404 is a failure."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        CONFIG.config(via)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    #[test]
    fn the_config_is_what_the_service_says() {
        let via = RecordedAccess::of_http(&[(URL, 200, "config")]);
        assert_eq!(Packet.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked(),
            ["Get https://metadata.packet.net/userdata accept: */*"]
        );
        let via = RecordedAccess::of_http(&[(URL, 200, "")]);
        assert_eq!(Packet.user_data(&via), Ok(None));
    }

    #[test]
    fn status_404_is_a_failure() {
        let via = RecordedAccess::of_http(&[(URL, 404, "")]);
        let error = Packet.user_data(&via).unwrap_err();
        assert!(matches!(error, PlatformError::Access { .. }), "{error:?}");
    }
}
