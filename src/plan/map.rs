//! A disk before and after, for people who sign off on it: which partition lies where, what is on it, and what becomes of
//! it. Drawn from the same decisions as the steps.

use std::fmt::{self, Write};

use kindling_config_spec::order::Gather;
use kindling_config_spec::order::{self, OrderedMap, OrderedSet};
use kindling_config_spec::units::{Bytes, MIB, SectorSize};
use serde::Serialize;

use crate::gpt::{Entry, Table};
use crate::inventory::disks::Content;

/// How many characters the bar of a disk has.
const BAR: u64 = 64;

/// A disk before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskMap {
    /// The path in the config.
    pub device: String,
    /// Its size.
    pub size: Bytes,
    /// Its logical sector size.
    pub sector: SectorSize,
    /// What it holds now in place of a GUID partition table, in words; `None` where that is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
    /// Its partitions, those that go before those that come, by their place on the disk.
    pub partitions: Vec<PartitionMap>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionMap {
    /// Its number.
    pub number: u32,
    /// Its name below `/dev/mapper`, on a device-mapper disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// Its label.
    pub label: String,
    /// Where it starts.
    pub start: Bytes,
    /// Its size; the later one, where that changes.
    pub size: Bytes,
    /// What it is for.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the config asks for on it: a file system, an encrypted volume, a member of an array.
    pub filesystem: Option<Filesystem>,
    /// What is on one that goes, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
}

/// A file system of the config, a volume, or a member of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filesystem {
    /// Its format by name, or what it is.
    pub format: String,
    /// Whether it is made; otherwise it is there.
    pub made: bool,
    /// Whether what is there is erased for it.
    pub erases: bool,
}

/// What becomes of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// It stays as it is.
    Kept,
    /// It is made.
    Created,
    /// It stays, and ends elsewhere; from this size.
    Resized {
        /// Its size before.
        from: Bytes,
    },
    /// It goes, with what is on it.
    Destroyed,
}

/// Compares the tables of a disk. `filesystems` are those of the config, by partition number. `wiped` says that no
/// partition survives, whatever it looks like.
#[must_use]
pub fn map(
    device: &str,
    (size, sector): (Bytes, SectorSize),
    (before, after): (Option<&Table>, Option<&Table>),
    filesystems: &OrderedMap<u32, Filesystem>,
    wiped: bool,
) -> DiskMap {
    let empty = OrderedMap::new();
    let entries = |table: Option<&'_ Table>| table.map(|table| table.entries.clone());
    let old = entries(before.filter(|_| !wiped)).unwrap_or_else(|| empty.clone());
    let gone_at_once = entries(before.filter(|_| wiped)).unwrap_or_else(|| empty.clone());
    let new = entries(after).unwrap_or(empty);
    let part = |number: u32, entry: &Entry, fate: Fate| PartitionMap {
        number,
        mapping: None,
        label: printable(&entry.label.to_string()),
        start: entry.first.to_bytes(sector),
        size: entry.size().to_bytes(sector),
        kind: kind(entry),
        filesystem: filesystems
            .get(&number)
            .filter(|_| fate != Fate::Destroyed)
            .cloned(),
        holds: None,
        fate,
    };
    let mut partitions: Vec<PartitionMap> = gone_at_once
        .iter()
        .map(|(number, entry)| part(*number, entry, Fate::Destroyed))
        .collect();
    let numbers: OrderedSet<u32> = old.keys().chain(new.keys()).copied().into_set();
    for number in numbers {
        match (old.get(&number), new.get(&number)) {
            (Some(old), Some(new)) if is_same(old, new) => {
                let from = old.size().to_bytes(sector);
                let stays = old.last == new.last;
                let fate = if stays { Fate::Kept } else { Fate::Resized { from } };
                partitions.push(part(number, new, fate));
            }
            (old, new) => {
                partitions.extend(old.map(|old| part(number, old, Fate::Destroyed)));
                partitions.extend(new.map(|new| part(number, new, Fate::Created)));
            }
        }
    }
    order::by_key(&mut partitions, |part| (part.fate != Fate::Destroyed, part.start));
    DiskMap {
        device: device.to_owned(),
        size,
        sector,
        holds: None,
        partitions,
    }
}

