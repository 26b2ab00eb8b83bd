//! A Kubernetes API server's double, for tests alone: what a machine meets that joins a cluster, over real TLS with a throw-away
//! authority, on 127.0.0.1 at a port of the system's choice.
//!
//! [`ApiServer::start`] takes a [`Scenario`]; the default one approves and signs at once. The double judges what it is sent as the
//! real server's validation, the approver and the signer would, answers as they would, and keeps whatever broke a rule:
//! [`ApiServer::findings`] is empty at the end of a good test.
//!
//! | What is to be seen | How |
//! |---|---|
//! | the server's certificate is not valid yet, or no more | `listener.not_before`, `listener.not_after` |
//! | it comes from another authority (a cluster made anew, a stale pointer) | `listener.is_of_other_authority` |
//! | TLS 1.2 alone; a handshake that stalls; a slow body | `listener.protocol`, `.is_silent`, `.slow_body` |
//! | an old server: three usages, no `expirationSeconds`, no SelfSubjectReview | `release: Release::Old` |
//! | the token is unknown, or expires meanwhile | `tokens`, [`ApiServer::forget_tokens`] |
//! | RBAC's binding is missing | `is_bootstrapper_bound: false` |
//! | approved later, by nobody, by hand; denied | `approval`, [`ApiServer::approve`], [`ApiServer::deny`] |
//! | an approver that knows machines, and its back-pressure | `approval: Approval::Machines(…)`, [`ApiServer::refusals`] |
//! | approved and signed later, or never; `Failed` | `signing`, [`ApiServer::fail`] |
//! | a wrong certificate: key, subject, usage, authority, validity, no PEM; a chain; text around it | `signing: …(Issued::…)` |
//! | deleted; made anew under its name with another UID | [`ApiServer::delete`], [`ApiServer::recreate`] |
//! | the name is taken, by somebody else's request | [`ApiServer::plant`], `With::AlreadyExists` |
//! | a watch that ends early, breaks, is gone (HTTP 410, ERROR event), brings bookmarks, or nothing | `watch` |
//! | 401, 403, 404, 409, 422, 429, 5xx, HTML, nothing, half an answer; for the first N or for ever | `faults`, [`ApiServer::add_fault`] |
//! | `cluster-info`: absent, unsigned, badly signed, another authority at the second look | `cluster_info` |
//! | the Node is there, `Ready` or not | `nodes`, [`ApiServer::set_node`] |
//!
//! A name that does not resolve and a port that nobody listens at need no server.

mod authority;
mod cluster;
mod desk;
mod discovery;
pub mod http;
mod kubelet;
mod manners;
mod request;
mod route;
pub mod scenario;
mod server;
mod shelf;
mod status;
mod store;
mod user;

pub use discovery::{kubeconfig, signature};
pub use http::Seen;
pub use scenario::{
    Approval, ClusterInfo, Fault, Issued, Listener, Machines, Node, On, Protocol, Release, Scenario, Signing,
    TOKEN, Watch, With,
};
pub use server::ApiServer;
