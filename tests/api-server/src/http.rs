//! The HTTP server under every stand-in: on the host's loopback at a port of the system's choice, with TLS or without. It
//! remembers what it was asked.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
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
    /// Every header, names in small letters, in order.
    pub headers: Vec<(String, String)>,
    /// What was sent behind them.
    pub body: Vec<u8>,
    /// When, since the server was started.
    pub at: Duration,
    /// The port it came from: one connection each.
    pub from_port: u16,
}

impl Seen {
    /// The value of a header, its name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        Some(value)
    }
}

/// The certificates that a client showed, leaf first; an extension of what was asked. None over plain HTTP.
#[derive(Clone, Debug, Default)]
pub struct Shown(pub Vec<CertificateDer<'static>>);

/// Rings when something happened, for a test that waits for it.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<u64>,
    heard: Condvar,
}

impl Bell {
    /// Something happened.
    pub fn ring(&self) {
        *lock(&self.rung) += 1;
        self.heard.notify_all();
    }

    /// Waits until `what` is so, looking whenever the bell rings. Whether it came to be so within `limit`.
    pub fn wait(&self, limit: Duration, what: impl Fn() -> bool) -> bool {
        let until = Instant::now() + limit;
        loop {
            let before = *lock(&self.rung);
            if what() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            let rung = self
                .heard
                .wait_timeout_while(lock(&self.rung), left, |rung| *rung == before);
            if rung
                .map_or_else(|poisoned| poisoned.into_inner().1, |(_, timed)| timed)
                .timed_out()
            {
                return what();
            }
        }
    }
}

/// What an answer is decided from.
pub type Asked = Request<Bytes>;

/// An answer.
pub type Answer = Response<Content>;

/// The body of an answer.
pub enum Content {
    /// Known at once; `None` when it has left.
    Whole(Option<Bytes>),
    /// Piece by piece, chunked, until the sender is dropped.
    Pieces(mpsc::UnboundedReceiver<Bytes>),
    /// So much of it, sent once and waited for once; then the connection breaks.
    Broken(Option<Bytes>, Sent),
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(Some(Bytes::from(bytes)))
    }
}

/// How far the piece before a break has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It may still lie in a buffer.
    Written,
    /// The buffer was emptied, as happens when nothing more is there to be written.
    Flushed,
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
            Self::Broken(bytes, sent) => match (bytes.take(), *sent) {
                (Some(bytes), _) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                (None, Sent::Written) => {
                    *sent = Sent::Flushed;
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                (None, Sent::Flushed) => Poll::Ready(Some(Err(io::Error::other("ordered")))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) | Self::Broken(..) => SizeHint::default(),
        }
    }
}

/// A running server; it ends with this value.
pub struct Server {
    port: u16,
    handle: Handle,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one that answers as `answer` decides.
    ///
    /// # Errors
    /// When no port could be had.
    pub fn start(
        tls: Option<ServerConfig>,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_on(bind()?, tls, Arc::default(), answer)
    }

    /// The same at a port that is already bound; `bell` rings behind every answer.
    ///
    /// # Errors
    /// When the system gives no event loop.
    pub fn start_on(
        listener: TcpListener,
        tls: Option<ServerConfig>,
        bell: Arc<Bell>,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let desk = Arc::new(Desk {
            answer: Box::new(answer),
            seen: Arc::clone(&seen),
            since: Instant::now(),
            bell,
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
            handle,
            seen,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its event loop, for what happens between two requests.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
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

/// A port of the system's choice on the loopback.
///
/// # Errors
/// When none could be had.
pub fn bind() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0))
}

/// TLS with this certificate, asking clients for none.
///
/// # Errors
/// When certificate and key do not belong together.
pub fn tls(
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
pub fn lock<T>(memory: &Mutex<T>) -> MutexGuard<'_, T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer in plain text.
#[must_use]
pub fn plain(status: StatusCode, text: &str) -> Answer {
    body(status, "text/plain", text.as_bytes().to_vec())
}

/// An answer of a media type.
#[must_use]
pub fn body(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Answer {
    typed(status, kind, bytes.into())
}

/// An answer of a media type that comes piece by piece.
#[must_use]
pub fn pieces(status: StatusCode, kind: &'static str) -> (mpsc::UnboundedSender<Bytes>, Answer) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, typed(status, kind, Content::Pieces(receiver)))
}

/// An answer that ends, and the connection with it, behind these bytes.
#[must_use]
pub fn broken(kind: &'static str, bytes: &'static [u8]) -> Answer {
    let content = Content::Broken(Some(Bytes::from_static(bytes)), Sent::Written);
    typed(StatusCode::OK, kind, content)
}

fn typed(status: StatusCode, kind: &'static str, content: Content) -> Answer {
    let mut answer = Response::new(content);
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// The value of a header, empty where it was not sent.
#[must_use]
pub fn value(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).map_or(String::new(), text)
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into()
}

/// What one answer needs.
struct Desk {
    answer: Box<dyn Fn(&Asked) -> Answer + Send + Sync>,
    seen: Arc<Mutex<Vec<Seen>>>,
    since: Instant,
    bell: Arc<Bell>,
}

impl Desk {
    fn answer(&self, request: &Asked, from_port: u16) -> Answer {
        let at = self.since.elapsed();
        let answer = (self.answer)(request);
        let headers = request.headers();
        lock(&self.seen).push(Seen {
            method: request.method().to_string(),
            host: value(headers, &header::HOST),
            path: request.uri().to_string(),
            status: answer.status().as_u16(),
            user_agent: value(headers, &header::USER_AGENT),
            accept: value(headers, &header::ACCEPT),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: request.body().to_vec(),
            at,
            from_port,
        });
        self.bell.ring();
        answer
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, desk: Arc<Desk>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let Ok((stream, from)): io::Result<(_, SocketAddr)> = listener.accept().await else {
            continue;
        };
        let (tls, desk, port) = (tls.clone(), Arc::clone(&desk), from.port());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, port, Shown::default(), desk).await,
                // A client that refuses our certificate ends here; it has its own words for it.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
                        let shown = Shown(shown.iter().map(|one| one.clone().into_owned()).collect());
                        serve(stream, port, shown, desk).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, port: u16, shown: Shown, desk: Arc<Desk>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (desk, shown) = (Arc::clone(&desk), shown.clone());
        async move {
            let (mut head, incoming) = request.into_parts();
            // What a client that went away did not send cannot be answered.
            let sent = incoming.collect().await.map_err(io::Error::other)?.to_bytes();
            head.extensions.insert(shown);
            Ok::<_, io::Error>(desk.answer(&Request::from_parts(head, sent), port))
        }
    });
    drop(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}
