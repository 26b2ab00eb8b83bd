//! Machines that join a cluster by a certificate of their own: in a unit of the real root, and before the root is switched.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

#[expect(dead_code, reason = "these machines are not those of the worker's config")]
mod machine;

use std::fs;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kindling_api_server::{Approval, Scenario};
use kindling_vm::api::{Api, Offered};
use kindling_vm::cluster::{MACHINE_CREDENTIAL, Served};
use kindling_vm::control_plane;
use kindling_vm::report::Report;
use kindling_vm::scenario::{self, Boot, End, Node, UserData};
use kindling_vm::{image, search, workspace};
use serde_json::{Value, json};

/// How long a machine may take to its request.
const REQUEST: Duration = Duration::from_secs(240);

/// A machine whose pool's config is `fixtures/vm/node.ign` with `change` made to it.
fn node(name: &str, api: Offered, change: impl FnOnce(&mut Value)) -> Node {
    node_with(name, api, Vec::new(), change)
}

/// The same, whose config server also has these files.
fn node_with(name: &str, api: Offered, files: Vec<Served>, change: impl FnOnce(&mut Value)) -> Node {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = workspace::fixtures();
    let mut config: Value = serde_json::from_slice(&fs::read(fixtures.join("node.ign")).unwrap()).unwrap();
    change(&mut config);
    let path = dir.path().join("node.ign");
    fs::write(&path, config.to_string()).unwrap();
    let mut offer = scenario::node_offer(api);
    offer.pools = vec![("node", Some(path))];
    offer.files = files;
    machine::node(
        name,
        &UserData::Firmware(fixtures.join("node-pointer.ign")),
        offer,
    )
}

/// What the double found wrong. The real one refuses what is wrong.
fn findings(api: &Api) -> Vec<String> {
    match api {
        Api::Double(double) => double.findings(),
        Api::Real(_) => Vec::new(),
    }
}

/// Waits for the machine's request and does something with it, by its name.
fn once_it_asks(api: &Arc<Api>, work: fn(&kindling_api_server::ApiServer, &str)) -> JoinHandle<()> {
    let api = Arc::clone(api);
    thread::spawn(move || {
        let Api::Double(double) = &*api else {
            panic!("these tests are the double's");
        };
        assert!(double.wait_for(REQUEST, |double| !double.requests().is_empty()));
        work(double, &name_of_request(double.requests()));
    })
}

fn name_of_request(requests: Vec<Value>) -> String {
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests[0]["metadata"]["name"].as_str().unwrap().to_owned()
}

fn assert_joined(report: &Report, api: &Api, runs_in: &str) {
    let said = report.lines("join").join("\n");
    assert!(said.contains("join: ready"), "{said}");
    let steps = [
        "named",
        "requested",
        "approved",
        "issued",
        "verified",
        "installed",
        "registered",
        "ready",
    ];
    let mut rest = said.as_str();
    for step in steps {
        let at = rest
            .find(&format!("\n  {step} "))
            .unwrap_or_else(|| panic!("{step} in\n{said}"));
        rest = &rest[at + 1..];
    }
    assert_eq!(report.lines("ssh"), ["masked"]);
    assert_eq!(report.lines("failed"), [""; 0], "failed units");
    assert_eq!(findings(api), [""; 0]);
    let requests = api.requests().unwrap();
    let says = &requests[0]["metadata"]["annotations"]["kindling.internal/runs-in"];
    assert_eq!(says, runs_in, "{requests:?}");
    assert_eq!(name_of_request(requests).split_once("-csr-").unwrap().0, "node");
    let ours = api.node("node-1").unwrap();
    assert_eq!(
        ours["metadata"]["labels"]["topology.kubernetes.io/zone"], "a",
        "{ours}"
    );
    let conditions = ours["status"]["conditions"].as_array().unwrap();
    let is_ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    assert!(conditions.iter().any(is_ready), "{ours}");
}

