//! What platforms with a metadata service have in common: one read, and what its status means.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::metadata::{Attributes, keys_of};
use crate::{
    Access, AccessError, Attribute, Fact, HttpAnswer, HttpMethod, HttpRequest, Metadata, Offers, Platform,
    PlatformError, PlatformId, Reach, UserData, host_name,
};

/// Where most clouds have their metadata service.
pub(crate) const IMDS: &str = "http://169.254.169.254";

/// What status 404 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// The user gave no config.
    NoConfig,
    /// The service is not the one it should be.
    Failure,
}

/// A read of `url` with `headers`.
pub(crate) fn get(url: &str, headers: &[(&str, &str)]) -> HttpRequest {
    request(HttpMethod::Get, url, headers)
}

/// A request without a body.
pub(crate) fn request(method: HttpMethod, url: &str, headers: &[(&str, &str)]) -> HttpRequest {
    HttpRequest {
        method,
        url: url.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: Vec::new(),
        retry_also: Vec::new(),
        is_from_privileged_port: false,
    }
}

/// The bytes behind `request`; `None` for status 204, an empty body, and 404 where `absent` says so.
///
/// # Errors
/// [`PlatformError::Access`] for any other status but 200, and when the service cannot be reached.
pub(crate) fn read(
    via: &dyn Access,
    id: PlatformId,
    request: &HttpRequest,
    absent: Absent,
) -> Result<Option<Vec<u8>>, PlatformError> {
    let answer = via
        .http(request)
        .map_err(|source| PlatformError::Access { id, source })?;
    match (answer.status, absent) {
        (200, _) => Ok(Some(answer.body).filter(|body| !body.is_empty())),
        (204, _) | (404, Absent::NoConfig) => Ok(None),
        _ => Err(refused(id, request, &answer)),
    }
}

/// The text behind `request`, without the spaces around it; `None` as [`read`] with [`Absent::NoConfig`].
///
/// # Errors
/// As [`read`]; [`PlatformError::Malformed`] when it is not UTF-8.
pub(crate) fn text(
    via: &dyn Access,
    id: PlatformId,
    request: &HttpRequest,
) -> Result<Option<String>, PlatformError> {
    let Some(bytes) = read(via, id, request, Absent::NoConfig)? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|_| PlatformError::Malformed {
        id,
        why: format!("{} is not text", shown(&request.url)),
    })?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// One attribute that has an address of its own: what stands behind `base`, the established name, and what it is.
pub(crate) type Row = (&'static str, &'static str, Option<Fact>);

/// Asks for every row in turn; what the service does not have is left out.
///
/// # Errors
/// As [`text`].
pub(crate) fn rows(
    via: &dyn Access,
    id: PlatformId,
    (base, headers): (&str, &[(&str, &str)]),
    attributes: &mut Attributes,
    rows: &[Row],
) -> Result<(), PlatformError> {
    for (path, name, fact) in rows {
        let value = text(via, id, &get(&format!("{base}{path}"), headers))?;
        attributes.add(name, *fact, value.as_deref());
    }
    Ok(())
}

/// Tells the service something; any status from 200 to 299 is its thanks.
///
/// # Errors
/// [`PlatformError::Access`] for any other status, and when the service cannot be reached.
pub(crate) fn tell(via: &dyn Access, id: PlatformId, request: &HttpRequest) -> Result<(), PlatformError> {
    let answer = via
        .http(request)
        .map_err(|source| PlatformError::Access { id, source })?;
    match answer.status {
        200..=299 => Ok(()),
        _ => Err(refused(id, request, &answer)),
    }
}

/// What a service says that has an address for each thing, and nothing else.
pub(crate) struct Table {
    pub(crate) id: PlatformId,
    /// What names of attributes begin with.
    pub(crate) prefix: &'static str,
    /// What all addresses begin with.
    pub(crate) base: &'static str,
    pub(crate) rows: &'static [Row],
    /// Where the host's name is.
    pub(crate) hostname: &'static str,
    /// Where the public keys are, one a line.
    pub(crate) keys: &'static str,
}

