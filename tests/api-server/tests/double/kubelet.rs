//! What a kubelet needs behind its certificate.

use kindling_api_server::{ApiServer, Node, Scenario};
use serde_json::json;

use crate::client::Client;
use crate::who::joined;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

#[test]
fn a_node_registers_itself_with_labels_that_are_its_to_give() {
    let server = ApiServer::start(Scenario::default());
    let (key, pem) = joined(&server, "node-a");
    let node = Client::node(&server, &pem, &key);
    let make = |name: &str, label: &str| {
        let made =
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {label: "x"}}});
        node.post("/api/v1/nodes", &made)
    };
    assert_eq!(make("node-b", "a").status, 403);
    let refused = make("node-a", "node-role.kubernetes.io/master");
    assert_eq!(refused.status, 403);
    assert!(
        refused.json()["message"]
            .as_str()
            .unwrap()
            .contains("node-role.kubernetes.io/master")
    );
    assert!(server.nodes().is_empty());
    let made = make("node-a", "node.kubernetes.io/instance-type");
    assert_eq!(made.status, 201);
    assert_eq!(make("node-a", "kubernetes.io/hostname").status, 409);
    assert_eq!(server.node("node-a").unwrap(), made.json());
    assert_eq!(server.findings(), [""; 0]);
}

#[test]
fn its_status_is_patched_by_the_type_of_each_condition() {
    let server = ApiServer::start(Scenario {
        nodes: vec![Node {
            name: "node-a".to_owned(),
            is_ready: false,
        }],
        ..Scenario::default()
    });
    let (key, pem) = joined(&server, "node-a");
    let node = Client::node(&server, &pem, &key)
        .with_header("Content-Type", "application/strategic-merge-patch+json");
    let patch = |change: serde_json::Value| {
        let body = change.to_string();
        node.raw("PATCH", "/api/v1/nodes/node-a/status", Some(body.as_bytes()))
    };
    let uid = server.node("node-a").unwrap()["metadata"]["uid"].clone();
    let change = json!({"status": {
        "$setElementOrder/conditions": [{"type": "Ready"}],
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}],
        "nodeInfo": {"kubeletVersion": "v1.34.1"},
    }});
    assert_eq!(patch(change).status, 200);
    let there = server.node("node-a").unwrap();
    assert_eq!(there["metadata"]["uid"], uid);
    assert_eq!(
        there["status"]["conditions"],
        json!([
            {"type": "Ready", "status": "True", "reason": "KubeletNotReady"},
            {"type": "DiskPressure", "status": "False"},
        ])
    );
    assert_eq!(patch(json!({"status": {"nodeInfo": null}})).status, 200);
    assert!(server.node("node-a").unwrap()["status"].get("nodeInfo").is_none());
    server.remove_node("node-a");
    assert_eq!(patch(json!({})).status, 404);
    assert_eq!(server.findings(), [""; 0]);
}

#[test]
fn a_lease_is_made_and_renewed() {
    let server = ApiServer::start(Scenario::default());
    let (key, pem) = joined(&server, "node-a");
    let node = Client::node(&server, &pem, &key);
    let path = format!("{LEASES}/node-a");
    assert_eq!(node.get(&path).status, 404);
    let lease =
        json!({"metadata": {"name": "node-a"}, "spec": {"holderIdentity": "node-a", "renewTime": "1"}});
    assert_eq!(node.post(LEASES, &lease).status, 201);
    let mut there = node.get(&path).json();
    assert_eq!(there["metadata"]["namespace"], "kube-node-lease");
    there["spec"]["renewTime"] = json!("2");
    assert_eq!(
        node.raw("PUT", &path, Some(there.to_string().as_bytes())).status,
        200
    );
    let renewed = node.get(&path).json();
    assert_eq!(renewed["spec"]["renewTime"], "2");
    assert_ne!(
        renewed["metadata"]["resourceVersion"],
        there["metadata"]["resourceVersion"]
    );
}

#[test]
fn what_is_empty_can_be_listed_and_watched() {
    let server = ApiServer::start(Scenario::default());
    let (key, pem) = joined(&server, "node-a");
    let node = Client::node(&server, &pem, &key);
    for (path, kind) in [
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-a", "PodList"),
        ("/api/v1/services", "ServiceList"),
        ("/api/v1/nodes?fieldSelector=metadata.name%3Dnode-a", "NodeList"),
        ("/apis/storage.k8s.io/v1/csidrivers", "CSIDriverList"),
        ("/apis/storage.k8s.io/v1/csinodes", "CSINodeList"),
        ("/apis/node.k8s.io/v1/runtimeclasses", "RuntimeClassList"),
    ] {
        let list = node.get(path).json();
        assert_eq!(
            (&list["kind"], &list["items"]),
            (&json!(kind), &json!([])),
            "{path}"
        );
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut watched = node.watch(&format!("{path}{mark}watch=true&timeoutSeconds=0"));
        assert!(watched.next().is_none());
    }
    assert_eq!(node.get("/api/v1/gadgets").status, 404);
    // None of it is a joining machine's to see.
    assert_eq!(Client::of(&server).get("/api/v1/pods").status, 403);
    assert_eq!(server.findings(), [""; 0]);
}