/// Neither the token nor what it was got with: in no file, in no block that was one, in no journal.
fn assert_keeps_no_secret(node: &Node, api: &Api) {
    let (_, secret) = api.token().split_once('.').unwrap();
    for disk in [node.root_disk(), node.data_disk()] {
        for planted in [secret, MACHINE_CREDENTIAL] {
            assert!(
                !search::holds(disk, planted).unwrap(),
                "{planted} in {}",
                disk.display()
            );
        }
    }
    // What does stand there is found.
    assert!(search::holds(node.data_disk(), "EC PRIVATE KEY").unwrap());
}

#[test]
fn a_machine_joins_in_a_unit_before_its_kubelet_and_keeps_no_token() {
    let mut node = node("join", Offered::Double(Box::default()), |_| ());
    let api = node.api.clone().unwrap();
    let report = machine::boot(&mut node).report().clone();
    assert_joined(&report, &api, "system");
    assert_keeps_no_secret(&node, &api);
    let current = image::read(node.root_disk(), "/etc/kubernetes/kubelet/kubeconfig").unwrap();
    assert!(
        current.contains("/var/lib/kubelet/pki/kubelet-client-current.pem"),
        "{current}"
    );
}

/// The record at the end of the console.
fn record(boot: &Boot) -> String {
    let text = boot.tail(usize::MAX);
    let from = text
        .rfind("kindling: first boot FAILED")
        .unwrap_or_else(|| panic!("{text}"));
    text[from..].to_owned()
}

#[test]
fn a_machine_that_is_denied_does_not_come_up_and_joins_once_it_may() {
    let by_hand = Scenario {
        approval: Approval::ByHand,
        ..Scenario::default()
    };
    let by_hand = Offered::Double(Box::new(by_hand));
    let mut node = node("denied", by_hand, |config| {
        config["kindling"]["node"]["bootstrap"]["during"] = "initramfs".into();
    });
    let api = node.api.clone().unwrap();
    let judge = once_it_asks(&api, |double, name| double.deny(name, "this rack is not ours"));
    let denied = machine::boot(&mut node);
    judge.join().unwrap();
    assert!(
        denied.was_first && matches!(denied.end, End::Stopped),
        "{}",
        denied.tail(60)
    );
    let record = record(&denied);
    assert!(
        record.starts_with("kindling: first boot FAILED in stage join [join-denied]\n"),
        "{record}"
    );
    assert!(record.contains("this rack is not ours"), "{record}");
    assert!(record.contains("/kindling/node"), "{record}");
    assert!(record.lines().count() <= 12, "{record}");
    assert_keeps_no_secret(&node, &api);

    let judge = {
        let Api::Double(double) = &*api else {
            panic!("these tests are the double's");
        };
        double.delete(&name_of_request(double.requests()));
        once_it_asks(&api, |double, name| double.approve(name))
    };
    let report = machine::boot(&mut node).report().clone();
    judge.join().unwrap();
    assert_joined(&report, &api, "initramfs");
    assert_keeps_no_secret(&node, &api);
}

#[test]
#[ignore = "needs the programs of `make cluster-tools`; `make test-cluster` runs it"]
fn a_machine_joins_a_real_control_plane() {
    let mut node = node("join-real", Offered::Real, |config| {
        config["kindling"]["node"]["bootstrap"]["during"] = "initramfs".into();
    });
    let api = node.api.clone().unwrap();
    let report = machine::boot(&mut node).report().clone();
    assert_joined(&report, &api, "initramfs");
    assert_keeps_no_secret(&node, &api);
}

