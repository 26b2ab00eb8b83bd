//! What is sent is judged as the API server, the approver and the signer would, and each broken rule is kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kindling_api_server::{ApiServer, Release, Scenario, request_name};
use rcgen::PublicKeyData;
use serde_json::{Value, json};

use crate::client::{Client, REQUESTS, conditions, key, object, pkcs10, request};

/// What one change of a good request meets: the status, and a piece of the finding.
fn assert_refused(change: impl Fn(&mut Value), status: u16, field: &str, finding: &str) {
    let server = ApiServer::start(Scenario::default());
    let client = Client::of(&server);
    let mut wanted = request("a", &key(), "node-a");
    change(&mut wanted);
    let reply = client.post(REQUESTS, &wanted);
    let answer = reply.json();
    assert_eq!(reply.status, status, "{answer}");
    assert_eq!(answer["kind"], "Status");
    assert_eq!(answer["code"], status);
    match status {
        422 => {
            assert_eq!(answer["reason"], "Invalid");
            assert_eq!(answer["details"]["causes"][0]["field"], field, "{answer}");
        }
        _ => assert_eq!(answer["reason"], "BadRequest"),
    }
    let findings = server.findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains(finding), "{findings:?}");
    assert!(server.requests().is_empty());
}

#[test]
fn fields_that_break_a_rule_are_refused_as_the_server_does() {
    let set = |pointer: &'static str, value: Value| {
        move |wanted: &mut Value| {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            wanted.pointer_mut(parent).unwrap()[field] = value.clone();
        }
    };
    assert_refused(
        set("/apiVersion", json!("certificates.k8s.io/v1beta1")),
        400,
        "",
        "v1beta1",
    );
    assert_refused(set("/kind", json!("Certificate")), 400, "", "kind");
    assert_refused(set("/spec/request", json!("not base64!")), 400, "", "base64");
    assert_refused(set("/spec/expirationSeconds", json!("3600")), 400, "", "int32");
    assert_refused(
        set("/spec/expirationSeconds", json!(5_000_000_000_u64)),
        400,
        "",
        "int32",
    );
    assert_refused(
        set("/metadata/annotations", json!({"a": 1})),
        400,
        "",
        "annotations",
    );
    assert_refused(set("/metadata", json!({})), 422, "metadata.name", "required");
    assert_refused(
        set("/metadata/name", json!("a/b")),
        422,
        "metadata.name",
        "may not contain",
    );
    assert_refused(set("/spec/request", json!("")), 422, "spec.request", "Required");
    assert_refused(
        set("/spec/signerName", json!("")),
        422,
        "spec.signerName",
        "Required",
    );
    assert_refused(
        set("/spec/signerName", json!("signer")),
        422,
        "spec.signerName",
        "fully qualified",
    );
    assert_refused(set("/spec/usages", json!([])), 422, "spec.usages", "Required");
    assert_refused(
        set("/spec/usages", json!(["client auth", "x"])),
        422,
        "spec.usages[1]",
        "Unsupported",
    );
    assert_refused(
        set("/spec/usages", json!(["client auth", "client auth"])),
        422,
        "spec.usages[1]",
        "Duplicate",
    );
    assert_refused(
        set("/spec/expirationSeconds", json!(599)),
        422,
        "spec.expirationSeconds",
        "600",
    );
}

#[test]
fn a_request_that_is_no_pkcs10_or_badly_signed_is_refused() {
    let of = |pem: String| move |wanted: &mut Value| wanted["spec"]["request"] = STANDARD.encode(&pem).into();
    let good = pkcs10(&key(), "system:node:node-a", "system:nodes", &[]);
    let other_block = good.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    assert_refused(of(other_block), 422, "spec.request", "block type");
    let der = pem_body(&good);
    // Of DER alone nobody makes a request.
    let bare = der.clone();
    assert_refused(
        move |wanted| wanted["spec"]["request"] = STANDARD.encode(&bare).into(),
        422,
        "spec.request",
        "block type",
    );
    let mut broken = der.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert_refused(of(pem(&broken)), 422, "spec.request", "signature");
    let mut longer = der.clone();
    longer.push(0);
    assert_refused(of(pem(&longer)), 422, "spec.request", "trailing");
    assert_refused(
        of(pem(&der[..der.len() / 2])),
        422,
        "spec.request",
        "unable to parse",
    );
}

