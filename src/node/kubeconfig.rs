//! The file that tells a kubelet where its cluster is and what it shows there. JSON is YAML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kindling_config_spec::json;

/// The kubeconfig of a node that has its pair at `pair`, with the names that the kubelet itself would write (cluster.md 2.3).
#[must_use]
pub fn of_node(server: &str, authorities: &[String], pair: &str) -> String {
    let (server, pair) = (json::text(server), json::text(pair));
    let authorities = STANDARD.encode(bundle(authorities));
    format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"clusters\":[{{\"name\":\"default-cluster\",\"cluster\":{{\
         \"server\":{server},\"certificate-authority-data\":\"{authorities}\"}}}}],\"users\":[{{\"name\":\"default-auth\",\
         \"user\":{{\"client-certificate\":{pair},\"client-key\":{pair}}}}}],\"contexts\":[{{\"name\":\"default-context\",\
         \"context\":{{\"cluster\":\"default-cluster\",\"namespace\":\"default\",\"user\":\"default-auth\"}}}}],\
         \"current-context\":\"default-context\"}}\n"
    )
}

/// PEM texts one after the other, each on lines of its own.
#[must_use]
pub fn bundle(authorities: &[String]) -> String {
    authorities
        .iter()
        .map(|pem| format!("{}\n", pem.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn it_has_the_names_that_the_kubelet_writes() {
        let text = of_node("https://cp:6443", &["a\n".into(), "b".into()], "/p/current.pem");
        let read: Value = serde_json::from_str(&text).unwrap();
        let expected = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "default-context",
            "clusters": [{ "name": "default-cluster", "cluster": {
                "server": "https://cp:6443", "certificate-authority-data": STANDARD.encode("a\nb\n") } }],
            "users": [{ "name": "default-auth", "user": {
                "client-certificate": "/p/current.pem", "client-key": "/p/current.pem" } }],
            "contexts": [{ "name": "default-context", "context": {
                "cluster": "default-cluster", "user": "default-auth", "namespace": "default" } }]
        });
        assert_eq!(read, expected);
    }
}
