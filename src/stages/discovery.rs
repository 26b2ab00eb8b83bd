//! The cluster's authorities where the config has only digests of their keys: kubeadm's discovery (cluster.md 2.10).
//!
//! One try is the whole way: read, examine, compare the pins, read once more over a connection that a pinned authority vouches
//! for, compare. What may heal is tried again, with the pauses of any download, which grow to kubeadm's 5 s and keep machines
//! that power on together apart. Nothing is written, so a try that is cut short leaves nothing.

use std::time::Duration;

use kindling_config_spec::types::Proxy;
use tracing::info;
use url::Url;

use crate::fetch::{FetchError, Load, Pace, shown};
use crate::host::console::WAITING;
use crate::host::http::discovery::{proven, unproven};
use crate::host::http::{ProxyRules, Root, parse_roots};
use crate::host::machine;
use crate::host::transfer::{CertificateFault, TransferError};
use crate::node::discovery::{DiscoveryError, Examined, Token, examine, is_pinned, pin_of};
use crate::plan::Stage;
use crate::report::Failure;

/// How long kubeadm looks for the cluster's authorities.
pub const WITHIN: Duration = Duration::from_secs(300);

/// A signature that is wrong is looked at so often: for a moment after the ConfigMap has changed, it is that of the old one.
const SIGNATURES: u32 = 3;

/// What the config says of the cluster.
pub struct Wanted<'a> {
    /// Whose failure it is.
    pub stage: Stage,
    /// The API server, `https://host:port`.
    pub server: &'a str,
    /// The bootstrap token, `id.secret`.
    pub token: &'a str,
    /// Digests of the keys of its authorities, `sha256:` and hex.
    pub pins: &'a [String],
    /// Time for everything; see [`WITHIN`].
    pub within: Duration,
}

/// The network as discovery sees it. [`Network`] is the real one.
pub trait Sight {
    /// What the ConfigMap of whoever answers says, if `token` signed it.
    ///
    /// # Errors
    /// As [`unproven`] and [`examine`].
    fn examined(&self, token: Token<'_>, within: Duration) -> Result<Examined, Miss>;

    /// The ConfigMap of a server that one of `roots` vouches for.
    ///
    /// # Errors
    /// As [`proven`].
    fn proven(&self, roots: Vec<Root>, within: Duration) -> Result<Vec<u8>, Miss>;
}

/// Why one try failed.
pub enum Miss {
    /// No answer.
    Transfer(TransferError),
    /// Not the answer that counts.
    Discovery(DiscoveryError),
}

impl From<DiscoveryError> for Miss {
    fn from(error: DiscoveryError) -> Self {
        Self::Discovery(error)
    }
}

impl From<TransferError> for Miss {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Status(status @ (401 | 403 | 404)) => DiscoveryError::Refused(status).into(),
            other => Self::Transfer(other),
        }
    }
}

/// The network of this machine.
pub struct Network {
    server: Url,
    proxy: ProxyRules,
}

impl Sight for Network {
    fn examined(&self, token: Token<'_>, within: Duration) -> Result<Examined, Miss> {
        let answer = unproven(&self.server, &self.proxy, within)?;
        Ok(answer.judged(|bytes| examine(bytes, token))?)
    }

    fn proven(&self, roots: Vec<Root>, within: Duration) -> Result<Vec<u8>, Miss> {
        let newest = roots.iter().filter_map(Root::valid_from).max();
        let floor = machine::earliest().max(newest.unwrap_or(0));
        proven(&self.server, &self.proxy, roots, floor, within).map_err(|error| match error {
            TransferError::Certificate(refused)
                if matches!(
                    refused.fault,
                    CertificateFault::UnknownIssuer | CertificateFault::WrongSignature
                ) =>
            {
                DiscoveryError::Untrusted.into()
            }
            other => other.into(),
        })
    }
}

/// The authorities of the cluster, PEM, over the network of this machine.
///
/// # Errors
/// A record with a code of [`DiscoveryError`], or that of the transfer that failed.
pub fn discover(wanted: &Wanted<'_>, proxy: &Proxy, pace: &Pace) -> Result<Vec<String>, Failure> {
    let failed = |error: &FetchError| {
        let failure = Failure::of(wanted.stage, error.code(), error, error.next());
        failure.at(AT_SERVER, what(wanted.server))
    };
    let server = Url::parse(wanted.server).map_err(|error| {
        failed(&FetchError::Address {
            url: shown(wanted.server),
            why: error.to_string(),
        })
    })?;
    let rules = ProxyRules::new(
        proxy.http_proxy.as_deref(),
        proxy.https_proxy.as_deref(),
        &proxy.no_proxy,
    );
    let proxy = rules.map_err(|error| failed(&error.into()))?;
    look(&Network { server, proxy }, wanted, pace)
}

