//! A blank machine becomes a node, and stays one.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

mod machine;

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use kindling_vm::cluster::Offer;
use kindling_vm::report::Report;
use kindling_vm::scenario::{self, End, Node, UserData};
use kindling_vm::{image, workspace};

use crate::machine::{assert_is_the_node, boot};

const STAGES: [&str; 6] = ["fetch-offline", "fetch", "kargs", "disks", "mount", "files"];

fn node(name: &str, config: &str, offer: Offer) -> Node {
    let config = workspace::fixtures().join(config);
    machine::node(name, &UserData::Firmware(config), offer)
}

/// What PID 1 said about the unit of a stage on this boot.
fn said_of<'a>(report: &'a Report, stage: &str) -> Vec<&'a String> {
    let unit = format!("ignition-{stage}.service");
    report
        .lines("journal")
        .iter()
        .filter(|line| line.contains(&unit))
        .collect()
}

#[test]
fn a_blank_machine_boots_once_and_joins() {
    let mut node = node("joins", "pointer.ign", scenario::worker_offer());
    let boot = boot(&mut node);
    assert!(boot.was_first);
    let report = boot.report();
    assert_is_the_node(report);
    assert_eq!(node.cluster.nodes(), ["worker-1"]);
    // The engine that ran is the one under test, not the one dracut found.
    let binary = report
        .lines("binary")
        .first()
        .expect("the guest names its engine");
    assert_eq!(
        binary.split_whitespace().next(),
        Some(node.engine_digest().unwrap().as_str())
    );
    for stage in STAGES {
        assert!(
            said_of(report, stage)
                .iter()
                .any(|line| line.starts_with("Finished")),
            "{stage}: {:?}",
            report.lines("journal")
        );
    }
    let stages = report.stages().unwrap();
    let names: Vec<&str> = stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(
        names,
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
    let outcomes: Vec<&str> = stages.iter().map(|stage| stage.outcome.as_str()).collect();
    assert_eq!(outcomes, ["needs-network", "ok", "ok", "ok", "ok", "ok", "ok"]);
    // What is left of the config tells of its file systems, and of nothing that could be secret.
    let left = report.lines("cache").join("\n");
    assert!(left.contains("/var/lib/containers"), "{left}");
    for gone in ["operator", "contents", "base64", "kubeconfig"] {
        assert!(!left.contains(gone), "{gone}: {left}");
    }
    // What the cluster was asked for, and how.
    let seen = node.cluster.seen();
    let config = seen
        .iter()
        .find(|request| request.path == "/config/worker")
        .expect("the config was asked for");
    assert!(config.user_agent.starts_with("Ignition/"), "{config:?}");
    assert!(
        config.accept.contains("application/vnd.coreos.ignition+json"),
        "{config:?}"
    );
}

#[test]
fn a_reboot_runs_no_stage_again() {
    let pointer = workspace::fixtures().join("pointer.ign");
    // The one machine here that has its config on a disc known by no label, and in UDF.
    let disc = UserData::AzureDisc(pointer);
    let mut node = machine::node("reboots", &disc, scenario::worker_offer());
    let first = boot(&mut node);
    assert_is_the_node(first.report());
    let stages = first.report().stages().unwrap();
    let fetch = stages.iter().find(|stage| stage.stage == "fetch").unwrap();
    assert_eq!(fetch.documents[0].source, "azurestack");
    assert!(
        !image::has_firstboot_stamp(node.root_disk()).unwrap(),
        "the first boot removes its stamp"
    );
    let second = boot(&mut node);
    assert!(!second.was_first);
    let report = second.report();
    assert_is_the_node(report);
    for stage in STAGES {
        assert_eq!(said_of(report, stage), [""; 0], "{stage}");
    }
    assert_eq!(
        node.cluster.nodes(),
        ["worker-1", "worker-1"],
        "each boot announces the node"
    );
    let configs = node
        .cluster
        .seen()
        .iter()
        .filter(|request| request.path == "/config/worker")
        .count();
    assert_eq!(configs, 1, "the config was fetched once");
}

#[test]
fn a_server_that_fails_for_a_while_delays_the_boot_and_no_more() {
    let pointer = workspace::fixtures().join("pointer.ign");
    // The one machine here that has its config on a FAT disk.
    let mut node = machine::node(
        "patience",
        &UserData::NoCloudDrive(pointer),
        Offer {
            fail_first: 3,
            ..scenario::worker_offer()
        },
    );
    let boot = boot(&mut node);
    let report = boot.report();
    assert_is_the_node(report);
    let stages = report.stages().unwrap();
    let fetch = stages.iter().find(|stage| stage.stage == "fetch").unwrap();
    assert_eq!(fetch.documents[0].source, "proxmoxve");
    let statuses: Vec<u16> = node
        .cluster
        .seen()
        .iter()
        .take(4)
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses, [500, 500, 500, 200]);
}

