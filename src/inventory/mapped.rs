//! Disks that device mapper makes of others (multipath, for example), and their partitions, as data.
//!
//! The kernel shows no partitions of such a disk: each is a linear mapping of its own onto the disk. Its name is a matter
//! of taste and may change while it is there (kpartx renames what it finds by UUID); its DM UUID is not and does not.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::units::Bytes;
use serde::{Deserialize, Serialize};

/// What stands between the name of a disk and the number in the name of a partition: ours first, then what the udev rules
/// of distributions make kpartx use.
pub const DELIMITERS: [&str; 3] = ["p", "-part", ""];

/// A disk that is a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapped {
    /// Its name below `/dev/mapper`, as sysfs shows it.
    pub name: String,
    /// Its DM UUID; empty where it has none.
    #[serde(default)]
    pub uuid: String,
    /// The mappings that are its partitions, by number.
    #[serde(default)]
    pub partitions: OrderedMap<u32, MappedPartition>,
}

/// A partition of such a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappedPartition {
    /// Its name below `/dev/mapper`.
    pub name: String,
    /// Its DM UUID; empty where it has none.
    #[serde(default)]
    pub uuid: String,
    /// Its node as the kernel names it.
    pub node: PathBuf,
}

impl Mapped {
    /// The disk that a path names by its name in device mapper.
    #[must_use]
    pub fn named_by(path: &Path) -> Option<Self> {
        mapping_name(path).map(|name| Self {
            name: name.to_owned(),
            ..Self::default()
        })
    }

    /// The DM UUID of a partition, by which libblkid, udev's rules and kpartx know it as one. A disk without a UUID lends
    /// its name.
    #[must_use]
    pub fn partition_uuid(&self, number: u32) -> String {
        let of = if self.uuid.is_empty() {
            &self.name
        } else {
            &self.uuid
        };
        format!("part{number}-{of}")
    }

    /// udev's link to the UUID of a partition: the path that holds whatever the mapping is called.
    #[must_use]
    pub fn partition_link(&self, number: u32) -> PathBuf {
        Path::new("/dev/disk/by-id").join(format!("dm-uuid-{}", self.partition_uuid(number)))
    }

    /// A partition that somebody else made, with another UUID or none: it has no such link.
    #[must_use]
    pub fn foreign(&self, number: u32) -> Option<&MappedPartition> {
        let there = self.partitions.get(&number)?;
        (there.uuid != self.partition_uuid(number)).then_some(there)
    }

    /// The number in a partition's name, whichever of the usual ways it is written.
    #[must_use]
    pub fn number_in_name(&self, name: &str) -> Option<u32> {
        let digits = name.trim_end_matches(|last: char| last.is_ascii_digit()).len();
        let number = name.get(digits..)?.parse().ok()?;
        self.names(number).any(|one| one == name).then_some(number)
    }

    /// How a partition's name is written: what stands between the name of the disk and the number.
    #[must_use]
    pub fn delimiter_in_name(&self, name: &str) -> Option<&'static str> {
        let number = self.number_in_name(name)?;
        let between = name.strip_prefix(&self.name)?.strip_suffix(&number.to_string())?;
        DELIMITERS.into_iter().find(|one| *one == between)
    }

    /// The usual names of a partition. No number follows a digit.
    pub fn names(&self, number: u32) -> impl Iterator<Item = String> + '_ {
        let ends_in_digit = self.name.ends_with(|last: char| last.is_ascii_digit());
        let usable = DELIMITERS
            .into_iter()
            .filter(move |delimiter| !(ends_in_digit && delimiter.is_empty()));
        usable.map(move |delimiter| format!("{}{delimiter}{number}", self.name))
    }
}

/// What stands before the name of a mapping in the two paths that lead to it.
const BEFORE_NAME: [&str; 2] = ["/dev/mapper/", "/dev/disk/by-id/dm-name-"];

/// The name in device mapper that a path gives.
#[must_use]
pub fn mapping_name(path: &Path) -> Option<&str> {
    let path = path.to_str()?;
    let name = BEFORE_NAME.iter().find_map(|before| path.strip_prefix(before))?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// The paths that give a name in device mapper.
#[must_use]
pub fn mapping_paths(name: &str) -> [PathBuf; 2] {
    BEFORE_NAME.map(|before| PathBuf::from(format!("{before}{name}")))
}

/// The partition number in a DM UUID, `part<N>-<UUID of the disk>`.
#[must_use]
pub fn number_in_uuid(uuid: &str) -> Option<u32> {
    let (number, _) = uuid.strip_prefix("part")?.split_once('-')?;
    let plain = number.chars().all(|digit| digit.is_ascii_digit());
    plain.then(|| number.parse().ok())?
}

/// What a mapping consists of, where that is one stretch of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// `MAJOR:MINOR` of the device.
    pub device: String,
    /// Where on it the mapping starts.
    pub start: Bytes,
    /// How long it is.
    pub size: Bytes,
}

