//! The distribution's own package of the reference, with this engine in the place of its own.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

mod machine;

use kindling_vm::reference::Engine;
use kindling_vm::scenario::{self, UserData};
use kindling_vm::workspace;

use crate::machine::{assert_is_the_node, boot};

#[test]
fn the_units_of_the_reference_boot_the_same_node_with_this_engine() {
    let pointer = workspace::fixtures().join("pointer.ign");
    let mut node = machine::node("drop-in", &UserData::Firmware(pointer), scenario::worker_offer());
    node.take_units_of_reference(Engine::Ours).unwrap();
    let boot = boot(&mut node);
    assert!(boot.was_first);
    let report = boot.report();
    assert_is_the_node(report);
    assert_eq!(node.cluster.nodes(), ["worker-1"]);
    let stages: Vec<String> = report
        .stages()
        .unwrap()
        .into_iter()
        .map(|stage| stage.stage)
        .collect();
    assert_eq!(
        stages,
        [
            "fetch-offline",
            "fetch",
            "kargs",
            "disks",
            "mount",
            "files",
            "umount"
        ]
    );
}
