//! Which device a path in the config means, before the device exists.
//!
//! A file system may be asked for on a partition that the same config creates. Its node and links are not
//! there yet when the stage plans, but their names are rules of the kernel and of udev; those of the partitions of a
//! device-mapper disk are chosen here (docs/decisions/0011-device-mapper-partitions.md).

mod names;

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};
use kindling_config_spec::units::Bytes;

use kindling_config_spec::types::Config;

pub use self::names::Names;
use super::partitions::{SlotStep, TableChange};
use crate::gpt::{Entry, Table};
use crate::inventory::disks::{Disk, Probe};
use crate::inventory::mapped::{DELIMITERS, mapping_name};

/// A partition of a disk that the config lists, as it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The disk, as the config names it.
    pub disk: String,
    /// The disk's node.
    pub disk_node: PathBuf,
    /// Its number.
    pub number: u32,
    /// The path it is reached by once the table is in order.
    pub node: PathBuf,
    /// Its first byte on the disk.
    pub start: Bytes,
    /// Its size.
    pub size: Bytes,
}

impl Partition {
    /// Where its content is, whether or not the kernel knows the partition yet.
    #[must_use]
    pub fn probe(&self) -> Probe {
        Probe {
            node: self.disk_node.clone(),
            range: Some((self.start, self.size)),
        }
    }
}

/// The kernel's name for a partition: a `p` in between after a digit (block/partitions/core.c).
#[must_use]
pub fn partition_name(disk: &Path, number: u32) -> PathBuf {
    let mut name = disk.as_os_str().to_owned();
    if name
        .to_string_lossy()
        .ends_with(|last: char| last.is_ascii_digit())
    {
        name.push("p");
    }
    name.push(number.to_string());
    PathBuf::from(name)
}

/// The number in a partition's node, if it is a partition of the disk.
#[must_use]
pub fn number_of(disk: &Disk, node: &Path) -> Option<u32> {
    let Some(mapped) = &disk.mapped else {
        return number_in_name(&disk.node, node);
    };
    let mut partitions = mapped.partitions.iter();
    partitions
        .find(|(_, partition)| partition.node == node)
        .map(|(number, _)| *number)
}

fn number_in_name(disk: &Path, node: &Path) -> Option<u32> {
    let name = node.to_str()?;
    let digits = name.trim_end_matches(|last: char| last.is_ascii_digit()).len();
    let number = name.get(digits..)?.parse().ok()?;
    (partition_name(disk, number) == node).then_some(number)
}

/// The path of a partition that the config makes.
#[must_use]
pub fn made_node(disk: &Disk, number: u32) -> PathBuf {
    match &disk.mapped {
        Some(mapped) => mapped.partition_link(number),
        None => partition_name(&disk.node, number),
    }
}

/// What the partitions of a device-mapper disk are called below `/dev/mapper`, those that the table has and those that are
/// there: as they are called now, else as the config writes it, else in the way of another one that is there or in the
/// config, else `NAMEpNUMBER`. `None` for a disk of the kernel's own.
/// `asked` is what [`asked_names`] has of the config.
#[must_use]
pub fn mapping_names(
    asked: &OrderedSet<&str>,
    disk: &Disk,
    change: &TableChange,
) -> Option<OrderedMap<u32, String>> {
    let mapped = disk.mapped.as_ref()?;
    let there = mapped
        .partitions
        .values()
        .map(|partition| partition.name.as_str());
    // Those that may be of this disk stand together.
    let its_own = asked.range(mapped.name.as_str()..).copied();
    let mut others = there.chain(its_own.take_while(|name| name.starts_with(&mapped.name)));
    let [ours, ..] = DELIMITERS;
    let usual = others
        .find_map(|name| mapped.delimiter_in_name(name))
        .unwrap_or(ours);
    let name = |number: u32| match mapped.partitions.get(&number) {
        Some(there) => there.name.clone(),
        None => mapped
            .names(number)
            .find(|name| asked.contains(name.as_str()))
            .unwrap_or_else(|| format!("{}{usual}{number}", mapped.name)),
    };
    let wanted = change.table.iter().flat_map(|table| table.entries.keys());
    let numbers: OrderedSet<u32> = wanted.chain(mapped.partitions.keys()).copied().into_set();
    Some(
        numbers
            .into_iter()
            .map(|number| (number, name(number)))
            .into_map(),
    )
}

/// The mappings that the config names as devices to put something on.
#[must_use]
pub fn asked_names(config: &Config) -> OrderedSet<&str> {
    let storage = &config.storage;
    let filesystems = storage.filesystems.iter().map(|one| one.device.as_str());
    let members = storage
        .raid
        .iter()
        .flat_map(|one| &one.devices)
        .map(AsRef::as_ref);
    let volumes = storage.luks.iter().filter_map(|one| one.device.as_deref());
    let devices = filesystems.chain(members).chain(volumes);
    devices
        .filter_map(|device| mapping_name(Path::new(device)))
        .into_set()
}

