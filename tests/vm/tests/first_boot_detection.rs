//! Machines that find out themselves whether a boot is their first: nobody else can tell them.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

mod machine;

use std::fs::File;
use std::os::unix::fs::FileExt;

use kindling_vm::report::Report;
use kindling_vm::scenario::{self, Boot, DATA_DISK_MIB, Node, UserData};
use kindling_vm::{image, workspace};

use crate::machine::{assert_is_the_node, boot};

fn node(name: &str) -> Node {
    let pointer = workspace::fixtures().join("pointer.ign");
    machine::node(name, &UserData::Firmware(pointer), scenario::worker_offer())
}

fn configs_asked_for(node: &Node) -> usize {
    let seen = node.cluster.seen();
    seen.iter()
        .filter(|request| request.path == "/config/worker")
        .count()
}

/// What PID 1 said about units of stages. The image's own unit for a stamp is none: it says that it was not needed.
fn said(report: &Report) -> Vec<&String> {
    let lines = report.lines("journal").iter();
    lines
        .filter(|line| !line.contains("ignition-firstboot-complete"))
        .collect()
}

fn assert_nobody_told(boot: &Boot) {
    let line = boot.report().lines("cmdline").join(" ");
    assert!(line.contains("kindling.firstboot="), "{line}");
    assert!(!line.contains("ignition.firstboot"), "{line}");
}

/// The first boot makes the machine the node, and the second finds it so and runs nothing.
fn assert_provisions_once(node: &mut Node) {
    let first = boot(node);
    assert_nobody_told(&first);
    assert_is_the_node(first.report());
    assert_eq!(configs_asked_for(node), 1);
    let finished = |line: &String| line.starts_with("Finished") && line.contains("ignition-files");
    assert!(
        said(first.report()).into_iter().any(finished),
        "{:?}",
        said(first.report())
    );
    // Over long before anybody knows which boot this is, and it is none of a later one's. An entry of a boot loader is
    // written already and stays without.
    node.add_arguments("kindling.deadline=1");
    let second = boot(node);
    assert_nobody_told(&second);
    assert_is_the_node(second.report());
    assert_eq!(said(second.report()), [""; 0]);
    assert!(second.report().stages().is_err(), "there is no record of stages");
    let console = second.tail(usize::MAX);
    assert!(!console.contains("kindling-stage:"), "{console}");
    assert_eq!(configs_asked_for(node), 1, "the config was fetched once");
    assert_eq!(node.cluster.nodes(), ["worker-1", "worker-1"]);
    // Nothing depends on what a boot loader would look at.
    assert!(image::has_firstboot_stamp(node.root_disk()).unwrap());
}

#[test]
fn the_firmware_remembers_the_machine() {
    let mut node = node("efi-variable");
    node.detect_first_boot("efi");
    node.add_boot_loader("").unwrap();
    assert_provisions_once(&mut node);
}

#[test]
fn a_partition_remembers_the_machine() {
    let mut node = node("gpt-bits");
    node.partition_data_disk().unwrap();
    node.detect_first_boot("gpt:data");
    assert_provisions_once(&mut node);
    let disk = File::open(node.data_disk()).unwrap();
    // The first entry of either copy of the table; its attributes are at byte 48.
    for entries in [2 * 512, (DATA_DISK_MIB << 20) - 33 * 512] {
        let mut attributes = [0; 8];
        disk.read_exact_at(&mut attributes, entries + 48).unwrap();
        let attributes = u64::from_le_bytes(attributes);
        assert_ne!(attributes & 1 << 61, 0, "{attributes:x}");
        assert_eq!(attributes & !(0x7ff << 48 | 1 << 61), 0, "{attributes:x}");
    }
}
