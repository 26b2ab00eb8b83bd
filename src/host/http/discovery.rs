//! The one request whose answer may come from anybody: the ConfigMap from which the cluster's authorities are learnt
//! (cluster.md 2.10). No certificate is checked, because nothing is known yet to check it by.
//!
//! So that this cannot be had by accident, the way in is one function that asks for one path, takes no header, no body, no
//! credential and no client certificate, follows no redirect, and gives back [`Unproven`] bytes, which can only be handed to
//! a function that judges them. The TLS configuration and the client made of it never leave; `tests/tidy.rs` holds the rest
//! of the source to it. The second request for the same path, which a pinned authority vouches for, is here as well.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use url::Url;

use super::{Connection, HttpClient, ProxyRules, Request, Root, SystemTrust};
use crate::host::transfer::TransferError;
use crate::node::discovery::{LIMIT, PATH};

/// Bytes of a sender nobody knows.
pub struct Unproven(Vec<u8>);

impl Unproven {
    /// What `judge`, which finds out by other means who wrote the bytes, makes of them.
    ///
    /// # Errors
    /// Those of `judge`.
    pub fn judged<T, E>(&self, judge: impl FnOnce(&[u8]) -> Result<T, E>) -> Result<T, E> {
        judge(&self.0)
    }
}

/// Time for the headers of one answer. Whoever does not answer within it is asked anew.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// The ConfigMap `cluster-info` as whoever answers at `server` gives it, within `within`.
///
/// # Errors
/// As [`HttpClient::open`]; also [`TransferError::Status`], and [`TransferError::Address`] where a proxy that speaks TLS itself
/// would have to be believed as well.
pub fn unproven(server: &Url, proxy: &ProxyRules, within: Duration) -> Result<Unproven, TransferError> {
    let url = address(server);
    if proxy.choose(&url).is_some_and(|proxy| proxy.scheme() == "https") {
        return Err(TransferError::Address {
            why: "discovery cannot go through a proxy of https".to_owned(),
        });
    }
    let connection = Connection {
        header_timeout: Some(HEADERS_WITHIN),
        proxy: proxy.clone(),
        ..Connection::default()
    };
    ask(&HttpClient::believing_anybody(), url, &connection, within).map(Unproven)
}

/// The same from a server that one of `roots` vouches for, and nobody else: the system's authorities have no say. No
/// certificate is judged at a time before `time_floor`, in seconds since 1970.
///
/// # Errors
/// As [`HttpClient::open`], and [`TransferError::Status`].
pub fn proven(
    server: &Url,
    proxy: &ProxyRules,
    roots: Vec<Root>,
    time_floor: u64,
    within: Duration,
) -> Result<Vec<u8>, TransferError> {
    let connection = Connection {
        header_timeout: Some(HEADERS_WITHIN),
        roots,
        proxy: proxy.clone(),
        time_floor: Some(time_floor),
        ..Connection::default()
    };
    let client = HttpClient::trusting(SystemTrust::none());
    ask(&client, address(server), &connection, within)
}

fn address(server: &Url) -> Url {
    let mut url = server.clone();
    let path = format!("{}{PATH}", server.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    // No credential is shown to somebody unknown.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

fn ask(
    client: &HttpClient,
    url: Url,
    connection: &Connection,
    within: Duration,
) -> Result<Vec<u8>, TransferError> {
    let request = Request {
        headers: vec![("Accept".to_owned(), "application/json".to_owned())],
        finish_within: Some(within),
        ..Request::get(url)
    };
    let answer = client.open(&request, connection)?;
    if answer.status != 200 {
        return Err(TransferError::Status(answer.status));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(LIMIT).unwrap_or(u64::MAX);
    match answer.body.take(limit).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => {
            Err(TransferError::of_body(&error)
                .cloned()
                .unwrap_or_else(|| TransferError::BodyCut {
                    after: 0,
                    why: error.to_string(),
                }))
        }
    }
}

/// TLS with whoever answers.
///
/// # Errors
/// [`TransferError::Trust`] when the library refuses its own protocol versions.
pub(super) fn configuration() -> Result<ClientConfig, TransferError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let anybody = Arc::new(Anybody(Arc::clone(&provider)));
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|config| {
            config
                .dangerous()
                .with_custom_certificate_verifier(anybody)
                .with_no_client_auth()
        })
        .map_err(|error| TransferError::Trust {
            why: error.to_string(),
        })
}

/// Takes every certificate; its owner still has to have its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
