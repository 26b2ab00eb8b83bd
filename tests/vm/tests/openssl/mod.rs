//! Requests for certificates as somebody else's program makes them.

use std::fs;
use std::process::Command;

/// A request and its key, both PEM.
pub(crate) struct Asked {
    pub(crate) request: String,
    pub(crate) key: String,
}

/// For a node's client certificate.
pub(crate) fn node_request(node: &str) -> Asked {
    request(node, &[])
}

/// For a node's serving certificate.
pub(crate) fn serving_request(node: &str) -> Asked {
    request(node, &["-addext", &format!("subjectAltName=DNS:{node}")])
}

fn request(node: &str, further: &[&str]) -> Asked {
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-subj", &format!("/O=system:nodes/CN=system:node:{node}")])
        .args(["-keyout", "key", "-out", "request"])
        .args(further)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let [request, key] = ["request", "key"].map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
    Asked { request, key }
}

/// What is in a certificate, in words.
pub(crate) fn certificate(pem: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certificate");
    fs::write(&path, pem).unwrap();
    let done = Command::new("openssl")
        .args(["x509", "-noout", "-text", "-in"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