fn pem_body(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines).unwrap()
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let server = ApiServer::start(Scenario::default());
    let mut wanted = request("a", &key(), "node-a");
    wanted["spec"]["usages"] = json!([]);
    wanted["spec"]["signerName"] = json!("");
    let answer = Client::of(&server).post(REQUESTS, &wanted).json();
    assert_eq!(answer["details"]["causes"].as_array().unwrap().len(), 2);
    assert!(
        answer["message"].as_str().unwrap().contains("is invalid: ["),
        "{answer}"
    );
}

/// What the server keeps and nobody approves: it stays pending, and a person's approval ends in `Failed`.
fn assert_left_alone(release: Release, wanted: &Value, finding: &str) {
    let server = ApiServer::start(Scenario {
        release,
        ..Scenario::default()
    });
    let client = Client::of(&server);
    assert_eq!(client.post(REQUESTS, wanted).status, 201);
    let object = || client.get(&format!("{REQUESTS}/a")).json();
    assert!(conditions(&object()).is_empty());
    let findings = server.findings();
    assert!(
        findings.len() == 1 && findings[0].contains(finding),
        "{findings:?}"
    );
    server.approve("a");
    let object = object();
    assert_eq!(conditions(&object), ["Approved", "Failed"]);
    assert_eq!(
        object["status"]["conditions"][1]["reason"],
        "SignerValidationFailure"
    );
    assert!(object["status"].get("certificate").is_none());
}

#[test]
fn what_is_no_kubelets_request_is_left_alone_and_fails_when_approved() {
    let node = "system:node:node-a";
    let of = |common_name: &str, organization: &str, names: &[&str]| {
        object("a", &pkcs10(&key(), common_name, organization, names))
    };
    let new = Release::New;
    assert_left_alone(new, &of(node, "system:masters", &[]), "the subject's O");
    assert_left_alone(new, &of("node-a", "system:nodes", &[]), "the subject's CN");
    assert_left_alone(
        new,
        &of("system:node:Node_A", "system:nodes", &[]),
        "the subject's CN",
    );
    assert_left_alone(new, &of(node, "system:nodes", &["node-a"]), "alternative names");
    assert_left_alone(new, &of(node, "system:nodes", &["10.0.0.1"]), "alternative names");
    let mut wanted = of(node, "system:nodes", &[]);
    wanted["spec"]["usages"] = json!(["digital signature", "server auth"]);
    assert_left_alone(new, &wanted, "spec.usages");
    let mut wanted = of(node, "system:nodes", &[]);
    wanted["spec"]["signerName"] = json!("kubernetes.io/kubelet-serving");
    assert_left_alone(new, &wanted, "spec.signerName");
    let mut wanted = of(node, "system:nodes", &[]);
    wanted["spec"]["usages"] = json!(["digital signature", "client auth"]);
    assert_left_alone(Release::Old, &wanted, "no approver of Old");
}

#[test]
fn each_release_takes_its_usages_and_its_fields() {
    let two = json!(["digital signature", "client auth"]);
    let three = json!(["key encipherment", "client auth", "digital signature"]);
    for (release, usages, is_kept, minor) in [
        (Release::New, &two, true, "34"),
        (Release::New, &three, true, "34"),
        (Release::Old, &three, false, "20"),
    ] {
        let server = ApiServer::start(Scenario {
            release,
            ..Scenario::default()
        });
        let client = Client::of(&server);
        assert_eq!(client.get("/version").json()["minor"], minor);
        let mut wanted = request("a", &key(), "node-a");
        wanted["spec"]["usages"] = usages.clone();
        wanted["spec"]["expirationSeconds"] = json!(3600);
        let filed = client.post(REQUESTS, &wanted).json();
        assert_eq!(filed["spec"].get("expirationSeconds").is_some(), is_kept);
        let object = client.get(&format!("{REQUESTS}/a")).json();
        assert_eq!(conditions(&object), ["Approved"]);
        assert_eq!(server.findings(), [""; 0]);
    }
}

