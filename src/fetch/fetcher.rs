//! [`Fetcher`]: resources to bytes, under settings that each config may change.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kindling_config_spec::types::{Ignition, Resource};
use kindling_platforms::{AccessError, HttpAnswer, HttpMethod, HttpRequest};
use url::Url;

use super::resource::{Break, Delivery, Place, Wanted};
use super::retry::{Attempt, Pace, Stop, persist};
use super::{DOCUMENT_LIMIT, FetchError, Received, Transport, TransportSettings, shown};
use crate::host::http::{HttpError, Method, ProxyRules, Request, parse_roots};

/// The largest bundle of certificate authorities. The whole web's is a quarter of a megabyte.
const AUTHORITIES_LIMIT: u64 = 4 << 20;

/// Fetches resources. Clones share connections and the cache of certificate authorities, and have their own settings.
#[derive(Clone)]
pub struct Fetcher {
    transport: Arc<dyn Transport>,
    settings: TransportSettings,
    pace: Pace,
    stop: Stop,
    authorities: Arc<Mutex<BTreeMap<String, Cached>>>,
}

/// A bundle that was downloaded, and for which resource.
struct Cached {
    resource: Resource,
    pem: Arc<[u8]>,
}

impl Fetcher {
    /// A fetcher with the settings of the first config.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, settings: TransportSettings, pace: Pace) -> Self {
        Self {
            transport,
            settings,
            pace,
            stop: Stop::default(),
            authorities: Arc::default(),
        }
    }

    /// The settings now in force.
    #[must_use]
    pub fn settings(&self) -> &TransportSettings {
        &self.settings
    }

    /// The same fetcher, which gives up when `stop` is set.
    #[must_use]
    pub fn stopped_by(&self, stop: &Stop) -> Self {
        Self {
            stop: stop.clone(),
            ..self.clone()
        }
    }

    /// Takes over the timeouts, proxy and certificate authorities of a config, in that order: authorities are
    /// fetched under the new timeouts and through the new proxy. An empty list of authorities keeps those of the
    /// config before; a list replaces them. Timeouts of zero and below are no limit.
    ///
    /// # Errors
    /// [`FetchError::Proxy`], [`FetchError::Authorities`], or whatever fetching an authority brings; the settings
    /// then stay as far as they were changed.
    pub fn configure(&mut self, ignition: &Ignition) -> Result<(), FetchError> {
        let proxy = &ignition.proxy;
        let rules = ProxyRules::new(
            proxy.http_proxy.as_deref(),
            proxy.https_proxy.as_deref(),
            &proxy.no_proxy,
        )?;
        let timeouts = &ignition.timeouts;
        self.settings.total_timeout = seconds(timeouts.http_total, None);
        self.settings.connection.header_timeout = seconds(
            timeouts.http_response_headers,
            Some(TransportSettings::HEADER_TIMEOUT),
        );
        self.settings.connection.proxy = rules;
        let authorities = &ignition.security.tls.certificate_authorities;
        if authorities.is_empty() {
            return Ok(());
        }
        let mut roots = Vec::new();
        for resource in authorities {
            let pem = self.authority(resource)?;
            roots.extend(parse_roots(&pem).map_err(|source| FetchError::Authorities {
                url: shown(resource.source.as_deref().unwrap_or_default()),
                source,
            })?);
        }
        self.settings.connection.roots = roots;
        Ok(())
    }

    /// Tells the fetcher a time, in seconds since 1970, that is certainly past: certificates are judged no earlier.
    pub fn raise_time_floor(&mut self, floor: u64) {
        let current = &mut self.settings.connection.time_floor;
        *current = Some(current.map_or(floor, |known| known.max(floor)));
    }

    /// The PEM bundle of a certificate authority, downloaded once per process.
    ///
    /// # Errors
    /// As [`Self::buffer`].
    pub fn authority(&self, resource: &Resource) -> Result<Arc<[u8]>, FetchError> {
        let source = resource.source.clone().unwrap_or_default();
        let cache = || self.authorities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cache().get(&source).filter(|cached| cached.resource == *resource) {
            return Ok(Arc::clone(&cached.pem));
        }
        let pem: Arc<[u8]> = self.buffer(resource, AUTHORITIES_LIMIT)?.into();
        cache().insert(
            source,
            Cached {
                resource: resource.clone(),
                pem: Arc::clone(&pem),
            },
        );
        Ok(pem)
    }

    /// The bytes of `resource`, decompressed and verified, in memory.
    ///
    /// # Errors
    /// [`FetchError::TooLarge`] above `limit` bytes; otherwise as [`Self::stream`].
    pub fn buffer(&self, resource: &Resource, limit: u64) -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        self.deliver(resource, &mut bytes, Some(limit))?;
        Ok(bytes)
    }

    /// Writes the bytes of `resource` to `sink`, decompressed, and compares their digest at the end. After an error
    /// the sink may have got a part. A transfer that breaks off is begun again without writing anything twice.
    ///
    /// # Errors
    /// See [`FetchError`]; [`FetchError::NeedsNetwork`] when the fetcher is offline and the resource is not inline.
    pub fn stream(&self, resource: &Resource, sink: &mut dyn Write) -> Result<Received, FetchError> {
        self.deliver(resource, sink, None)
    }

    fn deliver(
        &self,
        resource: &Resource,
        sink: &mut dyn Write,
        limit: Option<u64>,
    ) -> Result<Received, FetchError> {
        let wanted = Wanted::parse(resource, self.settings.offline)?;
        let mut delivery = Delivery::new(&wanted, sink, limit);
        match &wanted.place {
            Place::Inline(bytes) => {
                delivery
                    .pass(Cursor::new(bytes), wanted.packing)
                    .map_err(|broken| match broken {
                        Break::Final(error) => error,
                        Break::Transfer(source) => FetchError::Http {
                            url: wanted.shown.clone(),
                            source,
                        },
                    })?;
            }
            Place::Remote(url) => {
                let total = self.settings.total_timeout;
                persist(&self.pace, &self.stop, total, &wanted.shown, |left| {
                    self.attempt(&wanted, url, left, &mut delivery)
                })?;
            }
        }
        delivery.finish(&wanted)
    }

    fn attempt(
        &self,
        wanted: &Wanted,
        url: &Url,
        left: Option<Duration>,
        delivery: &mut Delivery<'_>,
    ) -> Result<(), Attempt> {
        let request = Request {
            headers: wanted.headers.clone(),
            finish_within: left,
            ..Request::get(url.clone())
        };
        let judged = |source: HttpError| {
            if source.is_transient() {
                Attempt::Transient(source)
            } else {
                Attempt::Permanent(FetchError::Http {
                    url: wanted.shown.clone(),
                    source,
                })
            }
        };
        let answer = self
            .transport
            .open(&request, &self.settings.connection)
            .map_err(judged)?;
        if !matches!(answer.status, 200 | 204) {
            return Err(judged(HttpError::Status(answer.status)));
        }
        delivery
            .pass(answer.body, wanted.packing)
            .map_err(|broken| match broken {
                Break::Transfer(source) => judged(source),
                Break::Final(error) => Attempt::Permanent(error),
            })
    }

    /// One question to a metadata service, for [`kindling_platforms::Access::http`].
    ///
    /// # Errors
    /// As that method says.
    pub fn exchange(&self, request: &HttpRequest) -> Result<HttpAnswer, AccessError> {
        let what = shown(&request.url);
        if self.settings.offline {
            return Err(AccessError::NeedsNetwork);
        }
        let failed = |why: String| AccessError::Failed {
            what: what.clone(),
            why,
        };
        let url = Url::parse(&request.url).map_err(|error| failed(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AccessError::NotBuilt {
                what: format!("scheme {}", url.scheme()),
            });
        }
        let total = self.settings.total_timeout;
        persist(&self.pace, &self.stop, total, &what, |left| {
            self.ask(request, &url, &what, left)
        })
        .map_err(|error| match error {
            FetchError::TooLarge { url, limit } => AccessError::TooLarge { what: url, limit },
            FetchError::Http { source, .. } => failed(source.to_string()),
            FetchError::TimedOut { attempts, source, .. } => {
                failed(format!("{source}, after {attempts} attempts"))
            }
            other => failed(other.to_string()),
        })
    }

    fn ask(
        &self,
        request: &HttpRequest,
        url: &Url,
        what: &str,
        left: Option<Duration>,
    ) -> Result<HttpAnswer, Attempt> {
        let call = Request {
            method: match request.method {
                HttpMethod::Get => Method::Get,
                HttpMethod::Head => Method::Head,
                HttpMethod::Put => Method::Put,
                HttpMethod::Post => Method::Post,
            },
            url: url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            finish_within: left,
        };
        let judged = |source: HttpError| {
            if source.is_transient() {
                Attempt::Transient(source)
            } else {
                Attempt::Permanent(FetchError::Http {
                    url: what.to_owned(),
                    source,
                })
            }
        };
        let answer = self
            .transport
            .open(&call, &self.settings.connection)
            .map_err(judged)?;
        if answer.status >= 500 || request.retry_also.contains(&answer.status) {
            return Err(Attempt::Transient(HttpError::Status(answer.status)));
        }
        let mut body = Vec::new();
        let limit = DOCUMENT_LIMIT;
        answer
            .body
            .take(limit + 1)
            .read_to_end(&mut body)
            .map_err(|error| {
                let after = u64::try_from(body.len()).unwrap_or(u64::MAX);
                let cut = HttpError::BodyCut {
                    after,
                    why: error.to_string(),
                };
                Attempt::Transient(HttpError::of_body(&error).cloned().unwrap_or(cut))
            })?;
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > limit {
            return Err(Attempt::Permanent(FetchError::TooLarge {
                url: what.to_owned(),
                limit,
            }));
        }
        Ok(HttpAnswer {
            status: answer.status,
            headers: answer.headers,
            body,
        })
    }
}

/// A timeout of the config: `absent` where there is none, no limit for zero and below.
fn seconds(configured: Option<i64>, absent: Option<Duration>) -> Option<Duration> {
    match configured {
        None => absent,
        Some(value) => u64::try_from(value)
            .ok()
            .filter(|value| *value > 0)
            .map(Duration::from_secs),
    }
}
