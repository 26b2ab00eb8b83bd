//! The cluster stand-in: what a node's first boot needs of a cluster, over real TLS with a CA of its own.
//!
//! - `/config/POOL` and `/healthz`: the [config server](crate::config_server); pool `worker` is always there.
//! - `GET /files/NAME`: a file of `fixtures/vm/files`.
//! - `POST /nodes/NAME`: the announcement of a node; taken only with the bootstrap token.
//!
//! It listens on the host's loopback at a port of the system's choice; guests reach it by
//! [`crate::qemu::CLUSTER_ADDRESS`]. It remembers every request, and can fail the first ones.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hyper::header::{self, HeaderMap};
use hyper::{Method, StatusCode};
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::api::Offered;
use crate::config_server::{self, ConfigServer, Mode, NEWEST, Pool};
use crate::server::{self, Answer, Seen, Server, body, lock, plain};

/// The token of the kubeconfig in `fixtures/vm/worker.ign`.
pub const BOOTSTRAP_TOKEN: &str = "kndlng.0123456789abcdef";

/// The token in the kubeconfig that the config server adds.
pub const NODE_BOOTSTRAPPER: &str = "planted-service-account-token";

/// What a machine shows to get its bootstrap token.
pub const MACHINE_CREDENTIAL: &str = "planted-machine-credential";

/// What the cluster serves, and how badly.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Folder with the certificate and `files/`.
    pub fixtures: PathBuf,
    /// Certificate and key of the server: `.crt` and `.key` behind it, below `fixtures`.
    pub certificate: &'static str,
    /// Served as the worker config.
    pub worker: PathBuf,
    /// More pools by name; one without a config is not ready.
    pub pools: Vec<(&'static str, Option<PathBuf>)>,
    /// Whether the config server adds the files of a cluster. One of them is a credential that everybody may read.
    pub adds_files: bool,
    /// Who answers: the cluster, or the installer's machine before it.
    pub mode: Mode,
    /// Files of `/files/` that are in no folder.
    pub files: Vec<Served>,
    /// The API server beside it, if there is one. Its authority is served as `/files/cluster-ca.crt`, its token as `/files/token`, to
    /// who shows [`MACHINE_CREDENTIAL`].
    pub api: Option<Offered>,
    /// This many requests are answered with 500 before the first real answer.
    pub fail_first: u32,
}

/// A file that is served and in no folder.
#[derive(Clone, Debug)]
pub struct Served {
    /// Its name below `/files/`.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The bearer credential that it takes to get it.
    pub bearer: Option<&'static str>,
}

#[derive(Default)]
struct Memory {
    nodes: Vec<String>,
    failed: u32,
}

/// A running cluster stand-in; it ends with this value.
pub struct Cluster {
    server: Server,
    memory: Arc<Mutex<Memory>>,
}

/// A cluster that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A served file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A config is not JSON.
    #[error("{} is no config", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A certificate or key is not PEM.
    #[error("cannot use {} as PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key do not serve TLS.
    #[error("cannot serve TLS")]
    Tls(#[from] rustls::Error),
    /// No port could be had.
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
}

impl Cluster {
    /// Starts to serve `offer`.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn start(offer: Offer) -> Result<Self, ClusterError> {
        let tls = tls(&offer.fixtures, offer.certificate)?;
        let memory = Arc::new(Mutex::new(Memory::default()));
        let desk = Desk {
            config_server: config_server(&offer)?,
            offer,
            memory: Arc::clone(&memory),
        };
        let server = Server::start(Some(tls), move |asked| {
            desk.decide(asked.method(), asked.uri().path(), asked.headers())
        })
        .map_err(ClusterError::Listen)?;
        Ok(Self { server, memory })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Nodes that announced themselves with the token, in order.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        lock(&self.memory).nodes.clone()
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.server.seen()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ClusterError> {
    fs::read(path).map_err(|source| ClusterError::Read {
        path: path.to_path_buf(),
        source,
    })
}

fn tls(fixtures: &Path, certificate: &str) -> Result<ServerConfig, ClusterError> {
    let pem = |path: PathBuf| move |source| ClusterError::Pem { path, source };
    let [chain, key] = ["crt", "key"].map(|end| fixtures.join(format!("{certificate}.{end}")));
    let certificates = CertificateDer::pem_slice_iter(&read(&chain)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem(chain.clone()))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&key)?).map_err(pem(key.clone()))?;
    Ok(server::tls(certificates, key)?)
}

