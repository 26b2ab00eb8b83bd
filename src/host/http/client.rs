//! The client: built on the first request, shared by all threads.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use kindling_config_spec::order::OrderedMap;

use reqwest::header::{
    ACCEPT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue, IF_RANGE, LOCATION, RANGE, USER_AGENT,
};
use tokio::runtime::Handle;
use tracing::info;
use url::Url;

use super::cause::classify;
use super::driver::Driver;
use super::progress::{Late, Noting, headers_of};
use super::{
    ACCEPT, AGENT, Answer, ClientIdentity, Connection, MAX_REDIRECTS, Method, Request, SystemTrust,
    discovery, trust,
};
use crate::host::console::WAITING;
use crate::host::transfer::{TELL_EVERY, TransferError, Waiting};

/// Time for a connection, TLS included. The reference allows 30 s for TCP and 10 s for TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Keep-alive probes, as the reference sends them.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Who a server has to show to be.
enum Belief {
    /// Somebody whom the machine's authorities, or the connection's, vouch for.
    Authorities(SystemTrust),
    /// Anybody: see [`super::discovery`], which alone makes such a client.
    Anybody,
}

/// An HTTP client without a single connection yet.
pub struct HttpClient {
    belief: Belief,
    driver: OnceLock<Driver>,
    built: Mutex<Option<Arc<Built>>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

/// The clients of one [`Connection`]: reading the system's trust store costs milliseconds, so plain `http` does
/// without; and a client shows one identity.
struct Built {
    connection: Connection,
    plain: OnceLock<reqwest::Client>,
    tls: OnceLock<reqwest::Client>,
    /// By the host that knows this machine.
    known: Mutex<OrderedMap<String, reqwest::Client>>,
}

impl HttpClient {
    /// A client that believes the system's certificate authorities, wherever the distribution keeps them.
    #[must_use]
    pub fn new() -> Self {
        Self::trusting(SystemTrust::default())
    }

    /// A client with another place for the system's authorities, read on the first `https` request.
    #[must_use]
    pub fn trusting(system: SystemTrust) -> Self {
        Self::believing(Belief::Authorities(system))
    }

    /// A client that talks to whoever answers. What it gets may come from anybody.
    pub(super) fn believing_anybody() -> Self {
        Self::believing(Belief::Anybody)
    }

    fn believing(belief: Belief) -> Self {
        Self {
            belief,
            driver: OnceLock::new(),
            built: Mutex::new(None),
        }
    }

