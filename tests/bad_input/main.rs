//! Bad input, through the real binary: one cause with place and remedy, the right status, no secret in anything
//! that is said or kept, and a target that is as it was.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its machine should panic"
)]

#[path = "../support/sandbox.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod sandbox;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod server;

mod configs;
mod handed_over;
mod network;
mod placeholders;
mod secrets;
mod surroundings;
mod target;

use std::fs;

use kindling::report::Failure;

use sandbox::{Ran, Sandbox, assert_same, listing};

/// Lines that a console shows at once.
const LINES: usize = 12;

/// Runs a stage that must refuse: with `status`, exactly this record (addresses and the machine's own directory
/// made the same), and the root as it was.
fn refuses(machine: &Sandbox, stage: &str, status: i32, record: &str) {
    let before = listing(&machine.root());
    let ran = machine.stage(stage);
    assert_record(machine, &ran, status, record);
    assert_same(&listing(&machine.root()), &before, "the root was changed");
}

/// The record on standard error, the same in `failure.json`, and no secret anywhere.
fn assert_record(machine: &Sandbox, ran: &Ran, status: i32, record: &str) {
    let found = plain(machine, &ran.stderr);
    assert_eq!(found.trim_end(), record.trim_end(), "\nlog:\n{}", ran.stdout);
    assert_eq!(ran.status, Some(status));
    assert!(found.lines().count() <= LINES, "{found}");
    let kept = fs::read_to_string(machine.at("run/kindling/failure.json")).unwrap();
    let failure: Failure = serde_json::from_str(&kept).unwrap();
    assert_eq!(failure.to_string().trim_end(), ran.stderr.trim_end());
    let stages = fs::read_to_string(machine.at("run/kindling/stages.json")).unwrap();
    assert!(
        stages.contains(&format!("\"outcome\":\"{}\"", failure.code)),
        "{stages}"
    );
    secrets::assert_absent(&[
        ("standard output", &ran.stdout),
        ("standard error", &ran.stderr),
        ("failure.json", &kept),
        ("stages.json", &stages),
    ]);
}

/// Text in which two runs do not differ.
fn plain(machine: &Sandbox, text: &str) -> String {
    let text = text.replace(&*machine.name().to_string_lossy(), "DIR");
    let mut parts = text.split("127.0.0.1:");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        plain.push_str("SERVER");
        plain.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    plain
}