impl Table {
    fn said(&self, via: &dyn Access, path: &str) -> Result<Option<String>, PlatformError> {
        text(via, self.id, &get(&format!("{}{path}", self.base), &[]))
    }
}

impl Metadata for Table {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let mut attributes = Attributes::of(self.prefix);
        rows(via, self.id, (self.base, &[]), &mut attributes, self.rows)?;
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        Ok(self.said(via, self.hostname)?.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        keys_of(self.id, self.said(via, self.keys)?.as_slice())
    }
}

/// The config behind `url`, byte for byte.
///
/// # Errors
/// As [`read`].
pub(crate) fn config(
    via: &dyn Access,
    id: PlatformId,
    request: &HttpRequest,
    absent: Absent,
) -> Result<Option<UserData>, PlatformError> {
    Ok(read(via, id, request, absent)?.and_then(UserData::new))
}

/// An answer that is none.
pub(crate) fn refused(id: PlatformId, request: &HttpRequest, answer: &HttpAnswer) -> PlatformError {
    let source = AccessError::Failed {
        what: shown(&request.url),
        why: format!("the service answered with status {}", answer.status),
    };
    PlatformError::Access { id, source }
}

/// An address without what in it may be a secret.
fn shown(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (scheme, rest) = url
        .get(..end)
        .and_then(|url| url.split_once("://"))
        .unwrap_or_default();
    let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
    format!("{scheme}://{host}/{path}")
}

/// A config that the service holds as base64, with or without line ends.
///
/// # Errors
/// [`PlatformError::Malformed`] for anything else.
pub(crate) fn from_base64(id: PlatformId, bytes: &[u8]) -> Result<Option<UserData>, PlatformError> {
    let text: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let config = STANDARD.decode(text).map_err(|_| PlatformError::Malformed {
        id,
        why: "it is not base64".to_owned(),
    })?;
    Ok(UserData::new(config))
}

/// A token that the service answered `request` with.
///
/// # Errors
/// [`PlatformError::Malformed`] when it is empty or no text.
pub(crate) fn token(id: PlatformId, answer: &HttpAnswer) -> Result<String, PlatformError> {
    let text = std::str::from_utf8(&answer.body).unwrap_or_default().trim();
    if text.is_empty() {
        return Err(PlatformError::Malformed {
            id,
            why: "its token is empty".to_owned(),
        });
    }
    Ok(text.to_owned())
}

/// A platform that is one read of its metadata service.
pub struct OneRead {
    pub(crate) id: PlatformId,
    pub(crate) url: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) absent: Absent,
    pub(crate) place: &'static str,
    pub(crate) metadata: &'static dyn Metadata,
}

impl Platform for OneRead {
    fn id(&self) -> PlatformId {
        self.id
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        self.place
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        config(via, self.id, &get(self.url, self.headers), self.absent)
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self.metadata)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    #[test]
    fn addresses_are_shown_without_their_secrets() {
        for (url, expected) in [
            ("http://u:planted@h:80/a/b?sig=planted#planted", "http://h:80/a/b"),
            ("http://h", "http://h/"),
            ("unix://lxd/dev/lxd/sock:/1.0", "unix://lxd/dev/lxd/sock:/1.0"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    /// Holds a platform to its request, and to what statuses mean.
    pub(crate) fn asks(platform: &OneRead, request: &str) {
        let answer = |status, body| RecordedAccess::of_http(&[(platform.url, status, body)]);
        let via = answer(200, "config");
        assert_eq!(platform.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(via.asked(), [request]);
        assert_eq!(platform.user_data(&answer(200, "")), Ok(None));
        assert_eq!(platform.user_data(&answer(204, "")), Ok(None));
        match platform.absent {
            Absent::NoConfig => assert_eq!(platform.user_data(&answer(404, "")), Ok(None)),
            Absent::Failure => assert!(platform.user_data(&answer(404, "")).is_err()),
        }
        let refused = platform.user_data(&answer(403, "")).unwrap_err();
        assert!(matches!(refused, PlatformError::Access { .. }), "{refused:?}");
    }
}
