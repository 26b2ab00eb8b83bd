//! From a table to bytes, in an order that a power cut cannot turn into a loss.

use kindling_config_spec::units::{Bytes, Lba, SectorSize, Sectors};
use serde::{Deserialize, Serialize};

use super::header::Header;
use super::{Flaw, Side, Table, length, mbr};

/// Bytes and where on the disk they belong. Only a change of sector 0 is not made of whole sectors.
#[derive(Clone, PartialEq, Eq)]
pub struct Region {
    /// Offset from the start of the disk.
    pub offset: Bytes,
    /// What is written there.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Region {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} bytes at {}", self.bytes.len(), self.offset.0)
    }
}

impl Table {
    /// What to write, in this order, with a flush of the disk after each region.
    ///
    /// The copy that [`Table::source`] does not name comes first: its entries, then its header. Until that header is on
    /// the disk the old table stands in the other copy; from then on the new table stands complete in this one, and the
    /// other copy may be torn without harm. A header is one sector, which a disk writes whole or not at all. Sector 0
    /// comes last: on a blank disk a protective record without a table would look like a damaged disk, while a table
    /// without a protective record is recognised by [`super::read`] and completed by the next run.
    ///
    /// # Errors
    /// What [`Table::check`] finds: a table that contradicts itself is never written.
    pub fn regions(&self) -> Result<Vec<Region>, Flaw> {
        self.check()?;
        let backup_entries = self
            .backup_entries_lba()
            .ok_or(Flaw::EntriesPlace(self.last_sector()))?;
        let mut entries = self.entries_bytes();
        let entries_crc = crc32fast::hash(&entries);
        entries.resize(
            length(Sectors(self.entries_sectors()).to_bytes(self.sector_size).0),
            0,
        );

        let copy = |at: Lba, other: Lba, entries_lba: Lba| {
            let header = Header {
                at,
                other,
                first_usable: self.first_usable,
                last_usable: self.last_usable,
                disk_guid: self.disk_guid,
                entries_lba,
                entry_count: self.entry_count,
                entry_size: self.entry_size,
                entries_crc,
            };
            [
                Region {
                    offset: entries_lba.to_bytes(self.sector_size),
                    bytes: entries.clone(),
                },
                Region {
                    offset: at.to_bytes(self.sector_size),
                    bytes: header.to_sector(self.sector_size),
                },
            ]
        };
        let primary = copy(Lba(1), self.last_sector(), self.entries_lba);
        let backup = copy(self.last_sector(), Lba(1), backup_entries);
        let (first, second) = match self.source {
            Side::Primary => (backup, primary),
            Side::Backup => (primary, backup),
        };
        let protective =
            mbr::bytes(self.mbr, self.disk_size.0, self.sector_size).map(|(offset, bytes)| Region {
                offset: Bytes(u64::try_from(offset).unwrap_or_default()),
                bytes,
            });
        Ok(first.into_iter().chain(second).chain(protective).collect())
    }
}

/// A stretch of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extent {
    /// Offset from the start of the disk.
    pub offset: Bytes,
    /// How long it is.
    pub length: Bytes,
}

/// What to fill with zeros so that a disk of `size` has no partition table at all: both places of a usual table and
/// sector 0, boot code included. Sector 0 is in the last extent.
///
/// Source: observed with sgdisk 1.0.9 `--zap-all`, which zeroes the first 34 and the last 33 sectors of 512 bytes.
#[must_use]
pub fn erase(size: Bytes, sector_size: SectorSize) -> Vec<Extent> {
    let disk = size.to_sectors(sector_size).0;
    let array = (128_u64 * 128).div_ceil(sector_size.bytes());
    let front = (2 + array).min(disk);
    let back = disk.saturating_sub(1 + array).max(front);
    [(back, disk - back), (0, front)]
        .into_iter()
        .filter(|&(_, sectors)| sectors > 0)
        .map(|(start, sectors)| Extent {
            offset: Lba(start).to_bytes(sector_size),
            length: Sectors(sectors).to_bytes(sector_size),
        })
        .collect()
}
