//! Who asks, and what they may.

use kindling_api_server::{ApiServer, Approval, Issued, Release, Scenario, Signing, TOKEN};
use rcgen::KeyPair;
use serde_json::json;

use crate::client::{Client, REQUESTS, certificate, key, request};

const REVIEW: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// A node's key and certificate.
pub(crate) fn joined(server: &ApiServer, node: &str) -> (KeyPair, String) {
    let (client, key) = (Client::of(server), key());
    assert_eq!(client.post(REQUESTS, &request(node, &key, node)).status, 201);
    let pem = certificate(&client.get(&format!("{REQUESTS}/{node}")).json());
    (key, pem)
}

fn may_create() -> serde_json::Value {
    json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": "create",
        }},
    })
}

#[test]
fn a_token_that_is_not_known_is_401_everywhere() {
    let server = ApiServer::start(Scenario::default());
    let stranger = Client::of(&server).with_header("Authorization", "Bearer abcdef.0000000000000000");
    let wanted = request("a", &key(), "node-a");
    for reply in [
        stranger.get("/version"),
        stranger.get(REQUESTS),
        stranger.post(REQUESTS, &wanted),
    ] {
        assert_eq!(reply.status, 401);
        let answer = reply.json();
        assert_eq!(
            (&answer["reason"], &answer["code"]),
            (&json!("Unauthorized"), &json!(401))
        );
    }
    let client = Client::of(&server);
    assert_eq!(client.get(REQUESTS).status, 200);
    server.forget_tokens();
    assert_eq!(client.get(REQUESTS).status, 401);
    assert_eq!(
        server.seen()[0].header("authorization"),
        Some("Bearer abcdef.0000000000000000")
    );
    assert!(server.has_seen(TOKEN.as_bytes()));
}

#[test]
fn nobody_may_ask_for_the_version_and_nothing_more() {
    let server = ApiServer::start(Scenario::default());
    let nobody = Client::anonymous(&server);
    assert_eq!(nobody.get("/version").status, 200);
    assert_eq!(nobody.get("/healthz").body, b"ok");
    let reply = nobody.post(REQUESTS, &request("a", &key(), "node-a"));
    assert_eq!(reply.status, 403);
    assert_eq!(
        reply.json()["message"],
        "certificatesigningrequests.certificates.k8s.io is forbidden: User \"system:anonymous\" cannot create resource \
         \"certificatesigningrequests\" in API group \"certificates.k8s.io\" at the cluster scope"
    );
    assert_eq!(nobody.post(ACCESS, &may_create()).status, 403);
    assert!(server.requests().is_empty());
}

#[test]
fn a_missing_binding_is_403_and_the_reviews_tell_it_from_a_bad_token() {
    for is_bootstrapper_bound in [true, false] {
        let server = ApiServer::start(Scenario {
            is_bootstrapper_bound,
            ..Scenario::default()
        });
        let client = Client::of(&server);
        let me = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let review = client.post(REVIEW, &me);
        assert_eq!(review.status, 201);
        assert_eq!(
            review.json()["status"]["userInfo"]["username"],
            "system:bootstrap:abcdef"
        );
        let access = client.post(ACCESS, &may_create());
        assert_eq!(access.status, 201);
        assert_eq!(access.json()["status"]["allowed"], is_bootstrapper_bound);
        let filed = client.post(REQUESTS, &request("a", &key(), "node-a"));
        assert_eq!(filed.status, if is_bootstrapper_bound { 201 } else { 403 });
        assert_eq!(server.findings(), [""; 0]);
    }
}

#[test]
fn an_old_server_knows_no_review_of_oneself() {
    let server = ApiServer::start(Scenario {
        release: Release::Old,
        ..Scenario::default()
    });
    let me = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let client = Client::of(&server);
    assert_eq!(client.post(REVIEW, &me).status, 403);
    assert_eq!(client.post(ACCESS, &may_create()).status, 201);
}

#[test]
fn a_joining_machine_changes_no_request() {
    let server = ApiServer::start(Scenario {
        approval: Approval::ByHand,
        ..Scenario::default()
    });
    let client = Client::of(&server);
    client.post(REQUESTS, &request("a", &key(), "node-a"));
    for (method, path) in [
        ("DELETE", format!("{REQUESTS}/a")),
        ("PUT", format!("{REQUESTS}/a/approval")),
        ("PATCH", format!("{REQUESTS}/a")),
    ] {
        assert_eq!(client.raw(method, &path, None).status, 403, "{method}");
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_node_sees_itself_and_the_others_as_its_release_has_it() {
    for (release, others) in [(Release::New, 403), (Release::Old, 200)] {
        let server = ApiServer::start(Scenario {
            release,
            ..Scenario::default()
        });
        server.set_node("node-b", true);
        let (key, pem) = joined(&server, "node-a");
        let node = Client::node(&server, &pem, &key);
        assert_eq!(node.get("/api/v1/nodes/node-a").status, 404);
        server.set_node("node-a", false);
        let ready = |name: &str| {
            let node = node.get(&format!("/api/v1/nodes/{name}"));
            (
                node.status,
                node.json()["status"]["conditions"][0]["status"].clone(),
            )
        };
        assert_eq!(ready("node-a"), (200, json!("False")));
        server.set_node("node-a", true);
        assert_eq!(ready("node-a"), (200, json!("True")));
        let reply = node.get("/api/v1/nodes/node-b");
        assert_eq!(reply.status, others);
        if others == 403 {
            let message = reply.json()["message"].as_str().unwrap().to_owned();
            assert!(
                message.contains("system:node:node-a") && message.contains("only its own"),
                "{message}"
            );
        }
        assert_eq!(server.findings(), [""; 0]);
    }
}

#[test]
fn certificates_that_the_cluster_did_not_sign_or_that_have_ended_are_401() {
    for issued in [Issued::OtherAuthority, Issued::Expired, Issued::WithoutClientAuth] {
        let server = ApiServer::start(Scenario {
            signing: Signing::AtOnce(issued.clone()),
            ..Scenario::default()
        });
        let (key, pem) = joined(&server, "node-a");
        let node = Client::node(&server, &pem, &key);
        assert_eq!(node.get("/api/v1/nodes/node-a").status, 401, "{issued:?}");
    }
}

#[test]
fn a_node_renews_its_own_certificate_and_no_others() {
    let server = ApiServer::start(Scenario::default());
    let (old, pem) = joined(&server, "node-a");
    let node = Client::node(&server, &pem, &old);
    for (name, of, count) in [("renewal", "node-a", 1), ("theft", "node-b", 0)] {
        assert_eq!(node.post(REQUESTS, &request(name, &key(), of)).status, 201);
        let object = node.get(&format!("{REQUESTS}/{name}")).json();
        assert_eq!(object["spec"]["username"], "system:node:node-a");
        assert_eq!(crate::client::conditions(&object).len(), count, "{name}");
    }
}
