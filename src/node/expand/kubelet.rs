//! What the kubelet reads: its configuration, its flags, the cluster's authorities, the credential it begins with
//! (cluster.md 2.2, 3.1, 3.2).

use kindling_config_spec::types::kindling::{Kubelet, Node};
use kindling_config_spec::{data_url, json};
use serde_json::{Map, Value, json};

use super::{Facts, Made};
use crate::node::handed::{Layout, Mode, Paths};

const KUBELET: &str = "/kindling/node/kubelet";
const CLUSTER: &str = "/kindling/node/cluster";
const BOOTSTRAP: &str = "/kindling/node/bootstrap";

/// The file that kubeadm's drop-in reads flags from.
const KUBEADM_FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
/// Where the units of OpenShift's images look for the name.
const NODE_ENV: &str = "/etc/kubernetes/node.env";
/// In the directory that OpenShift's unit names to its kubelet.
const OPENSHIFT_DROPIN: &str = "/etc/openshift/kubelet.conf.d/50-kindling.conf";

pub(super) fn make(made: &mut Made, section: &Node, facts: Facts<'_>) {
    let paths = facts.join.layout.paths();
    let bundle = bundle(&facts.join.authorities);
    made.file(CLUSTER, paths.authorities, 0o644, &bundle);
    if let (Mode::Kubelet, Some(token)) = (facts.join.mode, facts.token) {
        let text = kubeconfig(facts.join.server.as_deref().unwrap_or_default(), &bundle, token);
        made.file(BOOTSTRAP, paths.bootstrap_kubeconfig, 0o600, &text);
    }
    configuration(made, &section.kubelet, facts.join.layout, paths);
    match facts.join.layout {
        Layout::Kubeadm => {
            let flags = flags(section, facts).join(" ");
            let text = format!("KUBELET_KUBEADM_ARGS=\"{flags}\"\n");
            made.file(KUBELET, KUBEADM_FLAGS, 0o644, &text);
        }
        Layout::Openshift => {
            if let Some(name) = &facts.join.name {
                made.file(KUBELET, NODE_ENV, 0o644, &format!("KUBELET_NODE_NAME={name}\n"));
            }
        }
        // The drop-in of its unit names everything.
        Layout::Plain => {}
    }
}

/// The authorities one behind the other, each beginning on a line of its own.
fn bundle(authorities: &[String]) -> String {
    let ended = authorities.iter().map(|pem| format!("{}\n", pem.trim_end()));
    ended.collect()
}

/// JSON is YAML. The names in it mean nothing to anybody else.
fn kubeconfig(server: &str, bundle: &str, token: &str) -> String {
    let url = data_url::encode(bundle.as_bytes());
    let authorities = url.rsplit_once(',').map_or("", |(_, base64)| base64);
    pretty(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "cluster", "cluster": {"server": server, "certificate-authority-data": authorities}}
        ],
        "users": [{"name": "bootstrap", "user": {"token": token}}],
        "contexts": [{"name": "bootstrap", "context": {"cluster": "cluster", "user": "bootstrap"}}],
        "current-context": "bootstrap",
    }))
}

fn pretty(value: &Value) -> String {
    let mut text = json::pretty(value);
    text.push('\n');
    text
}

/// What kubeadm gives to workers, with the config's members over it. Addresses of the cluster's own network are nobody's to
/// guess.
fn configuration(made: &mut Made, kubelet: &Kubelet, layout: Layout, paths: Paths) {
    let mut base = typed(json!({
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": paths.authorities},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "systemd",
        "clusterDomain": "cluster.local",
        "rotateCertificates": true,
    }));
    let mut own = own_values(kubelet);
    if layout == Layout::Openshift {
        // The cluster serves the file itself, whole: what is of this machine, and what the config says, stands over it.
        if !own.is_empty() {
            let mut over = typed(json!({}));
            over.append(&mut own);
            made.file(KUBELET, OPENSHIFT_DROPIN, 0o600, &pretty(&Value::Object(over)));
        }
    }
    base.append(&mut own);
    made.file(KUBELET, paths.config, 0o600, &pretty(&Value::Object(base)));
}

/// A document without its type is refused by the kubelet.
fn typed(members: Value) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("apiVersion".to_owned(), "kubelet.config.k8s.io/v1beta1".into());
    document.insert("kind".to_owned(), "KubeletConfiguration".into());
    if let Value::Object(mut members) = members {
        document.append(&mut members);
    }
    document
}

fn own_values(kubelet: &Kubelet) -> Map<String, Value> {
    let mut values = kubelet.config.clone();
    if let Some(id) = &kubelet.provider_id {
        values.insert("providerID".to_owned(), id.as_str().into());
    }
    if !kubelet.taints.is_empty() {
        let taints = kubelet.taints.iter().map(|taint| parsed_taint(taint));
        values.insert("registerWithTaints".to_owned(), taints.collect());
    }
    values
}

/// `key=value:Effect` or `key:Effect`; the config is checked.
fn parsed_taint(taint: &str) -> Value {
    let (key, effect) = taint.rsplit_once(':').unwrap_or((taint, ""));
    let (key, value) = key.split_once('=').unwrap_or((key, ""));
    let mut parsed = json!({"key": key, "effect": effect});
    if !value.is_empty() {
        parsed["value"] = value.into();
    }
    parsed
}

/// `a=b,c=d`, as the flag takes them.
pub(super) fn labels(kubelet: &Kubelet) -> Option<String> {
    let pairs = kubelet.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let labels = pairs.collect::<Vec<_>>().join(",");
    (!labels.is_empty()).then_some(labels)
}

/// What no file of the kubelet can say.
pub(super) fn flags(section: &Node, facts: Facts<'_>) -> Vec<String> {
    let given = [
        ("hostname-override", facts.join.name.clone()),
        ("node-ip", section.kubelet.node_ip.clone()),
        ("node-labels", labels(&section.kubelet)),
    ];
    let flags = given.into_iter();
    flags
        .filter_map(|(name, value)| Some(format!("--{name}={}", value?)))
        .collect()
}
