//! Discovery: the cluster's authorities from a ConfigMap that anybody may read and that anybody may have sent, believed for
//! the token's signature on it and for the digests of keys that the config pins (cluster.md 2.10).
//!
//! The order: the ConfigMap is read once over TLS that proves nothing, [`examine`]d, and read once more over TLS that a pinned
//! authority vouches for; only when both say the same ([`Examined::agrees`]) are its authorities the cluster's.

mod kubeconfig;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kindling_config_spec::json;
use ring::hmac;
use serde_json::Value;

use crate::identity::sha256_hex;
pub use kubeconfig::{Cluster, read_cluster};

/// Where the ConfigMap is, below the server's address.
pub const PATH: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";

/// The most bytes of a ConfigMap's JSON. The API server keeps none that is larger than 1 MiB.
pub const LIMIT: usize = 2 << 20;

/// A bootstrap token, in its halves. The first is no secret.
#[derive(Clone, Copy)]
pub struct Token<'a> {
    /// What the cluster calls it.
    pub id: &'a str,
    secret: &'a str,
}

impl<'a> Token<'a> {
    /// `id.secret`: six and sixteen lower-case letters and digits. Anything else is `None`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.split_once('.')?;
        let is_plain = |half: &str, length| {
            half.len() == length
                && half
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        (is_plain(id, 6) && is_plain(secret, 16)).then_some(Self { id, secret })
    }
}

/// Why the cluster's authorities are not known. The API server is not at fault where a transfer failed, which is told by the
/// code of that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// The token has not the form of one.
    #[error("the bootstrap token is not six letters or digits, a dot, and sixteen more")]
    TokenMalformed,
    /// Nothing says which authority is the right one.
    #[error("no digest of an authority's key is given")]
    PinsMissing,
    /// The ConfigMap cannot be had.
    #[error("the server answered with status {0} to the request for cluster-info")]
    Refused(u16),
    /// The ConfigMap is none, or not one of kubeadm's.
    #[error("cluster-info cannot be understood: {0}")]
    Malformed(String),
    /// The token has not signed.
    #[error("cluster-info bears no signature of bootstrap token {id}")]
    TokenUnknown {
        /// What the cluster calls the token.
        id: String,
    },
    /// The signature is not the token's, or not of these contents.
    #[error("the signature of bootstrap token {id} on cluster-info is wrong")]
    SignatureWrong {
        /// What the cluster calls the token.
        id: String,
    },
    /// None of the authorities is pinned.
    #[error("none of the cluster's authorities is one of those in caCertHashes; it has {}", found.join(", "))]
    PinMismatch {
        /// The digests of the keys of those that are there.
        found: Vec<String>,
    },
    /// The server's certificate is not of a pinned authority.
    #[error("the certificate of the API server is not of an authority in caCertHashes")]
    Untrusted,
    /// What a proven server says is not what was said before.
    #[error("cluster-info read from a proven server differs from what was read at first")]
    Changed,
}

impl DiscoveryError {
    /// The stable name of this failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TokenMalformed => "discovery-token-malformed",
            Self::PinsMissing => "discovery-pins-missing",
            Self::Refused(_) => "discovery-refused",
            Self::Malformed(_) => "discovery-answer-malformed",
            Self::TokenUnknown { .. } => "discovery-token-unknown",
            Self::SignatureWrong { .. } => "discovery-signature-wrong",
            Self::PinMismatch { .. } => "discovery-pin-mismatch",
            Self::Untrusted => "discovery-server-untrusted",
            Self::Changed => "discovery-changed",
        }
    }

    /// What the operator does next.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match self {
            Self::TokenMalformed => "write a token as `kubeadm token create` prints it",
            Self::PinsMissing => {
                "give kindling.node.cluster.caCertHashes, or the authorities themselves as certificateAuthorities"
            }
            Self::Refused(_) => {
                "let anonymous users read the ConfigMap cluster-info in kube-public (`kubeadm init phase bootstrap-token`), or \
                 give certificateAuthorities"
            }
            Self::Malformed(_) => {
                "compare the ConfigMap cluster-info in kube-public with what kubeadm writes, or give certificateAuthorities"
            }
            Self::TokenUnknown { .. } => {
                "make a new token (`kubeadm token create`): it has expired, was deleted, or is not for signing"
            }
            Self::SignatureWrong { .. } => {
                "compare the token with the cluster's; if they are the same, something between the machine and the server \
                 changes what is said"
            }
            Self::PinMismatch { .. } => {
                "compare caCertHashes with the cluster's ca.crt; if they are right, this is not that cluster"
            }
            Self::Untrusted => {
                "add the digest of the authority that issued the server's certificate to caCertHashes; if it is there, this \
                 is not that cluster"
            }
            Self::Changed => {
                "boot again if the cluster's authorities are just being changed; if not, look who answers at this address"
            }
        }
    }

    /// Whether the cluster may cure it by itself: tokens and signatures come a moment after the rest of a cluster, and are
    /// made anew when its authorities change.
    #[must_use]
    pub fn may_heal(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::Malformed(_) | Self::TokenUnknown { .. } | Self::SignatureWrong { .. }
        )
    }
}

