//! The table as data, and the rules a table must obey before anything is written.

use kindling_config_spec::order::Gather;
use kindling_config_spec::order::{self, OrderedMap};
use kindling_config_spec::units::{Bytes, Lba, SectorSize, Sectors};
use serde::{Deserialize, Serialize};

use super::header::{Header, MIN_ENTRY_SIZE, bytes_at, check_entry_shape, u64_at};
use super::label::LABEL_UNITS;
use super::{Flaw, Guid, Label, MbrChange, length};

/// One partition. `first` and `last` both belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What the partition is for.
    pub type_guid: Guid,
    /// The partition's own GUID, which Linux shows as `PARTUUID`.
    pub guid: Guid,
    /// First sector.
    pub first: Lba,
    /// Last sector.
    pub last: Lba,
    /// Attribute bits, the type's own (48 to 63) included.
    pub attributes: u64,
    /// The label.
    pub label: Label,
    /// What the entry holds beyond its first 128 bytes; kept as it is, empty in usual tables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<u8>,
}

impl Entry {
    /// How many sectors the partition has. Saturates, and is 0 for one that ends before it starts.
    #[must_use]
    pub fn size(&self) -> Sectors {
        Sectors((self.last.0.saturating_add(1)).saturating_sub(self.first.0))
    }

    /// Whether the two partitions share a sector.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Reads an entry of a table; `None` when it is unused.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let type_guid = Guid::from_disk(bytes_at(bytes, 0));
        if type_guid.is_zero() {
            return None;
        }
        let mut units = [0; LABEL_UNITS];
        for (index, unit) in units.iter_mut().enumerate() {
            *unit = u16::from_le_bytes(bytes_at(bytes, 56 + 2 * index));
        }
        Some(Self {
            type_guid,
            guid: Guid::from_disk(bytes_at(bytes, 16)),
            first: Lba(u64_at(bytes, 32)),
            last: Lba(u64_at(bytes, 40)),
            attributes: u64_at(bytes, 48),
            label: Label::from_units(units),
            extra: match bytes.get(length(MIN_ENTRY_SIZE.into())..) {
                Some(extra) if extra.iter().any(|&byte| byte != 0) => extra.to_vec(),
                _ => Vec::new(),
            },
        })
    }

    /// The bytes of the entry, without what follows to fill its slot.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128 + self.extra.len());
        bytes.extend(self.type_guid.to_disk());
        bytes.extend(self.guid.to_disk());
        for number in [self.first.0, self.last.0, self.attributes] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.label.units().iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend(&self.extra);
        bytes
    }
}

/// One of the two copies of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The one at the start of the disk.
    Primary,
    /// The one at its end.
    Backup,
}

/// A GUID partition table of a disk.
///
/// `disk_size` and `last_usable` are those of the disk as it is now: a table read from a disk that has grown already
/// has its backup at the new end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// The disk's own GUID.
    pub disk_guid: Guid,
    /// The unit of every [`Lba`] here.
    pub sector_size: SectorSize,
    /// How many whole sectors the disk has.
    pub disk_size: Sectors,
    /// Where the entries of the primary copy lie; 2 unless somebody needed the place (some boot loaders do).
    pub entries_lba: Lba,
    /// First sector for partitions.
    pub first_usable: Lba,
    /// Last sector for partitions.
    pub last_usable: Lba,
    /// Bytes of one entry.
    pub entry_size: u32,
    /// How many entries there are; the largest partition number.
    pub entry_count: u32,
    /// Partition number (from 1) to entry.
    pub entries: OrderedMap<u32, Entry>,
    /// Which copy on the disk may be relied on until the other is written.
    pub source: Side,
    /// What has to be done to sector 0.
    pub mbr: MbrChange,
}

/// The disk has no room for a table and one sector for a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a disk of {0} has no room for a partition table")]
pub struct TooSmall(pub Bytes);

impl Table {
    /// An empty table of 128 entries for a disk of `size`. Bytes beyond the last whole sector are not used.
    ///
    /// # Errors
    /// [`TooSmall`].
    pub fn new(disk_guid: Guid, size: Bytes, sector_size: SectorSize) -> Result<Self, TooSmall> {
        let (entry_count, entry_size) = (128, MIN_ENTRY_SIZE);
        let array = entries_sectors(entry_count, entry_size, sector_size);
        let disk_size = size.to_sectors(sector_size);
        // Sector 0, two headers and two arrays leave at least one sector.
        if disk_size.0 < 4 + 2 * array {
            return Err(TooSmall(size));
        }
        Ok(Self {
            disk_guid,
            sector_size,
            disk_size,
            entries_lba: Lba(2),
            first_usable: Lba(2 + array),
            last_usable: Lba(disk_size.0 - array - 2),
            entry_size,
            entry_count,
            entries: OrderedMap::new(),
            source: Side::Primary,
            mbr: MbrChange::Sector,
        })
    }

