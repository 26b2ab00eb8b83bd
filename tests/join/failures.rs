//! Every way to fail: its code, and its record as the console shows it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use kindling_api_server::{ApiServer, Approval, Fault, Issued, Listener, Node, On, Scenario, Signing, With};
use serde_json::json;

use super::machine::{Machine, NODE};

const HOUR: Duration = Duration::from_secs(3600);

fn issuing(issued: Issued) -> Scenario {
    Scenario {
        signing: Signing::AtOnce(issued),
        ..Scenario::default()
    }
}

fn listening(listener: Listener) -> Scenario {
    Scenario {
        listener,
        ..Scenario::default()
    }
}

fn with(on: On, with: With) -> Scenario {
    Scenario {
        faults: vec![Fault::always(on, with)],
        ..Scenario::default()
    }
}

fn approving(approval: Approval) -> Scenario {
    Scenario {
        approval,
        ..Scenario::default()
    }
}

fn signing(signing: Signing) -> Scenario {
    Scenario {
        signing,
        ..Scenario::default()
    }
}

/// What fails how, in which cluster.
fn table() -> Vec<(&'static str, &'static str, Scenario)> {
    let now = SystemTime::now();
    let said = |reason: &str, message: &str| (reason.to_owned(), message.to_owned());
    let (denied, no) = said("KubectlDeny", "not in this cluster");
    let (failed, bad) = said(
        "SignerValidationFailure",
        "subject organization is not system:nodes",
    );
    vec![
        (
            "the certificate of another authority",
            "join-wrong-authority",
            listening(Listener {
                is_of_other_authority: true,
                ..Listener::default()
            }),
        ),
        (
            "a clock behind the server's certificate",
            "join-clock",
            listening(Listener {
                not_before: Some(now + HOUR),
                not_after: Some(now + 2 * HOUR),
                ..Listener::default()
            }),
        ),
        (
            "a clock after the end of the server's certificate",
            "join-clock",
            listening(Listener {
                not_before: Some(now - 2 * HOUR),
                not_after: Some(now - HOUR),
                ..Listener::default()
            }),
        ),
        (
            "a clock behind the signer's",
            "join-clock",
            issuing(Issued::NotYetValid(HOUR)),
        ),
        (
            "a token that is not known",
            "join-token-refused",
            Scenario {
                tokens: vec![],
                ..Scenario::default()
            },
        ),
        (
            "a token that may not ask",
            "join-forbidden",
            Scenario {
                is_bootstrapper_bound: false,
                ..Scenario::default()
            },
        ),
        ("nobody approves", "join-pending", approving(Approval::ByHand)),
        ("no signer", "join-unsigned", signing(Signing::Never)),
        (
            "the signer refuses",
            "join-failed",
            signing(Signing::Fails {
                reason: failed,
                message: bad,
            }),
        ),
        (
            "somebody denies",
            "join-denied",
            approving(Approval::Denied {
                reason: denied,
                message: no,
            }),
        ),
        (
            "the name is another machine's",
            "join-node-exists",
            Scenario {
                nodes: vec![Node {
                    name: NODE.to_owned(),
                    is_ready: true,
                }],
                ..Scenario::default()
            },
        ),
        (
            "a handshake that stalls",
            "join-unreachable",
            listening(Listener {
                is_silent: true,
                ..Listener::default()
            }),
        ),
        (
            "no API of certificates",
            "join-not-served",
            with(On::Create, With::NotServed),
        ),
        (
            "a request that is not taken",
            "join-refused",
            with(
                On::Create,
                With::Invalid {
                    field: "spec.usages".into(),
                    message: "unsupported".into(),
                },
            ),
        ),
        (
            "a load balancer's pages",
            "join-server-unready",
            with(On::Any, With::Html),
        ),
        (
            "a server that never has time",
            "join-server-unready",
            with(On::Create, With::TooManyRequests(1)),
        ),
        (
            "a server that fails",
            "join-server-unready",
            with(On::Create, With::Failure(503)),
        ),
        (
            "the certificate of another key",
            "join-certificate-unfit",
            issuing(Issued::WrongKey),
        ),
        (
            "the certificate of another subject",
            "join-certificate-unfit",
            issuing(Issued::WrongSubject("system:node:other".into())),
        ),
        (
            "a certificate for servers",
            "join-certificate-unfit",
            issuing(Issued::WithoutClientAuth),
        ),
        (
            "no certificate at all",
            "join-certificate-unfit",
            issuing(Issued::Nonsense),
        ),
        (
            "a certificate that has expired",
            "join-certificate-expired",
            issuing(Issued::Expired),
        ),
        (
            "a certificate that the server does not trust",
            "join-certificate-refused",
            issuing(Issued::OtherAuthority),
        ),
        (
            "a name under which another request always is",
            "join-deleted",
            with(On::Create, With::AlreadyExists),
        ),
    ]
}