/// What a ConfigMap says that the token has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    kubeconfig: String,
    /// What its kubeconfig knows of the cluster.
    pub cluster: Cluster,
}

impl Examined {
    /// Whether the ConfigMap in `json` has, byte for byte, the same kubeconfig.
    ///
    /// # Errors
    /// [`DiscoveryError::Changed`] when not, [`DiscoveryError::Malformed`] when it has none.
    pub fn agrees(&self, json: &[u8]) -> Result<(), DiscoveryError> {
        let data = data_of(json)?;
        if kubeconfig_in(&data)? == self.kubeconfig {
            Ok(())
        } else {
            Err(DiscoveryError::Changed)
        }
    }
}

/// What the ConfigMap in `json` says of the cluster, if `token` signed it.
///
/// # Errors
/// [`DiscoveryError::TokenUnknown`], [`DiscoveryError::SignatureWrong`], [`DiscoveryError::Malformed`].
pub fn examine(json: &[u8], token: Token<'_>) -> Result<Examined, DiscoveryError> {
    let data = data_of(json)?;
    let text = kubeconfig_in(&data)?;
    let id = || token.id.to_owned();
    let signature = data
        .get(format!("jws-kubeconfig-{}", token.id))
        .and_then(Value::as_str)
        .ok_or_else(|| DiscoveryError::TokenUnknown { id: id() })?;
    if !is_signed(text, signature, token) {
        return Err(DiscoveryError::SignatureWrong { id: id() });
    }
    // Only now is it anybody's word.
    let cluster = read_cluster(text).map_err(DiscoveryError::Malformed)?;
    Ok(Examined {
        kubeconfig: text.to_owned(),
        cluster,
    })
}

/// The member `data` of a ConfigMap.
fn data_of(text: &[u8]) -> Result<Value, DiscoveryError> {
    let malformed = |why: &str| DiscoveryError::Malformed(why.to_owned());
    let mut whole: Value = json::read(text).ok_or_else(|| malformed("it is not JSON"))?;
    whole
        .get_mut("data")
        .map(Value::take)
        .ok_or_else(|| malformed("it has no data"))
}

fn kubeconfig_in(data: &Value) -> Result<&str, DiscoveryError> {
    data.get("kubeconfig")
        .and_then(Value::as_str)
        .ok_or_else(|| DiscoveryError::Malformed("it has no kubeconfig".to_owned()))
}

/// Whether `jws`, a compact JWS without its payload, is that of `token` on `content`. The reference makes the whole text anew
/// and compares; here the signature in it is compared in a time that does not depend on it.
fn is_signed(content: &str, jws: &str, token: Token<'_>) -> bool {
    let header = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"HS256\",\"kid\":\"{}\"}}", token.id));
    let Some(signature) = jws
        .strip_prefix(&header)
        .and_then(|rest| rest.strip_prefix(".."))
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
    else {
        return false;
    };
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(content));
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.secret.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

/// The pin of a public key, a SubjectPublicKeyInfo in DER.
#[must_use]
pub fn pin_of(public_key: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(public_key))
}

/// Whether one of `pins` is `pin`; a config may write hex in capitals.
#[must_use]
pub fn is_pinned(pins: &[String], pin: &str) -> bool {
    pins.iter().any(|known| known.eq_ignore_ascii_case(pin))
}

#[cfg(test)]
mod tests;
