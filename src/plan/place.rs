//! Which device a path in the config means, before the device exists.
//!
//! A file system may be asked for on a partition that the same config creates. Its node and links are not
//! there yet when the stage plans, but their names are rules of the kernel and of udev.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kindling_config_spec::units::Bytes;

use super::partitions::TableChange;
use crate::gpt::Table;
use crate::inventory::disks::{Disk, Probe};

/// A partition of a disk that the config lists, as it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The disk, as the config names it.
    pub disk: String,
    /// The disk's node.
    pub disk_node: PathBuf,
    /// Its number.
    pub number: u32,
    /// Its first byte on the disk.
    pub start: Bytes,
    /// Its size.
    pub size: Bytes,
}

impl Partition {
    /// The node the kernel gives it.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        partition_name(&self.disk_node, self.number)
    }

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

/// The number in a partition's node, if it is a partition of `disk`.
#[must_use]
pub fn number_of(disk: &Path, node: &Path) -> Option<u32> {
    let name = node.to_str()?;
    let digits = name.trim_end_matches(|last: char| last.is_ascii_digit()).len();
    let number = name.get(digits..)?.parse().ok()?;
    (partition_name(disk, number) == node).then_some(number)
}

/// The partitions that `path` may mean, among those of the disks the config lists. More than one answer
/// means that nobody can tell.
#[must_use]
pub fn partitions_at(
    path: &Path,
    tables: &BTreeMap<String, TableChange>,
    disks: &BTreeMap<String, Disk>,
) -> Vec<Partition> {
    tables
        .iter()
        .filter_map(|(device, change)| Some((device, disks.get(device)?, change.table.as_ref()?)))
        .flat_map(|(device, disk, table)| {
            table
                .entries
                .keys()
                .filter(move |number| names(path, device, disk, table, **number))
                .map(|number| partition(device, disk, table, *number))
        })
        .collect()
}

/// Partition `number` of a disk, as `table` has it.
pub(super) fn partition(device: &str, disk: &Disk, table: &Table, number: u32) -> Partition {
    let (first, last) = table
        .entries
        .get(&number)
        .map_or((0, 0), |entry| (entry.first.0, entry.last.0));
    let sector = disk.sector.bytes();
    Partition {
        disk: device.to_owned(),
        disk_node: disk.node.clone(),
        number,
        start: Bytes(first.saturating_mul(sector)),
        size: Bytes((last.saturating_sub(first).saturating_add(1)).saturating_mul(sector)),
    }
}

/// Whether `path` is a name of partition `number`: the kernel's, or one of udev's links
/// (60-persistent-storage.rules).
fn names(path: &Path, device: &str, disk: &Disk, table: &Table, number: u32) -> bool {
    if path == partition_name(&disk.node, number) || path == partition_name(Path::new(device), number) {
        return true;
    }
    let stem = path
        .to_str()
        .and_then(|path| path.strip_suffix(&format!("-part{number}")));
    let is_disk = |stem: &str| disk.aliases.contains(Path::new(stem));
    if stem.is_some_and(|stem| is_disk(stem) || (device == stem && device.starts_with("/dev/disk/"))) {
        return true;
    }
    let Some(entry) = table.entries.get(&number) else {
        return false;
    };
    let label = entry.label.to_string();
    (!label.is_empty() && path == Path::new("/dev/disk/by-partlabel").join(udev_escaped(&label)))
        || path == Path::new("/dev/disk/by-partuuid").join(entry.guid.to_string().to_lowercase())
}

/// A label as udev writes it into a link: whatever is not plain becomes `\x` and two hex digits
/// (libudev's `udev_util_encode_string`).
fn udev_escaped(label: &str) -> String {
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
            assert_eq!(number_of(Path::new(disk), Path::new(node)), None, "{node}");
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
            assert_eq!(number_of(Path::new(disk), Path::new(expected)), Some(number));
        }
    }
}
