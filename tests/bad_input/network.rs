//! What comes over the network, or does not.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::server::{Identity, Reply, Server};
use crate::{refuses, secrets};

/// A config that refers to another one.
fn pointer(url: &str) -> Value {
    let mut config = secrets::config();
    config["ignition"]["config"] = json!({ "merge": [{
        "source": secrets::address(url),
        "httpHeaders": [{ "name": "Authorization", "value": "planted-header" }],
    }] });
    config
}

fn refused(config: &Value, record: &str) {
    let machine = Sandbox::new();
    machine.give(&serde_json::to_string_pretty(config).unwrap());
    refuses(&machine, "fetch", 1, record);
    assert!(!machine.at("run/ignition.json").exists());
}

#[test]
fn an_empty_child() {
    let server = Server::always(Reply::ok(""));
    refused(
        &pointer(&server.url("/child.ign")),
        r#"kindling: first boot FAILED in stage fetch [config-empty]
  what:  config http://SERVER/child.ign?…, to which config of platform file refers, is empty
  next:  put a config at http://SERVER/child.ign?…; the smallest is {"ignition":{"version":"3.4.0"}}"#,
    );
}

#[test]
fn a_child_with_a_broken_rule() {
    let mut child = secrets::config();
    child["storage"]["files"][1]["mode"] = json!(-1);
    let server = Server::always(Reply::ok(serde_json::to_string_pretty(&child).unwrap()));
    refused(
        &pointer(&server.url("/child.ign")),
        r#"kindling: first boot FAILED in stage fetch [config-invalid]
  what:  http://SERVER/child.ign?… is not valid
         error[mode-illegal]: -1 is not a mode
           http://SERVER/child.ign?…:25:17, /storage/files/1/mode
           25 |         "mode": -1,
              |                 ^^
         warning[mode-special-bits]: version 3.4.0 drops the setuid, setgid and sticky bits of mode -1
           http://SERVER/child.ign?…:25:17, /storage/files/1/mode
           25 |         "mode": -1,
              |                 ^^
           help: set ignition.version to 3.6.0 or later to keep them
  next:  write 0 to 4095 in decimal: 420 is 0644, 493 is 0755"#,
    );
}

#[test]
fn a_child_with_another_digest() {
    let server = Server::always(Reply::ok(secrets::config().to_string()));
    let mut config = pointer(&server.url("/child.ign"));
    let hash = format!("sha256-{}", "0".repeat(64));
    config["ignition"]["config"]["merge"][0]["verification"] = json!({ "hash": hash });
    refused(
        &config,
        r#"kindling: first boot FAILED in stage fetch [config-hash-mismatch]
  what:  cannot fetch config http://SERVER/child.ign?…, to which config of platform file refers
  why:   the content of http://SERVER/child.ign?… has the wrong digest: expected sha256-0000000000000000000000000000000000000000000000000000000000000000, got sha256-86ca7cbd209e2fe8a17b25e05bb8d356c548244489f2fe76ba7e9da18b31f35e
  next:  check the server's copy; if it is the right one, put its digest into the config"#,
    );
}

#[test]
fn a_certificate_of_an_unknown_authority() {
    let server = Server::https(&Identity::new(), |_, _| Reply::ok("{}"));
    refused(
        &pointer(&server.url("/child.ign")),
        r#"kindling: first boot FAILED in stage fetch [tls-certificate-refused]
  what:  cannot fetch config https://SERVER/child.ign?…, to which config of platform file refers
  why:   cannot fetch https://SERVER/child.ign?…
         the certificate of SERVER is refused: no trusted authority signed it
  next:  add the issuing CA to ignition.security.tls.certificateAuthorities of the config that refers to it"#,
    );
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_server_that_has_no_such_path() {
    let server = Server::always(Reply::status(404));
    refused(
        &pointer(&server.url("/child.ign")),
        r#"kindling: first boot FAILED in stage fetch [http-status]
  what:  cannot fetch config http://SERVER/child.ign?…, to which config of platform file refers
  why:   cannot fetch http://SERVER/child.ign?…
         the server answered with status 404
  next:  check the path on the server"#,
    );
}

#[test]
fn nobody_listens() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut config = pointer(&format!("http://127.0.0.1:{port}/child.ign"));
    // Without it, the engine waits for a server as long as the boot may take.
    config["ignition"]["timeouts"] = json!({ "httpTotal": 1 });
    let machine = Sandbox::new();
    machine.give(&config.to_string());
    let ran = machine.stage("fetch");
    // How often it was tried depends on the machine.
    let attempts: String = ran
        .stderr
        .split(", in ")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    assert!(
        (2..10).contains(&attempts.parse::<u32>().unwrap()),
        "{}",
        ran.stderr
    );
    let record = r#"kindling: first boot FAILED in stage fetch [network-timeout]
  what:  cannot fetch config http://SERVER/child.ign?…, to which config of platform file refers
  why:   http://SERVER/child.ign?… was not fetched within 1 s, in SOME attempts
         SERVER refused the connection
  next:  check that a server listens at SERVER"#;
    crate::assert_record(&machine, &ran, 1, &record.replace("SOME", &attempts));
}

