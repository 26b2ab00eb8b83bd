//! `akamai`: Linode. A token first, then the config in base64; what is packed inside is the engine's to unpack.

mod metadata;

use crate::service::{Absent, IMDS, from_base64, get, read, refused, request, token};
use crate::{Access, HttpMethod, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("akamai");

/// A Linode.
pub struct Akamai;

impl Platform for Akamai {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn also_at(&self) -> &'static [(&'static str, &'static str)] {
        &[(IMDS, "http://[fd00:a9fe:a9fe::1]")]
    }

    fn place(&self) -> &'static str {
        "`http://169.254.169.254/v1/user-data` behind a token, base64. 404 is a failure."
    }

    /// The service refuses the `Accept` of config servers.
    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let token = session(via)?;
        let headers = [("Metadata-Token", token.as_str()), ("Accept", "*/*")];
        let config = get(&format!("{IMDS}/v1/user-data"), &headers);
        match read(via, ID, &config, Absent::Failure)? {
            Some(bytes) => from_base64(ID, &bytes),
            None => Ok(None),
        }
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

/// The token.
fn session(via: &dyn Access) -> Result<String, PlatformError> {
    let url = format!("{IMDS}/v1/token");
    let headers = [("Metadata-Token-Expiry-Seconds", "300"), ("Accept", "text/plain")];
    let asked = request(HttpMethod::Put, &url, &headers);
    let answer = via
        .http(&asked)
        .map_err(|source| PlatformError::Access { id: ID, source })?;
    if answer.status != 200 {
        return Err(refused(ID, &asked, &answer));
    }
    token(ID, &answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const TOKEN: &str = "http://169.254.169.254/v1/token";
    const CONFIG: &str = "http://169.254.169.254/v1/user-data";

    #[test]
    fn a_token_opens_the_config_in_base64() {
        let via = RecordedAccess::of_http(&[(TOKEN, 200, "tok-1\n"), (CONFIG, 200, "Y29u\nZmln\n")]);
        assert_eq!(Akamai.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked(),
            [
                "Put http://169.254.169.254/v1/token metadata-token-expiry-seconds: 300 accept: text/plain",
                "Get http://169.254.169.254/v1/user-data metadata-token: tok-1 accept: */*",
            ]
        );
    }

    #[test]
    fn an_empty_config_is_none_and_everything_else_a_failure() {
        let config = |token, status, body| {
            Akamai.user_data(&RecordedAccess::of_http(&[
                (TOKEN, 200, token),
                (CONFIG, status, body),
            ]))
        };
        assert_eq!(config("tok-1", 200, ""), Ok(None));
        assert!(matches!(
            config("\n", 200, ""),
            Err(PlatformError::Malformed { .. })
        ));
        assert!(matches!(
            config("tok-1", 200, "{}"),
            Err(PlatformError::Malformed { .. })
        ));
        assert!(matches!(
            config("tok-1", 404, ""),
            Err(PlatformError::Access { .. })
        ));
    }
}
