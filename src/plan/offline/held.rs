//! What images hold, one file system after the other.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedSet;

use crate::gpt::{Found, Guid};
use crate::inventory::disks::{Content, Disk, Signature};
use crate::inventory::recorded::Recorded;
use crate::plan::entries::{Device, IN_ROOT, OWN, may_hold_entries};

/// A whole disk or a partition with one signature.
pub(super) struct Held<'a> {
    disk: &'a Disk,
    number: Option<u32>,
    pub(super) node: PathBuf,
    /// The type of a partition.
    pub(super) kind: Option<Guid>,
    pub(super) signature: &'a Signature,
}

impl Held<'_> {
    fn may_hold_entries(&self) -> bool {
        let kind = self.kind.map(|kind| kind.to_string().to_lowercase());
        may_hold_entries(&format!(
            "TYPE={}\nPART_ENTRY_TYPE={}\nLABEL={}",
            self.signature.kind,
            kind.unwrap_or_default(),
            self.signature.label.as_deref().unwrap_or_default()
        ))
    }

    /// The device by the name that the config has for the disk.
    fn device(&self, below: &'static [&'static str]) -> Device {
        let called = self.disk.aliases.iter().next();
        let mut name = called.unwrap_or(&self.disk.node).clone().into_os_string();
        if let Some(number) = self.number {
            name.push(format!(" partition {number}"));
        }
        Device {
            node: self.node.clone(),
            name: name.into(),
            below,
        }
    }
}

/// Calls `take` with each of them, disk by disk.
pub(super) fn each<'a>(disks: &'a Recorded, take: &mut dyn FnMut(Held<'a>)) {
    for one in &disks.disks {
        let disk = &one.disk;
        let mut add = |number: Option<u32>, kind, content| {
            if let Some(signature) = signature(content) {
                take(Held {
                    disk,
                    number,
                    node: number.map_or_else(|| disk.node.clone(), |number| one.node(number)),
                    kind,
                    signature,
                });
            }
        };
        add(None, None, &disk.content);
        if let Found::Gpt { table, .. } = &disk.found {
            for (number, content) in &one.contents {
                let kind = table.entries.get(number).map(|entry| entry.type_guid);
                add(Some(*number), kind, content);
            }
        }
    }
}

fn signature(content: &Content) -> Option<&Signature> {
    match content {
        Content::Known(signature) => Some(signature),
        Content::Blank | Content::Ambiguous(_) => None,
    }
}

/// The file systems labelled `boot`, on which a stamp of the first boot may be.
#[must_use]
pub fn labelled_boot(disks: &Recorded) -> Vec<Device> {
    let mut devices = Vec::new();
    each(disks, &mut |one| {
        if one.signature.has_label("boot") {
            devices.push(one.device(OWN));
        }
    });
    devices
}

/// What may hold boot entries: each file system that is for them by its partition's type or its label, and the `root`, which
/// may have them in its own tree. Nothing of what is `gone`: nodes of disks and of partitions.
#[must_use]
pub fn boot_devices(disks: &Recorded, root: Option<&Path>, gone: &OrderedSet<PathBuf>) -> Vec<Device> {
    let mut devices = Vec::new();
    each(disks, &mut |one| {
        if gone.contains(&one.node) || gone.contains(&one.disk.node) {
            return;
        }
        if one.may_hold_entries() {
            devices.push(one.device(OWN));
        }
        if root == Some(&one.node) {
            devices.push(one.device(IN_ROOT));
        }
    });
    devices
}
