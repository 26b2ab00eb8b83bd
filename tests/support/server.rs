//! A real HTTP server on loopback, with faults on order. It ends with the test that started it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// In the order and spelling of the wire; `Host` left out, since its port changes.
    pub(crate) headers: Vec<(String, String)>,
    /// The port it came from.
    pub(crate) from_port: u16,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    before_headers: Duration,
    /// Pause after so many bytes of the body.
    pause: Option<(usize, Duration)>,
    /// Break the connection after so many bytes of the body.
    cut: Option<usize>,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).with_body(body)
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            before_headers: Duration::ZERO,
            pause: None,
            cut: None,
        }
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        let mut reply = Self::status(status);
        reply.headers.push(("location".to_owned(), to.to_owned()));
        reply
    }

    pub(crate) fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn late(mut self, by: Duration) -> Self {
        self.before_headers = by;
        self
    }

    pub(crate) fn pausing_after(mut self, bytes: usize, pause: Duration) -> Self {
        self.pause = Some((bytes, pause));
        self
    }

    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }
}

/// Decides the answer from a request and the number of requests before it.
type Answerer = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    pub(crate) fn http(answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::http_on("127.0.0.1", answer)
    }

    /// At another address of this machine.
    pub(crate) fn http_on(
        address: &str,
        answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start((address, 0), None, Arc::new(answer))
    }

    /// At an address and a port that the world has agreed on.
    pub(crate) fn http_at(
        place: (&str, u16),
        answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(place, None, Arc::new(answer))
    }

    pub(crate) fn https(
        identity: &Identity,
        answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::https_on("127.0.0.1", identity, answer)
    }

    /// At another address of this machine.
    pub(crate) fn https_on(
        address: &str,
        identity: &Identity,
        answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start((address, 0), Some(identity.acceptor(None)), Arc::new(answer))
    }

    /// The same for clients alone that show a certificate of `clients`.
    pub(crate) fn https_for(
        identity: &Identity,
        clients: &Identity,
        answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(
            ("127.0.0.1", 0),
            Some(identity.acceptor(Some(clients))),
            Arc::new(answer),
        )
    }

    /// Answers the same to everybody.
    pub(crate) fn always(reply: Reply) -> Self {
        Self::http(move |_, _| reply.clone())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The same over TLS.
    pub(crate) fn https_at(
        place: (&str, u16),
        identity: &Identity,
        answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(place, Some(identity.acceptor(None)), Arc::new(answer))
    }

    fn start(at: (&str, u16), tls: Option<TlsAcceptor>, answer: Arc<Answerer>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = std::sync::mpsc::channel();
        let record = Arc::clone(&seen);
        let at = (at.0.to_owned(), at.1);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind((at.0.as_str(), at.1)).await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                tokio::spawn(accept(listener, tls, answer, record));
                let _ = stopped.await;
            });
            runtime.shutdown_background();
        });
        Self {
            address: address.recv().unwrap(),
            scheme,
            seen,
            _stop: stop,
        }
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    answer: Arc<Answerer>,
    record: Arc<Mutex<Vec<Seen>>>,
) {
    while let Ok((stream, from)) = listener.accept().await {
        let (tls, answer, record) = (tls.clone(), Arc::clone(&answer), Arc::clone(&record));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, from.port(), answer, record).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, from.port(), answer, record).await;
                    }
                }
            }
        });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    from_port: u16,
    answer: Arc<Answerer>,
    record: Arc<Mutex<Vec<Seen>>>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (answer, record) = (&answer, &record);
        async move {
            let (head, mut incoming) = request.into_parts();
            let mut body = Vec::new();
            while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut incoming).poll_frame(context)).await {
                body.extend(frame.into_data().unwrap_or_default());
            }
            let seen = Seen {
                method: head.method.to_string(),
                target: head.uri.to_string(),
                headers: head
                    .headers
                    .iter()
                    .filter(|(name, _)| *name != "host")
                    .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                    .collect(),
                from_port,
                body,
            };
            let before = {
                let mut record = record.lock().unwrap();
                record.push(seen.clone());
                record.len() - 1
            };
            let reply = answer(&seen, before);
            tokio::time::sleep(reply.before_headers).await;
            let mut response = Response::builder().status(reply.status);
            for (name, value) in &reply.headers {
                response = response.header(name, value);
            }
            if reply.cut.is_some() {
                response = response.header("content-length", reply.body.len());
            }
            Ok::<_, Infallible>(response.body(Parts::new(&reply)).unwrap())
        }
    });
    // A broken connection is what some tests ask for.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A body in parts, with pauses and an early end.