    /// Sends `request`, follows redirects of reads, and returns once the headers of the final answer are there.
    ///
    /// # Errors
    /// Every [`TransferError`] but `Status` and `BodyCut`: a status is an answer, and the body has not been read yet.
    pub fn open(&self, request: &Request, connection: &Connection) -> Result<Answer, TransferError> {
        let end = request
            .finish_within
            .and_then(|limit| Instant::now().checked_add(limit));
        let built = self.built(connection);
        let mut url = request.url.clone();
        let mut headers = Self::headers(&request.headers, request.part.as_ref())?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&built, request, url.clone(), headers, end)?;
            let target = match self.belief {
                Belief::Authorities(_) => redirect(&response, request.method, &url)?,
                // Whoever answers does not send this machine elsewhere.
                Belief::Anybody => None,
            };
            let Some(target) = target else {
                let mut answer = self.answer(response, authority(&url), request, end);
                answer.is_redirected = url != request.url;
                return Ok(answer);
            };
            url = target;
            headers = Self::headers(&[], request.part.as_ref())?;
        }
        Err(TransferError::TooManyRedirects { limit: MAX_REDIRECTS })
    }

    fn send(
        &self,
        built: &Built,
        request: &Request,
        url: Url,
        headers: HeaderMap,
        end: Option<Instant>,
    ) -> Result<reqwest::Response, TransferError> {
        let host = authority(&url);
        let client = built.client_for(&url, &self.belief)?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
            Method::Put => reqwest::Method::PUT,
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
        };
        let mut call = client.request(method, url).headers(headers);
        if !request.body.is_empty() {
            call = call.body(request.body.clone());
        }
        let limit = built.connection.header_timeout;
        match self.handle().block_on(headers_of(
            call.send(),
            &host,
            limit,
            end,
            request.given_up.as_deref(),
        )) {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_timeout() => Err(TransferError::Timeout {
                waiting: Waiting::Connection,
                after: CONNECT_TIMEOUT,
            }),
            // The library's words may hold the address with its secrets.
            Ok(Err(error)) => Err(classify(&error.without_url(), &host)),
            Err(Late::GivenUp) => Err(given_up(0)),
            Err(Late::Headers) => Err(TransferError::Timeout {
                waiting: Waiting::Headers,
                after: limit.unwrap_or_default(),
            }),
            Err(Late::Total) => Err(TransferError::Timeout {
                waiting: Waiting::Total,
                after: request.finish_within.unwrap_or_default(),
            }),
        }
    }

    /// The engine's own headers, and `custom` over them. `Host` cannot be set: it would name another server than
    /// the one whose certificate is checked.
    fn headers(
        custom: &[(String, String)],
        part: Option<&(u64, String)>,
    ) -> Result<HeaderMap, TransferError> {
        let value = |name: &str, text: &str| {
            HeaderValue::from_str(text).map_err(|_| TransferError::Header {
                name: name.to_owned(),
            })
        };
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static(ACCEPT));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, text) in custom {
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| TransferError::Header { name: name.clone() })?;
            if key != HOST {
                let mut value = value(name, text)?;
                // It may be a credential.
                value.set_sensitive(true);
                headers.insert(key, value);
            }
        }
        if let Some((from, validator)) = part {
            headers.insert(RANGE, value("Range", &format!("bytes={from}-"))?);
            headers.insert(IF_RANGE, value("If-Range", validator)?);
        }
        Ok(headers)
    }

    fn answer(
        &self,
        response: reqwest::Response,
        host: String,
        request: &Request,
        end: Option<Instant>,
    ) -> Answer {
        let headers = response.headers().iter().map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        Answer {
            status: response.status().as_u16(),
            headers: headers.collect(),
            length: response.content_length(),
            is_redirected: false,
            body: Box::new(Body {
                length: response.content_length(),
                response,
                driver: self.handle().clone(),
                host,
                tell: Instant::now() + TELL_EVERY,
                piece: None,
                received: 0,
                limit: request.finish_within.unwrap_or_default(),
                given_up: request.given_up.clone(),
                end,
            }),
        }
    }

    /// The clients for `connection`; those of another one are dropped, with their idle connections.
    fn built(&self, connection: &Connection) -> Arc<Built> {
        let mut current = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref() {
            Some(built) if built.connection == *connection => Arc::clone(built),
            _ => {
                let built = Arc::new(Built {
                    connection: connection.clone(),
                    plain: OnceLock::new(),
                    tls: OnceLock::new(),
                    known: Mutex::default(),
                });
                *current = Some(Arc::clone(&built));
                built
            }
        }
    }

    fn handle(&self) -> &Handle {
        self.driver.get_or_init(Driver::start).handle()
    }
}

impl Built {
    fn client_for(&self, url: &Url, belief: &Belief) -> Result<reqwest::Client, TransferError> {
        if url.scheme() == "https"
            && let Some((host, identity)) = self.identity_for(url)
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(client) = known.get(&host) {
                return Ok(client.clone());
            }
            // The library would show the certificate to such a proxy as well.
            if self
                .connection
                .proxy
                .choose(url)
                .is_some_and(|proxy| proxy.scheme() == "https")
            {
                return Err(TransferError::Address {
                    why: "a client certificate cannot be shown through a proxy of https".to_owned(),
                });
            }
            let client = self.build(Some(belief), Some(identity))?;
            known.insert(host, client.clone());
            return Ok(client);
        }
        let proxy_speaks_tls = self
            .connection
            .proxy
            .choose(url)
            .is_some_and(|proxy| proxy.scheme() == "https");
        if url.scheme() == "https" || proxy_speaks_tls {
            get_or_build(&self.tls, || self.build(Some(belief), None)).cloned()
        } else {
            get_or_build(&self.plain, || self.build(None, None)).cloned()
        }
    }

    /// Who the machine is for the host of `url`, and by which name it is known.
    fn identity_for(&self, url: &Url) -> Option<(String, &ClientIdentity)> {
        let identities = &self.connection.identities;
        [authority(url), url.host_str()?.to_owned()]
            .into_iter()
            .find_map(|host| identities.get(&host).map(|identity| (host, identity)))
    }

    fn build(
        &self,
        belief: Option<&Belief>,
        identity: Option<&ClientIdentity>,
    ) -> Result<reqwest::Client, TransferError> {
        let connection = &self.connection;
        let floor = connection.time_floor;
        let tls = match belief {
            None => trust::configuration(None, &[], floor, identity)?,
            Some(Belief::Authorities(system)) => {
                let system = Some(system).filter(|_| !connection.trusts_only_roots);
                trust::configuration(system, &connection.roots, floor, identity)?
            }
            Some(Belief::Anybody) => discovery::configuration()?,
        };
        let rules = connection.proxy.clone();
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| rules.choose(url).cloned()))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .http1_title_case_headers()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(KEEP_ALIVE)
            .connector_layer(Noting)
            .build()
            .map_err(|error| TransferError::Trust {
                why: error.to_string(),
            })
    }
}

