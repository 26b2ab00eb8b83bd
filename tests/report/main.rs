//! `kindling report`: what it makes of receipts, of boots that failed, and of console logs.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot read its fixtures should panic"
)]

#[path = "../support/sandbox.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod sandbox;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod server;

mod boots;
mod consoles;
mod pages;

use std::fs;
use std::path::PathBuf;

use kindling::report::Boot;
use kindling::report::found::{self, Found};
use kindling::report::progress;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn text_of(name: &str) -> String {
    fs::read_to_string(fixture(name)).unwrap()
}

/// What a saved file holds, as a boot.
fn boot_in(bytes: &[u8]) -> Boot {
    match found::read(bytes).unwrap() {
        Found::Receipt(receipt) => Boot::of_receipt(*receipt),
        Found::Boot(boot) => *boot,
    }
}

/// A boot whose disks stage failed, as it lies in `/run/kindling`.
fn failed() -> Boot {
    let stages = progress::read(Some(&text_of("reports/failed.stages.json")));
    let failure = serde_json::from_str(&text_of("reports/failed.failure.json")).unwrap();
    Boot {
        machine: Some("worker-1".to_owned()),
        ..Boot::of_stages(stages, Some(failure))
    }
}

/// Compares with the fixture; `KINDLING_RENEW=1` writes it.
fn assert_fixture(name: &str, text: &str) {
    let path = fixture(name);
    if std::env::var_os("KINDLING_RENEW").is_some() {
        fs::write(&path, format!("{text}\n")).unwrap();
    }
    assert_eq!(text.trim_end(), fs::read_to_string(path).unwrap().trim_end());
}
