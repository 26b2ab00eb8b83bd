//! The node of `first_boot.rs`, with its config from other places than the firmware.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

mod machine;

use kindling_vm::report::Report;
use kindling_vm::scenario::{self, UserData};
use kindling_vm::server::Seen;
use kindling_vm::workspace;

use crate::machine::{assert_is_the_node, boot, node};

/// The platform the machine was started as, and how its stages ended.
fn assert_went_well(report: &Report, platform: &str) {
    let running = report.lines("cmdline").join(" ");
    let argument = format!("ignition.platform.id={platform} ");
    assert!(running.contains(&argument), "{running}");
    let stages = report.stages().unwrap();
    let outcomes: Vec<&str> = stages.iter().map(|stage| stage.outcome.as_str()).collect();
    assert_eq!(
        outcomes,
        ["needs-network", "ok", "ok", "ok", "ok", "ok", "ok"],
        "{stages:?}"
    );
}

#[test]
fn a_machine_with_a_config_drive_joins() {
    let pointer = workspace::fixtures().join("pointer.ign");
    let mut node = node(
        "config-drive",
        &UserData::ConfigDrive(pointer),
        scenario::worker_offer(),
    );
    let boot = boot(&mut node);
    assert!(boot.was_first);
    assert_is_the_node(boot.report());
    assert_eq!(node.cluster.nodes(), ["worker-1"]);
    assert_went_well(boot.report(), "kubevirt");
}

/// Method, host and path of every request, with its answer.
fn lines(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .map(|one| format!("{} {}{} {}", one.method, one.host, one.path, one.status))
        .collect()
}

#[test]
fn an_instance_of_aws_joins_with_a_config_that_only_its_role_may_read() {
    let mut node = node("aws", &UserData::Aws, scenario::worker_offer());
    let boot = boot(&mut node);
    let aws = node.aws.as_ref().unwrap();
    let of_metadata = lines(&aws.asked_of_metadata());
    let of_store = lines(&aws.asked_of_store());
    println!("{}\n{}", of_metadata.join("\n"), of_store.join("\n"));
    assert!(boot.was_first);
    assert_is_the_node(boot.report());
    assert_eq!(node.cluster.nodes(), ["worker-1"]);
    assert_went_well(boot.report(), "aws");
}