/// The value of `cell`, built at most once by whoever comes first.
fn get_or_build<T, E>(cell: &OnceLock<T>, build: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = build()?;
    Ok(cell.get_or_init(|| value))
}

/// Where a read is sent on to; `None` when the answer stands.
fn redirect(response: &reqwest::Response, method: Method, from: &Url) -> Result<Option<Url>, TransferError> {
    let reads = matches!(method, Method::Get | Method::Head);
    if !reads || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    let broken = |why: String| TransferError::RedirectBroken { why };
    let location = location
        .to_str()
        .map_err(|_| broken("its target is not text".to_owned()))?;
    let target = from.join(location).map_err(|error| broken(error.to_string()))?;
    match (from.scheme(), target.scheme()) {
        (_, "https") | ("http", "http") => Ok(Some(target)),
        ("https", scheme) => Err(TransferError::Downgrade {
            scheme: scheme.to_owned(),
        }),
        (_, scheme) => Err(broken(format!("its scheme is {scheme}"))),
    }
}

/// Host and port, without user and password.
pub(in crate::host) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Bytes that arrived together, and how many of them have been read.
struct Piece {
    bytes: Box<dyn AsRef<[u8]> + Send>,
    done: usize,
}

/// A body as it arrives. One piece of it is in memory at a time.
struct Body {
    response: reqwest::Response,
    driver: Handle,
    host: String,
    /// When the console hears of it next.
    tell: Instant,
    piece: Option<Piece>,
    received: u64,
    length: Option<u64>,
    given_up: Option<Arc<AtomicBool>>,
    limit: Duration,
    end: Option<Instant>,
}

impl Body {
    /// How much of the body is here.
    fn say(&self) {
        const MIB: u64 = 1 << 20;
        let (received, host) = (self.received / MIB, &self.host);
        match self.length {
            Some(length) => info!(target: WAITING, "{received} of {} MiB from {host}", length.div_ceil(MIB)),
            None => info!(target: WAITING, "{received} MiB from {host} so far"),
        }
    }

    fn next_piece(&mut self) -> Result<bool, TransferError> {
        let arrived = loop {
            let next = self.end.map_or(self.tell, |end| end.min(self.tell));
            // What a chunk that is given up had received stays with the response.
            let chunk = self.response.chunk();
            let timed = async { tokio::time::timeout_at(next.into(), chunk).await };
            let arrived = self.driver.block_on(timed);
            let now = Instant::now();
            if self.tell <= now {
                self.tell = now + TELL_EVERY;
                self.say();
                if self
                    .given_up
                    .as_ref()
                    .is_some_and(|flag| flag.load(Ordering::Relaxed))
                {
                    return Err(given_up(self.received));
                }
            }
            match arrived {
                Ok(arrived) => break arrived,
                Err(_) if self.end.is_some_and(|end| end <= now) => {
                    return Err(TransferError::Timeout {
                        waiting: Waiting::Total,
                        after: self.limit,
                    });
                }
                Err(_) => {}
            }
        };
        match arrived {
            Ok(Some(piece)) => {
                self.received = self
                    .received
                    .saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                self.piece = Some(Piece {
                    bytes: Box::new(piece),
                    done: 0,
                });
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => Err(TransferError::BodyCut {
                after: self.received,
                why: root_cause(&error),
            }),
        }
    }
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(piece) = &mut self.piece {
                let rest = (*piece.bytes).as_ref().get(piece.done..).unwrap_or_default();
                let count = rest.len().min(into.len());
                if let (Some(to), Some(from)) = (into.get_mut(..count), rest.get(..count))
                    && count > 0
                {
                    to.copy_from_slice(from);
                    piece.done += count;
                    return Ok(count);
                }
                self.piece = None;
            }
            if !self.next_piece().map_err(io::Error::other)? {
                return Ok(0);
            }
        }
    }
}

/// The end of a transfer whose result nobody wants any more.
fn given_up(after: u64) -> TransferError {
    TransferError::BodyCut {
        after,
        why: "it is not wanted any more".to_owned(),
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
