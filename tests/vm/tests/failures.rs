//! Every class of failure, and what the console shows of it: one cause, where, what next, no secret.
//!
//! What each shows stands in `fixtures/vm/failures/NAME.txt`; `KINDLING_RENEW=1` writes those files.
//! `KINDLING_FAILURES=TEXT` takes only those whose name contains the text.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

#[allow(dead_code, reason = "shared by tests that use different parts")]
mod machine;

use std::path::PathBuf;

use kindling_vm::cluster::Offer;
use kindling_vm::scenario::{self, End, Node, UserData};
use kindling_vm::workspace;

/// A console of 25 lines shows a record whole, with what systemd says after it.
const LINES: usize = 12;

/// A machine that cannot come up.
struct Case {
    name: &'static str,
    /// Below `fixtures/vm`.
    config: &'static str,
    code: &'static str,
    /// What the cluster shows for itself, below `fixtures/vm`.
    certificate: &'static str,
    /// What else is wrong with it.
    change: fn(&mut Node),
}

const fn of_config(name: &'static str, config: &'static str, code: &'static str) -> Case {
    Case {
        name,
        config,
        code,
        certificate: "pki/server",
        change: |_| {},
    }
}

/// The config alone is at fault, so the demo shows the same with it; then the machine.
const CASES: [Case; 13] = [
    of_config("invalid", "broken.ign", "config-invalid"),
    of_config("dns", "failures/dns.ign", "network-timeout"),
    of_config("missing-page", "failures/missing-page.ign", "http-status"),
    of_config(
        "unknown-authority",
        "failures/unknown-authority.ign",
        "tls-certificate-refused",
    ),
    of_config("wrong-hash", "failures/wrong-hash.ign", "hash-mismatch"),
    of_config("disk-has-data", "failures/disk-has-data.ign", "disk-has-data"),
    of_config(
        "disk-too-small",
        "failures/disk-too-small.ign",
        "partition-too-large",
    ),
    of_config("full-disk", "failures/full-disk.ign", "target-write-failed"),
    Case {
        certificate: "failures/pki/expired",
        ..of_config("expired", "failures/out-of-time.ign", "tls-certificate-refused")
    },
    Case {
        certificate: "failures/pki/early",
        ..of_config(
            "early",
            "failures/out-of-time.ign",
            "tls-certificate-not-yet-valid",
        )
    },
    Case {
        change: Node::take_network_away,
        ..of_config("no-network", "failures/out-of-time.ign", "network-timeout")
    },
    Case {
        change: |node| {
            let program = ["usr/sbin/mkfs.xfs"];
            assert_eq!(node.leave_out(&program).unwrap(), program);
        },
        ..of_config("missing-program", "pointer.ign", "program-missing")
    },
    Case {
        change: Node::set_root_read_only,
        ..of_config("read-only-root", "pointer.ign", "boot-failed")
    },
];

/// The record without what differs from run to run: how often something was tried, the time of day, and an identifier that is
/// derived from a table whose own is drawn.
fn plain(record: &str) -> String {
    let words = record.split_inclusive(' ').collect::<Vec<_>>();
    let is_count = |word: &str| word.trim().bytes().all(|digit| digit.is_ascii_digit());
    let plain = words.iter().enumerate().map(|(at, word)| {
        let is_time = at >= 2 && words[at - 2..at] == ["time ", "for "];
        match words.get(at + 1) {
            Some(next) if next.starts_with("attempts") && is_count(word) => "N ",
            _ if is_time => "NOW\n ",
            _ if word.starts_with("uuid=") => "uuid=UUID ",
            _ => word,
        }
    });
    plain.collect()
}

fn fixture(name: &str) -> PathBuf {
    workspace::fixtures().join(format!("failures/{name}.txt"))
}

#[test]
fn each_failure_is_told_on_the_console_and_nothing_else_is() {
    let filter = std::env::var("KINDLING_FAILURES").unwrap_or_default();
    let renews = std::env::var_os("KINDLING_RENEW").is_some();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for case in CASES.iter().filter(|case| case.name.contains(&filter)) {
        let config = UserData::Firmware(workspace::fixtures().join(case.config));
        let mut node = machine::node(
            case.name,
            &config,
            Offer {
                certificate: case.certificate,
                ..scenario::worker_offer()
            },
        );
        (case.change)(&mut node);
        let boot = node.boot(&mut |_| {}).unwrap();
        assert!(
            matches!(boot.end, End::Stopped),
            "{}: {:?}\n{}",
            case.name,
            boot.end,
            boot.tail(60)
        );
        let record = plain(&boot.record());
        println!("{} ({:.0} s):\n{record}", case.name, boot.took.as_secs_f32());
        seen += 1;
        if !record.contains(&format!("[{}]", case.code)) {
            wrong.push(format!("{}: the code is not {}", case.name, case.code));
        }
        if record.lines().count() > LINES {
            wrong.push(format!("{}: more than {LINES} lines", case.name));
        }
        if renews {
            std::fs::write(fixture(case.name), &record).unwrap();
        } else if std::fs::read_to_string(fixture(case.name)).ok().as_ref() != Some(&record) {
            wrong.push(format!("{}: not as in its file", case.name));
        }
    }
    assert!(seen > 0, "no failure is called so: {filter}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
