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
pub use setting::{Setting, UserData};

use crate::diagnostic::Diagnostic;
use crate::rules::{Findings, sorted};
use crate::types::Config;

/// A rule, applied to a whole config of the newest version.
type Check = fn(&Config, &Setting<'_>, &mut Findings);

/// The findings about `config`, which is valid, in the order of its members.
#[must_use]
pub fn lint(config: &Config, setting: &Setting<'_>) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    let subjects = [
        resources::CHECKS,
        accounts::CHECKS,
        nodes::CHECKS,
        target::CHECKS,
        storage::CHECKS,
        units::CHECKS,
        user_data::CHECKS,
    ];
    for check in subjects.into_iter().flatten() {
        check(config, setting, &mut findings);
    }
    sorted(findings.into_inner())
}

/// The rules that `setting` does not tell enough for, in the order of the table.
#[must_use]
pub fn skipped(setting: &Setting<'_>) -> Vec<&'static LintRule> {
    ALL.iter().filter(|rule| !setting.tells(rule.needs)).collect()
}
