//! Secrets that every config here carries, and nothing may show.

use serde_json::{Value, json};

/// A password hash, content of a file, a bootstrap token in a kubeconfig, and parts of an address.
const PLANTED: [&str; 6] = [
    "planted-hash",
    "planted-content",
    "plantd.0123456789abcdef",
    "planted-password",
    "planted-query",
    "planted-header",
];

/// `users:\n- user:\n    token: plantd.0123456789abcdef\n`
const KUBECONFIG: &str = "dXNlcnM6Ci0gdXNlcjoKICAgIHRva2VuOiBwbGFudGQuMDEyMzQ1Njc4OWFiY2RlZgo=";

/// Fails when a text holds one of them, plain or as it stands in the config.
pub(crate) fn assert_absent(texts: &[(&str, &str)]) {
    for (name, text) in texts {
        for secret in PLANTED.iter().chain([&KUBECONFIG]) {
            assert!(!text.contains(secret), "{name} holds {secret}:\n{text}");
        }
    }
}

/// A valid config with all of them but those of an address.
pub(crate) fn config() -> Value {
    json!({
        "ignition": { "version": "3.4.0" },
        "passwd": { "users": [{ "name": "ada", "passwordHash": "$6$salt$planted-hash" }] },
        "storage": {
            "files": [
                { "path": "/etc/secret", "contents": { "source": "data:,planted-content" } },
                { "path": "/etc/kubeconfig", "contents": { "source": format!("data:;base64,{KUBECONFIG}") } },
            ],
        },
    })
}

/// An address of that server with userinfo and query.
pub(crate) fn address(url: &str) -> String {
    let with_user = url.replacen("://", "://operator:planted-password@", 1);
    format!("{with_user}?token=planted-query")
}
