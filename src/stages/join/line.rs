//! Questions to the API server, tried again where that can help.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use url::Url;

use super::{Progress, World};
use crate::calendar::http_date;
use crate::fetch::TransportSettings;
use crate::host::http::{ClientIdentity, Connection, Method, ProxyRules, Request, Root, parse_roots};
use crate::host::machine;
use crate::host::transfer::{CertificateFault, TransferError};
use crate::node::answer::{self, Answered, Meaning};
use crate::node::cause::Cause;
use crate::node::handed::Join;
use crate::node::kubeconfig::bundle;
use crate::node::pace::Pauses;
use crate::report::Failure;

/// Who the engine says it is: it stands in the server's audit log.
const AGENT: &str = concat!("kindling/", env!("CARGO_PKG_VERSION"), " (join)");
/// Where every API server tells its version.
pub(super) const VERSION: &str = "/version";
/// For one answer, the body included.
const ATTEMPT: Duration = Duration::from_secs(30);
/// The largest body, and the longest line of a watch, in bytes. An object of the cluster is at most 1.5 MiB.
const LIMIT: u64 = 4 << 20;

/// Why the last try brought nothing.
enum Trouble {
    Transfer(TransferError),
    Unknown(String),
    Forbidden(String),
    Later(String),
}

impl Trouble {
    fn words(&self) -> String {
        match self {
            Self::Transfer(error) => error.to_string(),
            Self::Unknown(words) | Self::Forbidden(words) | Self::Later(words) => words.clone(),
        }
    }
}

/// What a failed question means for the join.
fn cause(trouble: &Trouble, is_node: bool) -> Cause {
    match trouble {
        Trouble::Unknown(_)
        | Trouble::Forbidden(_)
        | Trouble::Transfer(TransferError::ClientCertificate { .. })
            if is_node =>
        {
            Cause::NotAccepted
        }
        Trouble::Unknown(_) => Cause::TokenRefused,
        Trouble::Forbidden(_) => Cause::Forbidden,
        Trouble::Later(_) => Cause::Unready,
        Trouble::Transfer(TransferError::Certificate(refused)) => match refused.fault {
            CertificateFault::Expired | CertificateFault::NotYetValid => Cause::Clock,
            CertificateFault::WrongName => Cause::ServerName,
            CertificateFault::UnknownIssuer
            | CertificateFault::WrongSignature
            | CertificateFault::Other(_) => Cause::WrongAuthority,
        },
        Trouble::Transfer(
            TransferError::NotHttp { .. }
            | TransferError::TooManyRedirects { .. }
            | TransferError::Downgrade { .. }
            | TransferError::RedirectBroken { .. },
        ) => Cause::NotServed,
        Trouble::Transfer(TransferError::Address { .. } | TransferError::Header { .. }) => Cause::Handed,
        Trouble::Transfer(TransferError::Trust { .. }) => Cause::Authorities,
        Trouble::Transfer(_) => Cause::Unreachable,
    }
}

/// The way to the API server, with one credential.
pub(super) struct Line<'a> {
    world: &'a World<'a>,
    progress: &'a Progress<'a>,
    base: Url,
    connection: Connection,
    /// The bearer token; none where the connection shows a certificate.
    token: Option<&'a str>,
    /// When the time is over, by the pace's clock.
    end: Duration,
    seed: u64,
    /// The time that the server named last, in seconds since 1970.
    date: Cell<Option<u64>>,
}

