//! The CertificateSigningRequest object (cluster.md 2.4, 2.5): what is sent, and what is read of one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kindling_config_spec::json;
use serde_json::Value;

use super::request::asked;

/// Where they are.
pub const COLLECTION: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
/// Who issues the certificates with which nodes show who they are.
pub const SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// What the names of our annotations begin with. `internal` is nobody's domain.
pub const PREFIX: &str = "kindling.internal/";
/// The longest annotation, in bytes.
const LONGEST: usize = 128;

/// What is asked for.
pub struct Wanted<'a> {
    /// The object's name.
    pub name: &'a str,
    /// The request, in PEM.
    pub request: &'a str,
    /// What the certificate shall be good for.
    pub usages: &'a [&'a str],
    /// Its lifetime to wish for, in seconds.
    pub lifetime: Option<u32>,
    /// What an administrator sees of the machine: names without [`PREFIX`]. What is not known is not said.
    pub about: &'a [(&'a str, Option<String>)],
}

/// The object as it is sent.
#[must_use]
pub fn text(wanted: &Wanted<'_>) -> String {
    let known = wanted.about.iter();
    let known = known.filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let annotations: Vec<String> = known
        .map(|(name, value)| {
            let value = value
                .get(..value.floor_char_boundary(LONGEST))
                .unwrap_or_default();
            format!("\"{PREFIX}{name}\":{}", json::text(value))
        })
        .collect();
    let lifetime = wanted
        .lifetime
        .map(|seconds| format!(",\"expirationSeconds\":{seconds}"));
    let usages: Vec<String> = wanted.usages.iter().map(|usage| format!("\"{usage}\"")).collect();
    format!(
        "{{\"apiVersion\":\"certificates.k8s.io/v1\",\"kind\":\"CertificateSigningRequest\",\"metadata\":{{\"name\":{},\
         \"annotations\":{{{}}}}},\"spec\":{{\"signerName\":\"{SIGNER}\",\"request\":\"{}\",\"usages\":[{}]{}}}}}",
        json::text(wanted.name),
        annotations.join(","),
        STANDARD.encode(wanted.request),
        usages.join(","),
        lifetime.unwrap_or_default()
    )
}

/// The text at a JSON pointer; empty where there is none.
#[must_use]
pub fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a stored object asks for the certificate of `node` with that key from the signer of node certificates.
#[must_use]
pub fn is_ours(object: &Value, public: &[u8], node: &str) -> bool {
    let request = STANDARD.decode(text_at(object, "/spec/request"));
    let request = request
        .ok()
        .and_then(|pem| asked(std::str::from_utf8(&pem).ok()?));
    text_at(object, "/spec/signerName") == SIGNER
        && request.is_some_and(|asked| asked.public == public && asked.subject.is_of(node))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::node::request::{Key, usages};

    #[test]
    fn an_object_is_what_the_server_takes_and_knows_its_key() {
        let key = Key::generate().unwrap();
        let request = key.request("a").unwrap();
        let about = [("boot-id", Some("b\"0".repeat(200))), ("platform", None)];
        let wanted = Wanted {
            name: "node-csr-x",
            request: &request,
            usages: usages(None),
            lifetime: Some(86_400),
            about: &about,
        };
        let object: Value = serde_json::from_str(&text(&wanted)).unwrap();
        assert_eq!(
            object["spec"],
            json!({
                "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                "request": STANDARD.encode(&request),
                "usages": ["digital signature", "client auth"],
                "expirationSeconds": 86_400
            })
        );
        let annotations = object["metadata"]["annotations"].as_object().unwrap();
        assert_eq!(annotations.len(), 1);
        assert_eq!(
            annotations["kindling.internal/boot-id"].as_str().unwrap().len(),
            LONGEST
        );
        assert!(is_ours(&object, &key.public(), "a"));
        assert!(!is_ours(&object, &key.public(), "b"));
        assert!(!is_ours(&object, &Key::generate().unwrap().public(), "a"));
        let mut other = object.clone();
        other["spec"]["signerName"] = json!("example.test/signer");
        assert!(!is_ours(&other, &key.public(), "a"));
        let brief: Value = serde_json::from_str(&text(&Wanted {
            lifetime: None,
            about: &[],
            ..wanted
        }))
        .unwrap();
        assert_eq!(
            brief["metadata"],
            json!({ "name": "node-csr-x", "annotations": {} })
        );
        assert_eq!(brief["spec"].as_object().unwrap().len(), 3);
    }
}
