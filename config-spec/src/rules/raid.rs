//! Rules for software RAID arrays.

use super::{Check, Findings, catalog as rule, paths};
use crate::diagnostic::Pointer;
use crate::suggest::quoted;
use crate::types::Config;
use crate::version::Version;

pub(super) const CHECKS: &[Check] = &[
    levels_are_known,
    spares_suit_the_level,
    arrays_have_devices,
    devices_are_paths,
];

fn at(index: usize) -> Pointer {
    Pointer::root().key("storage").key("raid").index(index)
}

/// Whether an array of a level survives the loss of a member; `None` for a level that mdadm does not know.
fn is_redundant(level: &str) -> Option<bool> {
    match level {
        "linear" | "raid0" | "0" | "stripe" => Some(false),
        "raid1" | "1" | "mirror" | "raid4" | "4" | "raid5" | "5" | "raid6" | "6" | "raid10" | "10" => {
            Some(true)
        }
        _ => None,
    }
}

fn levels_are_known(config: &Config, version: Version, findings: &mut Findings) {
    for (index, array) in config.storage.raid.iter().enumerate() {
        let level = array.level.as_deref().unwrap_or_default();
        let help = "use linear, raid0, raid1, raid4, raid5, raid6 or raid10";
        if level.is_empty() && version >= Version::V3_3_0 {
            findings
                .report(
                    rule::RAID_LEVEL_MISSING,
                    at(index).key("level"),
                    "an array has no level",
                )
                .help(help);
        } else if is_redundant(level).is_none() {
            let message = format!("unknown RAID level {}", quoted(level));
            findings
                .report(rule::RAID_LEVEL_UNKNOWN, at(index).key("level"), message)
                .help(help);
        }
    }
}

fn spares_suit_the_level(config: &Config, _: Version, findings: &mut Findings) {
    for (index, array) in config.storage.raid.iter().enumerate() {
        let level = array.level.as_deref().unwrap_or_default();
        if is_redundant(level) == Some(false) && array.spares.is_some_and(|spares| spares != 0) {
            let message = format!("a {level} array cannot use spares");
            findings
                .report(rule::RAID_SPARES_UNSUPPORTED, at(index).key("level"), message)
                .help("remove spares, or choose a redundant level");
        }
    }
}

fn arrays_have_devices(config: &Config, _: Version, findings: &mut Findings) {
    for (index, array) in config.storage.raid.iter().enumerate() {
        if array.devices.is_empty() {
            findings.report(
                rule::RAID_DEVICES_MISSING,
                at(index).key("devices"),
                "an array has no members",
            );
        }
    }
}

fn devices_are_paths(config: &Config, _: Version, findings: &mut Findings) {
    for (index, array) in config.storage.raid.iter().enumerate() {
        for (member, device) in array.devices.iter().enumerate() {
            paths::check(device, || at(index).key("devices").index(member), findings);
        }
    }
}

#[cfg(test)]
mod tests;