impl Linear {
    /// Reads what `dmsetup table` prints of one mapping: lines of `START LENGTH TARGET ARGUMENTS`, in units of 512 bytes.
    /// `None` for any other than one linear target.
    #[must_use]
    pub fn parse(table: &str) -> Option<Self> {
        let mut lines = table.lines().filter(|line| !line.trim().is_empty());
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["0", length, "linear", device, start] = words[..] else {
            return None;
        };
        let bytes = |units: &str| Some(Bytes(units.parse::<u64>().ok()?.checked_mul(512)?));
        Some(Self {
            device: device.to_owned(),
            start: bytes(start)?,
            size: bytes(length)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, uuid: &str) -> Mapped {
        Mapped {
            name: name.into(),
            uuid: uuid.into(),
            partitions: OrderedMap::new(),
        }
    }

    #[test]
    fn a_partition_is_known_by_uuid_and_by_name() {
        for (uuid, number) in [
            ("part1-mpath-36000", Some(1)),
            ("part12-x", Some(12)),
            ("part1", None),
            ("part-x", None),
            ("part+1-x", None),
            ("mpath-36000", None),
            ("LVM-part1-x", None),
            ("", None),
        ] {
            assert_eq!(number_in_uuid(uuid), number, "{uuid}");
        }
        for (disk_name, name, number) in [
            ("mpatha", "mpathap1", Some(1)),
            ("mpatha", "mpatha-part12", Some(12)),
            ("mpatha", "mpatha3", Some(3)),
            ("disk1", "disk1p2", Some(2)),
            ("disk1", "disk12", None),
            ("mpatha", "mpatha", None),
            ("mpatha", "mpathb1", None),
            ("mpatha", "mpathap01", None),
            ("mpatha", "mpatha-data1", None),
        ] {
            assert_eq!(disk(disk_name, "").number_in_name(name), number, "{name}");
        }
        for (name, delimiter) in [
            ("mpathap1", Some("p")),
            ("mpatha-part12", Some("-part")),
            ("mpatha3", Some("")),
            ("mpathb3", None),
        ] {
            assert_eq!(disk("mpatha", "").delimiter_in_name(name), delimiter, "{name}");
        }
    }

    #[test]
    fn a_disk_is_recognised_by_its_path() {
        for (path, name) in [
            ("/dev/mapper/mpatha", Some("mpatha")),
            ("/dev/disk/by-id/dm-name-mpatha", Some("mpatha")),
            ("/dev/mapper/", None),
            ("/dev/mapper/a/b", None),
            ("/dev/vdb", None),
        ] {
            assert_eq!(mapping_name(Path::new(path)), name, "{path}");
        }
    }

    #[test]
    fn a_partition_is_reached_by_what_does_not_change() {
        let mut disk = disk("mpatha", "mpath-36000");
        let link = "/dev/disk/by-id/dm-uuid-part1-mpath-36000";
        assert_eq!(disk.partition_link(1), Path::new(link));
        for (uuid, is_foreign) in [("part1-mpath-36000", false), ("part1-mpath-1", true), ("", true)] {
            let there = MappedPartition {
                name: "mpatha1".into(),
                uuid: uuid.into(),
                node: "/dev/dm-4".into(),
            };
            disk.partitions.insert(1, there);
            assert_eq!(disk.foreign(1).is_some(), is_foreign, "{uuid}");
        }
        assert_eq!(disk.foreign(2), None);
        disk.uuid.clear();
        assert_eq!(
            disk.partition_link(2),
            Path::new("/dev/disk/by-id/dm-uuid-part2-mpatha")
        );
    }

    #[test]
    fn tables_of_mappings() {
        let linear = |device: &str, start, size| {
            Some(Linear {
                device: device.into(),
                start: Bytes(start),
                size: Bytes(size),
            })
        };
        for (table, expected) in [
            ("0 8 linear 254:0 2048\n", linear("254:0", 1 << 20, 4096)),
            ("\n", None),
            ("0 8 linear 254:0 0\n8 8 linear 254:1 0\n", None),
            ("0 8 crypt aes 00 0 254:0 0\n", None),
            ("8 8 linear 254:0 0\n", None),
            ("0 18446744073709551615 linear 254:0 0\n", None),
            ("0 8 error\n", None),
        ] {
            assert_eq!(Linear::parse(table), expected, "{table}");
        }
    }
}
