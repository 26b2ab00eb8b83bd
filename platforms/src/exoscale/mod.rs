//! `exoscale`: Exoscale, by its metadata service.

use crate::service::{Absent, OneRead};
use crate::{Access, Platform, PlatformError, PlatformId, Reach, UserData};

const URL: &str = "http://169.254.169.254/1.0/user-data";

/// What is asked.
const CONFIG: OneRead = OneRead {
    id: PlatformId::new("exoscale"),
    url: URL,
    headers: &[],
    absent: Absent::NoConfig,
};

/// A machine of Exoscale.
pub struct Exoscale;

impl Platform for Exoscale {
    fn id(&self) -> PlatformId {
        CONFIG.id
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`http://169.254.169.254/1.0/user-data`. 404 is no config."
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
        assert_eq!(Exoscale.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(via.asked(), ["Get http://169.254.169.254/1.0/user-data"]);
        let via = RecordedAccess::of_http(&[(URL, 200, "")]);
        assert_eq!(Exoscale.user_data(&via), Ok(None));
    }

    #[test]
    fn status_404_means_no_config() {
        let via = RecordedAccess::of_http(&[(URL, 404, "")]);
        assert_eq!(Exoscale.user_data(&via), Ok(None));
    }
}
