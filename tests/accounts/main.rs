//! Users and groups by shadow's own programs and natively: the same config on the same root must end in the same tree,
//! byte for byte, and be refused by the one where it is refused by the other.
//!
//! The programs are called here as the reference calls them (no part of the engine in between), then by the stage, and
//! then the stage runs where there are none. Every call has `--root` on a scratch tree. Needs root, as owners do.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its machines should panic"
)]

#[path = "../support/sandbox.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod sandbox;

mod draw;
mod keys;
mod refused;
mod roots;
mod same;
mod shadow;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::sandbox::{Listing, Sandbox, listing};

/// A machine with this root, which has fetched a config with these users and groups. Without `programs` there are no
/// account programs for it.
fn machine(root: &dyn Fn(&Path), passwd: &Value, programs: bool) -> Sandbox {
    let mut machine = Sandbox::in_memory();
    root(&machine.root());
    if !programs {
        fs::create_dir(machine.at("bin")).unwrap();
        std::os::unix::fs::symlink("/usr/sbin/chroot", machine.at("bin/chroot")).unwrap();
        machine.path = machine.at("bin").into();
    }
    let config = json!({ "ignition": { "version": "3.4.0" }, "passwd": passwd });
    machine.give(&config.to_string());
    machine.done("fetch");
    machine
}

/// The tree without what differs between any two runs: days, and what the engine writes for itself.
fn tree(machine: &Sandbox) -> Listing {
    let mut tree = listing(&machine.root());
    tree.retain(|name, _| !name.starts_with("var/lib") && name != "etc/.ignition-result.json");
    // Made by whoever takes the lock.
    tree.remove("etc/.pwd.lock");
    for name in ["etc/shadow", "etc/shadow-"] {
        if let Some(text) = tree.get_mut(name) {
            *text = without_days(text);
        }
    }
    tree
}

/// The third field of shadow(5) is a day, if it is today's.
fn without_days(shadow: &str) -> String {
    let today = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let days = [today, today - 1].map(|day| day.to_string());
    let lines = shadow.lines().map(|line| {
        let mut fields: Vec<&str> = line.split(':').collect();
        if let Some(day) = fields.get_mut(2).filter(|day| days.contains(&(**day).to_owned())) {
            *day = "today";
        }
        fields.join(":")
    });
    lines.collect::<Vec<_>>().join("\n")
}
