//! The authority of a control plane and the certificates it needs, made for one run.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::ControlPlaneError;

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key, PKCS#8.
    pub key: String,
}

/// The one authority: of the API server's certificate, of clients, and of nodes.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pair: Pair,
    /// `sha256:` and the digest of its public key, as kubeadm pins it.
    pub(super) pin: String,
}

impl Authority {
    pub(super) fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = lasting()?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        params.distinguished_name.push(DnType::CommonName, "kubernetes");
        let pin: String = Sha256::digest(key.subject_public_key_info())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let pair = Pair {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        };
        Ok(Self {
            issuer: Issuer::new(params, key),
            pair,
            pin: format!("sha256:{pin}"),
        })
    }

    /// The API server's, for `addresses` beside loopback.
    pub(super) fn server(&self, addresses: &[IpAddr]) -> Result<Pair, rcgen::Error> {
        let mut params = lasting()?;
        params
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in ["localhost", "kubernetes", "kubernetes.default.svc"] {
            params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
        }
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for address in [loopback].iter().chain(addresses) {
            params.subject_alt_names.push(SanType::IpAddress(*address));
        }
        self.sign(&params)
    }

    /// A user's; `group` is its organisation.
    pub(super) fn client(&self, user: &str, group: &str) -> Result<Pair, rcgen::Error> {
        let mut params = lasting()?;
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.distinguished_name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Pair, rcgen::Error> {
        let key = KeyPair::generate()?;
        Ok(Pair {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// Valid from a little before now, for machines whose clock is behind, for two days.
fn lasting() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(2);
    Ok(params)
}

/// Writes a pair as `<name>.crt` and `<name>.key` below `folder`.
pub(super) fn store(folder: &Path, name: &str, pair: &Pair) -> Result<(), ControlPlaneError> {
    for (end, text) in [("crt", &pair.certificate), ("key", &pair.key)] {
        let path = folder.join(format!("{name}.{end}"));
        write(path, text)?;
    }
    Ok(())
}

/// Writes a file of the run.
pub(super) fn write(path: PathBuf, text: &str) -> Result<(), ControlPlaneError> {
    fs::write(&path, text).map_err(|source: io::Error| ControlPlaneError::File { path, source })
}
