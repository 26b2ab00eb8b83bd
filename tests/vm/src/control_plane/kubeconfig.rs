//! Kubeconfigs, as JSON, which is YAML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::pki::Pair;

/// Where a server is and who it is, as `cluster-info` has it: nobody in particular asks.
pub(super) fn of_cluster(server: &str, authority: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "",
            "cluster": { "server": server, "certificate-authority-data": STANDARD.encode(authority) },
        }],
        "contexts": null,
        "current-context": "",
        "preferences": {},
        "users": null,
    })
}

/// For whoever has a certificate.
pub(super) fn of_certificate(server: &str, authority: &str, pair: &Pair) -> Value {
    of_user(
        server,
        authority,
        json!({
            "client-certificate-data": STANDARD.encode(&pair.certificate),
            "client-key-data": STANDARD.encode(&pair.key),
        }),
    )
}

/// For whoever has a token: what a kubelet bootstraps itself with.
pub(super) fn of_token(server: &str, authority: &str, token: &str) -> Value {
    of_user(server, authority, json!({ "token": token }))
}

fn of_user(server: &str, authority: &str, user: Value) -> Value {
    let mut config = of_cluster(server, authority);
    config["clusters"][0]["name"] = json!("kindling");
    config["users"] = json!([{ "name": "user", "user": user }]);
    config["contexts"] = json!([{ "name": "user", "context": { "cluster": "kindling", "user": "user" } }]);
    config["current-context"] = json!("user");
    config
}
