//! What moves the bytes, and the settings it works under.

use std::time::Duration;

use crate::host::http::{Answer, Connection, HttpClient, Request, from_privileged_port, over_socket};
use crate::host::tftp;
use crate::host::transfer::TransferError;

/// Sends one request. [`Network`] is the real one; tests have others.
pub trait Transport: Send + Sync {
    /// Sends `request` once and returns when the headers of the final answer are there.
    ///
    /// # Errors
    /// As [`Network`].
    fn open(&self, request: &Request, connection: &Connection) -> Result<Answer, TransferError>;
}

/// The network of this machine: HTTP, and TFTP where the address says so. TFTP has no headers, no proxy and no
/// statuses: a file that is there is status 200. Requests from a privileged port, and those to a socket of this machine,
/// have connections of their own.
///
/// Errors are those of [`HttpClient::open`], [`from_privileged_port`], [`over_socket`] and [`tftp::open`].
#[derive(Default)]
pub struct Network(HttpClient);

impl Network {
    /// With `client` for HTTP.
    #[must_use]
    pub fn with(client: HttpClient) -> Self {
        Self(client)
    }
}

impl Transport for Network {
    fn open(&self, request: &Request, connection: &Connection) -> Result<Answer, TransferError> {
        match request.url.scheme() {
            "tftp" => {}
            "unix" => return over_socket(request, connection),
            _ if request.is_from_privileged_port => return from_privileged_port(request, connection),
            _ => return self.0.open(request, connection),
        }
        let download = tftp::open(&request.url, request.finish_within)?;
        Ok(Answer {
            status: 200,
            headers: Vec::new(),
            length: download.length,
            is_redirected: false,
            body: download.body,
        })
    }
}

/// How the engine fetches at one moment of a boot. Every config that is read may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportSettings {
    /// Timeouts of one exchange, trust, proxy.
    pub connection: Connection,
    /// Time for one resource with all its attempts; `None` is no limit.
    pub total_timeout: Option<Duration>,
    /// Before the network is up: anything that needs it is answered with `NeedsNetwork`.
    pub offline: bool,
}

impl TransportSettings {
    /// Time for the response headers where the config sets none.
    pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

    /// The settings for the first config: `fetch_timeout` (zero is no limit) for all attempts, the system's trust
    /// alone, no proxy.
    #[must_use]
    pub fn first(fetch_timeout: Duration, offline: bool) -> Self {
        Self {
            connection: Connection {
                header_timeout: Some(Self::HEADER_TIMEOUT),
                ..Connection::default()
            },
            total_timeout: (!fetch_timeout.is_zero()).then_some(fetch_timeout),
            offline,
        }
    }
}
