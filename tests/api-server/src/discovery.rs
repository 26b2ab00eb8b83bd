//! What a machine finds that knows no authority yet: the ConfigMap `cluster-info`, signed with the secrets of the tokens.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Map, Value, json};

/// The detached signature of `content` with a bootstrap token: the middle part is left out.
#[must_use]
pub fn signature(token_id: &str, secret: &str, content: &[u8]) -> String {
    // The reference compares the whole text: the members' order counts.
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{token_id}"}}"#));
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(content));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{header}..{signature}")
}

/// A kubeconfig with a server and its authority, as kubeadm writes it.
#[must_use]
pub fn kubeconfig(server: &str, authority_pem: &str) -> String {
    let authority = STANDARD.encode(authority_pem);
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {authority}\n    server: {server}\n  name: \"\"\n\
         contexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {{}}\nusers: null\n"
    )
}

/// The ConfigMap with `kubeconfig`, signed with each of `tokens`.
pub(crate) fn cluster_info<'a>(kubeconfig: &str, tokens: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let mut data = Map::new();
    data.insert("kubeconfig".to_owned(), kubeconfig.into());
    for (id, secret) in tokens {
        let signature = signature(id, secret, kubeconfig.as_bytes());
        data.insert(format!("jws-kubeconfig-{id}"), signature.into());
    }
    json!({
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": "cluster-info", "namespace": "kube-public", "resourceVersion": "311"},
        "data": data,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_reference() {
        let content =
            b"apiVersion: v1\nkind: Config\nclusters:\n- name: \"\"\n  cluster:\n    server: https://cp.test:6443\n";
        assert_eq!(content.len(), 93);
        assert_eq!(
            signature("abcdef", "0123456789abcdef", content),
            "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..4r7GbQEAuOjO6O80acJpGoh44v8eFXsKNvwSVlEICEY"
        );
    }

    #[test]
    fn every_token_signs_the_same_kubeconfig() {
        let text = kubeconfig("https://cp.test:6443", "PEM");
        let info = cluster_info(
            &text,
            [("abcdef", "0123456789abcdef"), ("ghijkl", "x")].into_iter(),
        );
        assert_eq!(info["data"]["kubeconfig"], text.as_str());
        for (id, secret) in [("abcdef", "0123456789abcdef"), ("ghijkl", "x")] {
            let expected = signature(id, secret, text.as_bytes());
            assert_eq!(info["data"][format!("jws-kubeconfig-{id}")], expected.as_str());
        }
    }
}