/// As [`discover`], over `sight`.
///
/// # Errors
/// As [`discover`].
pub fn look(sight: &dyn Sight, wanted: &Wanted<'_>, pace: &Pace) -> Result<Vec<String>, Failure> {
    let given = Token::parse(wanted.token).ok_or(DiscoveryError::TokenMalformed);
    let token = given.map_err(|error| refused(wanted, &error))?;
    if wanted.pins.is_empty() {
        return Err(refused(wanted, &DiscoveryError::PinsMissing));
    }
    let started = pace.now();
    let mut backoff = pace.backoff();
    let (mut attempts, mut signatures) = (0, 0);
    loop {
        let left = |now: Duration| wanted.within.saturating_sub(now.saturating_sub(started));
        attempts += 1;
        let miss = match attempt(sight, token, wanted.pins, left(pace.now())) {
            Ok(authorities) => return Ok(vec![authorities]),
            Err(miss) => miss,
        };
        let (may_heal, load, text) = match &miss {
            Miss::Transfer(error) => (error.is_transient(), Load::of(error), error.to_string()),
            Miss::Discovery(error) => {
                let is_strange = matches!(
                    error,
                    DiscoveryError::SignatureWrong { .. } | DiscoveryError::Malformed(_)
                );
                signatures += u32::from(is_strange);
                let may_heal = error.may_heal() && signatures < SIGNATURES;
                (may_heal, Load::Usual, error.to_string())
            }
        };
        let pause = backoff.pause(load);
        if !may_heal || left(pace.now()) <= pause {
            return Err(lost(wanted, miss, may_heal, attempts));
        }
        info!(
            target: WAITING,
            "cluster-info of {}: attempt #{attempts} failed: {text}; next try in {} ms",
            shown(wanted.server),
            pause.as_millis()
        );
        pace.sleep(pause);
    }
}

/// One try: the authorities, PEM.
fn attempt(sight: &dyn Sight, token: Token<'_>, pins: &[String], left: Duration) -> Result<String, Miss> {
    let examined = sight.examined(token, left)?;
    let authorities = examined.cluster.authorities.as_str();
    let roots = parse_roots(authorities.as_bytes())
        .map_err(|error| DiscoveryError::Malformed(format!("certificate-authority-data: {error}")))?;
    // Only those that are pinned vouch for the server: whoever has the token can sign a list with one more in it.
    let (mut pinned, mut found) = (Vec::new(), Vec::new());
    for root in roots {
        let pin = root.public_key().map(pin_of).unwrap_or_default();
        if is_pinned(pins, &pin) {
            pinned.push(root);
        }
        found.push(pin);
    }
    if pinned.is_empty() {
        return Err(DiscoveryError::PinMismatch { found }.into());
    }
    examined.agrees(&sight.proven(pinned, left)?)?;
    info!(
        "cluster-info, signed by bootstrap token {} and proven by a pinned authority, names {}",
        token.id, examined.cluster.server
    );
    Ok(examined.cluster.authorities)
}

const AT_SERVER: &str = "/kindling/node/cluster/server";

fn what(server: &str) -> String {
    format!("cannot learn the cluster's authorities from {}", shown(server))
}

fn refused(wanted: &Wanted<'_>, error: &DiscoveryError) -> Failure {
    let pointer = match error {
        DiscoveryError::TokenMalformed => "/kindling/node/bootstrap",
        DiscoveryError::PinsMissing | DiscoveryError::PinMismatch { .. } | DiscoveryError::Untrusted => {
            "/kindling/node/cluster/caCertHashes"
        }
        _ => AT_SERVER,
    };
    let failure = Failure::of(wanted.stage, error.code(), error, error.next().to_owned());
    failure.at(pointer, what(wanted.server))
}

fn lost(wanted: &Wanted<'_>, miss: Miss, is_over: bool, attempts: u32) -> Failure {
    let url = shown(wanted.server);
    let error = match miss {
        Miss::Discovery(error) => {
            let mut failure = refused(wanted, &error);
            if attempts > 1 {
                failure.why.push(format!("that was attempt {attempts}"));
            }
            return failure;
        }
        Miss::Transfer(source) if is_over => FetchError::TimedOut {
            url,
            after: wanted.within,
            attempts,
            source,
        },
        Miss::Transfer(source) => FetchError::Transfer { url, source },
    };
    let failure = Failure::of(wanted.stage, error.code(), &error, error.next());
    failure.at(AT_SERVER, what(wanted.server))
}

#[cfg(test)]
mod tests;
