//! A machine of `fixtures/vm`, and what it is once it has become a node.

use std::path::Path;

use kindling_vm::cluster::Offer;
use kindling_vm::report::Report;
use kindling_vm::scenario::{self, Boot, Node, UserData};
use kindling_vm::workspace;

pub(crate) fn node(name: &str, user_data: &UserData, offer: Offer) -> Node {
    let built = scenario::set_up(&workspace::engine(), &mut |text| println!("{text}")).unwrap();
    let pipe = Path::new(env!("CARGO_BIN_EXE_kindling-vm"));
    Node::new(name, &built, user_data, pipe, offer).unwrap()
}

pub(crate) fn boot(node: &mut Node) -> Boot {
    node.boot(&mut |line| println!("{:7.2} {}", line.at.as_secs_f32(), line.text))
        .unwrap()
}

pub(crate) fn assert_is_the_node(report: &Report) {
    assert_eq!(report.lines("hostname"), ["worker-1"]);
    assert_eq!(report.lines("active"), ["active", "active"]);
    assert_eq!(
        report.lines("kubeconfig"),
        ["-rw------- root /etc/kubernetes/bootstrap-kubeconfig"]
    );
    assert_eq!(report.lines("ssh"), ["masked"]);
    assert_eq!(report.lines("failed"), [""; 0], "failed units");
    assert_eq!(
        report.lines("operator"),
        ["uid=2000(operator) gid=2000(node-operators) groups=2000(node-operators),4(adm)"]
    );
    let disks = report.lines("lsblk").join("\n");
    for (partition, kind, label, place) in [
        ("vdb1", "xfs", "data", "/var/lib/data"),
        ("vdb2", "ext4", "containers", "/var/lib/containers"),
        ("vdb3", "swap", "swap", "[SWAP]"),
        ("vdb4", "vfat", "exchange", ""),
    ] {
        let line = disks
            .lines()
            .find(|line| line.contains(partition))
            .unwrap_or_else(|| panic!("{partition}: {disks}"));
        let words: Vec<&str> = line.split_whitespace().skip(2).collect();
        let expected: Vec<&str> = [kind, label, place]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        assert_eq!(words, expected, "{line}");
    }
}
