//! A boot whose config and files come from everywhere: the real binary, real servers.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its servers should panic"
)]

mod agent;
mod bomb;
mod clouds;
mod envelopes;
mod journal;
mod names;
mod proxy;
mod s3;
#[path = "../support/sandbox.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod sandbox;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod server;
mod sinks;
#[path = "../support/tftpd.rs"]
mod tftpd;

use std::fs;

use kindling_config_spec::data_url;
use sandbox::Sandbox;
use serde_json::json;
use server::{Identity, Reply, Server};
use tftpd::Tftpd;

#[test]
fn files_come_from_everywhere_under_the_settings_of_the_pointer() {
    let (ours, clients) = (Identity::new(), Identity::new());
    let (certificate, key) = clients.client();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("kernel"), "over tftp\n").unwrap();
    let tftp = Tftpd::serving(dir.path(), "127.0.0.1");
    let by_tftp = format!("tftp://127.0.0.1:{}/kernel", tftp.port);
    let packed = include_bytes!("../../fixtures/packed/config.ign.zst");
    // Knows its clients, and breaks off the first transfer of each file.
    let server = Server::https_for(&ours, &clients, move |seen, _| match seen.target.as_str() {
        "/child.ign" => Reply::ok(
            json!({
                "ignition": {"version": "3.4.0"},
                "storage": {"files": [
                    {"path": "/etc/kernel", "contents": {"source": by_tftp}},
                    {"path": "/etc/plain", "contents": {"source": "data:,inline"}},
                    {"path": "/etc/zstd", "contents": {"source": seen.header("x-self").unwrap()}},
                ]},
                "kindling": {"version": "1.0.0", "files": {"/etc/zstd": {"compression": "zstd"}}},
            })
            .to_string(),
        ),
        "/packed" => {
            let reply = Reply::ok(packed.as_slice()).with_header("etag", "\"one\"");
            match seen.header("range") {
                None => reply.cut_after(60),
                Some("bytes=60-") => Reply::status(206).with_body(&packed[60..]).with_header(
                    "content-range",
                    &format!("bytes 60-{}/{}", packed.len() - 1, packed.len()),
                ),
                Some(other) => panic!("{other}"),
            }
        }
        _ => Reply::status(404),
    });
    let inline = |pem: &str| json!({"source": data_url::encode(pem.as_bytes())});
    let pointer = json!({
        "ignition": {
            "version": "3.4.0",
            "config": {"merge": [{
                "source": server.url("/child.ign"),
                "httpHeaders": [{"name": "X-Self", "value": server.url("/packed")}],
            }]},
            "security": {"tls": {"certificateAuthorities": [inline(&ours.authority_pem())]}},
        },
        "kindling": {"version": "1.0.0", "transport": {"hosts": {"127.0.0.1": {
            "clientCertificate": inline(&certificate),
            "clientKey": inline(&key),
        }}}},
    });
    let machine = Sandbox::new();
    machine.give(&pointer.to_string());
    let mut said = String::new();
    for stage in ["fetch", "files"] {
        let ran = machine.done(stage);
        said += &ran.stdout;
        said += &ran.stderr;
    }
    let file = |name: &str| fs::read_to_string(machine.root().join("etc").join(name)).unwrap();
    assert_eq!(file("kernel"), "over tftp\n");
    assert_eq!(file("plain"), "inline");
    assert_eq!(file("zstd"), include_str!("../../fixtures/packed/config.ign"));
    assert!(said.contains("resumed after 60 bytes"), "{said}");
    assert!(!said.contains("PRIVATE KEY"), "{said}");
    // The middle of the key's text, wherever it might have got to.
    let of_key: String = key.lines().nth(1).unwrap().chars().take(20).collect();
    let receipt = fs::read_to_string(machine.root().join("var/lib/kindling/receipt.json")).unwrap();
    let as_data: String = data_url::encode(key.as_bytes())
        .chars()
        .skip(60)
        .take(40)
        .collect();
    for text in [said, receipt] {
        assert!(!text.contains(&of_key) && !text.contains(&as_data), "{text}");
    }
}
