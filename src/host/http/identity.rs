//! Who this machine is for a server that asks: a client certificate and its key.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// A client certificate with its chain, and the key that belongs to it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ClientIdentity")
    }
}

/// A certificate and a key that make no identity. No message quotes either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Broken PEM, or none at all.
    #[error("the client certificate is not a PEM bundle of certificates")]
    Certificate,
    /// The same of the key.
    #[error("the client key is not a private key in PEM")]
    Key,
    /// A certificate or a kind of key that the library cannot use, or two that are not of each other.
    #[error("the client certificate and its key cannot be used together: {why}")]
    Pair {
        /// The library's words.
        why: String,
    },
}

impl ClientIdentity {
    /// Reads both from PEM: the certificate first in its bundle, its issuers behind it.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn parse(certificate: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| IdentityError::Certificate)?;
        if chain.is_empty() {
            return Err(IdentityError::Certificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::Key)?;
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &default_provider()).map_err(|error| {
            IdentityError::Pair {
                why: error.to_string(),
            }
        })?;
        Ok(Self(Arc::new(Inner { chain, key })))
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.0.chain.clone()
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.0.key.clone_key()
    }
}
