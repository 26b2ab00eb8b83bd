//! `scaleway`: the service gives the config to the system alone, which it knows by the port that the question comes from.

mod metadata;

use crate::service::{Absent, config, get};
use crate::{Access, HttpRequest, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("scaleway");

/// Where the config is.
const URL: &str = "http://169.254.42.42/user_data/cloud-init";

/// An instance of Scaleway.
pub struct Scaleway;

impl Platform for Scaleway {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`http://169.254.42.42/user_data/cloud-init`, asked from a port below 1024. 404 is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let request = HttpRequest {
            is_from_privileged_port: true,
            ..get(URL, &[])
        };
        config(via, ID, &request, Absent::NoConfig)
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
    fn the_config_is_asked_for_from_a_privileged_port() {
        let via = RecordedAccess::of_http(&[(URL, 200, "config")]);
        assert_eq!(Scaleway.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(via.asked(), [format!("Get {URL}, from a privileged port")]);
    }

    #[test]
    fn no_config_is_none_and_a_refusal_a_failure() {
        let answer = |status, body| Scaleway.user_data(&RecordedAccess::of_http(&[(URL, status, body)]));
        assert_eq!(answer(404, ""), Ok(None));
        assert_eq!(answer(204, ""), Ok(None));
        assert_eq!(answer(200, ""), Ok(None));
        assert!(matches!(answer(403, ""), Err(PlatformError::Access { .. })));
        assert!(
            Scaleway
                .user_data(&RecordedAccess::of_drives(&[]))
                .unwrap_err()
                .needs_network()
        );
    }
}
