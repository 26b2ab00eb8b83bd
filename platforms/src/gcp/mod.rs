//! `gcp`: Google Compute Engine, by its metadata service.
//!
//! The attribute `user-data` of the instance. Without the header the service refuses.

use crate::service::{Absent, OneRead};
use crate::{Access, Platform, PlatformError, PlatformId, Reach, UserData};

const URL: &str = "http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data";

/// What is asked.
const CONFIG: OneRead = OneRead {
    id: PlatformId::new("gcp"),
    url: URL,
    headers: &[("Metadata-Flavor", "Google")],
    absent: Absent::NoConfig,
};

/// A machine of Google Compute Engine.
pub struct Gcp;

impl Platform for Gcp {
    fn id(&self) -> PlatformId {
        CONFIG.id
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data`. 404 is no config."
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
        assert_eq!(Gcp.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked(),
            [
                "Get http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data metadata-flavor: Google"
            ]
        );
        let via = RecordedAccess::of_http(&[(URL, 200, "")]);
        assert_eq!(Gcp.user_data(&via), Ok(None));
    }

    #[test]
    fn status_404_means_no_config() {
        let via = RecordedAccess::of_http(&[(URL, 404, "")]);
        assert_eq!(Gcp.user_data(&via), Ok(None));
    }
}
