//! `aws`: EC2. The second version of the metadata service wants a token; where there is only the first, none is sent.

use crate::service::{Absent, IMDS, config, get, refused, request, token};
use crate::{Access, HttpMethod, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("aws");

/// An instance of EC2.
pub struct Aws;

impl Platform for Aws {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`http://169.254.169.254/2019-10-01/user-data`, with a token where the service gives one (404); a refused token is a failure. 404 is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let session = session(via)?;
        let header = session
            .as_deref()
            .map(|token| ("X-aws-ec2-metadata-token", token));
        let url = format!("{IMDS}/2019-10-01/user-data");
        config(via, ID, &get(&url, header.as_slice()), Absent::NoConfig)
    }
}

/// The token; `None` from a service that has none (404).
fn session(via: &dyn Access) -> Result<Option<String>, PlatformError> {
    let url = format!("{IMDS}/latest/api/token");
    let headers = [("X-aws-ec2-metadata-token-ttl-seconds", "21600")];
    let asked = request(HttpMethod::Put, &url, &headers);
    let answer = via
        .http(&asked)
        .map_err(|source| PlatformError::Access { id: ID, source })?;
    match answer.status {
        200 => token(ID, &answer).map(Some),
        404 => Ok(None),
        _ => Err(refused(ID, &asked, &answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const TOKEN: &str = "http://169.254.169.254/latest/api/token";
    const CONFIG: &str = "http://169.254.169.254/2019-10-01/user-data";

    #[test]
    fn a_token_opens_the_config() {
        let via = RecordedAccess::of_http(&[(TOKEN, 200, "aws-tok"), (CONFIG, 200, "config")]);
        assert_eq!(Aws.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked(),
            [
                "Put http://169.254.169.254/latest/api/token x-aws-ec2-metadata-token-ttl-seconds: 21600",
                "Get http://169.254.169.254/2019-10-01/user-data x-aws-ec2-metadata-token: aws-tok",
            ]
        );
    }

    #[test]
    fn the_first_version_of_the_service_is_asked_without() {
        let via = RecordedAccess::of_http(&[(TOKEN, 404, ""), (CONFIG, 200, "config")]);
        assert_eq!(Aws.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked().last().map(String::as_str),
            Some("Get http://169.254.169.254/2019-10-01/user-data")
        );
    }

    #[test]
    fn no_user_data_is_no_config_and_a_refused_token_a_failure() {
        let via = RecordedAccess::of_http(&[(TOKEN, 200, "aws-tok"), (CONFIG, 404, "")]);
        assert_eq!(Aws.user_data(&via), Ok(None));
        let via = RecordedAccess::of_http(&[(TOKEN, 403, "")]);
        assert!(matches!(Aws.user_data(&via), Err(PlatformError::Access { .. })));
        assert_eq!(via.asked().len(), 1);
    }
}
