//! An image that was provisioned at the desk: the same tree as a first boot leaves, and nothing left to do for one, kernel
//! arguments included.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kindling_vm::scenario::{self, End, Node, UserData};
use kindling_vm::tree::tree;
use kindling_vm::{image, workspace};

const CONFIG: &str = "fixtures/configs/valid/webserver.ign";

/// The same config with kernel arguments beside the rest, below `folder`.
fn with_arguments(folder: &Path) -> PathBuf {
    let text = fs::read_to_string(workspace::root().join(CONFIG)).unwrap();
    let arguments = r#"{ "kernelArguments": { "shouldExist": ["kindling.new=1"], "shouldNotExist": ["kindling.old=1"] },"#;
    let path = folder.join("with-arguments.ign");
    fs::write(&path, text.replacen('{', arguments, 1)).unwrap();
    path
}

fn node(name: &str) -> Node {
    let built = scenario::set_up(&workspace::engine(), &mut |text| println!("{text}")).unwrap();
    let pipe = Path::new(env!("CARGO_BIN_EXE_kindling-vm"));
    let config = UserData::Firmware(workspace::root().join(CONFIG));
    Node::new(name, &built, &config, pipe, scenario::worker_offer()).unwrap()
}

#[test]
fn an_image_made_at_the_desk_is_what_a_first_boot_makes_and_boots_as_it_is() {
    let mut booted = node("webserver-booted");
    let cut = booted
        .boot_until_power_cut("kindling-stage: files finished", Duration::ZERO)
        .unwrap();
    assert!(matches!(cut.end, End::Cut) && cut.was_first, "{}", cut.tail(40));
    let mut made = node("webserver-made");
    made.add_boot_entry("kindling.old=1 kindling.kept=1").unwrap();
    let ran = Command::new(workspace::engine())
        .arg("apply")
        .arg(with_arguments(made.root_disk().parent().unwrap()))
        .arg(format!("--image=/dev/vda={}", made.root_disk().display()))
        .arg(format!(
            "--image=/dev/vdb={}",
            made.boot_disk().unwrap().display()
        ))
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(!image::has_firstboot_stamp(made.root_disk()).unwrap());
    assert_eq!(made.boot_options().unwrap(), "kindling.kept=1 kindling.new=1");
    // What the machine that booted would have done next: its systemd applies presets, and a unit takes the stamp away.
    let next = "mount -o loop \"$0\" /mnt && systemctl --root /mnt preset-all --preset-mode=enable-only && \
                rm /mnt/boot/ignition.firstboot && umount /mnt";
    let done = Command::new("unshare")
        .args(["--mount", "sh", "-c", next])
        .arg(booted.root_disk())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let [of_boot, of_desk] = [booted.root_disk(), made.root_disk()].map(tree);
    let same = Command::new("cmp").args([&of_boot, &of_desk]).status().unwrap();
    if !same.success() {
        let script = "for archive; do tar --list --verbose --file \"$archive\" >\"$archive.txt\"; done; diff \"$1.txt\" \"$2.txt\"";
        let listed = Command::new("sh")
            .args(["-c", script, "sh"])
            .args([&of_boot, &of_desk])
            .output()
            .unwrap();
        panic!("the trees differ:\n{}", String::from_utf8_lossy(&listed.stdout));
    }
    let boot = made
        .boot(&mut |line| println!("{:7.2} {}", line.at.as_secs_f32(), line.text))
        .unwrap();
    assert!(!boot.was_first);
    let report = boot.report();
    let running = report.lines("cmdline").join(" ");
    assert!(running.contains(" kindling.kept=1 kindling.new=1"), "{running}");
    assert!(!running.contains("kindling.old"), "{running}");
    assert_eq!(report.lines("hostname"), ["web-1"]);
    assert_eq!(report.lines("served"), ["<h1>hello</h1>"]);
    assert_eq!(
        report.lines("operator"),
        ["uid=2000(operator) gid=996(www) groups=996(www)"]
    );
    assert_eq!(report.lines("failed"), [""; 0], "failed units");
    let journal = report.lines("journal");
    let stages: Vec<_> = journal
        .iter()
        .filter(|line| line.contains("ignition-files.service"))
        .collect();
    assert!(stages.is_empty(), "{stages:?}");
}
