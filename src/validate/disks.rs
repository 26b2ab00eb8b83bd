//! Whether the partitions of a config fit on disks of the sizes given: asked of the planner itself, for blank disks.

use kindling_config_spec::diagnostic::{Diagnostic, Pointer};
use kindling_config_spec::lint::Setting;
use kindling_config_spec::lint::catalog::PARTITIONS_TOO_LARGE;
use kindling_config_spec::types::Config;

use crate::gpt::{Found, Guid};
use crate::identity::Seed;
use crate::plan::partitions::{InUse, Request, plan_partitions};

/// The findings about every disk whose size `setting` knows.
pub(super) fn lint(config: &Config, setting: &Setting<'_>) -> Vec<Diagnostic> {
    let in_use = InUse::default();
    let seed = Seed::new("", "");
    let mut findings = Vec::new();
    for (index, disk) in config.storage.disks.iter().enumerate() {
        let Some(&(size, sector)) = setting.disks.get(&disk.device) else {
            continue;
        };
        // Which GUIDs partitions get changes nothing about their places, as long as they differ.
        let derive = |pointer: &str| Guid::from_random(seed.derive("", pointer));
        let request = Request {
            disk,
            pointer: format!("/storage/disks/{index}"),
            found: &Found::Blank,
            size,
            sector,
            in_use: &in_use,
            fresh_disk_guid: Guid::from_random([1; 16]),
            derive_guid: &derive,
            unfinished: &|_| false,
        };
        let conflicts = plan_partitions(&request).err().unwrap_or_default();
        findings.extend(conflicts.into_iter().map(|conflict| {
            let message = format!("{} (on {} of {size})", conflict.message, disk.device);
            PARTITIONS_TOO_LARGE.finding(Pointer::of(&conflict.pointer), message, conflict.next)
        }));
    }
    findings
}
