//! The double as an old server answers as a real kube-apiserver 1.20.2 did, whose answers are kept in `fixtures/cluster`.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kindling_api_server::{ApiServer, Approval, Release, Scenario};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::client::{Client, REQUESTS, certificate, key, object, pkcs10, request};

/// The tokens by which the recorded requests were made.
const TOKEN: &str = "kndlng.0123456789abcdef";
const WITHOUT_RIGHTS: &str = "plantd.0123456789abcdef";

/// What differs from one run to the next, as the recordings have it.
const LEFT_OUT: &str = "…";

fn old(approval: Approval) -> ApiServer {
    ApiServer::start(Scenario {
        release: Release::Old,
        tokens: vec![TOKEN.to_owned()],
        approval,
        ..Scenario::default()
    })
}

#[allow(clippy::disallowed_methods, reason = "a test that reads fixtures")]
fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/cluster/{name}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// Without what differs, and without the bookkeeping of fields, which the double does not do.
fn plain(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.remove("managedFields");
            for (field, value) in fields.iter_mut() {
                let differs = matches!(
                    field.as_str(),
                    "creationTimestamp"
                        | "uid"
                        | "resourceVersion"
                        | "lastUpdateTime"
                        | "lastTransitionTime"
                        | "buildDate"
                        | "gitCommit"
                        | "goVersion"
                        | "platform"
                        | "kubeconfig"
                ) || (value.is_string() && matches!(field.as_str(), "request" | "certificate"))
                    || field.starts_with("jws-kubeconfig-");
                *value = match &mut *value {
                    Value::String(_) if differs => LEFT_OUT.into(),
                    Value::String(text) if field == "name" && text.starts_with("csr-") => "csr-…".into(),
                    other => plain(other.take()),
                };
            }
            // How the release was packed.
            fields.remove("gitTreeState");
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = plain(item.take())),
        _ => {}
    }
    value
}

/// Makes the recorded request of `client` and holds the answer to the recorded one.
fn assert_same(client: &Client, name: &str) {
    let recorded = recorded(name);
    let asked = &recorded["request"];
    let body = match &asked["body"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        body => {
            let mut body = body.clone();
            if body["spec"]["request"] == LEFT_OUT {
                let node = body["metadata"]["name"]
                    .as_str()
                    .unwrap_or("node-a")
                    .to_ascii_lowercase()
                    .replace('_', "-");
                let text = match name {
                    "refused-request-not-base64" => "*".to_owned(),
                    "refused-request-not-pem" => STANDARD.encode("not PEM"),
                    _ => STANDARD.encode(pkcs10(
                        &key(),
                        &format!("system:node:{node}"),
                        "system:nodes",
                        &[],
                    )),
                };
                body["spec"]["request"] = text.into();
            }
            Some(body.to_string())
        }
    };
    let reply = client.raw(
        asked["method"].as_str().unwrap(),
        asked["path"].as_str().unwrap(),
        body.as_ref().map(String::as_bytes),
    );
    let expected = &recorded["answer"];
    assert_eq!(reply.status, expected["status"], "{name}");
    assert_eq!(
        reply.header("content-type"),
        expected["headers"]["content-type"].as_str(),
        "{name}"
    );
    if let Value::String(text) = &expected["body"] {
        assert_eq!(String::from_utf8(reply.body).unwrap(), *text, "{name}");
        return;
    }
    let (mut told, mut expected) = (plain(reply.json()), plain(expected["body"].clone()));
    // Where its parser stopped is the parser's own business.
    if matches!(name, "refused-cut-short" | "refused-request-not-base64") {
        told["message"].take();
        expected["message"].take();
    }
    assert_eq!(told, expected, "{name}");
}

fn bootstrapper(server: &ApiServer) -> Client {
    Client::anonymous(server).with_header("Authorization", &format!("Bearer {TOKEN}"))
}

#[test]
fn what_it_says_of_itself_is_the_same() {
    let server = old(Approval::AtOnce);
    for name in ["version", "healthz"] {
        assert_same(&Client::anonymous(&server), name);
    }
    for name in ["group", "access-review", "self-review"] {
        assert_same(&bootstrapper(&server), name);
    }
}

