//! `kindling preflight`: whether the machine this runs on is fit to be a node.

use std::fs;

use kindling_config_spec::json;

use super::words::{Command, Flag, Given};
use super::{Format, environment, print};
use crate::host::node_facts;
use crate::node::handed::{FILE, Join};
use crate::node::preflight::{Setting, judge};
use crate::stages::preflight;

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "preflight",
    about: "Look whether this machine is fit to be a node of a cluster: 0 is yes, 1 is not.",
    positional: None,
    flags: &[Flag::one_of(
        "format",
        Format::CHOICES,
        "How to print it (text if not given).",
    )],
};

/// Runs the command and returns its exit status. A machine whose first boot has left what it joins by is looked at as its
/// config says, any other as `kubeadm join` would.
///
/// # Errors
/// An environment that cannot be understood.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    let environment = environment()?;
    let handed = fs::read(environment.run_dir.join(FILE)).ok();
    let report = match handed.and_then(|bytes| json::read::<Join>(&bytes)) {
        Some(join) => preflight::look(&join, &environment.path),
        None => {
            let setting = Setting::default();
            judge(&node_facts::read(&setting, &environment.path), &setting, &[])
        }
    };
    let status = print(&match Format::of(given) {
        Format::Text => report.text(),
        Format::Json => json::pretty(&report.json()),
    });
    Ok(status.max(u8::from(report.errors().next().is_some())))
}
