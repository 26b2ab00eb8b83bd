//! What a config must obey beyond its types: one function per rule, one file per section.
//!
//! A document is held to the rules of its own version; `run` takes it before translation. The rules about twins in
//! lists (`duplicates`) are a pass of their own, since a merged config is not held to them again.

pub mod catalog;
mod disks;
mod duplicates;
mod extension;
mod fetching;
mod filesystems;
mod findings;
mod luks;
mod names;
mod nodes;
mod order;
mod paths;
mod raid;
pub(crate) mod resources;
mod systemd;
#[cfg(test)]
mod told;

pub(crate) use findings::Findings;
pub(crate) use nodes::octal_meant;
pub(crate) use order::sorted;
pub(crate) use paths::clean as clean_path;

use crate::diagnostic::Diagnostic;
use crate::types::Config;
use crate::version::{NEWEST, Version};

/// A rule, applied to a whole config of some version.
type Check = fn(&Config, Version, &mut Findings);

/// The findings of all rules but those about twins, in the reference's order.
pub(crate) fn run(config: &Config, version: Version) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    let sections = [
        fetching::CHECKS,
        resources::CHECKS,
        nodes::CHECKS,
        disks::CHECKS,
        filesystems::CHECKS,
        luks::CHECKS,
    ];
    for check in sections
        .into_iter()
        .chain([raid::CHECKS, systemd::CHECKS, extension::CHECKS])
        .flatten()
    {
        check(config, version, &mut findings);
    }
    order::sorted(findings.into_inner())
}

/// What only a whole config can be held to, that is one to which nothing will be merged any more.
pub(crate) fn run_whole(config: &Config) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    for check in extension::WHOLE_CHECKS.iter().chain(names::WHOLE_CHECKS) {
        check(config, NEWEST, &mut findings);
    }
    order::sorted(findings.into_inner())
}

/// The findings about entries of lists with equal keys, in the reference's order.
pub(crate) fn run_duplicates(config: &Config) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    duplicates::check(config, &mut findings);
    order::sorted(findings.into_inner())
}

/// The finding that only 3.2.0 makes from an object's mere presence.
pub(crate) use luks::custom_present_with_others;

/// Which names are names of units.
pub(crate) use systemd::{extension, is_unit_name};
