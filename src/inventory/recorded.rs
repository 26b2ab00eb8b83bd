//! The disks of a machine as somebody recorded them, to plan for it elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disks::{Content, Disk};
use super::stack::{RunningArray, User};
use crate::gpt::Found;
use crate::plan::partitions::TableChange;
use crate::plan::place::{self, Partition};

/// What `kindling inspect --disks` prints and `kindling plan --inventory` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recorded {
    /// The format: 1, the only one there is.
    pub version: Format,
    /// The disks.
    pub disks: Vec<RecordedDisk>,
    /// The arrays that run.
    #[serde(default)]
    pub arrays: Vec<RecordedArray>,
}

/// The format of a record. Reading refuses any other than 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Format;

const NUMBER: u64 = 1;

impl From<Format> for u64 {
    fn from(_: Format) -> Self {
        NUMBER
    }
}

impl TryFrom<u64> for Format {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if number == NUMBER {
            Ok(Self)
        } else {
            Err(format!(
                "format {number} of an inventory is not known, only {NUMBER}"
            ))
        }
    }
}

/// One array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedArray {
    /// Its parts and its name.
    pub array: RunningArray,
    /// What it holds.
    pub content: Content,
    /// Links to it.
    pub aliases: BTreeSet<PathBuf>,
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedDisk {
    /// Its geometry, table and users.
    pub disk: Disk,
    /// What its partitions hold, by number.
    pub contents: BTreeMap<u32, Content>,
}

impl Recorded {
    /// The disk that a config calls `device`: by its node or a link to it.
    #[must_use]
    pub fn disk(&self, device: &Path) -> Option<&RecordedDisk> {
        let is_that = |one: &&RecordedDisk| one.disk.node == device || one.disk.aliases.contains(device);
        self.disks.iter().find(is_that)
    }

    /// Every device of these disks that may be called `path`: a disk by its node or a link to it, a partition by the
    /// kernel's names and udev's links (60-persistent-storage.rules).
    #[must_use]
    pub fn nodes(&self, path: &Path) -> Vec<PathBuf> {
        if let Some(one) = self.disk(path) {
            return vec![one.disk.node.clone()];
        }
        let (mut disks, mut tables) = (BTreeMap::new(), BTreeMap::new());
        for one in &self.disks {
            let Found::Gpt { table, .. } = &one.disk.found else {
                continue;
            };
            let name = one.disk.aliases.first().unwrap_or(&one.disk.node);
            let name = name.to_string_lossy().into_owned();
            disks.insert(name.clone(), one.disk.clone());
            tables.insert(name, TableChange::kept(table.clone()));
        }
        let partitions = place::partitions_at(path, &tables, &disks).into_iter();
        let mut nodes: BTreeSet<PathBuf> = partitions.map(|partition| partition.node).collect();
        let is_called = |content: &Content| match content {
            Content::Known(signature) => {
                let after = |dir: &str| path.strip_prefix(dir).ok().and_then(Path::to_str);
                after("/dev/disk/by-label").is_some_and(|label| signature.has_label(label))
                    || after("/dev/disk/by-uuid").is_some_and(|uuid| signature.uuid.as_deref() == Some(uuid))
            }
            Content::Blank | Content::Ambiguous(_) => false,
        };
        for one in &self.disks {
            let called = one.contents.iter().filter(|(_, content)| is_called(content));
            nodes.extend(called.map(|(number, _)| place::partition_name(&one.disk.node, *number)));
            nodes.extend(is_called(&one.disk.content).then(|| one.disk.node.clone()));
        }
        nodes.into_iter().collect()
    }

    /// What stands where a partition is or will be; `None` where nobody looked, since there was no partition.
    #[must_use]
    pub fn content(&self, partition: &Partition) -> Option<&Content> {
        let recorded = self.disk(partition.disk.as_ref())?;
        let Found::Gpt { table, .. } = &recorded.disk.found else {
            return None;
        };
        let entry = table.entries.get(&partition.number)?;
        let stays = entry.first.to_bytes(table.sector_size) == partition.start;
        recorded.contents.get(&partition.number).filter(|_| stays)
    }