/// What turns the machine of `fixtures/vm/node.ign` into one with a real kubelet and a real container runtime: served files, units,
/// and a network of which no pod ever asks anything.
fn with_real_kubelet(config: &mut Value) {
    let file = |path: &str, mode: u32, source: &str| json!({ "path": path, "mode": mode, "contents": { "source": source } });
    let served = ["kubelet", "containerd", "containerd-shim-runc-v2", "runc"].map(|name| {
        let address = format!("https://10.0.2.100:6443/files/real-{name}");
        file(&format!("/usr/local/bin/{name}"), 0o755, &address)
    });
    let given = [
        file(
            "/etc/cni/net.d/10-none.conflist",
            0o644,
            "data:;base64,eyJjbmlWZXJzaW9uIjoiMC40LjAiLCJuYW1lIjoibm9uZSIsInBsdWdpbnMiOlt7InR5cGUiOiJsb29wYmFjayJ9XX0=",
        ),
        file(
            "/etc/default/kubelet",
            0o644,
            "data:,KUBELET_EXTRA_ARGS=--container-runtime=remote%20--container-runtime-endpoint=unix:///run/containerd/containerd.sock\
             %20--make-iptables-util-chains=false%0A",
        ),
    ];
    let files = config["storage"]["files"].as_array_mut().unwrap();
    files.retain(|file| file["path"] != "/usr/local/bin/kubelet");
    files.extend(served.into_iter().chain(given));
    let runtime = "[Unit]\nDescription=Container Runtime\n\n[Service]\nType=notify\nExecStart=/usr/local/bin/containerd\nDelegate=yes\n\
                   KillMode=process\n\n[Install]\nWantedBy=multi-user.target\n";
    let units = config["systemd"]["units"].as_array_mut().unwrap();
    for unit in units.iter_mut().filter(|unit| unit["name"] == "kubelet.service") {
        unit["contents"] = "[Unit]\nDescription=The Real Kubelet\nWants=containerd.service\nAfter=containerd.service\n\n[Service]\n\
                            Restart=always\nRestartSec=2\n\n[Install]\nWantedBy=multi-user.target\n"
            .into();
    }
    units.push(json!({ "name": "containerd.service", "enabled": true, "contents": runtime }));
}

/// Boots a machine with a real kubelet into a real cluster, by `mode`.
fn with_everything_real(name: &str, mode: &str) -> (Node, Arc<Api>, Report) {
    let served = [
        ("real-kubelet", "kubelet"),
        ("real-containerd", "containerd"),
        ("real-containerd-shim-runc-v2", "containerd-shim-runc-v2"),
        ("real-runc", "runc"),
    ]
    .map(|(name, program)| Served {
        name,
        bytes: fs::read(control_plane::programs().join(program)).unwrap(),
        bearer: None,
    });
    let mut node = node_with(name, Offered::Real, served.into(), |config| {
        with_real_kubelet(config);
        config["kindling"]["node"]["bootstrap"]["mode"] = mode.into();
        if mode == "kubelet" {
            config["kindling"]["node"]["bootstrap"]
                .as_object_mut()
                .unwrap()
                .remove("lifetimeSeconds");
        }
    });
    let api = node.api.clone().unwrap();
    let report = machine::boot(&mut node).report().clone();
    (node, api, report)
}

#[test]
#[ignore = "needs the programs of `make cluster-tools`; `make test-cluster` runs it"]
fn a_real_kubelet_goes_on_with_what_a_native_join_left() {
    let (node, api, report) = with_everything_real("join-native", "native");
    assert_joined(&report, &api, "system");
    assert_keeps_no_secret(&node, &api);
}

#[test]
#[ignore = "needs the programs of `make cluster-tools`; `make test-cluster` runs it"]
fn a_real_kubelet_joins_by_itself_with_what_the_section_made() {
    let (_, api, report) = with_everything_real("join-kubelet", "kubelet");
    let said = report.lines("join").join("\n");
    assert!(said.contains("join: ready"), "{said}");
    assert_eq!(
        api.requests().unwrap().len(),
        1,
        "the kubelet's own, and none of the engine's"
    );
    let ours = api.node("node-1").unwrap();
    assert_eq!(
        ours["metadata"]["labels"]["topology.kubernetes.io/zone"], "a",
        "{ours}"
    );
}
