//! What a machine does whose first boot failed, and that it says why even where no stage could.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

#[expect(dead_code, reason = "none of these machines becomes a node")]
mod machine;

use std::time::Duration;

use kindling_vm::scenario::{self, Boot, End, Node, UserData};
use kindling_vm::{image, workspace};

fn node(name: &str, config: &str) -> Node {
    let config = workspace::fixtures().join(config);
    machine::node(name, &UserData::Firmware(config), scenario::worker_offer())
}

/// What dracut's emergency and sulogin say before they give somebody a shell.
const SHELL_WORDS: [&str; 5] = [
    "Entering emergency mode",
    "Press Enter for maintenance",
    "Cannot open access to console",
    "rdsosreport",
    "Emergency Shell",
];

fn assert_tells(boot: &Boot, code: &str, last: &str) {
    let console: Vec<&str> = boot.console.iter().map(|line| line.text.as_str()).collect();
    let text = console.join("\n");
    let record = text.rfind(code).unwrap_or_else(|| panic!("{code} in\n{text}"));
    let after = text.rfind(last).unwrap_or_else(|| panic!("{last} in\n{text}"));
    assert!(record < after, "{text}");
    // Between the last record and the line below it nobody else has a word.
    let between = &text[record..after];
    assert!(
        between
            .lines()
            .skip(1)
            .all(|line| line.starts_with("  ") || line.starts_with("kindling: ")),
        "{between}"
    );
    for word in SHELL_WORDS {
        assert!(!text.contains(word), "{word} in\n{text}");
    }
}

#[test]
fn a_machine_boots_again_as_often_as_its_config_says_and_then_stays() {
    let mut node = node("attempts", "on-failure.ign");
    for attempt in 1..=2 {
        let boot = machine::boot(&mut node);
        assert!(
            boot.was_first && matches!(boot.end, End::Stopped),
            "{}",
            boot.tail(40)
        );
        let line = format!("this machine boots again in 1 s (attempt {attempt} of 2)");
        assert_tells(&boot, "[path-exists]", &line);
    }
    let stays = "this machine stays as it is: it has booted again 2 times in a row";
    let boot = node.boot_until_power_cut(stays, Duration::ZERO).unwrap();
    assert!(matches!(boot.end, End::Cut), "{}", boot.tail(40));
    assert_tells(&boot, "[path-exists]", stays);
    let count = image::read(node.root_disk(), "/etc/.kindling-attempts").unwrap();
    assert_eq!(count.lines().next_back(), Some("2"), "{count}");
}

#[test]
fn a_stage_that_is_killed_has_a_record_and_the_machine_powers_off() {
    let mut node = node("killed", "pointer.ign");
    // Killed once the shell that waits for it has become the engine. systemd halves the dollar signs.
    let stage = "/usr/bin/ignition --root=/sysroot --platform=$${PLATFORM_ID} --stage=files";
    let killed = format!(
        "[Service]\nExecStart=\nExecStart=/bin/sh -c '(until [ /proc/$$$$/exe -ef /usr/bin/kindling ]; do :; done; kill -9 \
         $$$$) & exec {stage}'\n"
    );
    node.put_into_initramfs(
        "usr/lib/systemd/system/ignition-files.service.d/20-killed.conf",
        &killed,
    )
    .unwrap();
    // On a machine that has found out itself that this is a first boot.
    node.partition_data_disk().unwrap();
    node.detect_first_boot("gpt:data");
    node.add_arguments("kindling.onfailure=poweroff,1");
    let boot = machine::boot(&mut node);
    assert!(matches!(boot.end, End::Stopped), "{}", boot.tail(40));
    assert_tells(&boot, "[stage-killed]", "this machine powers off in 1 s");
    let console = boot.tail(usize::MAX);
    for part in ["in stage files", "SIGKILL (signal 9)"] {
        assert!(console.contains(part), "{part} in\n{console}");
    }
    assert!(image::has_firstboot_stamp(node.root_disk()).unwrap());
}

#[test]
fn a_boot_that_nobody_knows_for_a_first_one_gives_no_shell_either() {
    let mut node = node("refused", "pointer.ign");
    node.detect_first_boot("wrong");
    node.add_arguments("kindling.onfailure=poweroff,1");
    let boot = machine::boot(&mut node);
    assert!(matches!(boot.end, End::Stopped), "{}", boot.tail(40));
    assert_tells(&boot, "[firstboot-argument]", "this machine powers off in 1 s");
}