/// A label is whatever somebody wrote on the disk; nothing in it steers a terminal.
fn printable(label: &str) -> String {
    let plain = |letter: char| {
        if letter.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    };
    label.chars().map(plain).collect()
}

/// A place on a disk, exactly, as configs count: in MiB where it is a multiple.
#[must_use]
pub fn offset(at: Bytes) -> String {
    const GIB: u64 = MIB << 10;
    match at {
        Bytes(at) if at.is_multiple_of(MIB) && !at.is_multiple_of(GIB) => format!("{} MiB", at / MIB),
        at => at.to_string(),
    }
}

/// A content with its label, as a person knows it; `None` of nothing.
fn in_words(content: &Content) -> Option<String> {
    match content {
        Content::Blank => None,
        Content::Known(found) => Some(match &found.label {
            Some(label) => format!("{} {label:?}", found.kind),
            None => found.kind.clone(),
        }),
        Content::Ambiguous(kinds) => Some(kinds.join(" and ")),
    }
}

/// A partition that is replaced gets another GUID, or another place.
fn is_same(old: &Entry, new: &Entry) -> bool {
    old.guid == new.guid && old.first == new.first && old.type_guid == new.type_guid
}

/// The types that people meet, by name (UEFI 2.10, table 5.7, and the Discoverable Partitions Specification).
fn kind(entry: &Entry) -> String {
    const KNOWN: [(&str, &str); 13] = [
        ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", "Linux data"),
        ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "EFI system"),
        ("21686148-6449-6E6F-744E-656564454649", "BIOS boot"),
        ("BC13C2FF-59E6-4262-A352-B275FD6F7172", "boot loader"),
        ("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "root x86-64"),
        ("B921B045-1DF0-41C3-AF44-4C6F280D3FAE", "root arm64"),
        ("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "swap"),
        ("933AC7E1-2EB4-4F13-B844-0E14E2AEF915", "home"),
        ("3B8F8425-20E0-4F3B-907F-1A25A76F98E8", "srv"),
        ("4D21B016-B534-45C2-A9FB-5C16E091FD2D", "var"),
        ("A19D880F-05FC-4D3B-A006-743F0F84911E", "RAID member"),
        ("E6D6D379-F507-44C2-A23C-238F2A3DF928", "LVM member"),
        ("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "basic data"),
    ];
    let guid = entry.type_guid.to_string();
    let known = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(&guid));
    known.map_or(guid, |(_, name)| (*name).to_owned())
}

impl DiskMap {
    /// With the names of the mappings that are the partitions, by number.
    #[must_use]
    pub fn with_mappings(mut self, names: Option<&OrderedMap<u32, String>>) -> Self {
        let stays = |part: &&mut PartitionMap| part.fate != Fate::Destroyed;
        for part in self.partitions.iter_mut().filter(stays) {
            part.mapping = names.and_then(|names| names.get(&part.number)).cloned();
        }
        self
    }

    /// With what is known of what the disk and its partitions hold now, by number.
    #[must_use]
    pub fn with_contents(mut self, whole: Option<String>, partitions: &OrderedMap<u32, Content>) -> Self {
        self.holds = whole.map(|what| printable(&what));
        for part in &mut self.partitions {
            let content = partitions
                .get(&part.number)
                .filter(|_| part.fate == Fate::Destroyed);
            part.holds = content.and_then(in_words).map(|what| printable(&what));
        }
        self
    }

    /// The disk as a strip: each partition has its number's last digit in proportion to its size, and the smallest ones
    /// where there is room; dots are free.
    fn bar(&self, is_there: impl Fn(&PartitionMap) -> Option<Bytes>) -> String {
        let mut cells = vec!['·'; usize::try_from(BAR).unwrap_or_default()];
        for part in &self.partitions {
            let Some(size) = is_there(part) else { continue };
            let cell = |at: u64| {
                let at = u128::from(at) * u128::from(BAR) / u128::from(self.size.0.max(1));
                usize::try_from(at)
                    .unwrap_or(usize::MAX)
                    .min(cells.len().saturating_sub(1))
            };
            let end = part.start.0.saturating_add(size.0).saturating_sub(1);
            let (first, last) = (cell(part.start.0), cell(end));
            let digit = char::from_digit(part.number % 10, 10).unwrap_or('?');
            for (index, slot) in cells.iter_mut().enumerate().skip(first) {
                if index > last {
                    break;
                }
                // A neighbour that begins in the same cell keeps the ones before it in sight.
                if *slot == '·' || index > first || first == last {
                    *slot = digit;
                }
            }
        }
        cells.into_iter().collect()
    }
}

impl fmt::Display for DiskMap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sector = self.sector.bytes();
        write!(out, "{}: {}, sectors of {sector} bytes", self.device, self.size)?;
        let before = self.bar(|part| match part.fate {
            Fate::Created => None,
            Fate::Resized { from } => Some(from),
            Fate::Kept | Fate::Destroyed => Some(part.size),
        });
        let after = self.bar(|part| (part.fate != Fate::Destroyed).then_some(part.size));
        match &self.holds {
            Some(what) => write!(out, "\n  before  {what}")?,
            None => write!(out, "\n  before  |{before}|")?,
        }
        write!(out, "\n  after   |{after}|")?;
        if self.partitions.is_empty() {
            return Ok(());
        }
        let rows: Vec<[String; 7]> = self.partitions.iter().map(row).collect();
        let head = ["", "number", "label", "start", "size", "type", "becomes"].map(str::to_owned);
        let widths: Vec<usize> = (0..7)
            .map(|column| {
                let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
            })
            .collect();
        for row in std::iter::once(&head).chain(&rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                // Writing to a String cannot fail.
                let _ = write!(line, "{cell:<width$}  ");
            }
            write!(out, "\n  {}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The cells of a partition: the mark of a plan's line first, what becomes of it behind its file system.
fn row(part: &PartitionMap) -> [String; 7] {
    let (mark, fate) = match part.fate {
        Fate::Kept => ('=', "kept".to_owned()),
        Fate::Created => ('+', "created".to_owned()),
        Fate::Resized { from } if from > part.size => ('!', format!("cut off, was {from}")),
        Fate::Resized { from } => ('~', format!("resized from {from}")),
        Fate::Destroyed => ('!', "destroyed".to_owned()),
    };
    let held = part
        .holds
        .as_ref()
        .map_or_else(String::new, |what| format!(" with its {what}"));
    let on_it = match &part.filesystem {
        None => String::new(),
        Some(Filesystem {
            format, made: false, ..
        }) => format!(", {format} kept"),
        Some(Filesystem {
            format, erases: true, ..
        }) => format!(", {format} made over what is there"),
        Some(Filesystem { format, .. }) => format!(", {format} made"),
    };
    let name = part
        .mapping
        .as_ref()
        .map_or_else(String::new, |name| format!(" as {name}"));
    let erases = part.filesystem.as_ref().is_some_and(|on| on.erases);
    [
        if erases { '!' } else { mark }.to_string(),
        part.number.to_string(),
        if part.label.is_empty() {
            "–".to_owned()
        } else {
            part.label.clone()
        },
        offset(part.start),
        part.size.to_string(),
        part.kind.clone(),
        fate + &held + &name + &on_it,
    ]
}

#[cfg(test)]
mod tests {
    use kindling_config_spec::units::Lba;

    use super::*;
    use crate::gpt::{Guid, Label};

    const S: SectorSize = SectorSize::S512;

    fn entry(guid: u8, label: &str, start_mib: u64, size_mib: u64) -> Entry {
        let sectors = MIB / S.bytes();
        Entry {
            type_guid: Guid::LINUX_FILESYSTEM,
            guid: Guid::from_random([guid; 16]),
            first: Lba(start_mib * sectors),
            last: Lba((start_mib + size_mib) * sectors - 1),
            attributes: 0,
            label: label.parse::<Label>().unwrap(),
            extra: Vec::new(),
        }
    }

    fn table(entries: Vec<(u32, Entry)>) -> Table {
        let mut table = Table::new(Guid::from_random([9; 16]), Bytes(1024 * MIB), S).unwrap();
        table.entries = entries.into_iter().collect();
        table
    }

    fn shown(before: Option<&Table>, after: Option<&Table>, made: &[(u32, bool)], wiped: bool) -> String {
        let filesystem = |erases| Filesystem {
            format: "xfs".to_owned(),
            made: true,
            erases,
        };
        let filesystems = made
            .iter()
            .map(|(number, erases)| (*number, filesystem(*erases)))
            .collect();
        let size = (Bytes(1024 * MIB), S);
        map("/dev/vdb", size, (before, after), &filesystems, wiped).to_string()
    }

    #[test]
    fn a_blank_disk_gets_partitions() {
        let after = table(vec![(1, entry(1, "data", 1, 511)), (2, entry(2, "", 512, 256))]);
        let text = shown(None, Some(&after), &[(1, false)], false);
        let bar = ["1".repeat(32), "2".repeat(16), "·".repeat(16)].concat();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "/dev/vdb: 1 GiB, sectors of 512 bytes",
                &format!("  before  |{}|", "·".repeat(64)),
                &format!("  after   |{bar}|"),
                "     number  label  start    size     type        becomes",
                "  +  1       data   1 MiB    511 MiB  Linux data  created, xfs made",
                "  +  2       –      512 MiB  256 MiB  Linux data  created",
            ]
        );
    }

    #[test]
    fn what_is_kept_grown_replaced_and_destroyed() {
        let before = table(vec![
            (1, entry(1, "keep", 1, 127)),
            (2, entry(2, "grow", 128, 128)),
            (3, entry(3, "old", 512, 128)),
            (4, entry(4, "gone", 768, 128)),
        ]);
        let after = table(vec![
            (1, entry(1, "keep", 1, 127)),
            (2, entry(2, "grow", 128, 256)),
            (3, entry(5, "new", 512, 256)),
        ]);
        let text = shown(Some(&before), Some(&after), &[(1, true)], false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            "  before  |1111111122222222················33333333········44444444········|"
        );
        assert_eq!(
            lines[2],
            "  after   |111111112222222222222222········3333333333333333················|"
        );
        let ends = [
            "destroyed",
            "destroyed",
            "kept, xfs made over what is there",
            "resized from 128 MiB",
            "created",
        ];
        assert_eq!(lines.len(), 4 + ends.len());
        for (line, end) in lines.iter().skip(4).zip(ends) {
            assert!(line.ends_with(end), "{line}");
        }
        let marks: String = lines
            .iter()
            .skip(4)
            .filter_map(|line| line.chars().nth(2))
            .collect();
        assert_eq!(marks, "!!!~+");
    }

    #[test]
    fn partitions_of_a_device_mapper_disk_are_named() {
        let before = table(vec![(1, entry(1, "old", 1, 64))]);
        let after = table(vec![(2, entry(2, "data", 1, 512))]);
        let size = (Bytes(1024 * MIB), S);
        let names = [(1, "mpatha1".to_owned()), (2, "mpatha2".to_owned())].into();
        let drawn = map(
            "/dev/mapper/mpatha",
            size,
            (Some(&before), Some(&after)),
            &OrderedMap::new(),
            false,
        );
        let text = drawn.with_mappings(Some(&names)).to_string();
        let ends: Vec<&str> = text
            .lines()
            .skip(4)
            .filter_map(|line| line.split("  ").last())
            .collect();
        assert_eq!(ends, ["destroyed", "created as mpatha2"]);
    }

    #[test]
    fn of_a_wiped_disk_nothing_is_kept() {
        let same = table(vec![(1, entry(1, "data", 1, 511))]);
        let text = shown(Some(&same), Some(&same), &[], true);
        let ends: Vec<&str> = text
            .lines()
            .skip(4)
            .filter_map(|line| line.split("  ").last())
            .collect();
        assert_eq!(ends, ["destroyed", "created"]);
    }

    #[test]
    fn the_smallest_partition_is_seen() {
        let after = table(vec![(1, entry(1, "", 1, 1)), (2, entry(2, "", 2, 1000))]);
        let text = shown(None, Some(&after), &[], false);
        assert!(text.contains("|12222"), "{text}");
    }
}