/// A record without what differs from run to run.
fn steady(text: &str, server: &ApiServer) -> String {
    let mut text = text.replace(&format!(":{}", server.port()), ":PORT");
    for request in server.requests() {
        text = text.replace(request["metadata"]["uid"].as_str().unwrap(), "UID");
    }
    let names: Vec<String> = text
        .split("node-csr-")
        .skip(1)
        .map(|behind| behind.chars().take(43).collect())
        .collect();
    for name in names {
        text = text.replace(&name, "NAME");
    }
    let words = text.split_inclusive([' ', '\n', ',']);
    words
        .map(|word| {
            let date = word.trim_end_matches([' ', '\n', ',']);
            let is_date = date.len() == 20 && date.starts_with("20") && date.ends_with('Z');
            if is_date {
                word.replace(date, "DATE")
            } else {
                word.to_owned()
            }
        })
        .collect()
}

#[test]
fn every_failure_has_its_record() {
    let mut records = String::new();
    for (name, code, scenario) in table() {
        let server = ApiServer::start(scenario);
        let machine = Machine::of(&server, 3);
        let failure = machine.join().unwrap_err();
        assert_eq!(failure.code, code, "{name}: {failure}");
        let text = failure.to_string();
        assert!(text.lines().count() < 12, "{text}");
        assert_eq!(machine.status()["failed"], code, "{name}");
        // Nothing was installed.
        assert!(
            !machine.root().join(super::machine::KUBECONFIG).exists(),
            "{name}"
        );
        assert!(server.requests().len() <= 1, "{name}");
        assert_eq!(server.findings(), Vec::<String>::new(), "{name}");
        records += &format!("# {name}\n{}\n\n", steady(&text, &server));
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/join/records.txt");
    if std::env::var_os("KINDLING_RENEW").is_some() {
        fs::write(&path, &records).unwrap();
    }
    assert_eq!(records, fs::read_to_string(path).unwrap());
}

#[test]
fn an_address_that_leads_nowhere_is_told() {
    let server = ApiServer::start(Scenario::default());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("https://127.0.0.1:{}", free.local_addr().unwrap().port());
    drop(free);
    for url in [closed.as_str(), "https://no-such-name.invalid:6443"] {
        let machine = Machine::handed(url, &server.ca_pem(), &json!({ "approvalTimeoutSeconds": 5 }));
        let failure = machine.join().unwrap_err();
        assert_eq!(failure.code, "join-unreachable", "{failure}");
        assert_eq!(machine.status()["state"], "named");
    }
    // Its certificate is for 127.0.0.1 and localhost.
    let other = server.url().replace("127.0.0.1", "127.0.0.2");
    let failure = Machine::handed(&other, &server.ca_pem(), &json!({}))
        .join()
        .unwrap_err();
    assert!(
        ["join-server-name", "join-unreachable"].contains(&failure.code.as_str()),
        "{failure}"
    );
}

#[test]
fn what_was_handed_over_is_checked_before_anybody_is_asked() {
    let server = ApiServer::start(Scenario::default());
    let (url, authority) = (server.url(), server.ca_pem());
    for (over, code) in [
        (json!({ "name": "Node_A" }), "join-name"),
        (json!({ "name": "localhost" }), "join-name"),
        (json!({ "server": "http://127.0.0.1:1" }), "join-handed"),
        (json!({ "server": null }), "join-handed"),
        (json!({ "token": null }), "join-handed"),
        (json!({ "format": 9 }), "join-handed"),
        (json!({ "mode": "other" }), "join-handed"),
        (json!({ "authorities": [] }), "join-authority-broken"),
        (json!({ "authorities": ["nonsense"] }), "join-authority-broken"),
    ] {
        let failure = Machine::handed(&url, &authority, &over).join().unwrap_err();
        assert_eq!(failure.code, code, "{over}: {failure}");
    }
    let machine = Machine::of(&server, 5);
    fs::remove_file(machine.at("run/kindling/join.json")).unwrap();
    assert_eq!(machine.join().unwrap_err().code, "join-handed");
    assert_eq!(server.seen(), []);
}

#[test]
fn only_the_clusters_authorities_count() {
    let (server, other) = (
        ApiServer::start(Scenario::default()),
        ApiServer::start(Scenario::default()),
    );
    let machine = Machine::handed(&server.url(), &other.ca_pem(), &json!({}));
    assert_eq!(machine.join().unwrap_err().code, "join-wrong-authority");
    assert_eq!(server.seen(), []);
}
