//! Machines of Cluster API and their like: a pointer, the config server with a pool and the files it adds, and what the
//! kubeadm bootstrap provider writes, unmodified.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

#[allow(dead_code, reason = "shared by tests that use different parts")]
mod machine;

use std::fs;

use kindling_vm::cluster::{NODE_BOOTSTRAPPER, Offer, Served};
use kindling_vm::report::Report;
use kindling_vm::scenario::{self, Node, UserData};
use kindling_vm::{config_server, image, workspace};

/// Boots a machine whose pointer names `pool`; its config is the guide's file of that name.
fn booted(pool: &'static str, config: &str) -> (Node, Report) {
    let dir = tempfile::tempdir().unwrap();
    let pointer = fs::read_to_string(workspace::fixtures().join("cluster-api.ign")).unwrap();
    let of_pool = dir.path().join("pointer.ign");
    fs::write(
        &of_pool,
        pointer.replace("/config/pool-a", &format!("/config/{pool}")),
    )
    .unwrap();
    let guide = workspace::root().join("fixtures/guides/cluster-api").join(config);
    let offer = Offer {
        pools: vec![(pool, Some(guide))],
        adds_files: true,
        ..scenario::worker_offer()
    };
    let mut node = machine::node(&format!("capi-{pool}"), &UserData::Firmware(of_pool), offer);
    let report = machine::boot(&mut node).report().clone();
    (node, report)
}

/// A file of the disk without debugfs's own line.
fn text(node: &Node, path: &str) -> String {
    let text = image::read(node.root_disk(), path).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("debugfs "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A machine of Cluster API that came up: the script and its unit ran as they stand, it has the name of its config, and says that
/// it joined.
fn assert_joined(node: &Node, report: &Report) {
    assert_eq!(report.lines("failed"), [""; 0], "failed units");
    assert_eq!(report.lines("hostname"), ["pool-a-7x2kq"]);
    assert_eq!(text(node, "/var/lib/joined/name"), "pool-a-7x2kq");
    assert_eq!(
        text(node, "/var/lib/seen/cluster-api/bootstrap-success.complete"),
        "success"
    );
    let files = text(node, "/var/lib/seen/files");
    assert!(
        files.contains("700 root /etc/kubeadm.sh") && files.contains("600 root /tmp/kubeadm.yml"),
        "{files}"
    );
}

#[test]
fn a_pool_of_the_config_server_joins_by_kubeadm_and_says_so() {
    let (node, report) = booted("pool-a", "worker.ign");
    let asked: Vec<_> = node
        .cluster
        .seen()
        .into_iter()
        .filter(|seen| seen.path.starts_with("/config/"))
        .collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].path.as_str(), asked[0].status), ("/config/pool-a", 200));
    assert!(asked[0].accept.contains("version=3.6.0"), "{asked:?}");
    assert_joined(&node, &report);
    // The engine's own file came over the switch of roots.
    assert_eq!(
        text(&node, "/var/lib/seen/first-boot/bootstrap-success.complete"),
        "success"
    );
    assert!(!image::exists(node.root_disk(), "/etc/kubeadm.yml").unwrap());
    for path in [
        "/etc/kubernetes/kubelet-ca.crt",
        "/etc/machine-config-daemon/node-annotations.json",
        "/etc/kubernetes/kubeconfig",
        config_server::MACHINE_CONFIG,
        "/etc/ignition-machine-config-encapsulated.json",
    ] {
        let status = image::status(node.root_disk(), path).unwrap();
        assert!(status.contains("Mode:  0644"), "{path}: {status}");
    }
    assert!(text(&node, "/etc/kubernetes/kubeconfig").contains(NODE_BOOTSTRAPPER));
    assert!(text(&node, "/etc/machine-config-daemon/node-annotations.json").contains("rendered-pool-a-"));
}

/// What the provider writes is version 2.3, whose stub the infrastructure provider wraps around an address. Both are taken as they
/// stand: a partition of which nothing is said, a file system with a name, a second entry for a unit, a file without a mode.
#[test]
fn what_the_provider_writes_in_version_2_3_boots_as_it_stands_and_joins() {
    let written = workspace::root().join("fixtures/guides/cluster-api/provider.ign");
    let offer = Offer {
        files: vec![Served {
            name: "provider.ign",
            bytes: fs::read(written).unwrap(),
            bearer: None,
        }],
        ..scenario::worker_offer()
    };
    let stub = workspace::fixtures().join("cluster-api-2.3.ign");
    let mut node = machine::node("capi-2.3", &UserData::Firmware(stub), offer);
    let report = machine::boot(&mut node).report().clone();
    assert_joined(&node, &report);
    let disks = report.lines("lsblk").join("\n");
    let logs = disks.lines().find(|line| line.contains("vdb1")).unwrap();
    let words: Vec<&str> = logs.split_whitespace().skip(2).collect();
    assert_eq!(words, ["ext4", "/var/log/pods"], "{logs}");
    let drop_in = "/etc/systemd/system/kubeadm.service.d/10-network.conf";
    assert!(text(&node, drop_in).contains("network-online.target"));
    for (path, mode) in [
        ("/etc/kubernetes/pki/ca.crt", "0640"),
        ("/etc/kubernetes/cloud.conf", "0644"),
        ("/etc/sudoers.d/core", "0600"),
    ] {
        let status = image::status(node.root_disk(), path).unwrap();
        assert!(status.contains(&format!("Mode:  {mode}")), "{path}: {status}");
    }
}

#[test]
fn a_join_that_fails_leaves_no_success_behind() {
    let (node, report) = booted("fails", "fails.ign");
    let failed = report.lines("failed").join("\n");
    assert!(
        failed.contains("kubeadm.service") && failed.lines().count() == 1,
        "{failed}"
    );
    let sentinel = "/var/lib/seen/cluster-api/bootstrap-success.complete";
    assert!(!image::exists(node.root_disk(), sentinel).unwrap());
    assert!(!image::exists(node.root_disk(), "/var/lib/joined/name").unwrap());
    // The first boot itself was well, and the config is there for the next try.
    assert_eq!(
        text(&node, "/var/lib/seen/first-boot/bootstrap-success.complete"),
        "success"
    );
    assert!(text(&node, "/var/lib/seen/files").contains("600 root /etc/kubeadm.yml"));
}
