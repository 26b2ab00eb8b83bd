//! Object stores of clouds: what has to be known, and shown, before an object can be read.
//!
//! Who this machine is, its cloud's metadata service says: a role's credentials (`aws`), a service account's token
//! (`gcp`), a managed identity's token (`azure`). On any other platform, and for a machine without such an identity,
//! objects are read as anybody reads them. What was learned serves all resources of the process.

mod identity;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kindling_config_spec::order::OrderedMap;

use kindling_platforms::{HttpMethod, HttpRequest, Platform};
use url::Url;

use self::identity::{Identity, Told, bearer};
use super::s3::sign::signed;
use super::s3::{self, Object, encoded};
use super::{FetchError, Fetcher};

/// The cloud this machine is in, as far as object stores care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cloud {
    Aws,
    Gcp,
    Azure,
    #[default]
    Other,
}

/// Where the stores and the metadata service are.
#[derive(Clone, Debug)]
pub struct Stores {
    cloud: Cloud,
    /// The metadata service of the cloud, without a path.
    metadata: String,
    /// See [`kindling_platforms::Platform::also_at`].
    also_at: &'static [(&'static str, &'static str)],
    style: s3::Style,
    /// The server of `gs`, without a path.
    google: String,
    identity: Arc<Mutex<Option<Told>>>,
    regions: Arc<Mutex<OrderedMap<String, String>>>,
}

/// A request for an object, ready to be sent.
pub(super) struct Prepared {
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    /// Whether it may be sent once more without the identity, should the store not like it.
    pub(super) or_plain: bool,
}

impl Default for Stores {
    /// The vendors' own servers, asked by a machine that is in none of their clouds.
    fn default() -> Self {
        Self {
            cloud: Cloud::Other,
            metadata: "http://169.254.169.254".to_owned(),
            also_at: &[],
            style: s3::Style::default(),
            google: "https://storage.googleapis.com".to_owned(),
            identity: Arc::default(),
            regions: Arc::default(),
        }
    }
}

impl Stores {
    /// As a machine of `platform` sees them; `fips` when its kernel allows validated cryptography only.
    #[must_use]
    pub fn of_platform(platform: &str, fips: bool) -> Self {
        let cloud = match platform {
            "aws" => Cloud::Aws,
            "gcp" => Cloud::Gcp,
            "azure" => Cloud::Azure,
            _ => Cloud::Other,
        };
        let style = s3::Style { fips, server: None };
        Self {
            cloud,
            also_at: kindling_platforms::get(platform).map_or(&[], Platform::also_at),
            style,
            ..Self::default()
        }
    }

    /// With all servers at `server`, an address without a path: for tests.
    #[must_use]
    pub fn at(self, server: &str) -> Self {
        Self {
            metadata: server.to_owned(),
            style: s3::Style {
                server: Some(server.to_owned()),
                ..self.style
            },
            google: server.to_owned(),
            ..self
        }
    }

    /// Whether `url` is a blob that this machine may have an identity for: in Azure, of Azure, and without a signature
    /// of its own in the query.
    pub(super) fn is_blob(&self, url: &Url) -> bool {
        let is_file = url
            .path_segments()
            .is_some_and(|parts| parts.filter(|part| !part.is_empty()).count() == 2);
        let is_store = url
            .host_str()
            .is_some_and(|host| host.ends_with(".blob.core.windows.net"));
        self.cloud == Cloud::Azure && is_store && is_file && url.query().is_none() && url.scheme() == "https"
    }
}

/// The parts of a `gs` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GoogleObject {
    bucket: String,
    object: String,
}

impl GoogleObject {
    /// Understands `gs://BUCKET/OBJECT`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(url: &Url) -> Result<Self, String> {
        let object = kindling_config_spec::url_syntax::unescaped(url.path().trim_start_matches('/'))
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or("it has a broken escape")?;
        let bucket = url.host_str().unwrap_or_default().to_owned();
        if bucket.is_empty() || object.is_empty() {
            return Err("it is not gs://BUCKET/OBJECT".to_owned());
        }
        Ok(Self { bucket, object })
    }

    /// The store's address of the object's content.
    fn address(&self, server: &str) -> Result<Url, String> {
        let (bucket, object) = (encoded(&self.bucket, false), encoded(&self.object, false));
        Url::parse(&format!("{server}/storage/v1/b/{bucket}/o/{object}?alt=media"))
            .map_err(|error| error.to_string())
    }
}

impl Fetcher {
    /// The request for an object of S3: signed where this machine has a role. Finding out where it is may last for
    /// `left`.
    pub(super) fn prepare_s3(
        &self,
        object: &Object,
        shown: &str,
        left: Option<Duration>,
    ) -> Result<Prepared, FetchError> {
        let broken = |why: String| FetchError::Address {
            url: shown.to_owned(),
            why,
        };
        let told = self.told(shown)?;
        let region = match object.region() {
            Some(region) => region.to_owned(),
            None => self.region_of(object, told.region.as_deref(), shown, left)?,
        };
        let url = object.address(&region, &self.stores.style).map_err(broken)?;
        let headers = match &told.identity {
            Identity::Role { credentials, time } => {
                let since = self.pace.now().saturating_sub(told.at).as_secs();
                signed(&url, &[], &region, credentials, time.saturating_add(since))
            }
            Identity::Nobody | Identity::Bearer(_) => Vec::new(),
        };
        Ok(Prepared {
            url,
            headers,
            or_plain: false,
        })
    }

    /// The request for an object of Google's store: with a token where this machine has a service account.
    pub(super) fn prepare_google(&self, object: &GoogleObject, shown: &str) -> Result<Prepared, FetchError> {
        let url = object
            .address(&self.stores.google)
            .map_err(|why| FetchError::Address {
                url: shown.to_owned(),
                why,
            })?;
        Ok(Prepared {
            url,
            headers: bearer(&self.told(shown)?.identity),
            or_plain: false,
        })
    }