/// The config server with the pools of the offer, which it takes for configs of its newest version.
fn config_server(offer: &Offer) -> Result<ConfigServer, ClusterError> {
    let mut pools = BTreeMap::new();
    let worker = [("worker", Some(offer.worker.clone()))];
    for (name, path) in worker.into_iter().chain(offer.pools.clone()) {
        let pool = match path {
            None => Pool::NotReady,
            Some(path) => {
                let mut config: serde_json::Value = serde_json::from_slice(&read(&path)?)
                    .map_err(|source| ClusterError::Config { path, source })?;
                config["ignition"]["version"] = NEWEST.into();
                Pool::Ready(config)
            }
        };
        pools.insert(name.to_owned(), pool);
    }
    let cluster = match offer.adds_files {
        false => None,
        true => Some(config_server::Cluster {
            server: format!("https://{}", crate::qemu::CLUSTER_ADDRESS),
            authority: String::from_utf8_lossy(&read(&offer.fixtures.join("pki/ca.crt"))?).into_owned(),
            token: NODE_BOOTSTRAPPER.to_owned(),
            image: "registry.kindling.test/os@sha256:0123".to_owned(),
        }),
    };
    Ok(ConfigServer {
        mode: offer.mode,
        pools,
        cluster,
    })
}

fn shows(headers: &HeaderMap, credential: &str) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .map(|given| given.to_str().unwrap_or_default());
    given.and_then(|given| given.strip_prefix("Bearer ")) == Some(credential)
}

/// What one answer needs.
struct Desk {
    offer: Offer,
    config_server: ConfigServer,
    memory: Arc<Mutex<Memory>>,
}

impl Desk {
    fn decide(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        {
            let mut memory = lock(&self.memory);
            if memory.failed < self.offer.fail_first {
                memory.failed += 1;
                return plain(StatusCode::INTERNAL_SERVER_ERROR, "out of order for a while\n");
            }
        }
        if *method == Method::POST
            && let Some(name) = path.strip_prefix("/nodes/")
        {
            return self.admit(name, headers);
        }
        // One plain name: nothing above the folder can be asked for.
        let file = path
            .strip_prefix("/files/")
            .filter(|name| *method == Method::GET && !name.contains('/') && !name.starts_with('.'));
        match file {
            Some(name) if let Some(served) = self.offer.files.iter().find(|file| file.name == name) => {
                if served
                    .bearer
                    .is_some_and(|credential| !shows(headers, credential))
                {
                    return plain(StatusCode::UNAUTHORIZED, "not the machine's credential\n");
                }
                body(StatusCode::OK, "application/octet-stream", served.bytes.clone())
            }
            Some(name) => match fs::read(self.offer.fixtures.join("files").join(name)) {
                Ok(bytes) => body(StatusCode::OK, "application/octet-stream", bytes),
                Err(_) => plain(StatusCode::NOT_FOUND, "no such file\n"),
            },
            None => {
                let accept = headers
                    .get(header::ACCEPT)
                    .map(|value| value.to_str().unwrap_or_default());
                self.config_server.answer(method, path, accept)
            }
        }
    }

