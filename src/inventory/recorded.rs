//! The disks of a machine as somebody recorded them, to plan for it elsewhere.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{OrderedMap, OrderedSet};

use serde::{Deserialize, Serialize};

use super::disks::{Content, Disk};
use super::stack::{RunningArray, User};
use crate::gpt::{Entry, Found};
use crate::plan::place::{Partition, by_disk_link, by_entry, partition_name, udev_escaped};

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
    pub aliases: OrderedSet<PathBuf>,
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedDisk {
    /// Its geometry, table and users.
    pub disk: Disk,
    /// What its partitions hold, by number.
    pub contents: OrderedMap<u32, Content>,
}

impl Recorded {
    /// The disk that a config calls `device`: by its node or a link to it.
    #[must_use]
    pub fn disk(&self, device: &Path) -> Option<&RecordedDisk> {
        let is_that = |one: &&RecordedDisk| one.disk.node == device || one.disk.aliases.contains(device);
        self.disks.iter().find(is_that)
    }

    /// What stands where a partition is or will be, whatever number it has now; `None` where nobody looked, since no
    /// partition started there.
    #[must_use]
    pub fn content(&self, partition: &Partition) -> Option<&Content> {
        let recorded = self.disk(partition.disk.as_ref())?;
        let Found::Gpt { table, .. } = &recorded.disk.found else {
            return None;
        };
        let starts_there = |entry: &Entry| entry.first.to_bytes(table.sector_size) == partition.start;
        let mut entries = table.entries.iter();
        let (number, _) = entries.find(|(_, entry)| starts_there(entry))?;
        recorded.contents.get(number)
    }

    /// The array that the device at `node` is a member of.
    #[must_use]
    pub fn array_on(&self, node: &Path) -> Option<&RunningArray> {
        let has = |one: &&RecordedArray| one.array.active.contains(node) || one.array.spares.contains(node);
        self.arrays.iter().find(has).map(|one| &one.array)
    }

    /// The array that a config calls `device`.
    fn array(&self, device: &Path) -> Option<&RecordedArray> {
        let is_that = |one: &&RecordedArray| one.array.node == device || one.aliases.contains(device);
        self.arrays.iter().find(is_that)
    }

    /// The partition that `device` names: by its node or by a link that udev gives it.
    fn partition(&self, device: &Path) -> Option<(&RecordedDisk, u32)> {
        let of_disk = |one: &'_ RecordedDisk| one.named(device);
        self.disks.iter().find_map(|one| Some((one, of_disk(one)?)))
    }

    /// The node of a disk, a partition or an array.
    #[must_use]
    pub fn node(&self, device: &Path) -> Option<PathBuf> {
        let whole = self.disk(device).map(|one| one.disk.node.clone());
        let array = || self.array(device).map(|one| one.array.node.clone());
        let partition = || self.partition(device).map(|(one, number)| one.node(number));
        whole.or_else(array).or_else(partition)
    }

    /// Every disk and partition that may be called `device`, by what it holds too.
    #[must_use]
    pub fn nodes(&self, device: &Path) -> Vec<PathBuf> {
        if let Some(one) = self.disk(device) {
            return vec![one.disk.node.clone()];
        }
        let mut nodes = Vec::new();
        for one in &self.disks {
            nodes.extend(by_content(device, &one.disk.content).then(|| one.disk.node.clone()));
            nodes.extend(one.all_named(device).map(|number| one.node(number)));
        }
        nodes
    }

    /// What a whole disk, a partition or an array holds.
    #[must_use]
    pub fn content_of(&self, node: &Path) -> Option<&Content> {
        let whole = || self.disk(node).map(|one| &one.disk.content);
        let partition = || {
            self.partition(node)
                .and_then(|(one, number)| one.contents.get(&number))
        };
        let array = self.array(node).map(|one| &one.content);
        array.or_else(whole).or_else(partition)
    }

    /// Who uses the disk or the partition at `node`.
    #[must_use]
    pub fn user(&self, node: &Path) -> Option<User> {
        if let Some((one, number)) = self.partition(node) {
            return one.disk.in_use.partitions.get(&number).cloned();
        }
        let in_use = &self.disk(node)?.disk.in_use;
        in_use
            .disk
            .clone()
            .or_else(|| in_use.partitions.values().next().cloned())
    }
}

impl RecordedDisk {
    /// The number of the partition that `device` names (60-persistent-storage.rules).
    fn named(&self, device: &Path) -> Option<u32> {
        self.all_named(device).next()
    }

    fn all_named<'a>(&'a self, device: &'a Path) -> impl Iterator<Item = u32> + 'a {
        let table = match &self.disk.found {
            Found::Gpt { table, .. } => Some(table),
            Found::Blank | Found::Mbr | Found::Damaged(_) => None,
        };
        // A node by which the machine to come calls the disk.
        let kernels = |name: &&PathBuf| !name.starts_with("/dev/disk");
        let entries = table
            .into_iter()
            .flat_map(|table| table.entries.keys().map(move |number| (table, *number)));
        let named = entries.filter(move |(table, number)| {
            let names = self.disk.aliases.iter().filter(kernels);
            device == self.node(*number)
                || names
                    .into_iter()
                    .any(|name| partition_name(name, *number) == device)
                || by_disk_link(device, &self.disk, *number)
                || by_entry(device, table, *number)
                || self
                    .contents
                    .get(number)
                    .is_some_and(|content| by_content(device, content))
        });
        named.map(|(_, number)| number)
    }

    /// The node of a partition.
    #[must_use]
    pub fn node(&self, number: u32) -> PathBuf {
        let mapped = self
            .disk
            .mapped
            .as_ref()
            .and_then(|mapped| mapped.partitions.get(&number));
        mapped.map_or_else(
            || partition_name(&self.disk.node, number),
            |there| there.node.clone(),
        )
    }
}

/// A link to the label or the UUID of what a partition holds.
fn by_content(device: &Path, content: &Content) -> bool {
    let Content::Known(found) = content else {
        return false;
    };
    let is = |dir: &str, name: &Option<String>| {
        let name = name.as_deref().filter(|name| !name.is_empty());
        name.is_some_and(|name| device == Path::new("/dev/disk").join(dir).join(udev_escaped(name)))
    };
    is("by-label", &found.label) || is("by-uuid", &found.uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_lies_where_it_lay() {
        use crate::gpt::{CopyState, Guid, Health, Label, MbrState, Table};
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
            label: Some("my data".into()),
            uuid: Some("5a0e".into()),
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
            (at("/dev/vdb", 2, MIB), Some(&xfs)),
            (at("/dev/vdc", 1, MIB), None),
        ] {
            assert_eq!(recorded.content(&partition), expected, "{partition:?}");
        }
        for (path, node) in [
            ("/dev/vdb", "/dev/vdb"),
            ("/dev/vdb1", "/dev/vdb1"),
            ("/dev/disk/by-id/b-part1", "/dev/vdb1"),
            ("/dev/disk/by-label/my\\x20data", "/dev/vdb1"),
            ("/dev/disk/by-uuid/5a0e", "/dev/vdb1"),
        ] {
            assert_eq!(recorded.node(path.as_ref()), Some(node.into()), "{path}");
        }
        assert_eq!(recorded.node("/dev/vdb2".as_ref()), None);
        assert_eq!(recorded.content_of("/dev/vdb1".as_ref()), Some(&xfs));
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
