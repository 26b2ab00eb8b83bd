//! Rules for the section that makes the machine a node. All look at the whole config: one document may give the server and
//! another the way to know it.

use crate::order::OrderedSet;

use super::root;
use crate::diagnostic::Pointer;
use crate::rules::{Findings, catalog as rule};
use crate::suggest::quoted;
use crate::types::Config;
use crate::types::kindling::Node;
use crate::version::Version;

/// Labels of the domains of Kubernetes that a kubelet may give its own node (the kubelet's package `kubelet/apis`).
const OWN_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

/// Domains below which every label is the kubelet's to give.
const OWN_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

fn node() -> Pointer {
    root().key("node")
}

fn has_token(node: &Node) -> bool {
    node.bootstrap.token.is_some() || node.bootstrap.token_source.source.is_some()
}

fn is_native(node: &Node) -> bool {
    node.bootstrap.mode.as_deref() == Some("native")
}

pub(super) fn token_has_a_server(config: &Config, _: Version, findings: &mut Findings) {
    let section = &config.kindling.node;
    if has_token(section) && section.cluster.server.is_none() {
        findings
            .report(
                rule::TOKEN_WITHOUT_SERVER,
                node().key("cluster").key("server"),
                "a bootstrap token is given, but no server to show it to",
            )
            .help("write the API server's URL: https://host:6443");
    }
}

/// Whoever answers in the place of the server would get the token.
pub(super) fn server_is_known(config: &Config, _: Version, findings: &mut Findings) {
    let section = &config.kindling.node;
    let cluster = &section.cluster;
    if cluster.server.is_none() || !cluster.certificate_authorities.is_empty() {
        return;
    }
    if cluster.ca_cert_hashes.is_empty() {
        findings
            .report(
                rule::SERVER_UNVERIFIABLE,
                node().key("cluster").key("server"),
                "a server is given, and nothing to know it by",
            )
            .help(
                "give certificateAuthorities (the cluster's ca.crt), or caCertHashes together with a token",
            );
    } else if !has_token(section) {
        findings
            .report(
                rule::CA_HASHES_WITHOUT_TOKEN,
                node().key("cluster").key("caCertHashes"),
                "digests of authorities are given, and no token to ask the cluster for the authorities with",
            )
            .help("give bootstrap.token or bootstrap.tokenSource, or certificateAuthorities in place of the digests");
    }
}

pub(super) fn native_has_what_it_needs(config: &Config, _: Version, findings: &mut Findings) {
    let section = &config.kindling.node;
    let missing = match (section.cluster.server.is_some(), has_token(section)) {
        _ if !is_native(section) => return,
        (true, true) => return,
        (false, true) => "a server (cluster.server)",
        (true, false) => "a token (bootstrap.token or bootstrap.tokenSource)",
        (false, false) => "a server (cluster.server) and a token (bootstrap.token or bootstrap.tokenSource)",
    };
    findings
        .report(
            rule::NATIVE_INCOMPLETE,
            node().key("bootstrap").key("mode"),
            format!("mode native asks for the certificate itself, and lacks {missing}"),
        )
        .help("give what is missing, or leave it to the kubelet: mode kubelet");
}

pub(super) fn native_members_count(config: &Config, _: Version, findings: &mut Findings) {
    let section = &config.kindling.node;
    let bootstrap = &section.bootstrap;
    let given = [
        ("during", bootstrap.during.is_some()),
        ("lifetimeSeconds", bootstrap.lifetime_seconds.is_some()),
    ];
    for (name, _) in given
        .into_iter()
        .filter(|(_, is_given)| *is_given && !is_native(section))
    {
        findings
            .report(
                rule::NATIVE_MEMBER_UNUSED,
                node().key("bootstrap").key(name),
                format!("{name} counts in mode native only, and the kubelet asks for this certificate"),
            )
            .help("write \"mode\": \"native\", or remove it");
    }
}

pub(super) fn labels_are_the_kubelets(config: &Config, _: Version, findings: &mut Findings) {
    let kubelet = &config.kindling.node.kubelet;
    let is_openshift = kubelet.layout.as_deref() == Some("openshift");
    for label in kubelet.labels.keys().filter(|label| !is_own(label, is_openshift)) {
        let help = if domain(label) == "node-role.kubernetes.io" {
            "have the control plane give the role once the node is there (kubectl label node), or write \"layout\": \
             \"openshift\" for an image whose kubelet takes it"
        } else {
            "take a label outside of kubernetes.io and k8s.io, or one below node.kubernetes.io/"
        };
        findings
            .report(
                rule::LABEL_REFUSED,
                node().key("kubelet").key("labels").key(label),
                format!(
                    "a node may not give itself the label {}: the kubelet would end at its start, and the node never appear",
                    quoted(label)
                ),
            )
            .help(help);
    }
}

fn domain(label: &str) -> &str {
    label.split_once('/').map_or("", |(domain, _)| domain)
}

fn is_own(label: &str, is_openshift: bool) -> bool {
    let domain = domain(label);
    let is_below = |above: &str| {
        domain
            .strip_suffix(above)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let is_reserved = is_below("kubernetes.io") || is_below("k8s.io");
    !is_reserved
        || OWN_LABELS.contains(&label)
        || OWN_DOMAINS.into_iter().any(is_below)
        || is_openshift && domain == "node-role.kubernetes.io"
}

/// The API server refuses a node with such a pair, and so the node never appears.
pub(super) fn taints_are_apart(config: &Config, _: Version, findings: &mut Findings) {
    let mut seen = OrderedSet::new();
    for (index, taint) in config.kindling.node.kubelet.taints.iter().enumerate() {
        let (key, effect) = taint.split_once(':').unwrap_or((taint, ""));
        let key = key.split_once('=').map_or(key, |(key, _)| key);
        if !seen.insert((key, effect)) {
            findings
                .report(
                    rule::TAINT_DUPLICATE,
                    node().key("kubelet").key("taints").index(index),
                    format!(
                        "a second taint has the key {} and the effect {effect}",
                        quoted(key)
                    ),
                )
                .help("keep one of the two");
        }
    }
}

pub(super) fn kubelet_config_says_it_once(config: &Config, _: Version, findings: &mut Findings) {
    let kubelet = &config.kindling.node.kubelet;
    let pairs = [
        ("providerID", "providerId", kubelet.provider_id.is_some()),
        ("registerWithTaints", "taints", !kubelet.taints.is_empty()),
    ];
    for (inner, outer, is_given) in pairs {
        if is_given && kubelet.config.contains_key(inner) {
            findings
                .report(
                    rule::KUBELET_CONFIG_TWICE,
                    node().key("kubelet").key("config").key(inner),
                    format!("kubelet.config.{inner} and kubelet.{outer} both say it"),
                )
                .help(format!("keep kubelet.{outer}"));
        }
    }
}

pub(super) fn swap_is_meant(config: &Config, _: Version, findings: &mut Findings) {
    let section = &config.kindling.node;
    let is_off = section.cluster.server.is_some()
        && section.prerequisites.as_deref() != Some("keep")
        && section.kubelet.config.get("failSwapOn") != Some(&serde_json::Value::Bool(false));
    if is_off && config.asks_for_swap() {
        findings
            .report(
                rule::SWAP_CONTRADICTED,
                node().key("prerequisites"),
                "the config asks for swap, so it stays on, and the kubelet does not start with it",
            )
            .help("write \"failSwapOn\": false into kubelet.config, or remove the swap");
    }
}