/// Partition `number` of a disk, as the table will have it.
pub(super) fn partition(device: &str, disk: &Disk, change: &TableChange, number: u32) -> Partition {
    let entry = change.table.as_ref().and_then(|table| table.entries.get(&number));
    let (first, last) = entry.map_or((0, 0), |entry| (entry.first.0, entry.last.0));
    let sector = disk.sector.bytes();
    let is_made = |step| matches!(step, SlotStep::Create | SlotStep::Replace);
    let stays = !change
        .slots
        .iter()
        .any(|slot| slot.number == number && is_made(slot.step));
    let foreign = disk.mapped.as_ref().and_then(|mapped| mapped.foreign(number));
    let node = match foreign {
        Some(there) if stays => there.node.clone(),
        _ => made_node(disk, number),
    };
    Partition {
        disk: device.to_owned(),
        disk_node: disk.node.clone(),
        number,
        node,
        start: Bytes(first.saturating_mul(sector)),
        size: Bytes((last.saturating_sub(first).saturating_add(1)).saturating_mul(sector)),
    }
}

/// Whether `path` is a name of partition `number`: the kernel's or device mapper's, or one of udev's links
/// (60-persistent-storage.rules).
fn names(path: &Path, device: &str, disk: &Disk, change: &TableChange, number: u32) -> bool {
    let by_name = match (&disk.mapped, &change.mappings) {
        (Some(mapped), Some(names)) => {
            let is_name = |name: &str| names.get(&number).is_some_and(|one| one == name);
            path == mapped.partition_link(number) || mapping_name(path).is_some_and(is_name)
        }
        _ => path == partition_name(&disk.node, number) || path == partition_name(Path::new(device), number),
    };
    by_name
        || by_disk_link(path, disk, number)
        || by_config_link(path, device, number)
        || change
            .table
            .as_ref()
            .is_some_and(|table| by_entry(path, table, number))
}

/// `LINK-partN`, where `LINK` leads to the disk. Names and UUIDs of device mapper are no such links: those of a partition
/// are its own.
#[must_use]
pub fn by_disk_link(path: &Path, disk: &Disk, number: u32) -> bool {
    stem(path, number).is_some_and(|stem| disk.aliases.contains(Path::new(stem)))
}

/// The same, where the config names the disk by that link.
fn by_config_link(path: &Path, device: &str, number: u32) -> bool {
    device.starts_with("/dev/disk/") && stem(path, number) == Some(device)
}

/// The link to the disk in one to a partition.
fn stem(path: &Path, number: u32) -> Option<&str> {
    let stem = path.to_str()?.strip_suffix(&format!("-part{number}"))?;
    let is_own = mapping_name(Path::new(stem)).is_some() || stem.starts_with("/dev/disk/by-id/dm-uuid-");
    (!is_own).then_some(stem)
}

/// A link to the label or the GUID of the partition.
#[must_use]
pub fn by_entry(path: &Path, table: &Table, number: u32) -> bool {
    let entry = table.entries.get(&number);
    entry.is_some_and(|entry| entry_links(entry).iter().any(|link| link == path))
}

/// Both links; that to the GUID alone, where there is no label.
fn entry_links(entry: &Entry) -> Vec<PathBuf> {
    let link = |dir: &str, name: &str| Path::new("/dev/disk").join(dir).join(name);
    let label = entry.label.to_string();
    let by_label = (!label.is_empty()).then(|| link("by-partlabel", &udev_escaped(&label)));
    let by_guid = link("by-partuuid", &entry.guid.to_string().to_lowercase());
    by_label.into_iter().chain([by_guid]).collect()
}

/// A label as udev writes it into a link: whatever is not plain becomes `\x` and two hex digits
/// (libudev's `udev_util_encode_string`).
#[must_use]
pub fn udev_escaped(label: &str) -> String {
    label.chars().fold(String::new(), |mut text, letter| {
        if letter.is_ascii_alphanumeric() || "#+-.:=@_".contains(letter) || !letter.is_ascii() {
            text.push(letter);
        } else {
            text.push_str(&format!("\\x{:02x}", u32::from(letter)));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_as_udev_links_them() {
        assert_eq!(udev_escaped("my data/1"), "my\\x20data\\x2f1");
        assert_eq!(udev_escaped("größe_a-b.c"), "größe_a-b.c");
    }

    #[test]
    fn a_node_of_another_disk_has_no_number() {
        for (disk, node) in [
            ("/dev/vda", "/dev/vdb1"),
            ("/dev/vda", "/dev/vda"),
            ("/dev/loop1", "/dev/loop12"),
            ("/dev/nvme0n1", "/dev/nvme0n12p1"),
            ("/dev/vda", "/dev/vda01"),
            ("/dev/vda", "/dev/vda99999999999"),
        ] {
            assert_eq!(number_in_name(Path::new(disk), Path::new(node)), None, "{node}");
        }
    }

    #[test]
    fn a_digit_at_the_end_takes_a_p() {
        for (disk, number, expected) in [
            ("/dev/vda", 1, "/dev/vda1"),
            ("/dev/nvme0n1", 2, "/dev/nvme0n1p2"),
            ("/dev/loop7", 12, "/dev/loop7p12"),
        ] {
            assert_eq!(partition_name(Path::new(disk), number), Path::new(expected));
            assert_eq!(number_in_name(Path::new(disk), Path::new(expected)), Some(number));
        }
    }
}
