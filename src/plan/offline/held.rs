//! What images hold, one file system after the other.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedSet;

use crate::gpt::{Found, Guid};
use crate::inventory::disks::{Content, Signature};
use crate::inventory::recorded::Recorded;
use crate::plan::entries::{Device, may_hold_entries};

/// A whole disk or a partition with one signature.
pub(super) struct Held<'a> {
    disk: &'a Path,
    pub(super) node: PathBuf,
    /// What the config calls the disk, and the partition's number.
    name: PathBuf,
    /// The type of a partition.
    pub(super) kind: Option<Guid>,
    pub(super) signature: &'a Signature,
}

impl Held<'_> {
    fn may_hold_entries(&self) -> bool {
        let kind = self.kind.map(|kind| kind.to_string().to_lowercase());
        let label = self.signature.label.as_deref();
        let said = [
            ("TYPE=", self.signature.kind.as_str()),
            ("PART_ENTRY_TYPE=", kind.as_deref().unwrap_or_default()),
            ("LABEL=", label.unwrap_or_default()),
        ];
        may_hold_entries(&said.map(|(key, value)| [key, value].concat()).join("\n"))
    }

    fn device(&self) -> Device {
        Device {
            node: self.node.clone(),
            name: self.name.clone(),
        }
    }
}

/// All of them, disk by disk.
pub(super) fn held(disks: &Recorded) -> Vec<Held<'_>> {
    let mut found = Vec::new();
    for one in &disks.disks {
        let disk = &one.disk;
        let called = disk.aliases.iter().next().unwrap_or(&disk.node);
        let table = match &disk.found {
            Found::Gpt { table, .. } => Some(table),
            Found::Blank | Found::Mbr | Found::Damaged(_) => None,
        };
        let partitions = one
            .contents
            .iter()
            .map(|(number, content)| (Some(*number), content));
        for (number, content) in [(None, &disk.content)].into_iter().chain(partitions) {
            let Content::Known(signature) = content else {
                continue;
            };
            let mut name = called.clone().into_os_string();
            if let Some(number) = number {
                name.push(format!(" partition {number}"));
            }
            let entry = number.and_then(|number| table?.entries.get(&number));
            found.push(Held {
                disk: &disk.node,
                node: number.map_or_else(|| disk.node.clone(), |number| one.node(number)),
                name: name.into(),
                kind: entry.map(|entry| entry.type_guid),
                signature,
            });
        }
    }
    found
}

/// What may hold boot entries: each file system that is for them by its partition's type or its label, and the `root`, which
/// may have them in its own tree. Nothing of what is `gone`: nodes of disks and of partitions.
#[must_use]
pub fn boot_devices(
    disks: &Recorded,
    root: Option<&Path>,
    gone: &OrderedSet<PathBuf>,
) -> (Vec<Device>, Option<Device>) {
    let mut found = held(disks);
    found.retain(|one| !gone.contains(&one.node) && !gone.contains(one.disk));
    let devices = found.iter().filter(|one| one.may_hold_entries());
    let devices = devices.map(Held::device).collect();
    let root = found.iter().find(|one| Some(one.node.as_path()) == root);
    (devices, root.map(Held::device))
}
