//! `applehv`: Apple's hypervisor. The host answers one HTTP request on a socket between host and guest.

use crate::service::{get, refused};
use crate::{Access, Platform, PlatformError, PlatformId, Reach, UserData};

/// The platform id, which the errors name as well.
const ID: PlatformId = PlatformId::new("applehv");

/// The host (2 is its address in every guest), and the port that its launcher listens at.
const URL: &str = "vsock:2:1024/";

/// What the reference sends. The name of the host has no meaning on this socket.
const HEADERS: &[(&str, &str)] = &[("Host", "d"), ("Accept", "application/json")];

/// A virtual machine of Apple's hypervisor.
pub struct AppleHv;

impl Platform for AppleHv {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "One `GET /` on vsock, host 2, port 1024. An empty answer is no config; another status than 2xx, or no answer within 30 s, is a failure."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let request = get(URL, HEADERS);
        let answer = via
            .http(&request)
            .map_err(|source| PlatformError::Access { id: ID, source })?;
        // The reference takes the page of an error for a config.
        match answer.status {
            200..=299 => Ok(UserData::new(answer.body)),
            _ => Err(refused(ID, &request, &answer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccessError;
    use crate::recorded::RecordedAccess;

    #[test]
    fn the_answer_is_the_config() {
        let via = RecordedAccess::of_http(&[(URL, 200, "config")]);
        assert_eq!(AppleHv.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked(),
            ["Get vsock:2:1024/ host: d accept: application/json"]
        );
        let via = RecordedAccess::of_http(&[(URL, 201, "config")]);
        assert_eq!(AppleHv.user_data(&via), Ok(UserData::new(b"config".to_vec())));
    }

    #[test]
    fn an_empty_answer_is_no_config() {
        for status in [200, 204] {
            let via = RecordedAccess::of_http(&[(URL, status, "")]);
            assert_eq!(AppleHv.user_data(&via), Ok(None));
        }
    }

    #[test]
    fn a_page_of_an_error_is_no_config_but_a_failure() {
        for status in [101, 302, 404, 500] {
            let via = RecordedAccess::of_http(&[(URL, status, "<h1>no</h1>")]);
            let PlatformError::Access { source, .. } = AppleHv.user_data(&via).unwrap_err() else {
                panic!("another failure")
            };
            let AccessError::Failed { why, .. } = source else {
                panic!("{source}")
            };
            assert_eq!(why, format!("the service answered with status {status}"));
        }
    }
}