    /// The request for a blob of Azure: with a token where this machine has a managed identity. Without one, or where
    /// the store does not accept it, the blob is read as anybody reads it.
    pub(super) fn prepare_blob(&self, url: &Url, shown: &str) -> Result<Prepared, FetchError> {
        let mut headers = bearer(&self.told(shown)?.identity);
        if !headers.is_empty() {
            // The first version of the service that knows tokens is of 2017; this one is in every region.
            headers.push(("x-ms-version".to_owned(), "2020-04-08".to_owned()));
        }
        Ok(Prepared {
            url: url.clone(),
            or_plain: !headers.is_empty(),
            headers,
        })
    }

    /// The region of the object's bucket: asked for without an identity, and told even to those who may not read.
    fn region_of(
        &self,
        object: &Object,
        here: Option<&str>,
        shown: &str,
        left: Option<Duration>,
    ) -> Result<String, FetchError> {
        let Some((bucket, first)) = object.to_locate(here) else {
            return Ok(here.unwrap_or_default().to_owned());
        };
        let known = || self.stores.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(region) = known().get(&bucket) {
            return Ok(region.clone());
        }
        let failed = |why: String| FetchError::Identity {
            url: shown.to_owned(),
            why,
        };
        let url = self.stores.style.locating(&bucket, &first).map_err(failed)?;
        let request = HttpRequest {
            method: HttpMethod::Head,
            url: url.to_string(),
            headers: Vec::new(),
            body: Vec::new(),
            retry_also: Vec::new(),
            is_from_privileged_port: false,
        };
        let mut bounded = self.clone();
        bounded.settings.total_timeout = left;
        let answer = bounded
            .exchange(&request, &[])
            .map_err(|error| failed(error.to_string()))?;
        if answer.status == 404 {
            return Err(FetchError::BucketAbsent {
                url: shown.to_owned(),
            });
        }
        let told = answer
            .headers
            .into_iter()
            .find(|(name, _)| name == "x-amz-bucket-region");
        let region = told.map_or(first, |(_, region)| region);
        let is_name = region
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if region.is_empty() || !is_name {
            return Err(failed("the store told a region that has no name".to_owned()));
        }
        known().insert(bucket, region.clone());
        Ok(region)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use kindling_config_spec::types::Resource;

    use super::*;
    use crate::fetch::{Pace, SimulatedClock, Transport, TransportSettings};
    use crate::host::http::{Answer, Connection, Request};
    use crate::host::transfer::TransferError;

    /// Azure in memory, since its host names cannot be had on loopback: a metadata service that answers with a status,
    /// and a store that lets the token in or only those without one.
    struct FakeAzure {
        identity: u16,
        takes_tokens: bool,
        seen: Mutex<Vec<(String, bool)>>,
    }

    impl Transport for FakeAzure {
        fn open(&self, request: &Request, _: &Connection) -> Result<Answer, TransferError> {
            let has_token = request.headers.iter().any(|(name, _)| name == "Authorization");
            let host = request.url.host_str().unwrap().to_owned();
            self.seen.lock().unwrap().push((host.clone(), has_token));
            let (status, body) = match (host.as_str(), has_token) {
                ("169.254.169.254", _) => (self.identity, r#"{"access_token":"planted"}"#),
                (_, true) if !self.takes_tokens => (403, ""),
                _ => (200, "blob"),
            };
            Ok(Answer {
                status,
                headers: Vec::new(),
                length: None,
                is_redirected: false,
                body: Box::new(Cursor::new(body)),
            })
        }
    }

    fn read(identity: u16, takes_tokens: bool, source: &str) -> Vec<(String, bool)> {
        let azure = Arc::new(FakeAzure {
            identity,
            takes_tokens,
            seen: Mutex::default(),
        });
        let fetcher = Fetcher::new(
            Arc::clone(&azure) as Arc<dyn Transport>,
            TransportSettings::first(Duration::ZERO, false),
            Pace::new(Arc::new(SimulatedClock::default()), 1),
        )
        .with_stores(Stores::of_platform("azure", false));
        let resource = Resource {
            source: Some(source.to_owned()),
            ..Resource::default()
        };
        assert_eq!(fetcher.buffer(&resource, 100), Ok(b"blob".to_vec()));
        azure.seen.lock().unwrap().clone()
    }

    #[test]
    fn a_blob_is_read_with_the_managed_identity_and_else_by_anybody() {
        let blob = "https://account.blob.core.windows.net/container/file";
        let host = "account.blob.core.windows.net";
        let service = "169.254.169.254";
        for (identity, takes_tokens, expected) in [
            (200, true, vec![(service, false), (host, true)]),
            (200, false, vec![(service, false), (host, true), (host, false)]),
            (400, true, vec![(service, false), (host, false)]),
            (403, true, vec![(service, false), (host, false)]),
        ] {
            let seen = read(identity, takes_tokens, blob);
            let seen: Vec<_> = seen.iter().map(|(host, token)| (host.as_str(), *token)).collect();
            assert_eq!(seen, expected, "{identity} {takes_tokens}");
        }
    }

    #[test]
    fn only_blobs_of_azure_without_a_signature_want_an_identity() {
        for source in [
            "https://account.blob.core.windows.net/container/dir/file",
            "https://account.blob.core.windows.net/container/file?sig=planted",
            "https://blob.core.windows.net.example/container/file",
            "http://account.blob.core.windows.net/container/file",
        ] {
            assert!(
                read(200, true, source).iter().all(|(_, token)| !token),
                "{source}"
            );
        }
    }
}
