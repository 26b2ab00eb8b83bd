//! A plain client: rustls, one connection for each request, and requests for certificates as a kubelet makes them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kindling_api_server::{ApiServer, TOKEN};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use serde_json::{Value, json};

pub(crate) const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
pub(crate) const THREE: [&str; 3] = ["digital signature", "key encipherment", "client auth"];

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        Some(value)
    }
}

type Stream = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// Who asks.
#[derive(Clone)]
pub(crate) struct Client {
    port: u16,
    authority: String,
    pub(crate) headers: Vec<(String, String)>,
    identity: Option<(String, Vec<u8>)>,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
}

impl Client {
    /// With the token of the default scenario.
    pub(crate) fn of(server: &ApiServer) -> Self {
        Self::anonymous(server).with_header("Authorization", &format!("Bearer {TOKEN}"))
    }

    pub(crate) fn anonymous(server: &ApiServer) -> Self {
        Self {
            port: server.port(),
            authority: server.ca_pem(),
            headers: Vec::new(),
            identity: None,
            versions: rustls::ALL_VERSIONS.to_vec(),
        }
        .with_header("User-Agent", "double-test/1")
        .with_header("Accept", "application/json")
    }

    /// With a node's certificate and no token.
    pub(crate) fn node(server: &ApiServer, chain: &str, key: &KeyPair) -> Self {
        Self {
            identity: Some((chain.to_owned(), key.serialize_der())),
            ..Self::anonymous(server)
        }
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self
    }

    fn connect(&self) -> Stream {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match &self.identity {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
                    .map(Result::unwrap)
                    .collect();
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.clone()));
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let name = "127.0.0.1".try_into().unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        BufReader::new(StreamOwned::new(connection, stream))
    }

    /// The error of the first write or read, for servers that are not to be talked to.
    pub(crate) fn error(&self) -> String {
        let mut stream = self.connect();
        let failed = self
            .send(&mut stream, "GET", "/version", None)
            .and_then(|()| stream.read(&mut [0; 1]));
        failed.unwrap_err().to_string()
    }

    fn send(
        &self,
        stream: &mut Stream,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
    ) -> std::io::Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            if !self.headers.iter().any(|(name, _)| name == "Content-Type") {
                head += "Content-Type: application/json\r\n";
            }
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let stream = stream.get_mut();
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        stream.write_all(body.unwrap_or_default())?;
        stream.flush()
    }

    /// Sends and reads the head.
    fn begin(&self, method: &str, path: &str, body: Option<&[u8]>) -> (Stream, Reply) {
        let mut stream = self.connect();
        self.send(&mut stream, method, path, body).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert!(stream.read_until(b'\n', &mut head).unwrap() > 0, "no answer");
        }
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Response::new(&mut headers);
        parsed.parse(&head).unwrap();
        let headers = parsed
            .headers
            .iter()
            .map(|one| {
                let value = String::from_utf8(one.value.to_vec()).unwrap();
                (one.name.to_ascii_lowercase(), value)
            })
            .collect();
        let reply = Reply {
            status: parsed.code.unwrap(),
            headers,
            body: Vec::new(),
        };
        (stream, reply)
    }

    pub(crate) fn raw(&self, method: &str, path: &str, body: Option<&[u8]>) -> Reply {
        let (mut stream, mut reply) = self.begin(method, path, body);
        if reply.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = chunk(&mut stream) {
                reply.body.extend(chunk);
            }
        } else {
            let length = reply
                .header("content-length")
                .map_or(0, |text| text.parse().unwrap());
            reply.body = vec![0; length];
            stream.read_exact(&mut reply.body).unwrap();
        }
        reply
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.raw("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.raw("POST", path, Some(body.to_string().as_bytes()))
    }

    /// Begins to watch.
    pub(crate) fn watch(&self, path: &str) -> Watched {
        let (stream, reply) = self.begin("GET", path, None);
        assert_eq!(reply.status, 200);
        Watched(stream)
    }
}

/// A chunk; `None` at the end or where the connection breaks.
fn chunk(stream: &mut Stream) -> Option<Vec<u8>> {
    let mut size = String::new();
    stream.read_line(&mut size).ok()?;
    let size = usize::from_str_radix(size.trim(), 16).ok()?;
    let mut chunk = vec![0; size + 2];
    stream.read_exact(&mut chunk).ok()?;
    chunk.truncate(size);
    (size > 0).then_some(chunk)
}

/// The events of a watch.
pub(crate) struct Watched(Stream);

impl Watched {
    /// The next event: its type and its object. `None` at the end.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        // Each event of the double is one chunk.
        let event: Value = serde_json::from_slice(&chunk(&mut self.0)?).unwrap();
        Some((
            event["type"].as_str().unwrap().to_owned(),
            event["object"].clone(),
        ))
    }

    /// The same of an event that is not a bookmark.
    pub(crate) fn change(&mut self) -> (String, Value) {
        loop {
            let event = self.next().unwrap();
            if event.0 != "BOOKMARK" {
                return event;
            }
        }
    }
}

/// A node's key.
pub(crate) fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

/// The PEM of a node's request.
pub(crate) fn pkcs10(key: &KeyPair, common_name: &str, organization: &str, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, organization);
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serialize_request(key).unwrap().pem().unwrap()
}

/// An object around a PEM.
pub(crate) fn object(name: &str, pem: &str) -> Value {
    json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
        "spec": {
            "request": STANDARD.encode(pem), "usages": THREE,
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        },
    })
}

/// A good request for a node.
pub(crate) fn request(name: &str, key: &KeyPair, node: &str) -> Value {
    object(
        name,
        &pkcs10(key, &format!("system:node:{node}"), "system:nodes", &[]),
    )
}

/// The PEM in an object's status.
pub(crate) fn certificate(object: &Value) -> String {
    let text = object["status"]["certificate"].as_str().unwrap();
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

/// The condition of an object, by its only one.
pub(crate) fn conditions(object: &Value) -> Vec<String> {
    let all = object["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    all.iter()
        .map(|one| one["type"].as_str().unwrap().to_owned())
        .collect()
}
