//! The config server of a cluster, as the engine meets it: what it asks for, what it takes, and what it says when it gets
//! something else. The server here says what that server says; its stand-in with all its tables is in `tests/vm`.

use kindling::fetch::{Origin, OriginKind};
use kindling::render::{First, RenderError, Rendered, render};
use kindling_config_spec::{Source, check};
use serde_json::{Value, json};

use crate::fetcher;
use crate::server::{Identity, Reply, Seen, Server};

/// The pointer as the cluster's operator writes it: version, form of the address and of the authority.
fn pointer(server: &Server, identity: &Identity) -> Value {
    use base64::Engine as _;
    let authority = base64::engine::general_purpose::STANDARD.encode(identity.authority_pem());
    json!({ "ignition": {
        "version": "3.5.0",
        "config": { "merge": [{ "source": server.url("/config/worker") }] },
        "security": { "tls": { "certificateAuthorities": [
            { "source": format!("data:text/plain;charset=utf-8;base64,{authority}") } ] } } } })
}

fn rendered(pointer: &Value) -> Result<Rendered, RenderError> {
    let text = pointer.to_string();
    let first = First {
        checked: check(&text).expect("the pointer is valid"),
        name: "user config",
        source: Source::alone(&text),
        origin: Origin {
            kind: OriginKind::User,
            source: "qemu".to_owned(),
            referenced: false,
            sha256: None,
        },
    };
    render(first, &mut fetcher())
}

fn config(version: &str) -> String {
    json!({
        "ignition": { "version": version },
        "storage": { "files": [{ "path": "/etc/pool", "contents": { "source": "data:,worker" } }] },
    })
    .to_string()
}

fn answered(reply: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> (Server, Identity) {
    let identity = Identity::new();
    (Server::https(&identity, reply), identity)
}

#[test]
fn a_pointer_leads_to_its_pool_by_its_own_authority_and_asks_for_the_newest_version() {
    let (server, identity) = answered(|_, _| Reply::ok(config("3.5.0")));
    let result = rendered(&pointer(&server, &identity)).unwrap();
    assert_eq!(result.config().storage.files.len(), 1);
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("GET", "/config/worker")
    );
    assert_eq!(
        seen[0].header("accept"),
        Some("application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1")
    );
    // The pointer's authority and no other: with that of somebody else the server is not believed.
    let refused = rendered(&pointer(&server, &Identity::new()))
        .map(drop)
        .unwrap_err();
    assert_eq!(refused.code(), "tls-certificate-refused");
}

#[test]
fn a_lower_version_than_was_asked_for_is_taken() {
    for version in ["3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.5.0", "3.6.0"] {
        let (server, identity) = answered(move |_, _| Reply::ok(config(version)));
        let result = rendered(&pointer(&server, &identity)).unwrap();
        assert_eq!(result.config().storage.files.len(), 1, "{version}");
    }
}

#[test]
fn a_server_that_says_500_and_no_word_is_asked_until_it_has_the_pool() {
    let (server, identity) = answered(|_, before| match before {
        0 => Reply::status(500),
        1 => Reply::status(503),
        2 => Reply::ok("{").cut_after(0),
        _ => Reply::ok(config("3.5.0")),
    });
    assert!(rendered(&pointer(&server, &identity)).is_ok());
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    // No attempt forgets what it wants: without the header the server falls back to the oldest dialect.
    for seen in seen {
        assert!(seen.header("accept").unwrap().contains("version=3.6.0"));
    }
}

#[test]
fn statuses_that_no_patience_cures_end_the_boot_at_once() {
    // No such page, a method or a version that is none: the server says the same for ever.
    for status in [400, 404, 405] {
        let (server, identity) = answered(move |_, _| Reply::status(status));
        let error = rendered(&pointer(&server, &identity)).map(drop).unwrap_err();
        assert_eq!(error.code(), "http-status");
        assert!(format!("{error:?}").contains(&status.to_string()), "{error:?}");
        assert_eq!(server.seen().len(), 1);
    }
}

/// What the server answers who does not say what he takes: the same in 2.2.0, with every object there, be it empty.
fn config_of_old() -> String {
    json!({
        "ignition": {
            "version": "2.2.0", "config": {}, "timeouts": {},
            "security": { "tls": { "certificateAuthorities": [] } },
        },
        "networkd": {},
        "passwd": { "users": [{ "name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA core"] }] },
        "storage": { "files": [{
            "filesystem": "root", "path": "/etc/pool", "mode": 420,
            "contents": { "source": "data:,worker", "verification": {} },
        }] },
        "systemd": { "units": [{ "name": "kubelet.service", "enabled": true, "dropins": [] }] },
    })
    .to_string()
}

/// By what it is asked with, as the server decides.
fn decided(seen: &Seen) -> Reply {
    match seen.header("accept") {
        Some(accept) if accept.contains("version=3.") => Reply::ok(config("3.5.0")),
        _ => Reply::ok(config_of_old()),
    }
}

