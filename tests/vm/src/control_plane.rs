//! A real control plane: etcd, the API server and the controller manager, built from the distribution's source package by
//! `tests/cluster/build.sh`, on the host's loopback. It is what kubeadm would have made, as far as a node that joins can
//! see: bootstrap tokens, the bindings that let them ask and have their requests approved, and `cluster-info`, signed.
//!
//! It needs no rights, reaches nobody, keeps nothing, and ends with its value or with the thread that started it.
//! `tests/cluster/README.md` tells how a guest and a kubelet reach it.

mod client;
pub mod exchange;
mod kubeconfig;
pub mod kubelet;
mod objects;
mod pki;
mod process;
mod settings;

use std::io;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;

pub use self::client::{AskError, Client, Reply};
pub use self::objects::TOKEN_GROUP;
use self::pki::Authority;
pub use self::pki::Pair;
pub use self::process::Process;
use crate::run::RunError;
use crate::workspace;

/// The requests of nodes for certificates.
pub const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// The token that every control plane has from its start. Nobody else knows it.
pub const TOKEN: &str = "kndlng.0123456789abcdef";

/// How long the programs may take to be ready, on a machine that does other work too.
const READY: Duration = Duration::from_secs(120);

/// What a control plane is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `host:port` by which others reach it, for its certificate and for `cluster-info`; empty is loopback and its port.
    pub advertised: String,
}

/// A running control plane; it ends with this value.
pub struct ControlPlane {
    // In the order in which they end.
    programs: Vec<Process>,
    port: u16,
    authority: Authority,
    admin: Client,
    server: String,
    folder: tempfile::TempDir,
}