#[test]
fn a_broken_config_stops_before_the_first_write() {
    let mut node = node("broken", "broken.ign", scenario::worker_offer());
    let boot = boot(&mut node);
    assert!(matches!(boot.end, End::Stopped), "{:?}", boot.end);
    let console = boot.tail(usize::MAX);
    assert!(
        console.contains("etc/hostname"),
        "the cause names the object:\n{console}"
    );
    assert!(
        image::has_firstboot_stamp(node.root_disk()).unwrap(),
        "the next boot is a first boot again"
    );
    assert!(!image::exists(node.root_disk(), "/etc/.ignition-result.json").unwrap());
    let written = std::fs::metadata(node.data_disk()).unwrap().blocks();
    assert_eq!(written, 0, "blocks of the second disk that were written");
    assert_eq!(node.cluster.seen(), [], "nobody was asked for anything");
}

/// The second disk of `fixtures/vm/vault.ign`, open and mounted by the real root itself.
fn assert_has_the_vault(report: &Report) {
    assert_eq!(report.lines("hostname"), ["worker-1"]);
    assert_eq!(report.lines("failed"), [""; 0], "failed units");
    let disks = report.lines("lsblk").join("\n");
    let line = disks
        .lines()
        .rfind(|line| line.contains("vault "))
        .unwrap_or_default();
    assert!(
        line.contains("ext4") && line.ends_with("/var/lib/data"),
        "{disks}"
    );
    assert_eq!(disks.matches("linux_raid_member").count(), 2, "{disks}");
    assert!(disks.contains("crypto_LUKS"), "{disks}");
}

#[test]
fn a_volume_on_an_array_survives_power_cuts_and_is_opened_by_the_next_boots() {
    let mut node = node("vault", "vault.ign", scenario::worker_offer());
    // The key of the volume is drawn: until the files stage has stored it, a cut leaves a volume that nobody can open.
    for (mark, milliseconds) in [
        ("kindling-stage: disks started", 1200),
        ("kindling-stage: files started", 500),
        ("kindling-stage: files finished", 100),
    ] {
        let cut = node
            .boot_until_power_cut(mark, Duration::from_millis(milliseconds))
            .unwrap();
        assert!(matches!(cut.end, End::Cut), "{}", cut.tail(40));
        println!(
            "power cut {milliseconds} ms after {mark:?}, {:.1} s in",
            cut.took.as_secs_f32()
        );
    }
    let first = boot(&mut node);
    assert!(first.was_first);
    assert_has_the_vault(first.report());
    let second = boot(&mut node);
    assert!(!second.was_first);
    assert_has_the_vault(second.report());
}

#[test]
fn new_kernel_arguments_take_one_more_boot_before_anything_else() {
    let mut node = node("kargs", "kargs.ign", scenario::worker_offer());
    node.add_boot_entry("kindling.old=1 kindling.kept=1").unwrap();
    let first = boot(&mut node);
    assert!(matches!(first.end, End::Stopped), "{:?}", first.end);
    let console = first.tail(usize::MAX);
    assert!(console.contains("the machine boots again"), "{console}");
    for absent in [
        "FAILED",
        "kindling-stage: kargs finished",
        "kindling-stage: disks started",
    ] {
        assert!(!console.contains(absent), "{absent}:\n{console}");
    }
    assert_eq!(node.boot_options().unwrap(), "kindling.kept=1 kindling.new=1");
    let second = boot(&mut node);
    assert!(second.was_first, "nothing was provisioned before");
    assert_eq!(second.report().lines("hostname"), ["with-arguments"]);
    let stages = second.report().stages().unwrap();
    let outcomes: Vec<&str> = stages.iter().map(|stage| stage.outcome.as_str()).collect();
    assert_eq!(outcomes, ["ok"; 6], "{stages:?}");
    assert_eq!(node.boot_options().unwrap(), "kindling.kept=1 kindling.new=1");
}

#[test]
fn a_boot_loader_starts_the_machine_with_its_new_kernel_arguments() {
    let mut node = node("loader", "kargs.ign", scenario::worker_offer());
    node.add_boot_loader("kindling.old=1 kindling.kept=1").unwrap();
    let run = boot(&mut node);
    let report = run.report();
    let loader = report.lines("loader").join(" ");
    assert!(loader.starts_with("systemd-boot "), "{loader}");
    let running = report.lines("cmdline").join(" ");
    let options = node.boot_options().unwrap();
    for line in [&running, &options] {
        assert!(line.ends_with(" kindling.kept=1 kindling.new=1"), "{line}");
        assert!(!line.contains("kindling.old"), "{line}");
    }
    // Both boots are in this one run of the machine: nobody but the machine itself began the second one.
    let count = |words: &str| {
        let lines = run.console.iter();
        lines.filter(|line| line.text.contains(words)).count()
    };
    for (words, times) in [
        ("BdsDxe: starting Boot", 2),
        ("kindling-stage: fetch-offline started", 2),
        ("kindling-stage: kargs started", 2),
        ("the machine boots again", 1),
        ("kindling-stage: kargs finished", 1),
        ("kindling-stage: disks started", 1),
        ("kindling-stage: files finished", 1),
        ("kindling-stage: kargs failed", 0),
        ("FAILED", 0),
    ] {
        assert_eq!(count(words), times, "{words}:\n{}", run.tail(usize::MAX));
    }
    assert_eq!(report.lines("hostname"), ["with-arguments"]);
    assert_eq!(report.lines("failed"), [""; 0], "failed units");
    assert!(!image::has_firstboot_stamp(node.root_disk()).unwrap());
}