    /// The array that the device at `node` is a member of.
    #[must_use]
    pub fn array_on(&self, node: &Path) -> Option<&RunningArray> {
        let has = |one: &&RecordedArray| one.array.active.contains(node) || one.array.spares.contains(node);
        self.arrays.iter().find(has).map(|one| &one.array)
    }

    /// What a whole disk or an array holds.
    #[must_use]
    pub fn content_of(&self, node: &Path) -> Option<&Content> {
        let is_that = |one: &&RecordedArray| one.array.node == node || one.aliases.contains(node);
        let array = self.arrays.iter().find(is_that).map(|one| &one.content);
        array.or_else(|| self.disk(node).map(|recorded| &recorded.disk.content))
    }

    /// Who uses the disk at `node`.
    #[must_use]
    pub fn user(&self, node: &Path) -> Option<User> {
        let in_use = &self.disk(node)?.disk.in_use;
        in_use
            .disk
            .clone()
            .or_else(|| in_use.partitions.values().next().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_partitions_that_stay_have_a_recorded_content() {
        use crate::gpt::{CopyState, Entry, Guid, Health, Label, MbrState, Table};
        use crate::inventory::disks::Signature;
        use kindling_config_spec::units::{Bytes, Lba, MIB, SectorSize};

        let mut table = Table::new(Guid::from_random([1; 16]), Bytes(64 * MIB), SectorSize::S512).unwrap();
        let entry = Entry {
            type_guid: Guid::LINUX_FILESYSTEM,
            guid: Guid::from_random([2; 16]),
            first: Lba(2048),
            last: Lba(4095),
            attributes: 0,
            label: Label::EMPTY,
            extra: Vec::new(),
        };
        table.entries.insert(1, entry);
        let good = Health {
            primary: CopyState::Good,
            backup: CopyState::Good,
            mbr: MbrState::Protective,
        };
        let xfs = Content::Known(Signature {
            kind: "xfs".into(),
            ..Signature::default()
        });
        let disk = Disk {
            node: "/dev/vdb".into(),
            aliases: ["/dev/disk/by-id/b".into()].into(),
            mapped: None,
            sector: SectorSize::S512,
            size: Bytes(64 * MIB),
            found: Found::Gpt { table, health: good },
            in_use: crate::plan::partitions::InUse::default(),
            content: Content::Blank,
            assumed: false,
        };
        let recorded = Recorded {
            version: Format,
            arrays: Vec::new(),
            disks: vec![RecordedDisk {
                disk,
                contents: [(1, xfs.clone())].into(),
            }],
        };
        let at = |disk: &str, number, start| Partition {
            disk: disk.into(),
            disk_node: "/dev/vdb".into(),
            number,
            node: format!("/dev/vdb{number}").into(),
            start: Bytes(start),
            size: Bytes(MIB),
        };
        for (partition, expected) in [
            (at("/dev/vdb", 1, MIB), Some(&xfs)),
            (at("/dev/disk/by-id/b", 1, MIB), Some(&xfs)),
            (at("/dev/vdb", 1, 2 * MIB), None),
            (at("/dev/vdb", 2, MIB), None),
            (at("/dev/vdc", 1, MIB), None),
        ] {
            assert_eq!(recorded.content(&partition), expected, "{partition:?}");
        }
        let text = serde_json::to_string(&recorded).unwrap();
        assert_eq!(serde_json::from_str::<Recorded>(&text).unwrap(), recorded);
    }

    #[test]
    fn only_the_known_format_is_read() {
        let known = r#"{"version":1,"disks":[],"arrays":[]}"#;
        assert_eq!(
            serde_json::from_str::<Recorded>(known).unwrap(),
            Recorded::default()
        );
        assert_eq!(serde_json::to_string(&Recorded::default()).unwrap(), known);
        for other in [
            r#"{"version":2,"disks":[]}"#,
            r#"{"disks":[]}"#,
            r#"{"version":1,"disks":[],"x":1}"#,
        ] {
            assert!(serde_json::from_str::<Recorded>(other).is_err(), "{other}");
        }
    }
}