#[test]
fn metadata_is_kept_and_the_callers_own_words_are_not() {
    let server = ApiServer::start(Scenario::default());
    let client = Client::of(&server);
    let mut wanted = request("", &key(), "node-a");
    wanted["metadata"] = json!({"generateName": "csr-", "annotations": {"kindling/stage": "initramfs"}});
    let first = client.post(REQUESTS, &wanted).json();
    let second = client.post(REQUESTS, &wanted).json();
    for one in [&first, &second] {
        assert_eq!(one["metadata"]["annotations"], wanted["metadata"]["annotations"]);
        assert!(one["metadata"]["name"].as_str().unwrap().starts_with("csr-"));
    }
    assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
    assert_eq!(server.findings(), [""; 0]);
    wanted["spec"]["username"] = json!("admin");
    wanted["status"] = json!({});
    let third = client.post(REQUESTS, &wanted).json();
    assert_eq!(third["spec"]["username"], "system:bootstrap:abcdef");
    let findings = server.findings();
    assert!(findings[0].contains("status"), "{findings:?}");
    assert!(findings[1].contains("spec.username"), "{findings:?}");
}

#[test]
fn a_name_made_from_the_content_is_held_to_it() {
    let server = ApiServer::start(Scenario::default());
    let client = Client::of(&server);
    let key = key();
    let usages = crate::client::THREE.map(str::to_owned);
    let name = request_name(
        &key.subject_public_key_info(),
        "system:node:node-a",
        &["system:nodes".to_owned()],
        &usages,
    );
    assert_eq!(client.post(REQUESTS, &request(&name, &key, "node-a")).status, 201);
    assert_eq!(server.findings(), [""; 0]);
    assert_eq!(
        client
            .post(REQUESTS, &request("node-csr-x", &key, "node-a"))
            .status,
        201
    );
    assert!(server.findings()[0].contains(&name), "{:?}", server.findings());
}

#[test]
fn a_name_that_is_taken_is_a_conflict() {
    let server = ApiServer::start(Scenario::default());
    let client = Client::of(&server);
    server.plant("a", "node-z");
    let reply = client.post(REQUESTS, &request("a", &key(), "node-a"));
    assert_eq!(reply.status, 409);
    let answer = reply.json();
    assert_eq!(answer["reason"], "AlreadyExists");
    assert_eq!(
        answer["message"],
        "certificatesigningrequests.certificates.k8s.io \"a\" already exists"
    );
    assert_eq!(
        answer["details"],
        json!({"name": "a", "group": "certificates.k8s.io", "kind": "certificatesigningrequests"})
    );
    // It is another's: key, node and user.
    let there = client.get(&format!("{REQUESTS}/a")).json();
    assert_eq!(there["spec"]["username"], "system:bootstrap:others");
    assert!(conditions(&there).is_empty());
    assert_eq!(server.findings(), [""; 0]);
}

#[test]
fn bad_manners_are_found() {
    let server = ApiServer::start(Scenario::default());
    let client = Client::of(&server);
    let key = key();
    let mut with_key = request("a", &key, "node-a");
    with_key["metadata"]["annotations"] = json!({"key": STANDARD.encode(key.serialize_pem())});
    client.post(REQUESTS, &with_key);
    assert!(server.has_seen(key.serialize_pem().as_bytes()));
    client.clone().without_header("User-Agent").get("/version");
    client.clone().without_header("Accept").get(REQUESTS);
    client
        .clone()
        .with_header("Authorization", "Basic YTpi")
        .get("/version");
    client
        .clone()
        .with_header("Content-Type", "text/plain")
        .post(REQUESTS, &request("b", &key, "node-b"));
    client.get(&format!("{REQUESTS}?filedSelector=metadata.name%3Da"));
    client.get(&format!(
        "{REQUESTS}?fieldSelector={}",
        kindling_api_server::TOKEN
    ));
    let findings = server.findings();
    for expected in [
        "a private key was sent",
        "GET /version: no User-Agent",
        "Accept is \"\" and not JSON",
        "Authorization is no bearer token",
        "Content-Type is \"text/plain\"",
        "the query has \"filedSelector\"",
        "a token stands in the address",
    ] {
        let found = findings
            .iter()
            .filter(|finding| finding.contains(expected))
            .count();
        assert_eq!(found, 1, "{expected}: {findings:#?}");
    }
    assert_eq!(findings.len(), 7, "{findings:#?}");
}