#[test]
fn whom_it_does_not_know_or_let_it_answers_the_same() {
    let server = old(Approval::AtOnce);
    assert_same(&Client::anonymous(&server), "create-anonymous");
    let stranger = Client::anonymous(&server).with_header("Authorization", "Bearer nobody.0123456789abcdef");
    for name in [
        "create-unknown-token",
        "create-wrong-secret",
        "create-expired-token",
        "access-review-unknown-token",
    ] {
        assert_same(&stranger, name);
    }
    for name in [
        "delete-forbidden",
        "node-list-by-token",
        "node-by-token",
        "get-absent",
    ] {
        assert_same(&bootstrapper(&server), name);
    }
    let server = ApiServer::start(Scenario {
        release: Release::Old,
        tokens: vec![WITHOUT_RIGHTS.to_owned()],
        is_bootstrapper_bound: false,
        ..Scenario::default()
    });
    let poor = Client::anonymous(&server).with_header("Authorization", &format!("Bearer {WITHOUT_RIGHTS}"));
    assert_same(&poor, "create-token-without-rights");
    assert_same(&poor, "access-review-token-without-rights");
}

#[test]
fn what_it_keeps_and_what_it_refuses_is_the_same() {
    let server = old(Approval::ByHand);
    let client = bootstrapper(&server);
    for name in [
        "create-two-usages",
        "create-three-usages",
        "create-generated-name",
        "create-again",
        "refused-bad-name",
        "refused-cut-short",
        "refused-no-signer",
        "refused-no-usages",
        "refused-request-not-base64",
        "refused-request-not-pem",
        "refused-signer-without-domain",
        "refused-unknown-usage",
        "refused-usage-twice",
        "refused-wrong-kind",
        "refused-wrong-version",
    ] {
        assert_same(&client, name);
    }
}

#[test]
fn the_life_of_a_request_looks_the_same() {
    let server = old(Approval::AtOnce);
    let client = bootstrapper(&server);
    let name = "node-csr-node-b";
    let filed = client.post(REQUESTS, &request(name, &key(), "node-b")).json();
    assert_same(&client, "get-issued");
    assert_same(&client, "list-issued");
    let from = filed["metadata"]["resourceVersion"].as_str().unwrap();
    let selector = format!("fieldSelector=metadata.name%3D{name}");
    let mut events = client.watch(&format!(
        "{REQUESTS}?{selector}&watch=true&resourceVersion={from}"
    ));
    for expected in recorded("watch-from-creation").as_array().unwrap() {
        let (kind, object) = events.next().unwrap();
        assert_eq!(
            json!({"type": kind, "object": plain(object)}),
            plain(expected.clone())
        );
    }

    let denied = old(Approval::Denied {
        reason: "Unknown".to_owned(),
        message: "no such machine was bought".to_owned(),
    });
    let client = bootstrapper(&denied);
    let mut wanted = request("denied.test", &key(), "denied.test");
    wanted["spec"]["usages"] = json!(["digital signature", "client auth"]);
    client.post(REQUESTS, &wanted);
    assert_same(&client, "get-denied");
}

/// A node of that name, by its certificate.
fn node(server: &ApiServer, name: &str) -> Client {
    let (client, key): (_, KeyPair) = (bootstrapper(server), key());
    let pem = pkcs10(&key, &format!("system:node:{name}"), "system:nodes", &[]);
    client.post(REQUESTS, &object("of-node", &pem));
    let issued = client.get(&format!("{REQUESTS}/of-node")).json();
    Client::node(server, &certificate(&issued), &key)
}

#[test]
fn what_a_node_meets_is_the_same() {
    let server = old(Approval::AtOnce);
    let node = node(&server, "worker.test");
    for name in [
        "node-not-registered",
        "node-of-another",
        "register-another",
        "register-forbidden-label",
        "register",
        "node-registered",
    ] {
        assert_same(&node, name);
    }
    let renewal = object(
        "renewal",
        &pkcs10(&key(), "system:node:worker.test", "system:nodes", &[]),
    );
    let filed = node.post(REQUESTS, &renewal);
    assert_eq!(
        plain(filed.json()),
        plain(recorded("renew")["answer"]["body"].clone())
    );
    assert_same(&node, "get-renewed");
}