struct Parts {
    parts: VecDeque<(Duration, io::Result<Bytes>)>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    length: Option<u64>,
}

impl Parts {
    fn new(reply: &Reply) -> Self {
        let body = Bytes::from(reply.body.clone());
        let mut parts = VecDeque::new();
        if let Some(cut) = reply.cut {
            parts.push_back((Duration::ZERO, Ok(body.slice(..cut))));
            // The first part must leave before the connection breaks.
            parts.push_back((Duration::from_millis(50), Err(io::Error::other("cut"))));
        } else if let Some((after, pause)) = reply.pause {
            parts.push_back((Duration::ZERO, Ok(body.slice(..after))));
            parts.push_back((pause, Ok(body.slice(after..))));
        } else if !body.is_empty() {
            parts.push_back((Duration::ZERO, Ok(body.clone())));
        }
        let length = reply.cut.is_none().then(|| u64::try_from(body.len()).unwrap());
        Self {
            parts,
            pause: None,
            length,
        }
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(&(pause, _)) = self.parts.front() else {
            return Poll::Ready(None);
        };
        let sleep = self
            .pause
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        if !pause.is_zero() && sleep.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.pause = None;
        Poll::Ready(self.parts.pop_front().map(|(_, part)| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A certificate authority of the test's own, and a server certificate it signed.
pub(crate) struct Identity {
    authority: rcgen::Certificate,
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Identity {
    /// Valid for 127.0.0.1, from 1975 to 4096.
    pub(crate) fn new() -> Self {
        Self::for_host("127.0.0.1")
    }

    /// The same for another host, or for several with commas between them.
    pub(crate) fn for_host(host: &str) -> Self {
        Self::valid(
            host,
            rcgen::date_time_ymd(1975, 1, 1),
            rcgen::date_time_ymd(4096, 1, 1),
        )
    }

    pub(crate) fn valid(host: &str, from: time::OffsetDateTime, until: time::OffsetDateTime) -> Self {
        Self::valid_with_authority(host, from, until, rcgen::date_time_ymd(1975, 1, 1))
    }

    /// The same, signed by an authority that is valid from `authority_from` on.
    pub(crate) fn valid_with_authority(
        host: &str,
        from: time::OffsetDateTime,
        until: time::OffsetDateTime,
        authority_from: time::OffsetDateTime,
    ) -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.not_before = authority_from;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let signed = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut server =
            rcgen::CertificateParams::new(host.split(',').map(str::to_owned).collect::<Vec<_>>()).unwrap();
        server.not_before = from;
        server.not_after = until;
        let certificate = server.signed_by(&key, &issuer).unwrap();
        Self {
            authority: signed,
            certificate,
            key,
            issuer,
        }
    }

    /// A client's certificate and its key, in PEM.
    pub(crate) fn client(&self) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let client = rcgen::CertificateParams::new(vec!["machine".to_owned()]).unwrap();
        let certificate = client.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// What a config must hold so that the server is trusted.
    pub(crate) fn authority_pem(&self) -> String {
        self.authority.pem()
    }

    /// For a server that is another program: its certificate and its key.
    pub(crate) fn server_pem(&self) -> String {
        self.certificate.pem() + &self.key.serialize_pem()
    }

    /// For servers that speak something else over TLS.
    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(self.acceptor(None).config())
    }

    fn acceptor(&self, clients: Option<&Self>) -> TlsAcceptor {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.authority.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let config = builder
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
