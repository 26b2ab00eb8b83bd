//! `digitalocean`: DigitalOcean, by its metadata service.
//!
//! The service has the address for every droplet, so its absence is another service: status 404 is a failure.

use crate::service::{Absent, OneRead};
use crate::{Access, Platform, PlatformError, PlatformId, Reach, UserData};

const URL: &str = "http://169.254.169.254/metadata/v1/user-data";

/// What is asked.
const CONFIG: OneRead = OneRead {
    id: PlatformId::new("digitalocean"),
    url: URL,
    headers: &[],
    absent: Absent::Failure,
};

/// A machine of DigitalOcean.
pub struct DigitalOcean;

impl Platform for DigitalOcean {
    fn id(&self) -> PlatformId {
        CONFIG.id
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`http://169.254.169.254/metadata/v1/user-data`. 404 is a failure."
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
        assert_eq!(
            DigitalOcean.user_data(&via),
            Ok(UserData::new(b"config".to_vec()))
        );
        assert_eq!(via.asked(), ["Get http://169.254.169.254/metadata/v1/user-data"]);
        let via = RecordedAccess::of_http(&[(URL, 200, "")]);
        assert_eq!(DigitalOcean.user_data(&via), Ok(None));
    }

    #[test]
    fn status_404_is_a_failure() {
        let via = RecordedAccess::of_http(&[(URL, 404, "")]);
        let error = DigitalOcean.user_data(&via).unwrap_err();
        assert!(matches!(error, PlatformError::Access { .. }), "{error:?}");
    }
}
