//! HTTP, the boundary: the only module that names `reqwest`.
//!
//! One request at a time and blocking for its caller; many callers may ask at once. Retrying, hashing and the meaning
//! of a status are not its business ([`crate::fetch`]). Nothing is built before the first request, and no trust store
//! is read before the first `https` one, so that a boot without network pays for neither.
//!
//! The asynchronous client is driven here by hand instead of through `reqwest::blocking`, because that one knows a
//! single time limit for headers and for each read of the body: a body that pauses longer than
//! `httpResponseHeaders` would be cut although the config allows it.

mod cause;
mod client;
mod direct;
pub mod discovery;
mod driver;
mod identity;
mod progress;
mod proxy;
pub mod stream;
mod trust;

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kindling_config_spec::order::OrderedMap;

use kindling_platforms::HttpMethod;
use url::Url;

pub(super) use cause::tls_error;
pub use client::HttpClient;
pub(super) use client::authority;
pub use direct::{from_privileged_port, over_socket};
pub use identity::{ClientIdentity, IdentityError};
pub use proxy::{ProxyError, ProxyRules};
pub(super) use trust::configuration as tls_configuration;
pub use trust::{Root, SystemTrust, TrustError, parse_roots};

/// Redirects followed before [`TransferError::TooManyRedirects`](super::transfer::TransferError::TooManyRedirects). The reference follows without a limit; ten is what
/// browsers and the usual clients allow.
pub const MAX_REDIRECTS: usize = 10;

/// What the engine says it understands: the newest stable config version, and anything else if need be.
pub const ACCEPT: &str = "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1";

/// Who the engine says it is: config servers of the field know the name, operators the rest.
pub const AGENT: &str = concat!("Ignition/2.26.0-kindling-", env!("CARGO_PKG_VERSION"));

/// What to send.
#[derive(Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where; `http` or `https`.
    pub url: Url,
    /// Headers of the config. They replace the engine's own by name, the last of a repeated name stands, and none
    /// of them follows a redirect: a token must not reach another host.
    pub headers: Vec<(String, String)>,
    /// The body; empty for most.
    pub body: Vec<u8>,
    /// The rest of a body from this byte on, if the copy is still the one that this validator names (`Range` and
    /// `If-Range`). Unlike other headers it goes along with redirects: it is no credential.
    pub part: Option<(u64, String)>,
    /// Set by somebody else when the answer is not wanted any more; looked at every few seconds.
    pub given_up: Option<Arc<AtomicBool>>,
    /// Time for everything from now on, the body included; `None` is no limit.
    pub finish_within: Option<Duration>,
    /// Whether to ask from a port below 1024. Such a request has a connection of its own, goes through no proxy and
    /// follows no redirect.
    pub is_from_privileged_port: bool,
}

impl Request {
    /// A plain read without a limit.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::Get,
            url,
            headers: Vec::new(),
            body: Vec::new(),
            part: None,
            given_up: None,
            finish_within: None,
            is_from_privileged_port: false,
        }
    }
}

/// The methods the engine uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Read the headers alone.
    Head,
    /// Ask for a token.
    Put,
    /// Report.
    Post,
    /// Change a part.
    Patch,
}

impl From<HttpMethod> for Method {
    fn from(method: HttpMethod) -> Self {
        match method {
            HttpMethod::Get => Self::Get,
            HttpMethod::Head => Self::Head,
            HttpMethod::Put => Self::Put,
            HttpMethod::Post => Self::Post,
            HttpMethod::Patch => Self::Patch,
        }
    }
}

/// How connections are made. Equal values share connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Time between the sent request and the end of the response headers; `None` is no limit. Making the
    /// connection does not count, it has its own limit of 30 s.
    pub header_timeout: Option<Duration>,
    /// Certificate authorities trusted beside the system's.
    pub roots: Vec<Root>,
    /// Whether `roots` alone are trusted, and the system's authorities are not even read.
    pub trusts_only_roots: bool,
    /// Who this machine is, by host or `host:port`; the entry with the port wins.
    pub identities: OrderedMap<String, ClientIdentity>,
    /// Which requests go through a proxy. The environment is never asked.
    pub proxy: ProxyRules,
    /// Seconds since 1970 below which the system clock is not believed when a certificate is judged.
    pub time_floor: Option<u64>,
}

/// A response whose headers have arrived.
pub struct Answer {
    /// The status code, after redirects.
    pub status: u16,
    /// Every header, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The announced length of the body in bytes.
    pub length: Option<u64>,
    /// Whether it comes from another address than the one that was asked.
    pub is_redirected: bool,
    /// The body. A failing read carries a [`TransferError`](super::transfer::TransferError) as the inner error of its `io::Error`.
    pub body: Box<dyn Read + Send>,
}

impl Answer {
    /// The value of header `name`, in lower case; the first where there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}
