//! The life of a request for a certificate, from filing to the Node.

use std::time::Duration;

use kindling_api_server::{ApiServer, Approval, Issued, Scenario, Signing};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::client::{Client, REQUESTS, certificate, conditions, key, request};

fn by_hand() -> ApiServer {
    ApiServer::start(Scenario {
        approval: Approval::ByHand,
        ..Scenario::default()
    })
}

#[test]
fn a_good_request_is_approved_signed_and_registers_its_node() {
    let server = ApiServer::start(Scenario::default());
    let client = Client::of(&server);
    assert_eq!(client.get("/version").json()["gitVersion"], "v1.34.1");
    let key = key();
    let filed = client.post(REQUESTS, &request("node-csr-a", &key, "node-a"));
    assert_eq!(filed.status, 201);
    let filed = filed.json();
    assert_eq!(filed["spec"]["username"], "system:bootstrap:abcdef");
    assert_eq!(filed["status"], json!({}));
    let object = client.get(&format!("{REQUESTS}/node-csr-a")).json();
    assert_eq!(object["metadata"]["uid"], filed["metadata"]["uid"]);
    assert_eq!(conditions(&object), ["Approved"]);
    let pem = certificate(&object);

    let node = Client::node(&server, &pem, &key);
    assert_eq!(node.get("/api/v1/nodes/node-a").status, 404);
    let made = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"}});
    assert_eq!(node.post("/api/v1/nodes", &made).status, 201);
    assert_eq!(node.get("/api/v1/nodes/node-a").status, 200);
    assert_eq!(server.nodes(), ["node-a"]);
    assert_eq!(server.findings(), [""; 0]);
    assert!(!server.has_seen(key.serialize_pem().as_bytes()));
    assert!(!server.has_seen(&key.serialize_der()));
    let statuses: Vec<u16> = server.seen().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [200, 201, 200, 404, 201, 200]);
}

#[test]
fn the_certificate_is_the_one_that_the_real_signer_makes() {
    let server = ApiServer::start(Scenario {
        signing_duration: Duration::from_secs(86_400),
        ..Scenario::default()
    });
    let client = Client::of(&server);
    let key = key();
    // A wish below the signer's own, one above it, none.
    for (name, wish, lasts) in [
        ("short", Some(3600), 3600 + 300),
        ("long", Some(864_000), 86_400),
        ("none", None, 86_400),
    ] {
        let mut wanted = request(name, &key, "node-a");
        wanted["spec"]["expirationSeconds"] = wish.into();
        if wish.is_none() {
            wanted["spec"]
                .as_object_mut()
                .unwrap()
                .remove("expirationSeconds");
        }
        assert_eq!(client.post(REQUESTS, &wanted).status, 201);
        let pem = certificate(&client.get(&format!("{REQUESTS}/{name}")).json());
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let (_, leaf) = X509Certificate::from_der(&der).unwrap();
        let validity = leaf.validity();
        let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        assert_eq!(until - from, lasts, "{name}");
        assert_eq!(
            leaf.subject().to_string(),
            "O=system:nodes, CN=system:node:node-a"
        );
        assert_eq!(
            leaf.public_key().raw,
            rcgen::PublicKeyData::subject_public_key_info(&key)
        );
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
        assert!(!leaf.is_ca());
        assert!(leaf.subject_alternative_name().unwrap().is_none());
    }
    assert_eq!(server.findings(), [""; 0]);
}

#[test]
fn a_watch_sees_each_step_as_it_is_made_by_hand() {
    let server = by_hand();
    let client = Client::of(&server);
    let filed = client.post(REQUESTS, &request("a", &key(), "node-a")).json();
    let other = client.post(REQUESTS, &request("b", &key(), "node-b")).json();
    let path = format!("{REQUESTS}?fieldSelector=metadata.name%3Da");
    let list = client.get(&path).json();
    assert_eq!(list["kind"], "CertificateSigningRequestList");
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["metadata"]["uid"], filed["metadata"]["uid"]);
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    assert_eq!(version, other["metadata"]["resourceVersion"]);

    let mut events = client.watch(&format!(
        "{path}&watch=true&resourceVersion={version}&allowWatchBookmarks=true"
    ));
    server.approve("b");
    server.approve("a");
    let (kind, object) = events.next().unwrap();
    assert_eq!(
        (kind.as_str(), &object["metadata"]["name"]),
        ("MODIFIED", &json!("a"))
    );
    assert_eq!(conditions(&object), ["Approved"]);
    assert!(object["status"].get("certificate").is_none());
    let (_, object) = events.next().unwrap();
    assert!(certificate(&object).starts_with("-----BEGIN CERTIFICATE-----"));
    server.recreate("a");
    let (kind, _) = events.next().unwrap();
    assert_eq!(kind, "DELETED");
    let (kind, object) = events.next().unwrap();
    assert_eq!(kind, "ADDED");
    assert_eq!(object["metadata"]["name"], "a");
    assert_ne!(object["metadata"]["uid"], filed["metadata"]["uid"]);
    assert_eq!(object["status"], json!({}));
    server.deny("a", "not one of ours");
    let (_, object) = events.next().unwrap();
    assert_eq!(conditions(&object), ["Denied"]);
    assert_eq!(object["status"]["conditions"][0]["message"], "not one of ours");
    server.delete("a");
    assert_eq!(events.next().unwrap().0, "DELETED");
    server.end_watches();
    assert!(events.next().is_none());
    assert_eq!(client.get(&format!("{REQUESTS}/a")).status, 404);

    // From an old version on, everything since is told again.
    let from = filed["metadata"]["resourceVersion"].as_str().unwrap();
    let mut again = client.watch(&format!("{path}&watch=true&resourceVersion={from}"));
    let kinds: Vec<String> = (0..6).map(|_| again.next().unwrap().0).collect();
    assert_eq!(
        kinds,
        ["MODIFIED", "MODIFIED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
    );
    assert_eq!(server.findings(), [""; 0]);
}

#[test]
fn approval_and_signature_come_when_they_are_due() {
    let server = ApiServer::start(Scenario {
        approval: Approval::After(Duration::from_millis(30)),
        signing: Signing::After(Duration::from_millis(30), Issued::Right),
        ..Scenario::default()
    });
    let client = Client::of(&server);
    let mut events = client.watch(&format!("{REQUESTS}?watch=true"));
    assert_eq!(client.post(REQUESTS, &request("a", &key(), "node-a")).status, 201);
    let seen: Vec<_> = (0..3).map(|_| events.next().unwrap()).collect();
    let told: Vec<_> = seen
        .iter()
        .map(|(kind, object)| {
            (
                kind.as_str(),
                conditions(object).len(),
                object["status"].get("certificate").is_some(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("ADDED", 0, false), ("MODIFIED", 1, false), ("MODIFIED", 1, true)]
    );
}
