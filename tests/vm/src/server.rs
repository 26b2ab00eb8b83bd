//! The HTTP server under every stand-in: on the host's loopback at a port of the system's choice, with TLS or without. It
//! remembers what it was asked.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// `Host`: by what name the server was reached.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Status that it was answered with.
    pub status: u16,
    /// `User-Agent`, empty where it was not sent.
    pub user_agent: String,
    /// `Accept`, empty where it was not sent.
    pub accept: String,
}

/// What an answer is decided from; no stand-in looks at a body.
pub(crate) type Asked = Request<Incoming>;

/// An answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// A running server; it ends with this value.
pub(crate) struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one that answers as `answer` decides.
    ///
    /// # Errors
    /// When no port could be had.
    pub(crate) fn start(
        tls: Option<ServerConfig>,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let desk = Arc::new(Desk {
            answer: Box::new(answer),
            seen: Arc::clone(&seen),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.spawn(accept(
                listener,
                tls.map(|tls| TlsAcceptor::from(Arc::new(tls))),
                desk,
            ));
            // Ends when the other half is dropped.
            drop(runtime.block_on(stopped));
        });
        Ok(Self {
            port,
            seen,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Its port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Every request so far, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// TLS with this certificate, asking clients for none.
///
/// # Errors
/// When certificate and key do not belong together.
pub(crate) fn tls(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
}

/// A panic elsewhere does not make the record less true.
pub(crate) fn lock<T>(memory: &Mutex<T>) -> MutexGuard<'_, T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer in plain text.
pub(crate) fn plain(status: StatusCode, text: &str) -> Answer {
    body(status, "text/plain", text.as_bytes().to_vec())
}

/// An answer of a media type.
pub(crate) fn body(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(bytes)));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// The value of a header, empty where it was not sent.
pub(crate) fn value(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).map_or(String::new(), |value| {
        String::from_utf8_lossy(value.as_bytes()).into()
    })
}

/// What one answer needs.
struct Desk {
    answer: Box<dyn Fn(&Asked) -> Answer + Send + Sync>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Desk {
    fn answer(&self, request: &Asked) -> Answer {
        let answer = (self.answer)(request);
        lock(&self.seen).push(Seen {
            method: request.method().to_string(),
            host: value(request.headers(), &header::HOST),
            path: request.uri().to_string(),
            status: answer.status().as_u16(),
            user_agent: value(request.headers(), &header::USER_AGENT),
            accept: value(request.headers(), &header::ACCEPT),
        });
        answer
    }
}

async fn accept(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, desk: Arc<Desk>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let Ok((stream, _)): io::Result<(_, SocketAddr)> = listener.accept().await else {
            continue;
        };
        let (tls, desk) = (tls.clone(), Arc::clone(&desk));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, desk).await,
                // A client that refuses our certificate ends here; it has its own words for it.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, desk).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, desk: Arc<Desk>) {
    let service = service_fn(move |request: Asked| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(&request)) }
    });
    drop(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}
