//! What the programs of a control plane are told: their files and their arguments.

use std::net::IpAddr;
use std::path::Path;

use super::pki::Authority;
use super::{ControlPlaneError, kubeconfig, pki};

/// The files that the programs read.
pub(super) fn prepare(
    folder: &Path,
    authority: &Authority,
    addresses: &[IpAddr],
    local: &str,
) -> Result<(), ControlPlaneError> {
    pki::store(folder, "ca", &authority.pair)?;
    pki::store(folder, "server", &authority.server(addresses)?)?;
    // Whose key signs the tokens of service accounts.
    pki::store(
        folder,
        "accounts",
        &authority.client("service-accounts", "kindling")?,
    )?;
    // With an administrator's rights, in place of one service account for each controller.
    let of_controllers = authority.client("system:kube-controller-manager", "system:masters")?;
    let config = kubeconfig::of_certificate(local, &authority.pair.certificate, &of_controllers);
    pki::write(folder.join("controllers.kubeconfig"), &config.to_string())?;
    pki::write(folder.join("audit.yaml"), AUDIT)
}

/// Who asked what about requests and nodes, and the answer's status; no bodies and no headers.
const AUDIT: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  resources:
  - group: certificates.k8s.io
  - group: ''
    resources: [nodes, nodes/status]
- level: None
";

pub(super) fn etcd(port: u16, of_peers: u16) -> Vec<String> {
    let clients = format!("http://127.0.0.1:{port}");
    let peers = format!("http://127.0.0.1:{of_peers}");
    arguments(&[
        ("data-dir", "etcd"),
        ("listen-client-urls", &clients),
        ("advertise-client-urls", &clients),
        ("listen-peer-urls", &peers),
        ("initial-advertise-peer-urls", &peers),
        ("initial-cluster", &format!("default={peers}")),
    ])
}

pub(super) fn api_server(port: u16, of_etcd: u16) -> Vec<String> {
    arguments(&[
        ("etcd-servers", &format!("http://127.0.0.1:{of_etcd}")),
        ("bind-address", "127.0.0.1"),
        ("advertise-address", "127.0.0.1"),
        ("secure-port", &port.to_string()),
        // An endpoint on loopback would be refused.
        ("endpoint-reconciler-type", "none"),
        ("client-ca-file", "ca.crt"),
        ("tls-cert-file", "server.crt"),
        ("tls-private-key-file", "server.key"),
        ("authorization-mode", "Node,RBAC"),
        ("enable-admission-plugins", "NodeRestriction"),
        ("enable-bootstrap-token-auth", "true"),
        ("service-account-issuer", "https://kubernetes.default.svc"),
        ("service-account-key-file", "accounts.crt"),
        ("service-account-signing-key-file", "accounts.key"),
        ("service-cluster-ip-range", "10.96.0.0/24"),
        ("audit-policy-file", "audit.yaml"),
        ("audit-log-path", "audit.log"),
        ("audit-log-mode", "blocking"),
    ])
}

pub(super) fn controllers() -> Vec<String> {
    arguments(&[
        ("kubeconfig", "controllers.kubeconfig"),
        (
            "controllers",
            "csrapproving,csrsigning,bootstrapsigner,tokencleaner",
        ),
        ("cluster-signing-cert-file", "ca.crt"),
        ("cluster-signing-key-file", "ca.key"),
        ("leader-elect", "false"),
        // It serves nobody.
        ("port", "0"),
        ("secure-port", "0"),
    ])
}

fn arguments(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs
        .iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}