impl<'a> Line<'a> {
    /// With the token of `handed`, for `within`.
    ///
    /// # Errors
    /// The address, the proxy or the authorities cannot be used.
    pub(super) fn open(
        handed: &'a Join,
        world: &'a World<'a>,
        progress: &'a Progress<'a>,
        within: Duration,
    ) -> Result<Self, Failure> {
        let server = handed.server.as_deref().unwrap_or_default();
        let unusable = |why: String| Cause::Handed.record("the cluster's address cannot be used", vec![why]);
        let base = Url::parse(server).map_err(|error| unusable(error.to_string()))?;
        if base.scheme() != "https" {
            return Err(unusable("it does not begin with https://".to_owned()));
        }
        let roots = parse_roots(bundle(&handed.authorities).as_bytes()).map_err(|error| {
            Cause::Authorities.record(
                "the cluster's authorities cannot be used",
                vec![error.to_string()],
            )
        })?;
        let proxy = &handed.proxy;
        let rules = ProxyRules::new(
            proxy.http_proxy.as_deref(),
            proxy.https_proxy.as_deref(),
            &proxy.no_proxy,
        )
        .map_err(|error| unusable(error.to_string()))?;
        // Its certificate would be judged by the cluster's authorities.
        if rules.choose(&base).is_some_and(|proxy| proxy.scheme() == "https") {
            let why = "it is reached through a proxy of https, which a join cannot use".to_owned();
            return Err(unusable(why));
        }
        let newest = roots.iter().filter_map(Root::valid_from).max();
        Ok(Self {
            world,
            progress,
            base,
            connection: Connection {
                header_timeout: Some(TransportSettings::HEADER_TIMEOUT),
                roots,
                trusts_only_roots: true,
                proxy: rules,
                time_floor: newest.max(Some(machine::earliest())),
                ..Connection::default()
            },
            token: handed.token.as_deref(),
            end: world.pace.now().saturating_add(within),
            seed: RandomState::new().build_hasher().finish(),
            date: Cell::new(None),
        })
    }

    /// The same way with the node's own certificate, for `within` from now.
    pub(super) fn with_identity(mut self, identity: ClientIdentity, within: Duration) -> Self {
        let host = self.base.host_str().unwrap_or_default();
        // As the client looks it up.
        let host = format!("{host}:{}", self.base.port_or_known_default().unwrap_or_default());
        self.connection.identities.insert(host, identity);
        self.token = None;
        self.end = self.world.pace.now().saturating_add(within);
        self
    }

    /// What is left of the time.
    pub(super) fn left(&self) -> Duration {
        self.end.saturating_sub(self.world.pace.now())
    }