#[test]
fn a_server_that_is_down_for_a_while_is_waited_for() {
    let child = secrets::config().to_string();
    let server = Server::http(move |_, before| {
        if before < 2 {
            Reply::status(500)
        } else {
            Reply::ok(child.clone())
        }
    });
    let machine = Sandbox::new();
    machine.give(&pointer(&server.url("/child.ign")).to_string());
    let ran = machine.done("fetch");
    assert_eq!(server.seen().len(), 3);
    assert_eq!(ran.stderr, "");
    let log = crate::plain(&machine, &ran.stdout);
    for attempt in [1, 2] {
        let told = log.lines().any(|line| {
            line.contains(&format!("http://SERVER/child.ign?…: attempt #{attempt} failed: "))
                && line.contains("500")
                && line.contains("; next try in ")
        });
        assert!(told, "{log}");
    }
    secrets::assert_absent(&[("standard output", &ran.stdout)]);
    assert!(machine.at("run/ignition.json").exists() && !machine.at("run/kindling/failure.json").exists());
}

fn with_remote_file(url: &str) -> Value {
    let mut config = secrets::config();
    let hash = format!("sha512-{}", "0".repeat(128));
    let contents = json!({ "source": secrets::address(url), "verification": { "hash": hash } });
    let file = json!({ "path": "/opt/tool", "contents": contents });
    config["storage"]["files"].as_array_mut().unwrap().push(file);
    config
}

#[test]
fn a_file_with_another_digest_is_found_before_the_first_write() {
    let server = Server::always(Reply::ok("planted-content"));
    let machine = Sandbox::new();
    machine.give(&with_remote_file(&server.url("/tool")).to_string());
    machine.done("fetch");
    refuses(
        &machine,
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [hash-mismatch]
  what:  /opt/tool (0644): http://SERVER/tool
  where: config of platform file:1:329, /storage/files/2
  why:   cannot get the content of /opt/tool
         the content of http://SERVER/tool?… has the wrong digest: expected sha512-00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000, got sha512-93a2e0a1746b7bdfac283813d543056b7fc9655b951f16339fc580c6a432dd7b10f2a7eca23d1ab198a809bee3a5dd2d7b27bff81b0a4ca080b8b61ff10199fb
  next:  check the server's copy; if it is the right one, put its digest into the config"#,
    );
}

#[test]
fn a_file_that_is_not_served_is_found_before_the_first_write() {
    let server = Server::always(Reply::status(403));
    let machine = Sandbox::new();
    machine.give(&with_remote_file(&server.url("/tool")).to_string());
    machine.done("fetch");
    refuses(
        &machine,
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [http-status]
  what:  /opt/tool (0644): http://SERVER/tool
  where: config of platform file:1:329, /storage/files/2
  why:   cannot get the content of /opt/tool
         cannot fetch http://SERVER/tool?…
         the server answered with status 403
  next:  check the credentials in httpHeaders and the server's access rules"#,
    );
}

#[test]
fn who_waits_hears_what_for() {
    let late = std::time::Duration::from_secs(7);
    let server = Server::http(move |_, before| match before {
        0 => Reply::status(503).with_header("retry-after", "6"),
        _ => Reply::ok(r#"{"ignition":{"version":"3.4.0"}}"#).late(late),
    });
    let machine = Sandbox::new();
    machine.give(&pointer(&server.url("/child.ign")).to_string());
    let ran = machine.run(&machine.words("file", "fetch"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let text = crate::plain(&machine, &ran.stdout);
    for line in [
        "GET http://SERVER/child.ign?…: attempt #1 failed: the server answered with status 503 and asks to wait 6 s; \
         next try in ",
        "GET http://SERVER/child.ign?…: waiting after attempt #1 (the server answered with status 503 and asks to wait \
         6 s); next try in ",
        "waiting for an answer of SERVER for 5 s",
    ] {
        assert!(text.contains(line), "no line {line:?} in\n{text}");
    }
}
