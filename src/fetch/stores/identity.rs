//! Who this machine is, as its cloud's metadata service says.

use std::sync::PoisonError;
use std::time::Duration;

use kindling_config_spec::json;
use kindling_platforms::{HttpAnswer, HttpMethod, HttpRequest};
use serde_json::Value;

use super::Cloud;
use crate::fetch::access::addresses;
use crate::fetch::s3::encoded;
use crate::fetch::s3::sign::Credentials;
use crate::fetch::{FetchError, Fetcher};
use crate::host::machine::seconds_since_1970;

/// How long the metadata service may take to say who the machine is.
const IDENTITY_WITHIN: Duration = Duration::from_secs(15);

/// How long what it said is used. Tokens last an hour at least, and services renew them minutes before their end.
const IDENTITY_LASTS: Duration = Duration::from_secs(240);

/// What the metadata service told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// When, by the clock of retries.
    pub(super) at: Duration,
    pub(super) identity: Identity,
    /// The region of this machine, where the cloud has such.
    pub(super) region: Option<String>,
}

/// Who the machine is.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    /// Nobody in particular.
    Nobody,
    /// A role, and what time it was when this was told, in seconds since 1970: signatures carry the time.
    Role { credentials: Credentials, time: u64 },
    /// Whoever holds this token.
    Bearer(Secret),
}

/// A token that is not printed.
#[derive(Clone)]
pub(super) struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret")
    }
}

impl Fetcher {
    /// What the metadata service says of this machine. Whoever comes first asks, and the others wait for the answer: it
    /// comes within a minute at most.
    pub(super) fn told(&self, shown: &str) -> Result<Told, FetchError> {
        let mut known = self
            .stores
            .identity
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = self.pace.now();
        if let Some(told) = known
            .as_ref()
            .filter(|told| now.saturating_sub(told.at) < IDENTITY_LASTS)
        {
            return Ok(told.clone());
        }
        let nobody = Told {
            at: now,
            identity: Identity::Nobody,
            region: None,
        };
        let failed = |why| FetchError::Identity {
            url: shown.to_owned(),
            why,
        };
        let told = match self.stores.cloud {
            Cloud::Other => nobody,
            Cloud::Aws => self.role().map_err(failed)?,
            Cloud::Gcp => Told {
                identity: self.google_account().map_err(failed)?,
                ..nobody
            },
            Cloud::Azure => Told {
                // Most blobs are open to whoever has their address: an identity that cannot be had is none.
                identity: self.managed_identity().unwrap_or_else(|error| {
                    tracing::info!("{error}; blobs are read without an identity");
                    Identity::Nobody
                }),
                ..nobody
            },
        };
        *known = Some(told.clone());
        Ok(told)
    }

    fn google_account(&self) -> Result<Identity, String> {
        self.token(
            "/computeMetadata/v1/instance/service-accounts/default/token\
             ?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdevstorage.read_only",
            ("Metadata-Flavor", "Google"),
        )
    }

    fn managed_identity(&self) -> Result<Identity, String> {
        self.token(
            "/metadata/identity/oauth2/token\
             ?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com%2F",
            ("Metadata", "true"),
        )
    }

    /// One question to the metadata service: never by a proxy, and not for long.
    fn metadata(
        &self,
        method: HttpMethod,
        path: &str,
        header: Option<(&str, &str)>,
    ) -> Result<HttpAnswer, String> {
        let mut direct = self.clone();
        direct.settings.total_timeout = Some(IDENTITY_WITHIN);
        direct.settings.connection.proxy = crate::host::http::ProxyRules::default();
        let header = header.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = HttpRequest {
            method,
            url: format!("{}{path}", self.stores.metadata),
            headers: header
                .into_iter()
                .chain([("Accept".to_owned(), "*/*".to_owned())])
                .collect(),
            body: Vec::new(),
            retry_also: vec![429],
            is_from_privileged_port: false,
        };
        let others = addresses(&request.url, self.stores.also_at);
        direct
            .exchange(&request, &others)
            .map_err(|error| error.to_string())
    }

    /// The region of the instance, and the credentials of its role where it has one. A metadata service that does not
    /// list roles, or is switched off, means that there is none.
    fn role(&self) -> Result<Told, String> {
        const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
        let mut told = Told {
            at: self.pace.now(),
            identity: Identity::Nobody,
            region: None,
        };
        let Ok(token) = self.session() else {
            return Ok(told);
        };
        let with = token.as_deref().map(|token| ("X-aws-ec2-metadata-token", token));
        let read = |path: &str| {
            let answer = self.metadata(HttpMethod::Get, path, with).ok()?;
            (answer.status == 200)
                .then(|| text(&answer))
                .filter(|text| !text.is_empty())
        };
        told.region = read("/latest/meta-data/placement/region");
        let Some(roles) = read(ROLES) else { return Ok(told) };
        let role = roles.lines().next().unwrap_or_default();
        let answer = self.metadata(HttpMethod::Get, &format!("{ROLES}{}", encoded(role, false)), with)?;
        let document = json(&answer)?;
        let field = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(access_key), Some(secret_key)) = (field("AccessKeyId"), field("SecretAccessKey")) else {
            return Err("the metadata service told no credentials of the instance's role".to_owned());
        };
        told.at = self.pace.now();
        told.identity = Identity::Role {
            credentials: Credentials {
                access_key,
                secret_key,
                token: field("Token"),
            },
            time: answer.time.unwrap_or_else(seconds_since_1970),
        };
        Ok(told)
    }

    /// The token that the second version of the metadata service wants; none where there is only the first.
    fn session(&self) -> Result<Option<String>, String> {
        let answer = self.metadata(
            HttpMethod::Put,
            "/latest/api/token",
            Some(("X-aws-ec2-metadata-token-ttl-seconds", "21600")),
        )?;
        Ok((answer.status == 200).then(|| text(&answer)))
    }

    fn token(&self, path: &str, header: (&str, &str)) -> Result<Identity, String> {
        let answer = self.metadata(HttpMethod::Get, path, Some(header))?;
        // 404: no service account (gcp); 400: no managed identity (azure).
        if matches!(answer.status, 400 | 404) {
            return Ok(Identity::Nobody);
        }
        let told = json(&answer)?;
        match told.get("access_token").and_then(Value::as_str) {
            Some(token) => Ok(Identity::Bearer(Secret(token.to_owned()))),
            None => Err("the metadata service told no token".to_owned()),
        }
    }
}

pub(super) fn bearer(identity: &Identity) -> Vec<(String, String)> {
    match identity {
        Identity::Bearer(Secret(token)) => vec![("Authorization".to_owned(), format!("Bearer {token}"))],
        Identity::Nobody | Identity::Role { .. } => Vec::new(),
    }
}

fn text(answer: &HttpAnswer) -> String {
    String::from_utf8_lossy(&answer.body).trim().to_owned()
}

fn json(answer: &HttpAnswer) -> Result<Value, String> {
    if answer.status != 200 {
        return Err(format!(
            "the metadata service answered with status {}",
            answer.status
        ));
    }
    json::read(&answer.body).ok_or_else(|| "the metadata service answered with broken JSON".to_owned())
}
