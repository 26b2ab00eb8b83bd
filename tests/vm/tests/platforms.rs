//! The node of `first_boot.rs`, with its config from other places than the firmware.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

mod machine;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use kindling_vm::cluster::BOOTSTRAP_TOKEN;
use kindling_vm::report::Report;
use kindling_vm::scenario::{self, End, UserData};
use kindling_vm::server::Seen;
use kindling_vm::workspace;

use crate::machine::{assert_is_the_node, boot, node};

/// As which platform the machine was started, where its stages had the user's documents from, and how they ended.
fn assert_went_well(report: &Report, platform: &str, referenced: &str) {
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
    let fetch = stages.iter().find(|stage| stage.stage == "fetch").unwrap();
    let sources: Vec<&str> = fetch
        .documents
        .iter()
        .map(|document| document.source.as_str())
        .collect();
    assert_eq!(sources, [platform, referenced]);
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
    assert_went_well(boot.report(), "kubevirt", "/config/worker");
    let console = boot.tail(usize::MAX);
    assert!(
        !console.contains("find ext4 filesystem"),
        "a disc is no broken ext4:\n{console}"
    );
}

/// As on hypervisors without firmware entries, and on s390x and POWER: a disk with a serial, which udev makes a link of.
#[test]
fn a_machine_with_its_config_on_a_virtio_disk_joins() {
    let pointer = workspace::fixtures().join("pointer.ign");
    let mut node = node(
        "virtio-disk",
        &UserData::VirtioDisk(pointer),
        scenario::worker_offer(),
    );
    // The one machine that there is here always has entries.
    node.add_arguments("module_blacklist=qemu_fw_cfg");
    let boot = boot(&mut node);
    assert!(boot.was_first);
    assert_is_the_node(boot.report());
    assert_eq!(node.cluster.nodes(), ["worker-1"]);
    assert_went_well(boot.report(), "qemu", "/config/worker");
}

/// What QEMU is told of the machine comes to the engine through its firmware's tables and the kernel: the serial number
/// names the server, and the UUID is put into that name.
#[test]
fn a_machine_whose_firmware_names_the_server_joins() {
    let pointer = workspace::fixtures().join("pointer.ign");
    let mut node = node(
        "firmware-names-server",
        &UserData::NoCloudServer(pointer),
        scenario::worker_offer(),
    );
    let boot = boot(&mut node);
    assert!(boot.was_first);
    assert_is_the_node(boot.report());
    assert_eq!(node.cluster.nodes(), ["worker-1"]);
    assert_went_well(boot.report(), "nocloud", "/config/worker");
    let asked = lines(&node.seed.as_ref().unwrap().seen());
    assert_eq!(
        asked,
        ["GET 10.0.2.100:8080/assets/6f1c0a52-3e0e-4d0b-9d6a-7b1f5a2c9e10/user-data 200"]
    );
}

/// The drive is one that another platform reads, and the machine has disks with other labels as well. Nothing is taken
/// instead of the one that was asked for.
#[test]
fn a_drive_of_another_label_is_not_taken_and_the_wait_for_the_right_one_ends() {
    let pointer = workspace::fixtures().join("pointer.ign");
    let mut node = node(
        "wrong-label",
        &UserData::NoCloudDrive(pointer),
        scenario::worker_offer(),
    );
    node.add_arguments("ignition.config.device=CIDATA ignition.config.path=/user-data");
    let boot = boot(&mut node);
    assert!(matches!(boot.end, End::Stopped), "{:?}", boot.end);
    assert_eq!(
        boot.record(),
        "kindling: first boot FAILED in stage fetch-offline [config-drive-absent]
  what:  cannot read the config from the drive labelled \"CIDATA\"
  why:   CIDATA did not appear within 30 s
  next:  attach a drive whose file system is labelled \"CIDATA\", and check it with blkid
"
    );
    assert_eq!(node.cluster.seen(), [], "nobody was asked for anything");
}

/// Method, host and path of every request, with the status of its answer.
fn lines(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .map(|one| format!("{} {}{} {}", one.method, one.host, one.path, one.status))
        .collect()
}

/// Which of the texts are on the disk.
fn on_disk(disk: &Path, texts: &[String]) -> BTreeSet<String> {
    let mut grep = Command::new("grep");
    grep.args(["--text", "--only-matching", "--fixed-strings"]);
    for text in texts {
        grep.args(["--regexp", text]);
    }
    // In bytes: a disk is no text of any language.
    let ran = grep.arg(disk).env("LC_ALL", "C").output().unwrap();
    assert!(matches!(ran.status.code(), Some(0 | 1)), "{ran:?}");
    let found = String::from_utf8(ran.stdout).unwrap();
    found.lines().map(str::to_owned).collect()
}

/// The double refuses whoever has no token of a session (401) and whoever does not sign as the role (403), so statuses
/// tell how it was asked.
#[test]
fn an_instance_of_aws_joins_with_a_config_that_only_its_role_may_read() {
    const AHEAD: Duration = Duration::from_secs(6 * 60 * 60);
    let mut node = node("aws", &UserData::Aws, scenario::worker_offer());
    // A signature is good for a quarter of an hour, by the store's clock.
    node.set_clock_ahead(AHEAD);
    let boot = boot(&mut node);
    let aws = node.aws.as_ref().unwrap();
    let of_metadata = lines(&aws.asked_of_metadata());
    let of_store = lines(&aws.asked_of_store());
    assert!(
        matches!(boot.end, End::Reported(_)),
        "{of_metadata:#?}\n{of_store:#?}\n{}",
        boot.tail(40)
    );
    assert!(boot.was_first);
    let report = boot.report();
    assert_is_the_node(report);
    assert_eq!(node.cluster.nodes(), ["worker-1"]);
    assert_went_well(report, "aws", "/pools/worker%20pool.ign");

    let service = "169.254.169.254/latest";
    assert_eq!(
        of_metadata,
        [
            format!("PUT {service}/api/token 200"),
            "GET 169.254.169.254/2019-10-01/user-data 200".to_owned(),
            format!("PUT {service}/api/token 200"),
            format!("GET {service}/meta-data/placement/region 200"),
            format!("GET {service}/meta-data/iam/security-credentials/ 200"),
            format!("GET {service}/meta-data/iam/security-credentials/worker-node 200"),
        ]
    );
    assert_eq!(
        of_store,
        [
            // The bucket is looked for from the machine's own region; where it is, is told to strangers too.
            "HEAD s3.dualstack.eu-north-1.amazonaws.com/kindling-nodes 403",
            "GET kindling-nodes.s3.dualstack.ap-south-1.amazonaws.com/pools/worker%20pool.ign 200",
        ]
    );

    let clock: u64 = report.lines("clock").first().unwrap().parse().unwrap();
    let here = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(
        clock > here + AHEAD.as_secs() / 2,
        "the clock was set: {clock}, {here}"
    );

    let console = boot.tail(usize::MAX);
    let secrets = aws.secrets();
    assert_eq!(secrets.len(), 4, "{secrets:?}");
    for secret in &secrets {
        assert!(!console.contains(secret), "{secret} on the console:\n{console}");
    }
    // What is on the disk is found there.
    let mut texts = secrets;
    texts.push(BOOTSTRAP_TOKEN.to_owned());
    assert_eq!(
        on_disk(node.root_disk(), &texts),
        BTreeSet::from([BOOTSTRAP_TOKEN.to_owned()])
    );
    assert_eq!(on_disk(node.data_disk(), &texts), BTreeSet::new());
}
