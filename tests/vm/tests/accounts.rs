//! Accounts that the initramfs has no programs for: as if it had them, and of use.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kindling_vm::initramfs::ACCOUNT_PROGRAMS;
use kindling_vm::scenario::{self, End, Node, UserData};
use kindling_vm::{image, workspace};

fn node(name: &str) -> Node {
    let built = scenario::set_up(&workspace::engine(), &mut |text| println!("{text}")).unwrap();
    let pipe = Path::new(env!("CARGO_BIN_EXE_kindling-vm"));
    let config = UserData::Firmware(workspace::fixtures().join("accounts.ign"));
    Node::new(name, &built, &config, pipe, scenario::worker_offer()).unwrap()
}

/// The databases of a root disk with what they were before, and the files of users: owners, modes, contents. Whoever has a
/// password that was set on the day of the run has `today` in the place of the day.
fn accounts(disk: &Path) -> String {
    let script = r#"
        mount -o loop "$0" /mnt && cd /mnt &&
        find etc/passwd* etc/group* etc/shadow* etc/gshadow* etc/subuid* etc/subgid* home var/mail/ \
            -printf '%M %U:%G %p %l\n' | sort &&
        for file in etc/passwd* etc/group* etc/shadow* etc/gshadow* etc/subuid* etc/subgid*; do
            echo "== $file" && sed -E "s/^(([^:]*:){2})($1|$2):/\1today:/" "$file"
        done &&
        find home var/mail/ -type f -exec sha256sum {} + | sort && cd / && umount /mnt"#;
    let day = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let ran = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(disk)
        .args([day, day - 1].map(|day| day.to_string()))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn accounts_made_without_programs_are_those_made_with_them_and_can_be_used() {
    let mut called = node("accounts-called");
    let cut = called
        .boot_until_power_cut("kindling-stage: files finished", Duration::ZERO)
        .unwrap();
    assert!(matches!(cut.end, End::Cut) && cut.was_first, "{}", cut.tail(40));

    let mut native = node("accounts-native");
    let mut left_out = native.leave_out(ACCOUNT_PROGRAMS).unwrap();
    left_out.sort_by_key(|path| ACCOUNT_PROGRAMS.iter().position(|known| known == path));
    assert_eq!(left_out, ACCOUNT_PROGRAMS);
    let boot = native
        .boot(&mut |line| println!("{:7.2} {}", line.at.as_secs_f32(), line.text))
        .unwrap();
    let report = boot.report();
    let natively = report.lines("natively").join("\n");
    for program in [
        "useradd", "usermod", "userdel", "groupadd", "groupmod", "groupdel",
    ] {
        let said = format!("> natively: {program} ");
        assert!(natively.contains(&said), "{program}: {natively}");
    }
    let expected = accounts(called.root_disk());
    let receipt = image::read(called.root_disk(), "/var/lib/kindling/receipt.json").unwrap();
    assert!(
        receipt.contains("useradd") && !receipt.contains("natively"),
        "the other machine has the programs: {receipt}"
    );
    let found = accounts(native.root_disk());
    for (expected, found) in expected.lines().zip(found.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!(
        report.lines("account"),
        [
            "operator:x:2000:2000:Node operator:/home/operator:/bin/bash",
            "node-operators:x:2000:",
            "operator",
            "uid=2000(operator) gid=2000(node-operators) groups=2000(node-operators),4(adm),996(crew)",
            "/home/operator",
            "Password: operator",
            "drwxr-xr-x operator node-operators /home/operator",
            "drwx------ operator node-operators /home/operator/.ssh",
            "-rw------- operator node-operators /home/operator/.ssh/authorized_keys.d/ignition",
        ]
    );
    assert_eq!(report.lines("failed"), [""; 0], "failed units");
}