fn assert_is_the_pool(rendered: &Rendered) {
    let config = rendered.config();
    let file = &config.storage.files[0];
    assert_eq!((file.path.as_str(), file.mode), ("/etc/pool", Some(0o644)));
    assert_eq!(file.overwrite, Some(true));
    assert_eq!(file.contents.source.as_deref(), Some("data:,worker"));
    assert_eq!(config.passwd.users[0].name, "core");
    assert_eq!(config.systemd.units[0].enabled, Some(true));
    assert!(rendered.warnings().is_empty(), "{:?}", rendered.warnings());
}

#[test]
fn the_dialect_before_version_3_is_taken_too() {
    let (server, identity) = answered(|seen, _| decided(seen));
    let mut pointer = pointer(&server, &identity);
    pointer["ignition"]["config"]["merge"][0]["httpHeaders"] = json!([{ "name": "Accept", "value": "*/*" }]);
    assert_is_the_pool(&rendered(&pointer).unwrap());
    // The pointer may be of the old kind itself: that of an old installer.
    let authorities = pointer["ignition"]["security"].take();
    let source = pointer["ignition"]["config"]["merge"][0]["source"].take();
    let old = json!({ "ignition": {
        "version": "2.2.0", "config": { "append": [{ "source": source }] }, "security": authorities } });
    let result = rendered(&old).unwrap();
    assert_eq!(result.config().storage.files[0].path, "/etc/pool");
    assert_eq!(
        server.seen()[1]
            .header("accept")
            .map(|accept| accept.contains("3.6.0")),
        Some(true)
    );
}

#[test]
fn a_proxy_that_takes_the_accept_header_away_costs_nothing() {
    use std::io::{Read as _, Write as _};
    let server = Server::http(|seen, _| decided(seen));
    let port = server.port();
    let proxy = Server::http(move |seen, _| {
        let path = seen.target.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(
            stream,
            "GET /{path} HTTP/1.0\r\nHost: config-server.invalid\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        Reply::ok(body)
    });
    let pointer = json!({ "ignition": {
        "version": "3.5.0",
        "config": { "merge": [{ "source": "http://config-server.invalid/config/worker" }] },
        "proxy": { "httpProxy": proxy.url("") } } });
    assert_is_the_pool(&rendered(&pointer).unwrap());
    assert!(proxy.seen()[0].header("accept").is_some());
    let seen = server.seen();
    assert_eq!(
        (seen[0].target.as_str(), seen[0].header("accept")),
        ("/config/worker", None)
    );
}

#[test]
fn a_hosted_control_plane_gets_its_token_and_nobody_else_does() {
    let (elsewhere, other) = answered(|_, _| Reply::ok(config("3.5.0")));
    let to = elsewhere.url("/elsewhere");
    let (server, identity) =
        answered(
            move |seen, _| match (seen.target.as_str(), seen.header("authorization")) {
                ("/ignition", Some("Bearer planted-of-the-pool")) => Reply::ok(config("3.4.0")),
                ("/ignition", _) => Reply::status(401),
                _ => Reply::redirect(302, &to),
            },
        );
    let with = |path: &str, token: Option<&str>| {
        let mut pointer = pointer(&server, &identity);
        let source = &mut pointer["ignition"]["config"]["merge"][0];
        source["source"] = json!(server.url(path));
        if let Some(token) = token {
            source["httpHeaders"] = json!([
                { "name": "Authorization", "value": format!("Bearer {token}") },
                { "name": "NodePool", "value": "workers" },
            ]);
        }
        let authorities = &mut pointer["ignition"]["security"]["tls"]["certificateAuthorities"];
        let more = kindling_config_spec::data_url::encode(other.authority_pem().as_bytes());
        authorities
            .as_array_mut()
            .unwrap()
            .push(json!({ "source": more }));
        pointer
    };
    assert!(rendered(&with("/ignition", Some("planted-of-the-pool"))).is_ok());
    assert_eq!(server.seen()[0].header("nodepool"), Some("workers"));
    for token in [None, Some("planted-of-another")] {
        let error = rendered(&with("/ignition", token)).map(drop).unwrap_err();
        assert_eq!(error.code(), "http-status");
        let told = format!("{error} {}", error.next());
        assert!(
            told.contains("httpHeaders") && !told.contains("planted"),
            "{told}"
        );
    }
    assert!(rendered(&with("/leads-away", Some("planted-of-the-pool"))).is_ok());
    let seen = elsewhere.seen();
    assert_eq!((seen.len(), seen[0].header("authorization")), (1, None));
}

#[test]
fn a_pool_is_the_last_part_of_its_address() {
    for pool in ["worker", "arbiter", "storage-heavy"] {
        let (server, identity) =
            answered(
                move |seen, _| match seen.target.strip_prefix("/config/") == Some(pool) {
                    true => Reply::ok(config("3.5.0")),
                    false => Reply::status(404),
                },
            );
        let mut pointer = pointer(&server, &identity);
        pointer["ignition"]["config"]["merge"][0]["source"] = json!(server.url(&format!("/config/{pool}")));
        assert!(rendered(&pointer).is_ok(), "{pool}");
    }
}
