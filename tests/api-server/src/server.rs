//! The double as a test holds it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use ring::digest;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::cluster::{Cluster, Memory};
use crate::http::{self, Seen, Server, lock};
use crate::request::{NODE, NODES, SIGNER, judge};
use crate::scenario::{Fault, Scenario};
use crate::shelf::Collection;
use crate::user::User;

/// A running API server; it ends with this value.
pub struct ApiServer {
    cluster: Arc<Cluster>,
    port: u16,
    /// None where nobody answers.
    server: Option<Server>,
    _silent: Option<std::net::TcpListener>,
}

impl ApiServer {
    /// Starts one.
    ///
    /// # Panics
    /// When the system gives no port, or the scenario's host names are none.
    #[must_use]
    pub fn start(scenario: Scenario) -> Self {
        let listener = http::bind().expect("the loopback has a free port");
        let port = listener
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        let authority = Authority::new("kubernetes");
        // The same name: only the key tells them apart.
        let other = Authority::new("kubernetes");
        let signs = if scenario.listener.is_of_other_authority {
            &other
        } else {
            &authority
        };
        let tls = signs
            .server(&scenario.listener)
            .expect("a certificate and its key belong together");
        let url = scenario
            .listener
            .url
            .clone()
            .unwrap_or_else(|| format!("https://127.0.0.1:{port}"));
        let is_silent = scenario.listener.is_silent;
        let cluster = Cluster::new(scenario, url, authority, other);
        let (server, silent) = if is_silent {
            (None, Some(listener))
        } else {
            let desk = Arc::clone(&cluster);
            let server = Server::start_on(listener, Some(tls), move |asked| desk.answer(asked));
            (Some(server.expect("the system gives an event loop")), None)
        };
        Self {
            cluster,
            port,
            server,
            _silent: silent,
        }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it says it is: `https://127.0.0.1:PORT` where the scenario names nothing else.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.url.clone()
    }

    /// The cluster's authority in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.cluster.authority.pem()
    }

    /// The pin of its key: `sha256:` and the digest of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn ca_pin(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.cluster.authority.public_key());
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }

    /// Every request so far, in order, with its status and the time since the start.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.server.as_ref().map(Server::seen).unwrap_or_default()
    }

    /// Whether these bytes were in any request, as they are or in base64: in a path, a header or a body.
    #[must_use]
    pub fn has_seen(&self, secret: &[u8]) -> bool {
        let encoded = STANDARD.encode(secret);
        let wanted = [secret, encoded.trim_end_matches('=').as_bytes()];
        let is_in = |place: &[u8]| {
            wanted
                .iter()
                .any(|wanted| place.windows(wanted.len()).any(|window| window == *wanted))
        };
        self.seen().iter().any(|seen| {
            is_in(seen.path.as_bytes())
                || is_in(&seen.body)
                || seen.headers.iter().any(|(_, value)| is_in(value.as_bytes()))
        })
    }

    /// Every rule that a request broke, in order.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        lock(&self.cluster.memory).findings.clone()
    }

    /// Why the machine approver did not approve, in order.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        lock(&self.cluster.memory).refusals.clone()
    }

    /// Every request for a certificate that is there, by name.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        let memory = lock(&self.cluster.memory);
        memory
            .store
            .list(None)
            .iter()
            .map(|filed| filed.object())
            .collect()
    }

    /// The names of the nodes that are there.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        lock(&self.cluster.memory).shelf.names("Node")
    }

    /// A Node as it is there.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<Value> {
        let memory = lock(&self.cluster.memory);
        memory
            .shelf
            .get(Collection::find("", "nodes")?, "", name)
            .cloned()
    }

    /// A person approves; the signer of the scenario signs.
    pub fn approve(&self, name: &str) {
        let (reason, message) = (
            "KubectlApprove",
            "This CSR was approved by kubectl certificate approve.",
        );
        self.change(|memory| self.cluster.approve(memory, name, reason, message));
    }

    /// A person denies.
    pub fn deny(&self, name: &str, message: &str) {
        self.change(|memory| memory.store.condition(name, "Denied", "KubectlDeny", message));
    }

    /// The signer refuses.
    pub fn fail(&self, name: &str, message: &str) {
        self.change(|memory| {
            memory
                .store
                .condition(name, "Failed", "SignerValidationFailure", message);
        });
    }

    /// A request is deleted, as the clean-up does after its time.
    pub fn delete(&self, name: &str) {
        self.change(|memory| drop(memory.store.delete(name)));
    }

    /// A request is deleted and filed again: same name, another UID; whoever approves hears of it.
    pub fn recreate(&self, name: &str) {
        self.change(|memory| {
            memory.store.recreate(name);
            self.cluster.filed(memory, name);
        });
    }

    /// A request becomes older.
    pub fn age(&self, name: &str, by: Duration) {
        self.change(|memory| memory.store.age(name, by));
    }

    /// Somebody else files a request under this name, for this node, with a key of their own. Nobody approves it by itself.
    ///
    /// # Panics
    /// When the name of the node is not ASCII.
    pub fn plant(&self, name: &str, node: &str) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, NODES);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{NODE}{node}"));
        let request = KeyPair::generate()
            .and_then(|key| params.serialize_request(&key))
            .and_then(|request| request.pem())
            .expect("a key of our own signs what we wrote");
        let object = json!({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
            "spec": {
                "request": STANDARD.encode(request), "signerName": SIGNER,
                "usages": ["digital signature", "key encipherment", "client auth"],
            },
        });
        let wanted = judge(object.to_string().as_bytes(), self.cluster.scenario.release)
            .expect("what is planted is well formed");
        self.change(|memory| {
            memory.store.file(wanted, &User::bootstrap("others"));
        });
    }

    /// No token is known any more.
    pub fn forget_tokens(&self) {
        self.change(|memory| memory.tokens.clear());
    }

    /// Another wrong answer, before those of the scenario.
    pub fn add_fault(&self, fault: Fault) {
        self.change(|memory| memory.add_fault(fault));
    }

    /// A node is there, `Ready` or not.
    pub fn set_node(&self, name: &str, is_ready: bool) {
        self.change(|memory| memory.shelf.set_node(name, is_ready));
    }

    /// A node is there no more.
    pub fn remove_node(&self, name: &str) {
        self.change(|memory| memory.shelf.remove_node(name));
    }

    /// Every watch ends, as when a server restarts behind its load balancer.
    pub fn end_watches(&self) {
        self.change(|memory| memory.store.end_watches());
    }

    /// Something happens between two requests; what it sets off runs in the server's event loop.
    fn change(&self, what: impl FnOnce(&mut Memory)) {
        let _inside = self.server.as_ref().map(|server| server.handle().enter());
        what(&mut lock(&self.cluster.memory));
    }
}
