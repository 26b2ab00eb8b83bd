//! [`Fetcher`]: resources to bytes, under settings that each config may change.

use std::io::{Cursor, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::{Ignition, Resource, kindling};
use kindling_platforms::{AccessError, HttpAnswer, HttpRequest};
use url::Url;

use super::address::is_link_local;
use super::body::{Body, Ended, plain, refused};
use super::resource::{Break, Delivery, Place, Remote, Wanted};
use super::retry::{Attempt, Pace, Stop, Trials, persist};
use super::stores::{Prepared, Stores};
use super::{DOCUMENT_LIMIT, FetchError, Received, Transport, TransportSettings, shown};
use crate::calendar::http_date;
use crate::host::http::{Answer, ClientIdentity, ProxyRules, Request, Root, parse_roots};
use crate::host::machine::note_time;
use crate::host::runs::{Run, Runs, since_boot};
use crate::host::transfer::TransferError;

/// The largest bundle of certificate authorities. The whole web's is a quarter of a megabyte.
const BUNDLE_LIMIT: u64 = 4 << 20;

/// Fetches resources. Clones share connections and the cache of PEM bundles, and have their own settings.
#[derive(Clone)]
pub struct Fetcher {
    transport: Arc<dyn Transport>,
    pub(super) settings: TransportSettings,
    pub(super) pace: Pace,
    stop: Stop,
    pub(super) stores: Stores,
    bundles: Arc<Mutex<OrderedMap<String, Cached>>>,
    runs: Runs,
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
            stores: Stores::default(),
            bundles: Arc::default(),
            runs: Runs::default(),
        }
    }

    /// The settings now in force.
    #[must_use]
    pub fn settings(&self) -> &TransportSettings {
        &self.settings
    }

    /// The same fetcher, for a machine that sees the clouds' object stores like this.
    #[must_use]
    pub fn with_stores(self, stores: Stores) -> Self {
        Self { stores, ..self }
    }

    /// The same fetcher, which notes what it downloaded, and tells what it waits for.
    #[must_use]
    pub fn noted_in(self, runs: &Runs) -> Self {
        let runs = runs.clone();
        Self { runs, ..self }
    }

    /// The same fetcher, which gives up when `stop` is set.
    #[must_use]
    pub fn stopped_by(&self, stop: &Stop) -> Self {
        Self {
            stop: stop.clone(),
            ..self.clone()
        }
    }

    /// The same fetcher, which has this time for each resource and exchange.
    #[must_use]
    pub fn within(&self, total: Duration) -> Self {
        let mut bounded = self.clone();
        bounded.settings.total_timeout = Some(total);
        bounded
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
            let pem = self.pem(resource)?;
            roots.extend(parse_roots(&pem).map_err(|source| FetchError::Authorities {
                url: shown(resource.source.as_deref().unwrap_or_default()),
                source,
            })?);
        }
        if let Some(newest) = roots.iter().filter_map(Root::valid_from).max() {
            self.raise_time_floor(newest);
        }
        self.settings.connection.roots = roots;
        Ok(())
    }

    /// Takes over who this machine is for which host; to be called after [`Self::configure`], under whose settings
    /// certificates and keys are fetched. Hosts that were there before stay.
    ///
    /// # Errors
    /// [`FetchError::ClientIdentity`], or whatever fetching brings.
    pub fn identify(&mut self, transport: &kindling::Transport) -> Result<(), FetchError> {
        for (host, identity) in &transport.hosts {
            let certificate = self.pem(&identity.client_certificate)?;
            let key = self.pem(&identity.client_key)?;
            let identity =
                ClientIdentity::parse(&certificate, &key).map_err(|source| FetchError::ClientIdentity {
                    host: host.clone(),
                    source,
                })?;
            // As addresses have it.
            let host = host.to_ascii_lowercase();
            self.settings.connection.identities.insert(host, identity);
        }
        Ok(())
    }

    /// Tells the fetcher a time, in seconds since 1970, that is certainly past: certificates are judged no earlier.
    #[must_use]
    pub fn no_earlier_than(mut self, floor: u64) -> Self {
        self.raise_time_floor(floor);
        self
    }

    /// As [`Self::no_earlier_than`].
    pub fn raise_time_floor(&mut self, floor: u64) {
        let current = &mut self.settings.connection.time_floor;
        *current = Some(current.map_or(floor, |known| known.max(floor)));
    }

    /// A PEM bundle (authorities, a client's certificate or key), downloaded once per process.
    ///
    /// # Errors
    /// As [`Self::buffer`].
    pub fn pem(&self, resource: &Resource) -> Result<Arc<[u8]>, FetchError> {
        let source = resource.source.clone().unwrap_or_default();
        let cache = || self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cache().get(&source).filter(|cached| cached.resource == *resource) {
            return Ok(Arc::clone(&cached.pem));
        }
        let pem: Arc<[u8]> = self.buffer(resource, BUNDLE_LIMIT)?.into();
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
                    .pass(&mut Cursor::new(bytes), wanted.packing)
                    .map_err(|broken| match broken {
                        Break::Final(error) => error,
                        Break::Transfer(source) => FetchError::Transfer {
                            url: wanted.shown.clone(),
                            source,
                        },
                    })?;
            }
            Place::Remote(remote) => {
                let total = self.settings.total_timeout;
                let trials = Trials::new(&self.pace, &self.stop, total, &wanted.shown).told_to(&self.runs);
                let mut body = Body::new(self, &wanted, remote, trials);
                let began = since_boot();
                let received = receive(&mut body, &mut delivery, &wanted);
                let run = Run {
                    what: wanted.shown.clone(),
                    attempts: body.attempts(),
                    bytes: body.received(),
                    failed: received.is_err(),
                    ..Run::default()
                };
                self.runs.download(run, began);
                received?;
            }
        }
        delivery.finish(&wanted)
    }

    /// Where the request for `wanted` goes, and what it carries.
    ///
    /// What it takes to find that out may last for `left`.
    pub(super) fn prepare(
        &self,
        wanted: &Wanted,
        remote: &Remote,
        left: Option<Duration>,
    ) -> Result<Prepared, FetchError> {
        let mut prepared = match remote {
            Remote::Server(url) if self.stores.is_blob(url) => self.prepare_blob(url, &wanted.shown)?,
            Remote::Server(url) => return Ok(plain(url, &wanted.headers)),
            Remote::S3(object) => self.prepare_s3(object, &wanted.shown, left)?,
            Remote::Google(object) => self.prepare_google(object, &wanted.shown)?,
        };
        if remote.takes_headers() {
            prepared.headers.extend(wanted.headers.iter().cloned());
        }
        Ok(prepared)
    }

    /// One request under the current settings.
    pub(super) fn send(&self, request: Request) -> Result<Answer, TransferError> {
        let request = Request {
            given_up: Some(self.stop.flag()),
            ..request
        };
        self.transport.open(&request, &self.settings.connection)
    }

    /// One question to a metadata service, for [`kindling_platforms::Access::http`].
    ///
    /// `others` are other addresses of the same: where one does not answer, the next is tried.
    ///
    /// # Errors
    /// As that method says.
    pub fn exchange(&self, request: &HttpRequest, others: &[String]) -> Result<HttpAnswer, AccessError> {
        let what = shown(&request.url);
        let failed = |why: String| AccessError::Failed {
            what: what.clone(),
            why,
        };
        let addresses = std::iter::once(&request.url).chain(others);
        let urls: Result<Vec<Url>, _> = addresses.map(|address| Url::parse(address)).collect();
        let urls = urls.map_err(|error| failed(error.to_string()))?;
        let mut in_turn = urls.iter().cycle();
        let Some(mut url) = in_turn.next() else {
            return Err(failed("it has no address".to_owned()));
        };
        match url.scheme() {
            // A socket of this machine is there without a network.
            "unix" => {}
            _ if self.settings.offline => return Err(AccessError::NeedsNetwork),
            "http" | "https" => {}
            other => {
                return Err(AccessError::NotBuilt {
                    what: format!("scheme {other}"),
                });
            }
        }
        let total = self.settings.total_timeout;
        let trials = Trials::new(&self.pace, &self.stop, total, &what).told_to(&self.runs);
        let began = since_boot();
        let mut attempts = 0;
        let attempt = |left| {
            attempts += 1;
            let answer = self.ask(request, url, &what, left);
            if let Err(Attempt::Transient(cause)) = &answer
                && !matches!(cause, TransferError::Status(_) | TransferError::Busy { .. })
            {
                url = in_turn.next().unwrap_or(url);
            }
            answer
        };
        let answer = persist(trials, attempt);
        let bytes = answer.as_ref().map_or(0, |answer| answer.body.len());
        let run = Run {
            what: what.clone(),
            attempts,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            failed: answer.is_err(),
            ..Run::default()
        };
        self.runs.download(run, began);
        answer.map_err(|error| match error {
            FetchError::TooLarge { url, limit } => AccessError::TooLarge { what: url, limit },
            FetchError::Transfer { source, .. } => failed(source.to_string()),
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
            part: None,
            given_up: Some(self.stop.flag()),
            method: request.method.into(),
            url: url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            finish_within: left,
            is_from_privileged_port: request.is_from_privileged_port,
        };
        let judged = |source: TransferError| {
            if source.is_transient() {
                Attempt::Transient(source)
            } else {
                Attempt::Permanent(FetchError::Transfer {
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
            return Err(Attempt::Transient(refused(&answer)));
        }
        let mut body = Vec::new();
        let limit = DOCUMENT_LIMIT;
        answer
            .body
            .take(limit + 1)
            .read_to_end(&mut body)
            .map_err(|error| {
                let after = u64::try_from(body.len()).unwrap_or(u64::MAX);
                let cut = TransferError::BodyCut {
                    after,
                    why: error.to_string(),
                };
                Attempt::Transient(TransferError::of_body(&error).cloned().unwrap_or(cut))
            })?;
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > limit {
            return Err(Attempt::Permanent(FetchError::TooLarge {
                url: what.to_owned(),
                limit,
            }));
        }
        let time = answer.headers.iter().find(|(name, _)| name == "date");
        let time = time.and_then(|(_, text)| http_date(text));
        if let Some(told) = time.filter(|_| is_link_local(url) && !answer.is_redirected) {
            note_time(told);
        }
        Ok(HttpAnswer {
            status: answer.status,
            time,
            headers: answer.headers,
            body,
        })
    }
}

/// Takes the whole body, however often it has to be begun.
fn receive(body: &mut Body<'_>, delivery: &mut Delivery<'_>, wanted: &Wanted) -> Result<(), FetchError> {
    loop {
        body.open()?;
        let Err(broken) = delivery.pass(body, wanted.packing) else {
            return Ok(());
        };
        match (body.ended(), broken) {
            (Some(Ended::Failed(error)), _) | (None, Break::Final(error)) => return Err(error),
            (Some(Ended::Restart), _) => {}
            (None, Break::Transfer(cause)) => body.pause(cause)?,
        }
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
