//! The cluster's certificate authority, thrown away with the double: the server's certificate and the nodes'.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SubjectPublicKeyInfo,
};
use rustls::ServerConfig;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName as Name, RootCertStore, SignatureScheme};

use crate::scenario::{Issued, Listener, Protocol};

/// How far the real signer sets `NotBefore` back.
const BACK_DATED: Duration = Duration::from_secs(5 * 60);
/// The least the real signer gives.
const SHORTEST: Duration = Duration::from_secs(10 * 60);

/// From here on the real signer sets `NotAfter` back as well.
const SHORT_LIVED: Duration = Duration::from_secs(8 * 3600);

/// A certificate authority.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    not_after: SystemTime,
}

/// What a node's certificate is about.
pub(crate) struct Subject<'a> {
    /// DER SubjectPublicKeyInfo.
    pub(crate) key: &'a [u8],
    pub(crate) common_name: &'a str,
    pub(crate) organizations: &'a [String],
}

impl Authority {
    /// A new one, valid for ten years since yesterday.
    pub(crate) fn new(name: &str) -> Self {
        let key = new_key();
        let mut params = params(name, &[]);
        let not_after = SystemTime::now() + Duration::from_secs(3650 * 86_400);
        params.not_before = (SystemTime::now() - Duration::from_secs(86_400)).into();
        params.not_after = not_after.into();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params
            .self_signed(&key)
            .expect("a key of our own signs what we wrote");
        Self {
            certificate,
            issuer: Issuer::new(params, key),
            not_after,
        }
    }

    /// Its certificate in PEM.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// DER SubjectPublicKeyInfo of its key.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.issuer.key().subject_public_key_info()
    }

    /// TLS for the server as `listener` wants it, taking whatever certificate a client shows: who it is is found out later, as the
    /// real one does.
    pub(crate) fn server(&self, listener: &Listener) -> Result<ServerConfig, rustls::Error> {
        let key = new_key();
        let hosts = ["127.0.0.1", "localhost"].map(str::to_owned).into_iter();
        let hosts: Vec<_> = hosts.chain(listener.hosts.iter().cloned()).collect();
        let mut params = CertificateParams::new(hosts).expect("host names of a scenario are ASCII");
        let now = SystemTime::now();
        params.not_before = listener
            .not_before
            .unwrap_or(now - Duration::from_secs(3600))
            .into();
        params.not_after = listener
            .not_after
            .unwrap_or(now + Duration::from_secs(365 * 86_400))
            .into();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a key of our own signs what we wrote");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[_] = match listener.protocol {
            Protocol::Any => rustls::ALL_VERSIONS,
            Protocol::Only12 => &[&rustls::version::TLS12],
            Protocol::Only13 => &[&rustls::version::TLS13],
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(Arc::new(AnyClient(self.clients())))
            .with_single_cert(vec![certificate.der().clone()], key)
    }

    /// Who tells a client of this authority from any other.
    pub(crate) fn clients(&self) -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.certificate.der().clone())
            .expect("our own authority is well formed");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .expect("one authority is enough")
    }

    /// The chain for `subject` in PEM, valid for `duration`, with the flaw that `issued` names.
    pub(crate) fn issue(&self, subject: &Subject, duration: Duration, issued: &Issued) -> String {
        let organizations: Vec<&str> = subject.organizations.iter().map(String::as_str).collect();
        let mut wanted = match issued {
            Issued::WrongSubject(other) => params(other, &organizations),
            _ => params(subject.common_name, &organizations),
        };
        let now = SystemTime::now();
        let (from, until) = match issued {
            Issued::NotYetValid(ahead) => (now + *ahead, now + *ahead + duration),
            Issued::Expired => (now - Duration::from_secs(7200), now - Duration::from_secs(3600)),
            Issued::BackDated(by) => (now - *by, now + duration.max(SHORTEST)),
            _ if duration < SHORT_LIVED => (now - BACK_DATED, now + duration.max(SHORTEST)),
            _ => (now - BACK_DATED, now + duration - BACK_DATED),
        };
        wanted.not_before = from.into();
        wanted.not_after = until.min(self.not_after).into();
        wanted.is_ca = IsCa::ExplicitNoCa;
        wanted.use_authority_key_identifier_extension = true;
        wanted.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        wanted.extended_key_usages = vec![match issued {
            Issued::WithoutClientAuth => ExtendedKeyUsagePurpose::ServerAuth,
            _ => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let leaf = match issued {
            Issued::WrongKey => wanted.signed_by(&new_key(), &self.issuer),
            _ => {
                let key = SubjectPublicKeyInfo::from_der(subject.key).expect("the request was parsed before");
                wanted.signed_by(&key, &self.issuer)
            }
        };
        let pem = leaf.expect("a key of our own signs what we wrote").pem();
        match issued {
            Issued::Chain => pem + &self.pem(),
            Issued::WithText => format!("Certificate:\n    of a node\n{pem}\nno more follows\n"),
            Issued::Nonsense => {
                "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n".to_owned()
            }
            _ => pem,
        }
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system gives random numbers")
}

fn params(common_name: &str, organizations: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for organization in organizations {
        params
            .distinguished_name
            .push(DnType::OrganizationName, *organization);
    }
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// Asks for a certificate and takes any; that its key is the client's own is checked.
#[derive(Debug)]
struct AnyClient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[Name] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
