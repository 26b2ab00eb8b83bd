//! `oraclecloud`: Oracle Cloud Infrastructure. The config stands in base64 in the instance's metadata.

mod metadata;

use crate::service::{Absent, IMDS, from_base64, get, read};
use crate::{Access, HttpRequest, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("oraclecloud");

/// Without this fixed word the service refuses.
const HEADERS: &[(&str, &str)] = &[("Authorization", "Bearer Oracle")];

/// An instance of Oracle Cloud.
pub struct OracleCloud;

impl Platform for OracleCloud {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn also_at(&self) -> &'static [(&'static str, &'static str)] {
        &[(IMDS, "http://[fd00:c1::a9fe:a9fe]")]
    }

    fn place(&self) -> &'static str {
        "`http://169.254.169.254/opc/v2/instance/metadata/user_data`, base64; 429 is tried again. 404 is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let url = format!("{IMDS}/opc/v2/instance/metadata/user_data");
        let request = HttpRequest {
            // The service counts requests, and says so.
            retry_also: vec![429],
            ..get(&url, HEADERS)
        };
        match read(via, ID, &request, Absent::NoConfig)? {
            Some(bytes) => from_base64(ID, &bytes),
            None => Ok(None),
        }
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const URL: &str = "http://169.254.169.254/opc/v2/instance/metadata/user_data";

    #[test]
    fn the_config_is_in_base64_and_asked_for_with_the_fixed_word() {
        let via = RecordedAccess::of_http(&[(URL, 200, "Y29uZmln")]);
        assert_eq!(OracleCloud.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked(),
            [format!("Get {URL} authorization: Bearer Oracle, again at [429]")]
        );
    }

    #[test]
    fn no_user_data_is_no_config_and_no_base64_a_failure() {
        let config = |status, body| OracleCloud.user_data(&RecordedAccess::of_http(&[(URL, status, body)]));
        assert_eq!(config(404, ""), Ok(None));
        assert_eq!(config(200, ""), Ok(None));
        assert!(matches!(config(200, "{}"), Err(PlatformError::Malformed { .. })));
    }
}
