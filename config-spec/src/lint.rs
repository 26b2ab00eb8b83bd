//! What is valid and will fail, or most likely not do what its author wants, on the first boot.
//!
//! The reference accepts all of this in silence. Rules here have the form of those in [`crate::rules`], but look at the
//! config that is left once every reference is resolved, and may be told more than the config says: the facts of the
//! target, the date, the disks' sizes, the platform ([`Setting`]). A rule whose fact is not given is skipped, and
//! [`skipped`] says so. `docs/config-rules.md` lists them all.

mod accounts;
pub mod catalog;
mod nodes;
mod resources;
mod setting;
mod storage;
mod target;
#[cfg(test)]
mod told;
mod units;
mod user_data;

pub use catalog::{ALL, LintRule, Needs};
pub use resources::secret_in;
pub use setting::{Setting, UserData};

use crate::diagnostic::{Diagnostic, Pointer};
use crate::rules::{Findings, sorted};
use crate::types::Config;

/// A rule, applied to a whole config of the newest version.
type Check = fn(&Config, &Setting<'_>, &mut Findings);

/// The findings about `config`, which is valid, in the order of its members.
#[must_use]
pub fn lint(config: &Config, setting: &Setting<'_>) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    if parts(config) > MAX_PARTS {
        let message =
            format!("the config has more than {MAX_PARTS} accounts, units and devices: it is not linted");
        findings.report(catalog::CONFIG_UNLINTED.rule, Pointer::root(), message);
        return findings.into_inner();
    }
    let sections = [
        resources::CHECKS,
        accounts::CHECKS,
        nodes::CHECKS,
        target::CHECKS,
        storage::CHECKS,
        units::CHECKS,
        user_data::CHECKS,
    ];
    for check in sections.into_iter().flatten() {
        check(config, setting, &mut findings);
    }
    sorted(findings.into_inner())
}

/// How many entries the lint looks through of those that it compares with each other. People write hundreds.
const MAX_PARTS: usize = 4096;

fn parts(config: &Config) -> usize {
    let storage = &config.storage;
    let partitions: usize = storage.disks.iter().map(|disk| 1 + disk.partitions.len()).sum();
    let members: usize = storage.raid.iter().map(|array| 1 + array.devices.len()).sum();
    let dropins: usize = config
        .systemd
        .units
        .iter()
        .map(|unit| 1 + unit.dropins.len())
        .sum();
    let accounts = config.passwd.users.len() + config.passwd.groups.len();
    partitions + members + dropins + accounts + storage.filesystems.len() + storage.luks.len()
}

/// The rules that `setting` does not tell enough for, in the order of the table.
#[must_use]
pub fn skipped(setting: &Setting<'_>) -> Vec<&'static LintRule> {
    ALL.iter().filter(|rule| !setting.tells(rule.needs)).collect()
}
