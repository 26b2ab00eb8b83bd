//! Whom TLS trusts, and at which time a certificate is judged.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};

use super::ClientIdentity;
use crate::host::transfer::TransferError;

/// A certificate authority in DER, known to be usable as one.
#[derive(Clone, PartialEq, Eq)]
pub struct Root(Vec<u8>);

impl Root {
    /// When it begins to be valid, in seconds since 1970: that time is past, or nobody would use it.
    #[must_use]
    pub fn valid_from(&self) -> Option<u64> {
        let validity = kindling_config_spec::certificate::validity(&self.0)?;
        u64::try_from(validity.not_before).ok()
    }

    /// Its public key, a SubjectPublicKeyInfo in DER, which pins are digests of.
    #[must_use]
    pub fn public_key(&self) -> Option<&[u8]> {
        kindling_config_spec::certificate::public_key(&self.0)
    }
}

impl std::fmt::Debug for Root {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Root({} bytes)", self.0.len())
    }
}

/// A bundle that holds no usable authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Broken PEM, or something beside certificates and blank lines.
    #[error("not a PEM bundle: {why}")]
    Pem {
        /// What is wrong.
        why: String,
    },
    /// Not one certificate in it.
    #[error("there is no certificate in it")]
    Empty,
    /// A certificate that cannot be an authority.
    #[error("certificate {number} of the bundle cannot be used: {why}")]
    Certificate {
        /// Its place in the bundle, from 1.
        number: usize,
        /// The library's words.
        why: String,
    },
}

/// Reads a PEM bundle of certificate authorities. Text between certificates and blank lines at the end are
/// accepted (the reference refuses the latter, which no user means).
///
/// # Errors
/// See [`TrustError`]; every certificate must be usable, so that a typing error is not a machine that trusts less
/// than its config says.
pub fn parse_roots(pem: &[u8]) -> Result<Vec<Root>, TrustError> {
    let mut roots = Vec::new();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let certificate = certificate.map_err(|error| TrustError::Pem {
            why: error.to_string(),
        })?;
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|error| TrustError::Certificate {
                number: index + 1,
                why: error.to_string(),
            })?;
        roots.push(Root(certificate.to_vec()));
    }
    if roots.is_empty() {
        Err(TrustError::Empty)
    } else {
        Ok(roots)
    }
}

/// Where the system keeps the authorities it trusts. An initramfs often has none, which is not a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemTrust {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Default for SystemTrust {
    /// The usual places of the distributions, in the order the reference looks.
    fn default() -> Self {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        Self {
            files: paths(&[
                "/etc/ssl/certs/ca-certificates.crt",
                "/etc/pki/tls/certs/ca-bundle.crt",
                "/etc/ssl/ca-bundle.pem",
                "/etc/pki/tls/cacert.pem",
                "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                "/etc/ssl/cert.pem",
            ]),
            directories: paths(&["/etc/ssl/certs", "/etc/pki/tls/certs"]),
        }
    }
}

impl SystemTrust {
    /// The default places, replaced by `SSL_CERT_FILE` and `SSL_CERT_DIR` (colon-separated) where those are set.
    #[must_use]
    pub fn from_environment(file: Option<PathBuf>, directories: Option<&str>) -> Self {
        let mut trust = Self::default();
        if let Some(file) = file.filter(|file| !file.as_os_str().is_empty()) {
            trust.files = vec![file];
        }
        if let Some(list) = directories.filter(|list| !list.is_empty()) {
            trust.directories = list.split(':').map(PathBuf::from).collect();
        }
        trust
    }

    /// No system trust at all: what tests use, so that they do not depend on the machine.
    #[must_use]
    pub fn none() -> Self {
        Self {
            files: Vec::new(),
            directories: Vec::new(),
        }
    }

    /// The first bundle that can be read; only without one the directories, whose files are the same authorities
    /// one by one and cost hundreds of reads.
    fn read(&self) -> Vec<CertificateDer<'static>> {
        if let Some(pem) = self.files.iter().find_map(|path| fs::read(path).ok()) {
            return certificates(&pem);
        }
        let files = self
            .directories
            .iter()
            .filter_map(|path| fs::read_dir(path).ok())
            .flatten();
        files
            .filter_map(|entry| fs::read(entry.ok()?.path()).ok())
            .flat_map(|pem| certificates(&pem))
            .collect()
    }
}

fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect()
}

/// The time certificates are judged at: the system clock, but never earlier than a time that is known to be past.
#[derive(Debug)]
struct FlooredClock {
    floor: Duration,
}

impl TimeProvider for FlooredClock {
    fn current_time(&self) -> Option<UnixTime> {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(UnixTime::since_unix_epoch(system.max(self.floor)))
    }
}

/// TLS for one set of trust.
///
/// # Errors
/// [`TransferError::Trust`] when the library refuses an anchor or its own protocol versions.
pub(in crate::host) fn configuration(
    system: Option<&SystemTrust>,
    added: &[Root],
    time_floor: Option<u64>,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, TransferError> {
    let refused = |error: rustls::Error| TransferError::Trust {
        why: error.to_string(),
    };
    let mut roots = RootCertStore::empty();
    if let Some(system) = system {
        // A system store with one certificate that the library cannot read is still a store.
        roots.add_parsable_certificates(system.read());
    }
    for Root(der) in added {
        roots.add(CertificateDer::from(der.as_slice())).map_err(refused)?;
    }
    let clock = FlooredClock {
        floor: Duration::from_secs(time_floor.unwrap_or(0)),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(clock))
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let config = config.with_root_certificates(roots);
    match identity {
        None => Ok(config.with_no_client_auth()),
        Some(identity) => config
            .with_client_auth_cert(identity.chain(), identity.key())
            .map_err(refused),
    }
}