/// A control plane that could not be started or asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// `make cluster-tools` was not run.
    #[error("{} is not there: run `make cluster-tools`", .0.display())]
    NotBuilt(PathBuf),
    /// A tool of the host is missing.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file of the run.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program did not start.
    #[error("cannot start {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program ended.
    #[error("{program} ended with {status}:\n{tail}")]
    Ended {
        /// The program.
        program: String,
        /// How.
        status: String,
        /// The end of what it said.
        tail: String,
    },
    /// Certificates could not be made.
    #[error("cannot make certificates")]
    Certificate(#[from] rcgen::Error),
    /// No port, or no folder.
    #[error("nothing to run on")]
    Host(#[source] io::Error),
    /// The API server does not answer.
    #[error("asking the API server")]
    Ask(#[from] AskError),
    /// It refuses what a new cluster needs.
    #[error("the API server answers {status} to {what}: {text}")]
    Refused {
        /// The request.
        what: String,
        /// Its status.
        status: u16,
        /// Its body.
        text: String,
    },
    /// It is not ready in time.
    #[error("not ready in time: {0}")]
    Late(String),
}

/// Where the built programs are.
#[must_use]
pub fn programs() -> PathBuf {
    workspace::root().join("target/cluster/current/bin")
}

impl ControlPlane {
    /// Starts one that is reached on loopback alone.
    ///
    /// # Errors
    /// [`ControlPlaneError`].
    pub fn start() -> Result<Self, ControlPlaneError> {
        Self::start_with(&Options::default())
    }

    /// Starts one and waits until it would take a node in: ready, with its tokens, and with `cluster-info` signed.
    ///
    /// # Errors
    /// [`ControlPlaneError`].
    pub fn start_with(options: &Options) -> Result<Self, ControlPlaneError> {
        let bin = programs();
        if !bin.join("kube-apiserver").exists() {
            return Err(ControlPlaneError::NotBuilt(bin));
        }
        let folder = tempfile::tempdir().map_err(ControlPlaneError::Host)?;
        let [port, of_etcd, of_peers] = ports().map_err(ControlPlaneError::Host)?;
        let local = format!("https://127.0.0.1:{port}");
        let (server, addresses) = match options.advertised.rsplit_once(':') {
            Some((host, _)) => (
                format!("https://{}", options.advertised),
                host.parse::<IpAddr>().into_iter().collect(),
            ),
            None => (local.clone(), Vec::new()),
        };

        let authority = Authority::new()?;
        let administrator = authority.client("kindling:administrator", "system:masters")?;
        settings::prepare(folder.path(), &authority, &addresses, &local)?;
        let admin = Client::with_certificate(port, &authority.pair.certificate, &administrator)?;
        let mut plane = Self {
            programs: Vec::new(),
            port,
            authority,
            admin,
            server,
            folder,
        };
        plane.run(&bin.join("etcd"), &settings::etcd(of_etcd, of_peers))?;
        plane.run(&bin.join("kube-apiserver"), &settings::api_server(port, of_etcd))?;
        plane.wait_until_ready()?;
        plane.furnish()?;
        plane.run(&bin.join("kube-controller-manager"), &settings::controllers())?;
        // The first thing that the controllers do for us.
        let (id, _) = TOKEN.split_once('.').unwrap_or((TOKEN, ""));
        let signed = plane.wait_until_signed_for(id);
        for program in &mut plane.programs {
            program.check()?;
        }
        signed?;
        Ok(plane)
    }

    /// Waits until `cluster-info` is signed for the token of this id.
    ///
    /// # Errors
    /// [`ControlPlaneError::Ask`].
    pub fn wait_until_signed_for(&self, id: &str) -> Result<(), ControlPlaneError> {
        let key = format!("jws-kubeconfig-{id}");
        self.object_when(objects::CLUSTER_INFO, "cluster-info", READY, |object| {
            object["data"].get(&key).is_some()
        })?;
        Ok(())
    }

    /// The API server's port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL by which nodes know it.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The cluster's CA.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        &self.authority.pair.certificate
    }

    /// The CA as `caCertHashes` pins it.
    #[must_use]
    pub fn authority_pin(&self) -> &str {
        &self.authority.pin
    }

    /// Certificates, kubeconfigs and logs of this run; gone with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whoever may do everything.
    #[must_use]
    pub fn admin(&self) -> &Client {
        &self.admin
    }

    /// Whoever has `token`.
    ///
    /// # Errors
    /// [`ControlPlaneError::Ask`].
    pub fn with_token(&self, token: &str) -> Result<Client, ControlPlaneError> {
        Ok(Client::with_token(self.port, self.authority_pem(), token)?)
    }

    /// Whoever has a certificate, PEM.
    ///
    /// # Errors
    /// [`ControlPlaneError::Ask`].
    pub fn with_certificate(&self, pair: &Pair) -> Result<Client, ControlPlaneError> {
        Ok(Client::with_certificate(self.port, self.authority_pem(), pair)?)
    }

    /// Whoever has nothing.
    ///
    /// # Errors
    /// [`ControlPlaneError::Ask`].
    pub fn anonymous(&self) -> Result<Client, ControlPlaneError> {
        Ok(Client::anonymous(self.port, self.authority_pem())?)
    }

    /// Makes a further token, good for `lifetime`; who has it belongs to `groups`, separated by commas, such as
    /// [`TOKEN_GROUP`].
    ///
    /// # Errors
    /// [`ControlPlaneError::Refused`].
    pub fn add_token(
        &self,
        token: &str,
        lifetime: time::Duration,
        groups: &str,
    ) -> Result<(), ControlPlaneError> {
        let end = OffsetDateTime::now_utc() + lifetime;
        self.create(objects::SECRETS, &objects::token(token, &stamp(end), groups))
    }

    /// What the administrator gets from `path`.
    ///
    /// # Errors
    /// [`ControlPlaneError::Refused`] for any status but 200.
    pub fn get(&self, path: &str) -> Result<Value, ControlPlaneError> {
        let reply = self.admin.get(path)?;
        if reply.status != 200 {
            return Err(refused(path, reply));
        }
        Ok(reply.json())
    }

    /// The requests for certificates that were made so far.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn requests(&self) -> Result<Vec<Value>, ControlPlaneError> {
        self.items(REQUESTS)
    }

    /// The nodes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn nodes(&self) -> Result<Vec<Value>, ControlPlaneError> {
        self.items("/api/v1/nodes")
    }

    /// Waits until the request of this name `is_so`; [`AskError::Late`] after `limit`.
    ///
    /// # Errors
    /// [`ControlPlaneError::Ask`].
    pub fn request_when(
        &self,
        name: &str,
        limit: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value, ControlPlaneError> {
        self.object_when(REQUESTS, name, limit, is_so)
    }

    /// Waits for the node of this name that `is_so`; [`AskError::Late`] after `limit`.
    ///
    /// # Errors
    /// [`ControlPlaneError::Ask`].
    pub fn node_when(
        &self,
        name: &str,
        limit: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value, ControlPlaneError> {
        self.object_when("/api/v1/nodes", name, limit, is_so)
    }

    /// A kubeconfig for the kubelet's own bootstrap with `token`, and where others reach the server.
    #[must_use]
    pub fn bootstrap_kubeconfig(&self, token: &str) -> String {
        kubeconfig::of_token(&self.server, self.authority_pem(), token).to_string()
    }

    /// What was asked of the API server, by whom and how it was answered: its audit log, oldest first.
    #[must_use]
    pub fn audit(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap_or_default();
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The programs, for their logs and their memory.
    #[must_use]
    pub fn programs(&self) -> &[Process] {
        &self.programs
    }

    fn items(&self, path: &str) -> Result<Vec<Value>, ControlPlaneError> {
        Ok(self.get(path)?["items"].as_array().cloned().unwrap_or_default())
    }

    fn object_when(
        &self,
        collection: &str,
        name: &str,
        limit: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value, ControlPlaneError> {
        // Without a version it begins with what is there.
        let path = format!("{collection}?watch=true&fieldSelector=metadata.name%3D{name}");
        let found = self.admin.watch(&path, limit, |event| {
            let object = &event["object"];
            (event["type"] != "DELETED" && is_so(object)).then(|| object.clone())
        })?;
        Ok(found)
    }

    fn run(&mut self, program: &Path, arguments: &[String]) -> Result<(), ControlPlaneError> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let process = Process::start(&name, program, arguments, self.folder.path())?;
        self.programs.insert(0, process);
        Ok(())
    }

    /// The API server says when it is ready only to those who ask.
    fn wait_until_ready(&mut self) -> Result<(), ControlPlaneError> {
        let began = Instant::now();
        loop {
            for program in &mut self.programs {
                program.check()?;
            }
            let said = match self.admin.get("/readyz") {
                Ok(reply) if reply.status == 200 => return Ok(()),
                Ok(reply) => reply.text,
                Err(error) => error.to_string(),
            };
            if began.elapsed() > READY {
                return Err(ControlPlaneError::Late(said));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn furnish(&self) -> Result<(), ControlPlaneError> {
        for (collection, object) in objects::bindings() {
            self.create(&collection, &object)?;
        }
        self.add_token(TOKEN, time::Duration::days(1), TOKEN_GROUP)?;
        let kubeconfig = kubeconfig::of_cluster(&self.server, self.authority_pem());
        let pretty = format!("{kubeconfig:#}\n");
        self.create(objects::CLUSTER_INFO, &objects::cluster_info(&pretty))
    }

    fn create(&self, collection: &str, object: &Value) -> Result<(), ControlPlaneError> {
        let reply = self.admin.post(collection, object)?;
        if reply.status != 201 {
            return Err(refused(collection, reply));
        }
        Ok(())
    }
}

fn refused(what: &str, reply: Reply) -> ControlPlaneError {
    ControlPlaneError::Refused {
        what: what.to_owned(),
        status: reply.status,
        text: reply.text,
    }
}

/// Ports of loopback that nobody has now. Programs that take a port of the system's choice do not tell which.
fn ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// RFC 3339, in seconds.
fn stamp(at: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}
