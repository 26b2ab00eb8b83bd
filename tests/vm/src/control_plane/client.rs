//! A client of an API server: one connection a request, so that each stands for itself.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::pki::Pair;

/// How long an answer may take; a watch has its own limit.
const ANSWER: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub text: String,
}

impl Reply {
    /// The body as JSON; `null` where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// No answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The connection, the runtime or the stream.
    #[error("no connection")]
    Io(#[from] io::Error),
    /// What was spoken over it.
    #[error("no HTTP")]
    Http(#[from] hyper::Error),
    /// A request that cannot be made.
    #[error("cannot make the request")]
    Request(#[from] hyper::http::Error),
    /// Client certificate or authority.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// They are not PEM.
    #[error("not PEM")]
    Pem(#[from] pem::Error),
    /// Nothing in time.
    #[error("no answer in time")]
    Late,
    /// A watch that ended before what was waited for.
    #[error("the watch ended: {0}")]
    Ended(String),
}

/// How one user asks one API server.
#[derive(Clone)]
pub struct Client {
    port: u16,
    tls: Arc<ClientConfig>,
    authorization: Option<String>,
}

impl Client {
    /// Asks the server at `port` of loopback, whose certificate `authority` (PEM) signed, by nobody's name.
    ///
    /// # Errors
    /// [`AskError::Pem`], [`AskError::Tls`].
    pub fn anonymous(port: u16, authority: &str) -> Result<Self, AskError> {
        let config = trusting(authority)?.with_no_client_auth();
        Ok(Self::of(port, config))
    }

    /// As [`Self::anonymous`], by the name of a bearer token.
    ///
    /// # Errors
    /// [`AskError::Pem`], [`AskError::Tls`].
    pub fn with_token(port: u16, authority: &str, token: &str) -> Result<Self, AskError> {
        Ok(Self {
            authorization: Some(format!("Bearer {token}")),
            ..Self::anonymous(port, authority)?
        })
    }

    /// As [`Self::anonymous`], by the name in a certificate.
    ///
    /// # Errors
    /// [`AskError::Pem`], [`AskError::Tls`].
    pub fn with_certificate(port: u16, authority: &str, pair: &Pair) -> Result<Self, AskError> {
        let chain =
            CertificateDer::pem_slice_iter(pair.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
        let config = trusting(authority)?.with_client_auth_cert(chain, key)?;
        Ok(Self::of(port, config))
    }

    fn of(port: u16, config: ClientConfig) -> Self {
        Self {
            port,
            tls: Arc::new(config),
            authorization: None,
        }
    }

    /// `GET`.
    ///
    /// # Errors
    /// [`AskError`]; a status is none.
    pub fn get(&self, path: &str) -> Result<Reply, AskError> {
        self.send(Method::GET, path, String::new())
    }

    /// `POST` of an object.
    ///
    /// # Errors
    /// [`AskError`]; a status is none.
    pub fn post(&self, path: &str, object: &Value) -> Result<Reply, AskError> {
        self.send(Method::POST, path, object.to_string())
    }

    /// Any request, with `body` as JSON where it is not empty.
    ///
    /// # Errors
    /// [`AskError`]; a status is none.
    pub fn send(&self, method: Method, path: &str, body: String) -> Result<Reply, AskError> {
        blocking(ANSWER, async {
            let answer = self.exchange(method, path, body).await?;
            let (head, body) = answer.into_parts();
            let bytes = body.collect().await?.to_bytes();
            Ok(Reply {
                status: head.status.as_u16(),
                headers: head
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
                    .collect(),
                text: String::from_utf8_lossy(&bytes).into_owned(),
            })
        })
    }

    /// Watches `path`, which asks for a watch, and shows each event to `look` until that has found what it looks for.
    ///
    /// # Errors
    /// [`AskError::Late`] after `limit`, [`AskError::Ended`] when the server ends it.
    pub fn watch<T>(
        &self,
        path: &str,
        limit: Duration,
        mut look: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T, AskError> {
        blocking(limit, async {
            let mut body = self.exchange(Method::GET, path, String::new()).await?.into_body();
            let mut text = Vec::new();
            while let Some(frame) = body.frame().await {
                text.extend_from_slice(&frame?.into_data().unwrap_or_default());
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    if let Some(found) = look(&serde_json::from_slice(&line).unwrap_or_default()) {
                        return Ok(found);
                    }
                }
            }
            Err(AskError::Ended(String::from_utf8_lossy(&text).into_owned()))
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Response<Incoming>, AskError> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::from(std::net::Ipv4Addr::LOCALHOST);
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender or with the body, whichever is last.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, format!("127.0.0.1:{}", self.port))
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "kindling-vm");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        Ok(sender.send_request(request).await?)
    }
}

type WithRoots = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn trusting(authority: &str) -> Result<WithRoots, AskError> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots))
}

/// Runs `work` to its end, for at most `limit`.
fn blocking<T>(limit: Duration, work: impl Future<Output = Result<T, AskError>>) -> Result<T, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { timeout(limit, work).await.unwrap_or(Err(AskError::Late)) })
}