    /// Now, by this machine's clock and what is certainly past, in seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        (self.world.clock)().max(self.connection.time_floor.unwrap_or_default())
    }

    /// The time that the server named last, in seconds since 1970.
    pub(super) fn date(&self) -> Option<u64> {
        self.date.get()
    }

    /// The clocks of both sides, in words.
    pub(super) fn clocks(&self) -> String {
        let here = crate::calendar::utc(self.now());
        match self.date.get() {
            Some(date) => format!(
                "this machine takes the time for {here}, the server for {}",
                crate::calendar::utc(date)
            ),
            None => format!("this machine takes the time for {here}"),
        }
    }

    /// Asks until an answer comes that another try would not change.
    ///
    /// # Errors
    /// The record of the last trouble, when the time is over or when it cannot heal.
    pub(super) fn ask(&self, method: Method, path: &str, body: &str) -> Result<Answered, Failure> {
        let mut pauses = self.pauses();
        loop {
            let (trouble, asked) = match self.once(method, path, body) {
                Ok((answered, asked)) => match answered.meaning {
                    Meaning::Unknown => (Trouble::Unknown(answered.words), asked),
                    // Who may not know the version may still ask for certificates.
                    Meaning::Forbidden if path != VERSION => (Trouble::Forbidden(answered.words), asked),
                    Meaning::Later => (Trouble::Later(answered.words), asked),
                    _ => return Ok(answered),
                },
                Err(error) if error.is_transient() => (Trouble::Transfer(error), None),
                Err(error) => return Err(self.record(&Trouble::Transfer(error))),
            };
            let pause = match trouble {
                Trouble::Unknown(_) | Trouble::Forbidden(_) => pauses.slow(),
                _ => pauses.next(asked, self.left() / 2),
            };
            if self.left() <= pause {
                return Err(self.record(&trouble));
            }
            let host = self.base.host_str().unwrap_or_default();
            self.progress
                .waits(&format!("the API server {host}: {}", trouble.words()));
            self.world.pace.sleep(pause);
        }
    }

    /// Pauses of this machine's own.
    pub(super) fn pauses(&self) -> Pauses {
        Pauses::new(self.seed)
    }

    /// Lets the next of `pauses` pass; `false` where no time is left afterwards.
    pub(super) fn pause(&self, pauses: &mut Pauses) -> bool {
        let pause = pauses.next(None, Duration::ZERO).min(self.left());
        self.world.pace.sleep(pause);
        !self.left().is_zero()
    }

    fn record(&self, trouble: &Trouble) -> Failure {
        let is_node = self.token.is_none();
        let cause = cause(trouble, is_node);
        let mut why = vec![trouble.words()];
        if self.date.get().is_some() && matches!(cause, Cause::Clock | Cause::TokenRefused) {
            why.push(self.clocks());
        }
        let (what, server) = (
            match cause {
                Cause::NotAccepted => "does not take the certificate that was issued for this machine",
                Cause::TokenRefused => "does not know the bootstrap token, or not any more",
                Cause::Forbidden => "knows the token and does not let it ask for certificates",
                Cause::Unready => "was not ready in time",
                Cause::WrongAuthority => "is not of the cluster that the config means",
                Cause::ServerName => "shows the certificate of another host",
                Cause::Clock => "shows a certificate whose dates do not fit",
                Cause::NotServed => "is no API server",
                _ => "cannot be reached",
            },
            crate::fetch::shown(self.base.as_str()),
        );
        cause.record(format!("{server} {what}"), why)
    }

    /// What a server says, should it quote the token.
    pub(super) fn without_token(&self, words: &str) -> String {
        match self.token {
            Some(token) if !token.is_empty() => {
                let secret = token.split_once('.').map_or(token, |(_, secret)| secret);
                words.replace(if secret.is_empty() { token } else { secret }, "…")
            }
            _ => words.to_owned(),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: &str,
        within: Duration,
    ) -> Result<Request, TransferError> {
        // Below a path of the server's own, as the kubelet asks.
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|error| TransferError::Address {
            why: error.to_string(),
        })?;
        let mut headers = vec![
            ("User-Agent".to_owned(), AGENT.to_owned()),
            ("Accept".to_owned(), "application/json".to_owned()),
        ];
        if let Some(token) = self.token {
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        if !body.is_empty() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        Ok(Request {
            method,
            headers,
            body: body.as_bytes().to_vec(),
            finish_within: Some(within),
            ..Request::get(url)
        })
    }

    /// One question: the answer, and for how long the server wants to be left alone.
    fn once(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<(Answered, Option<Duration>), TransferError> {
        let within = self.left().clamp(Duration::from_secs(1), ATTEMPT);
        let request = self.request(method, path, body, within)?;
        let answer = self.world.transport.open(&request, &self.connection)?;
        let date = answer.header("date").and_then(http_date);
        self.date.set(date.or(self.date.get()));
        let seconds = answer
            .header("retry-after")
            .and_then(|text| text.trim().parse().ok());
        let (status, mut bytes) = (answer.status, Vec::new());
        answer
            .body
            .take(LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|error| broken(&error))?;
        let mut answered = answer::read(status, &bytes);
        answered.words = self.without_token(&answered.words);
        Ok((answered, seconds.map(Duration::from_secs)))
    }

    /// Opens a watch that the server ends after `within`, and reads its lines until `each` has seen what it waits for or the
    /// watch ends.
    ///
    /// # Errors
    /// Nobody answered, or the stream broke off.
    pub(super) fn watch(
        &self,
        path: &str,
        within: Duration,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), TransferError> {
        // A connection that died without a word is given up a little later.
        let request = self.request(Method::Get, path, "", within + within / 4)?;
        let answer = self.world.transport.open(&request, &self.connection)?;
        if answer.status != 200 {
            return Err(TransferError::Status(answer.status));
        }
        let mut lines = BufReader::new(answer.body);
        loop {
            let mut line = Vec::new();
            let length = lines
                .by_ref()
                .take(LIMIT)
                .read_until(b'\n', &mut line)
                .map_err(|error| broken(&error))?;
            if length == 0 || each(&line) {
                return Ok(());
            }
        }
    }
}

fn broken(error: &std::io::Error) -> TransferError {
    let cut = || TransferError::BodyCut {
        after: 0,
        why: error.to_string(),
    };
    TransferError::of_body(error).cloned().unwrap_or_else(cut)
}
