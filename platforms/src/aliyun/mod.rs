//! `aliyun`: Alibaba Cloud. Instances whose metadata service is hardened want a token; the others do not know it.

mod metadata;

use crate::service::{Absent, config, get, request, token};
use crate::{Access, HttpMethod, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("aliyun");

/// Its metadata service has an address of its own.
const SERVICE: &str = "http://100.100.100.200";

/// An instance of Alibaba Cloud.
pub struct Aliyun;

impl Platform for Aliyun {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`http://100.100.100.200/latest/user-data`, with a token where the service gives one. 404 is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let session = session(via)?;
        let header = session
            .as_deref()
            .map(|token| ("X-aliyun-ecs-metadata-token", token));
        let url = format!("{SERVICE}/latest/user-data");
        config(via, ID, &get(&url, header.as_slice()), Absent::NoConfig)
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

/// The token; `None` from a service that gives none. The reference never asks for one.
fn session(via: &dyn Access) -> Result<Option<String>, PlatformError> {
    let url = format!("{SERVICE}/latest/api/token");
    let headers = [("X-aliyun-ecs-metadata-token-ttl-seconds", "21600")];
    let answer = via
        .http(&request(HttpMethod::Put, &url, &headers))
        .map_err(|source| PlatformError::Access { id: ID, source })?;
    if answer.status == 200 {
        token(ID, &answer).map(Some)
    } else {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const TOKEN: &str = "http://100.100.100.200/latest/api/token";
    const CONFIG: &str = "http://100.100.100.200/latest/user-data";

    #[test]
    fn a_hardened_service_gets_its_token_and_an_open_one_none() {
        let via = RecordedAccess::of_http(&[(TOKEN, 200, "ali-tok"), (CONFIG, 200, "config")]);
        assert_eq!(Aliyun.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked().last().map(String::as_str),
            Some("Get http://100.100.100.200/latest/user-data x-aliyun-ecs-metadata-token: ali-tok")
        );
        for status in [404, 405] {
            let via = RecordedAccess::of_http(&[(TOKEN, status, ""), (CONFIG, 200, "config")]);
            assert_eq!(Aliyun.user_data(&via), Ok(UserData::new(b"config".to_vec())));
            assert_eq!(
                via.asked().last().map(String::as_str),
                Some("Get http://100.100.100.200/latest/user-data")
            );
        }
    }

    #[test]
    fn no_user_data_is_no_config() {
        let via = RecordedAccess::of_http(&[(TOKEN, 404, ""), (CONFIG, 404, "")]);
        assert_eq!(Aliyun.user_data(&via), Ok(None));
    }
}
