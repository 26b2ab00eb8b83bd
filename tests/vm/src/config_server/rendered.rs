//! The files that the server adds to the config of a pool.

use serde_json::{Value, json};

use super::convert::Converted;

pub use super::convert::Converted as Rendered;

/// Where the whole machine config is.
pub const MACHINE_CONFIG: &str = "/etc/mcs-machine-config-content.json";

/// What the added files are made of.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// URL of the API server.
    pub server: String,
    /// The cluster's authority, PEM.
    pub authority: String,
    /// The token of the service account that may ask for certificates of nodes.
    pub token: String,
    /// The image of the operating system.
    pub image: String,
}

/// The config of `pool` with everything that the server adds, in its order.
#[must_use]
pub fn append(rendered: Converted, pool: &str, cluster: &Cluster) -> Value {
    let Converted {
        mut config,
        kernel_arguments,
    } = rendered;
    let is_two = config["ignition"]["version"] == "2.2.0";
    let name = format!("rendered-{pool}-0123456789abcdef0123456789abcdef");
    let entry = |path: &str, text: &str| {
        let mut file = json!({
            "path": path,
            "mode": 420,
            "overwrite": true,
            "contents": { "source": format!("data:,{}", escape(text)) },
        });
        if is_two {
            file["filesystem"] = json!("root");
        }
        file
    };
    put(
        &mut config,
        entry("/etc/kubernetes/kubelet-ca.crt", &cluster.authority),
    );
    let whole = machine_config(&name, &config, &kernel_arguments, cluster);
    let version = json!({ "ignition": { "version": config["ignition"]["version"] } });
    let blanked = machine_config(&name, &version, &kernel_arguments, cluster);
    for (path, text) in [
        (
            "/etc/machine-config-daemon/node-annotations.json",
            annotations(&name),
        ),
        ("/etc/kubernetes/kubeconfig", kubeconfig(cluster)),
        (MACHINE_CONFIG, whole.to_string()),
        (
            "/etc/ignition-machine-config-encapsulated.json",
            blanked.to_string(),
        ),
    ] {
        put(&mut config, entry(path, &text));
    }
    config
}

/// Adds a file, in the place of one with the same path.
fn put(config: &mut Value, file: Value) {
    if !config["storage"]["files"].is_array() {
        config["storage"]["files"] = json!([]);
    }
    if let Some(files) = config["storage"]["files"].as_array_mut() {
        files.retain(|known| known["path"] != file["path"]);
        files.push(file);
    }
}

fn machine_config(name: &str, config: &Value, arguments: &[Value], cluster: &Cluster) -> Value {
    json!({
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfig",
        "metadata": { "name": name },
        "spec": {
            "osImageURL": cluster.image,
            "kernelArguments": arguments,
            "extensions": [],
            "fips": false,
            "kernelType": "default",
            "config": config,
        },
    })
}

fn annotations(name: &str) -> String {
    let of = |key: &str| format!("machineconfiguration.openshift.io/{key}");
    json!({
        of("currentConfig"): name,
        of("desiredConfig"): name,
        of("firstPivotConfig"): name,
        of("state"): "Done",
    })
    .to_string()
}

/// JSON is YAML too.
fn kubeconfig(cluster: &Cluster) -> String {
    use base64::Engine as _;
    let authority = base64::engine::general_purpose::STANDARD.encode(&cluster.authority);
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "local", "cluster": {
            "server": cluster.server, "certificate-authority-data": authority } }],
        "users": [{ "name": "kubelet", "user": { "token": cluster.token } }],
        "contexts": [{ "name": "kubelet", "context": { "cluster": "local", "user": "kubelet" } }],
        "current-context": "kubelet",
    })
    .to_string()
}

/// Percent-encoding of everything that is not unreserved (RFC 3986).
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