    /// Checks everything that must hold before the table is written, whoever built it.
    ///
    /// # Errors
    /// The first flaw found.
    pub fn check(&self) -> Result<(), Flaw> {
        check_entry_shape(self.entry_count, self.entry_size)?;
        let array = self.entries_sectors();
        let usable = Flaw::Usable {
            first: self.first_usable,
            last: self.last_usable,
        };
        let backup = self.backup_entries_lba().ok_or(usable.clone())?;
        let after = self.entries_lba.0.checked_add(array);
        if self.entries_lba.0 < 2 || after.is_none_or(|after| after > self.first_usable.0) {
            return Err(Flaw::EntriesPlace(self.entries_lba));
        }
        if self.first_usable > self.last_usable || self.last_usable >= backup {
            return Err(usable);
        }
        self.check_entries()
    }

    fn check_entries(&self) -> Result<(), Flaw> {
        let mut by_place: Vec<(u32, &Entry)> = Vec::with_capacity(self.entries.len());
        for (&number, entry) in &self.entries {
            if number == 0 || number > self.entry_count {
                return Err(Flaw::Number(number));
            }
            if entry.first > entry.last {
                return Err(Flaw::Reversed(number));
            }
            if entry.first < self.first_usable || entry.last > self.last_usable {
                return Err(Flaw::Outside(number));
            }
            by_place.push((number, entry));
        }
        order::by_key(&mut by_place, |(_, entry)| entry.first);
        for pair in by_place.windows(2) {
            if let [(before, one), (after, other)] = pair
                && one.overlaps(other)
            {
                return Err(Flaw::Overlap(*before.min(after), *before.max(after)));
            }
        }
        Ok(())
    }

    /// The last sector of the disk, where the backup header belongs.
    #[must_use]
    pub fn last_sector(&self) -> Lba {
        Lba(self.disk_size.0.saturating_sub(1))
    }

    /// Where the entries of the backup belong: right before its header. `None` when the disk is too small.
    pub(super) fn backup_entries_lba(&self) -> Option<Lba> {
        self.last_sector().0.checked_sub(self.entries_sectors()).map(Lba)
    }

    /// How many sectors the entries take.
    pub(super) fn entries_sectors(&self) -> u64 {
        entries_sectors(self.entry_count, self.entry_size, self.sector_size)
    }

    /// All entries as they stand on the disk, without the rest of their last sector. Call [`Self::check`] first.
    pub(super) fn entries_bytes(&self) -> Vec<u8> {
        let slot = length(self.entry_size.into());
        let mut bytes = vec![0; length(u64::from(self.entry_count) * u64::from(self.entry_size))];
        for (&number, entry) in &self.entries {
            let mut slots = bytes.chunks_exact_mut(slot);
            if let Some(place) = slots.nth(length(number.saturating_sub(1).into())) {
                for (to, from) in place.iter_mut().zip(entry.to_bytes()) {
                    *to = from;
                }
            }
        }
        bytes
    }

    /// The table that one good copy describes, for the disk as it is now.
    ///
    /// # Errors
    /// Numbers that do not fit the disk, and entries that contradict each other.
    pub(super) fn from_copy(header: &Header, entries: &[u8], disk: &Disk) -> Result<Self, Flaw> {
        let mut table = Self {
            disk_guid: header.disk_guid,
            sector_size: disk.sector_size,
            disk_size: disk.size,
            entries_lba: disk.primary_entries,
            first_usable: header.first_usable,
            last_usable: header.last_usable,
            entry_size: header.entry_size,
            entry_count: header.entry_count,
            entries: OrderedMap::new(),
            source: disk.side,
            mbr: disk.mbr,
        };
        let usable = Flaw::Usable {
            first: header.first_usable,
            last: header.last_usable,
        };
        // As Linux does: a table that ends beyond the disk describes another disk.
        if table.last_usable > table.last_sector() {
            return Err(usable);
        }
        let backup = if disk.side == Side::Primary {
            header.other
        } else {
            header.at
        };
        let room = table
            .backup_entries_lba()
            .and_then(|lba| lba.0.checked_sub(1))
            .ok_or(usable)?;
        // Sectors that the table keeps from partitions stay so, unless they are where its backup was.
        let has_grown = backup > header.last_usable && backup < table.last_sector();
        table.last_usable = if has_grown {
            Lba(room)
        } else {
            Lba(room.min(table.last_usable.0))
        };
        let slots = entries.chunks_exact(length(header.entry_size.into()));
        table.entries = (1_u32..)
            .zip(slots)
            .filter_map(|(n, slot)| Some((n, Entry::parse(slot)?)))
            .into_map();
        table.check()?;
        Ok(table)
    }
}

/// What is known of the disk besides the copy at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    pub(super) sector_size: SectorSize,
    pub(super) size: Sectors,
    pub(super) side: Side,
    /// Where the entries of the primary lie, whichever copy is at hand.
    pub(super) primary_entries: Lba,
    pub(super) mbr: MbrChange,
}

fn entries_sectors(count: u32, size: u32, sector_size: SectorSize) -> u64 {
    (u64::from(count) * u64::from(size)).div_ceil(sector_size.bytes())
}