    fn admit(&self, name: &str, headers: &HeaderMap) -> Answer {
        if !shows(headers, BOOTSTRAP_TOKEN) {
            return plain(StatusCode::UNAUTHORIZED, "not the bootstrap token\n");
        }
        lock(&self.memory).nodes.push(name.to_owned());
        plain(StatusCode::CREATED, "joined\n")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
    use sha2::{Digest, Sha512};

    use super::*;

    /// Sends `request` as a guest would see the cluster, and returns the whole answer.
    fn ask(cluster: &Cluster, request: &str) -> String {
        let mut roots = RootCertStore::empty();
        let ca = fs::read(crate::workspace::fixtures().join("pki/ca.crt")).unwrap();
        roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "10.0.2.100".try_into().unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(
            connection,
            TcpStream::connect(("127.0.0.1", cluster.port())).unwrap(),
        );
        write!(
            stream,
            "{request}\r\nHost: 10.0.2.100:6443\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        // hyper may end the connection without TLS's own goodbye.
        drop(stream.read_to_end(&mut answer));
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn only_the_bootstrap_token_admits_a_node() {
        let cluster = Cluster::start(crate::scenario::worker_offer()).unwrap();
        let without = ask(&cluster, "POST /nodes/worker-1 HTTP/1.1");
        assert!(without.starts_with("HTTP/1.1 401"), "{without}");
        let wrong = ask(
            &cluster,
            "POST /nodes/worker-1 HTTP/1.1\r\nAuthorization: Bearer kndlng.wrong",
        );
        assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
        assert!(cluster.nodes().is_empty());
        let right = ask(
            &cluster,
            &format!("POST /nodes/worker-1 HTTP/1.1\r\nAuthorization: Bearer {BOOTSTRAP_TOKEN}"),
        );
        assert!(right.starts_with("HTTP/1.1 201"), "{right}");
        assert_eq!(cluster.nodes(), ["worker-1"]);
    }

    #[test]
    fn the_first_requests_fail_when_asked_to() {
        let cluster = Cluster::start(Offer {
            fail_first: 1,
            ..crate::scenario::worker_offer()
        })
        .unwrap();
        let wanted =
            "GET /config/worker HTTP/1.1\r\nAccept: application/vnd.coreos.ignition+json;version=3.6.0";
        assert!(ask(&cluster, wanted).starts_with("HTTP/1.1 500"));
        let config = ask(&cluster, wanted);
        assert!(
            config.starts_with("HTTP/1.1 200") && config.contains("application/json"),
            "{config}"
        );
        let statuses: Vec<u16> = cluster.seen().iter().map(|request| request.status).collect();
        assert_eq!(statuses, [500, 200]);
    }

    #[test]
    fn the_length_is_announced_also_where_nothing_is_sent() {
        let cluster = Cluster::start(crate::scenario::worker_offer()).unwrap();
        let wanted = "/config/worker HTTP/1.1\r\nAccept: application/vnd.coreos.ignition+json;version=3.6.0";
        let length = |answer: &str| -> usize {
            let head = answer.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
            let line = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
            line.unwrap_or_else(|| panic!("{head}")).parse().unwrap()
        };
        let whole = ask(&cluster, &format!("GET {wanted}"));
        let (_, body) = whole.split_once("\r\n\r\n").unwrap();
        assert!(body.contains(r#""version":"3.5.0""#), "{body}");
        assert_eq!(length(&whole), body.len());
        let head = ask(&cluster, &format!("HEAD {wanted}"));
        assert!(
            head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        assert_eq!(length(&head), body.len());
        for (request, status) in [
            ("GET /healthz", 200),
            ("GET /none", 404),
            ("PUT /config/worker", 405),
        ] {
            let answer = ask(&cluster, &format!("{request} HTTP/1.1"));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
            assert_eq!(length(&answer), 0);
        }
    }

    #[test]
    fn nothing_above_the_served_files_can_be_asked_for() {
        let cluster = Cluster::start(crate::scenario::worker_offer()).unwrap();
        for path in [
            "/files/../pki/server.key",
            "/files/..",
            "/files/",
            "/pki/server.key",
            "/",
        ] {
            let answer = ask(&cluster, &format!("GET {path} HTTP/1.1"));
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        }
    }

    /// The fixtures hold copies of each other; this keeps them equal.
    #[test]
    fn configs_agree_with_the_certificates_files_and_token_they_name() {
        let fixtures = crate::workspace::fixtures();
        let json = |name: &str| -> serde_json::Value {
            serde_json::from_slice(&fs::read(fixtures.join(name)).unwrap()).unwrap()
        };
        let inline = |value: &serde_json::Value| {
            let source = value["source"].as_str().unwrap();
            STANDARD
                .decode(source.rsplit_once(";base64,").unwrap().1)
                .unwrap()
        };
        let ca = fs::read(fixtures.join("pki/ca.crt")).unwrap();
        let pointer = json("pointer.ign");
        assert_eq!(
            inline(&pointer["ignition"]["security"]["tls"]["certificateAuthorities"][0]),
            ca
        );
        let worker = json("worker.ign");
        let files = worker["storage"]["files"].as_array().unwrap();
        let contents = |path: &str| &files.iter().find(|file| file["path"] == path).unwrap()["contents"];
        assert_eq!(inline(contents("/etc/kubernetes/ca.crt")), ca);
        let kubeconfig = String::from_utf8(inline(contents("/etc/kubernetes/bootstrap-kubeconfig"))).unwrap();
        assert!(kubeconfig.contains(&format!("token: {BOOTSTRAP_TOKEN}\n")));
        let served = fs::read(fixtures.join("files/node-announce")).unwrap();
        let digest: String = Sha512::digest(&served)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let announce = contents("/usr/local/bin/node-announce");
        assert_eq!(announce["verification"]["hash"], format!("sha512-{digest}"));
    }
}
