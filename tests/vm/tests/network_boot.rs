//! A machine with nothing on its disk starts from the network, installs itself, and becomes a node from its disk.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

use std::path::Path;

use kindling_vm::report::Report;
use kindling_vm::scenario::{self, Boot, NetworkMachine, Start};
use kindling_vm::{image, workspace};

fn boot(machine: &mut NetworkMachine, start: Start) -> Boot {
    let say =
        &mut |line: &kindling_vm::console::Line| println!("{:7.2} {}", line.at.as_secs_f32(), line.text);
    machine.boot(start, say).unwrap()
}

/// Status of each request for what begins with `path`, with the rest of the path.
fn asked(machine: &NetworkMachine, path: &str) -> Vec<(u16, String)> {
    let seen = machine.server.seen().into_iter();
    seen.filter_map(|request| Some((request.status, request.path.strip_prefix(path)?.to_owned())))
        .collect()
}

fn assert_came_up(report: &Report, hostname: &str) {
    assert_eq!(report.lines("hostname"), [hostname]);
    assert_eq!(report.lines("failed"), [""; 0], "failed units");
    let stages = report.stages().unwrap();
    let outcomes: Vec<&str> = stages.iter().map(|stage| stage.outcome.as_str()).collect();
    assert_eq!(
        outcomes,
        ["needs-network", "ok", "ok", "ok", "ok", "ok", "ok"],
        "{stages:?}"
    );
    assert_eq!(stages[1].documents[0].source, "cmdline");
}

#[test]
fn a_blank_machine_starts_from_the_network_installs_itself_and_starts_from_its_disk() {
    let mut say = |text: &str| println!("{text}");
    let built = scenario::set_up(&workspace::engine(), &mut say).unwrap();
    let pipe = Path::new(env!("CARGO_BIN_EXE_kindling-vm"));
    let mut machine = NetworkMachine::new("network", &built, pipe, &mut say).unwrap();

    let live = boot(&mut machine, Start::Network);
    assert_came_up(live.report(), "installer");
    // The root is in memory: no file system of the disk is mounted.
    let disks = live.report().lines("lsblk").join("\n");
    let disk = disks.lines().find(|line| line.starts_with("vda "));
    assert!(disk.is_some_and(|line| !line.contains('/')), "{disks}");
    // The loader on the card put the values in.
    let first = "mac=52-54-00-a1-9c-ae&uuid=16e7d8a7-bfa9-428b-9117-363341bb330b&serial=VM%2042";
    assert_eq!(asked(&machine, "/ignition?"), [(200, first.to_owned())]);
    assert_eq!(asked(&machine, "/installed"), [(201, String::new())]);
    // What an image may hold is on the disk; what it may not, and the stamp of a first boot, wait.
    for (path, is_there) in [
        ("/etc/motd", true),
        ("/etc/systemd/system/announce.service", true),
        ("/boot/ignition.firstboot", true),
        ("/etc/hostname", false),
        ("/etc/kubernetes/bootstrap-kubeconfig", false),
        ("/etc/.ignition-result.json", false),
    ] {
        assert_eq!(image::exists(machine.disk(), path).unwrap(), is_there, "{path}");
    }

    let node = boot(&mut machine, Start::Disk);
    let report = node.report();
    assert_came_up(report, "rack1-node3");
    assert_eq!(
        report.lines("kubeconfig"),
        ["-rw------- root /etc/kubernetes/bootstrap-kubeconfig"]
    );
    assert_eq!(
        report.lines("operator"),
        ["uid=2000(operator) gid=2000(node-operators) groups=2000(node-operators)"]
    );
    // The engine put the values in.
    let command_line = report.lines("cmdline").join(" ");
    assert!(command_line.contains("mac=${machine.mac}"), "{command_line}");
    let second = "mac=52:54:00:a1:9c:ae&serial=VM%2042&os=installed";
    assert_eq!(
        asked(&machine, "/ignition?"),
        [(200, first.to_owned()), (200, second.to_owned())]
    );
    assert_eq!(asked(&machine, "/nodes/"), [(201, "rack1-node3".to_owned())]);
    assert!(!image::has_firstboot_stamp(machine.disk()).unwrap());
}
