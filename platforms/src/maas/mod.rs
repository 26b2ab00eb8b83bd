//! `maas`: MAAS, bare metal as a service. The kernel argument `cloud-config-url` names a document of cloud-init's, in which
//! the server puts its address and the keys by which it knows this machine.

mod preseed;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use self::preseed::Preseed;
use crate::service::{get, refused};
use crate::{Access, HttpAnswer, HttpRequest, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("maas");

/// The kernel argument that names the document.
const ARGUMENT: &str = "cloud-config-url=";

/// The version of the server's protocol, and the config in it.
const CONFIG: &str = "/2012-03-01/user-data";

/// A machine of MAAS.
pub struct Maas;

impl Platform for Maas {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`2012-03-01/user-data` below the `metadata_url` of `datasource: MAAS:` in the document that the kernel argument \
         `cloud-config-url` names, signed with the keys from there. 404 is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let line = &via.machine().command_line;
        let url = line
            .split_whitespace()
            .rev()
            .find_map(|word| word.strip_prefix(ARGUMENT));
        let url = url.ok_or_else(|| malformed("the kernel command line has no cloud-config-url="))?;
        let asked = get(url, &[]);
        let told = exchange(via, &asked)?;
        if told.status != 200 {
            return Err(refused(ID, &asked, &told));
        }
        let preseed = preseed::parse(&String::from_utf8_lossy(&told.body)).map_err(malformed)?;
        let request = signed(&preseed, &told)?;
        let answer = exchange(via, &request)?;
        if answer.status != 401 || preseed.keys.is_none() {
            return config_of(&request, answer);
        }
        // A signature serves once: an attempt of which only the answer was lost has used it up. Or the server that gave the
        // document has another clock than this one.
        let request = signed(&preseed, &answer)?;
        config_of(&request, exchange(via, &request)?)
    }
}

fn exchange(via: &dyn Access, request: &HttpRequest) -> Result<HttpAnswer, PlatformError> {
    via.http(request)
        .map_err(|source| PlatformError::Access { id: ID, source })
}

/// The request for the config, signed at the time of an earlier answer: the clock of bare metal may be years off.
fn signed(preseed: &Preseed, earlier: &HttpAnswer) -> Result<HttpRequest, PlatformError> {
    let url = format!("{}{CONFIG}", preseed.metadata.trim_end_matches('/'));
    let Some(keys) = &preseed.keys else {
        return Ok(get(&url, &[]));
    };
    let time = earlier
        .time
        .ok_or_else(|| malformed("its server does not say what time it is"))?;
    // The standard library seeds its hash maps from the kernel. No two requests need more than to differ.
    let nonce = RandomState::new().build_hasher().finish();
    Ok(get(&url, &[("Authorization", &keys.header(time, nonce))]))
}

/// What the server says of the config.
fn config_of(request: &HttpRequest, answer: HttpAnswer) -> Result<Option<UserData>, PlatformError> {
    match answer.status {
        200 => Ok(UserData::new(answer.body)),
        204 | 404 => Ok(None),
        _ => Err(refused(ID, request, &answer)),
    }
}

fn malformed(why: &str) -> PlatformError {
    PlatformError::Malformed {
        id: ID,
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const PRESEED: &str = "http://10.0.0.1:5240/MAAS/metadata/latest/by-id/x1/?op=get_preseed";
    const DATA: &str = "http://10.0.0.1:5240/MAAS/metadata/2012-03-01/user-data";
    const WITH_KEYS: &str = "#cloud-config\ndatasource:\n  MAAS: {consumer_key: c1, metadata_url: \
        'http://10.0.0.1:5240/MAAS/metadata/',\n    token_key: t1, token_secret: planted}\n";
    const WITHOUT: &str =
        "#cloud-config\ndatasource:\n  MAAS:\n    metadata_url: http://10.0.0.1:5240/MAAS/metadata\n";

    fn machine(preseed: (u16, &str), data: (u16, &str)) -> RecordedAccess {
        RecordedAccess::of_http(&[(PRESEED, preseed.0, preseed.1), (DATA, data.0, data.1)])
            .with_command_line(&format!("ro cloud-config-url={PRESEED} quiet"))
            .at_time(1_369_353_600)
    }

    #[test]
    fn the_document_gives_the_address_and_the_keys() {
        let via = machine((200, WITH_KEYS), (200, "config"));
        assert_eq!(Maas.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        let asked = via.asked();
        assert_eq!(asked[0], format!("Get {PRESEED}"));
        let (start, end) = asked[1].split_once("oauth_nonce=\"").unwrap();
        assert_eq!(
            start,
            format!(
                "Get {DATA} authorization: OAuth oauth_version=\"1.0\", oauth_signature_method=\"PLAINTEXT\", "
            )
        );
        let (nonce, end) = end.split_once('"').unwrap();
        assert!(!nonce.is_empty());
        assert_eq!(
            end,
            ", oauth_timestamp=\"1369353600\", oauth_consumer_key=\"c1\", oauth_token=\"t1\", \
             oauth_signature=\"%26planted\""
        );
    }

    #[test]
    fn a_machine_that_is_not_known_yet_has_no_keys() {
        let via = machine((200, WITHOUT), (200, "config"));
        assert_eq!(Maas.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(via.asked()[1], format!("Get {DATA}"));
    }

    #[test]
    fn a_signature_that_was_refused_is_made_once_more() {
        let via = machine((200, WITH_KEYS), (401, ""));
        assert!(matches!(Maas.user_data(&via), Err(PlatformError::Access { .. })));
        let asked = via.asked();
        assert_eq!(asked.len(), 3);
        assert_ne!(asked[1], asked[2]);
        let via = machine((200, WITHOUT), (401, ""));
        assert!(Maas.user_data(&via).is_err());
        assert_eq!(via.asked().len(), 2);
    }

    #[test]
    fn no_config_is_none_and_every_other_gap_a_failure() {
        for (status, body) in [(404, ""), (204, ""), (200, "")] {
            assert_eq!(
                Maas.user_data(&machine((200, WITH_KEYS), (status, body))),
                Ok(None)
            );
        }
        for via in [
            machine((404, ""), (200, "config")),
            machine((200, WITH_KEYS), (403, "")),
        ] {
            let error = Maas.user_data(&via).unwrap_err();
            assert!(matches!(error, PlatformError::Access { .. }), "{error:?}");
        }
        for via in [
            machine((200, "#cloud-config\n"), (200, "config")),
            machine((200, WITH_KEYS), (200, "config")).with_command_line("quiet"),
        ] {
            let error = Maas.user_data(&via).unwrap_err();
            assert!(matches!(error, PlatformError::Malformed { .. }), "{error:?}");
            assert!(!error.to_string().contains("planted"));
        }
        let offline =
            RecordedAccess::of_drives(&[]).with_command_line(&format!("cloud-config-url={PRESEED}"));
        assert!(Maas.user_data(&offline).unwrap_err().needs_network());
    }
}
