//! `lxd`: LXD, or Incus. The host answers on a socket inside the machine.

use crate::service::{Absent, config, get, read};
use crate::{Access, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("lxd");

/// The socket, and what the server is called.
const SERVER: &str = "unix://lxd/dev/lxd/sock:";

/// Where the keys are listed.
const KEYS: &str = "/1.0/config";

/// The keys that may hold the config; the first is the newer one.
const CONFIGS: [&str; 2] = ["/1.0/config/cloud-init.user-data", "/1.0/config/user.user-data"];

/// An instance of LXD.
pub struct Lxd;

impl Platform for Lxd {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "The key `cloud-init.user-data`, else `user.user-data`, of the socket `/dev/lxd/sock`. Neither is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let listed = read(via, ID, &get(&format!("{SERVER}{KEYS}"), &[]), Absent::Failure)?;
        let keys: Vec<String> = match listed {
            Some(list) => std::str::from_utf8(&list)
                .ok()
                .and_then(|list| serde_json::from_str(list).ok())
                .ok_or_else(|| PlatformError::Malformed {
                    id: ID,
                    why: "its keys are not a list in JSON".to_owned(),
                })?,
            None => Vec::new(),
        };
        for key in CONFIGS
            .iter()
            .filter(|key| keys.iter().any(|listed| listed == **key))
        {
            // It may have been taken away since.
            let found = config(via, ID, &get(&format!("{SERVER}{key}"), &[]), Absent::NoConfig)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const LIST: &str = "unix://lxd/dev/lxd/sock:/1.0/config";
    const NEW: &str = "unix://lxd/dev/lxd/sock:/1.0/config/cloud-init.user-data";
    const OLD: &str = "unix://lxd/dev/lxd/sock:/1.0/config/user.user-data";

    fn of(answers: &[(&str, u16, &str)]) -> Result<Option<UserData>, PlatformError> {
        Lxd.user_data(&RecordedAccess::of_http(answers))
    }

    fn given(text: &str) -> Result<Option<UserData>, PlatformError> {
        Ok(UserData::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn the_newer_key_comes_first() {
        let old = r#"["/1.0/config/user.user-data"]"#;
        let both = r#"["/1.0/config/user.user-data","/1.0/config/cloud-init.user-data"]"#;
        assert_eq!(of(&[(LIST, 200, old), (OLD, 200, "config")]), given("config"));
        let answers = [(LIST, 200, both), (OLD, 200, "old"), (NEW, 200, "config")];
        assert_eq!(of(&answers), given("config"));
        let via = RecordedAccess::of_http(&answers);
        assert_eq!(Lxd.user_data(&via), given("config"));
        assert_eq!(via.asked(), [format!("Get {LIST}"), format!("Get {NEW}")]);
        // An empty key, and one that was taken away meanwhile, leave it to the other.
        for (status, body) in [(200, ""), (404, "not found")] {
            assert_eq!(
                of(&[(LIST, 200, both), (OLD, 200, "old"), (NEW, status, body)]),
                given("old")
            );
        }
    }

    #[test]
    fn no_key_is_no_config_and_another_answer_a_failure() {
        assert_eq!(of(&[(LIST, 200, r#"["/1.0/config/user.other"]"#)]), Ok(None));
        assert_eq!(of(&[(LIST, 200, "[]")]), Ok(None));
        for list in ["{}", "[1]", r#"["/1.0/config/user.user"#] {
            let error = of(&[(LIST, 200, list)]).unwrap_err();
            assert!(
                matches!(error, PlatformError::Malformed { .. }),
                "{list}: {error:?}"
            );
        }
        for status in [403, 404] {
            let error = of(&[(LIST, status, "")]).unwrap_err();
            assert!(matches!(error, PlatformError::Access { .. }), "{error:?}");
        }
    }
}
