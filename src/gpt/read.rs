//! From a disk to what it holds. Both copies are read, so that the report can say what is wrong with each.

use std::io::{self, Read, Seek, SeekFrom};

use kindling_config_spec::units::{Bytes, Lba, SectorSize, Sectors};
use serde::{Deserialize, Serialize};

use super::header::Header;
use super::table::Disk;
use super::{Entry, Flaw, MIN_ENTRY_SIZE, MbrState, Side, Table, length, mbr};

/// The state of one copy of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CopyState {
    /// Complete and where it belongs.
    Good,
    /// A header is there but cannot be used.
    Corrupt(Flaw),
    /// No header is there.
    Missing,
    /// A good backup, but not in the last sector: the disk has grown.
    Misplaced(Lba),
    /// A good backup, but of another table than the primary: a write was interrupted, some program wrote only one copy,
    /// or the backup is left of what the disk once was.
    Stale,
}

/// How well the table on the disk is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The copy at the start. Linux sees no partitions unless it is good.
    pub primary: CopyState,
    /// The copy at the end.
    pub backup: CopyState,
    /// Sector 0. Linux sees no partitions unless it has a protective record.
    pub mbr: MbrState,
}

impl Health {
    /// Whether Linux, which reads the backup only when told so, finds the table.
    fn seen_by_linux(&self) -> bool {
        let protective = matches!(
            self.mbr,
            MbrState::Protective | MbrState::WrongSize | MbrState::Hybrid
        );
        self.primary == CopyState::Good && protective
    }
}

/// Why no copy of a table can be used, or it cannot be told whether a good backup belongs to the primary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Damage {
    /// The copy at the start.
    pub primary: CopyState,
    /// The copy at the end.
    pub backup: CopyState,
}

/// What a disk holds, as far as partition tables go. File systems are not looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Found {
    /// No table of any kind.
    Blank,
    /// A table that can be used.
    Gpt {
        /// The table of the better copy.
        table: Table,
        /// What is wrong on the disk.
        health: Health,
    },
    /// An MBR table, or the boot sector of a file system.
    Mbr,
    /// There was a GUID partition table, and no copy can be relied on.
    Damaged(Damage),
}

impl Found {
    /// Whether Linux shows the partitions of a table here. It reads no entries of another size than the usual one.
    ///
    /// Source: `is_gpt_valid` in block/partitions/efi.c.
    #[must_use]
    pub fn seen_by_linux(&self) -> bool {
        matches!(self, Self::Gpt { table, health }
            if health.seen_by_linux() && table.entry_size == MIN_ENTRY_SIZE)
    }
}

/// Reading a disk failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {length} bytes at offset {}", offset.0)]
pub struct ReadError {
    /// Where, from the start of the disk.
    pub offset: Bytes,
    /// How many bytes were asked for.
    pub length: usize,
    /// What the system said.
    pub source: io::Error,
}

/// One copy, once read.
enum Copy {
    Missing,
    /// The fields of `header` are as they stand there: only the flaw tells which of them may be relied on.
    Corrupt {
        flaw: Flaw,
        header: Header,
    },
    Good {
        header: Header,
        table: Table,
    },
}

/// Says what `disk`, of `size` bytes and with logical sectors of `sector_size`, holds. A last partial sector is ignored.
///
/// Reads a few sectors, and at most five times the entries of one header, which [`super::MAX_ENTRIES`] bounds. Whatever the
/// bytes are, the answer is a [`Found`].
///
/// # Errors
/// [`ReadError`] when the disk cannot be read, for example since it is shorter than `size`.
pub fn read<R: Read + Seek>(disk: &mut R, size: Bytes, sector_size: SectorSize) -> Result<Found, ReadError> {
    let sectors = size.to_sectors(sector_size);
    if sectors.0 == 0 {
        return Ok(Found::Blank);
    }
    let mut reader = Reader {
        disk,
        sectors,
        sector_size,
        mbr: super::MbrChange::Sector,
    };
    let (mbr, change) = mbr::judge(&reader.sectors_at(Lba(0), 1)?, sectors.0);
    reader.mbr = change;
    if mbr == MbrState::Partitions {
        return Ok(Found::Mbr);
    }
    let last = Lba(sectors.0 - 1);
    let primary = reader.copy(Side::Primary, Lba(1), None)?;
    let hint = primary.sound_header();
    let entries_lba = hint.map(|header| header.entries_lba);
    let mut backup = reader.copy(Side::Backup, last, entries_lba)?;
    let mut backup_at = last;
    if let Some(header) = hint.filter(|header| header.other < last && !backup.is_good_of(header)) {
        // The primary knows of a backup that was at the end when the disk was smaller.
        let elsewhere = reader.copy(Side::Backup, header.other, entries_lba)?;
        if elsewhere.is_good_of(header) {
            (backup, backup_at) = (elsewhere, header.other);
        }
    }
    if let (Copy::Missing, Copy::Missing) = (&primary, &backup)
        && let Some(damage) = reader.other_sectors()?
    {
        return Ok(Found::Damaged(damage));
    }
    Ok(judge(
        primary,
        backup,
        (backup_at != last).then_some(backup_at),
        mbr,
    ))
}

/// Chooses between the copies. `misplaced` tells where the backup was found when it is not in the last sector.
fn judge(primary: Copy, backup: Copy, misplaced: Option<Lba>, mbr: MbrState) -> Found {
    let (primary_state, backup_state) = (primary.state(), backup.state());
    let placed = misplaced.map_or(CopyState::Good, CopyState::Misplaced);
    match (primary, backup) {
        (
            Copy::Good { header, table },
            Copy::Good {
                header: other,
                table: second,
            },
        ) => {
            // The last usable sector is computed anew when the disk has grown, so the headers are compared.
            let same = header.disk_guid == other.disk_guid
                && header.entries_crc == other.entries_crc
                && (header.first_usable, header.last_usable) == (other.first_usable, other.last_usable)
                && table.entries == second.entries;
            let backup = if same { placed } else { CopyState::Stale };
            Found::Gpt {
                table,
                health: Health {
                    primary: CopyState::Good,
                    backup,
                    mbr,
                },
            }
        }
        (Copy::Good { table, .. }, _) => Found::Gpt {
            table,
            health: Health {
                primary: CopyState::Good,
                backup: backup_state,
                mbr,
            },
        },
        (primary, Copy::Good { header, table }) if primary.gives_way_to(&header) => Found::Gpt {
            table,
            health: Health {
                primary: primary_state,
                backup: placed,
                mbr,
            },
        },
        (_, Copy::Good { .. }) => Found::Damaged(Damage {
            primary: primary_state,
            backup: CopyState::Stale,
        }),
        (Copy::Missing, Copy::Missing) => match mbr {
            MbrState::Missing => Found::Blank,
            MbrState::Partitions | MbrState::BootSector => Found::Mbr,
            MbrState::Protective | MbrState::WrongSize | MbrState::WrongStart | MbrState::Hybrid => {
                Found::Damaged(Damage {
                    primary: primary_state,
                    backup: backup_state,
                })
            }
        },
        _ => Found::Damaged(Damage {
            primary: primary_state,
            backup: backup_state,
        }),
    }
}

impl Copy {
    fn state(&self) -> CopyState {
        match self {
            Self::Missing => CopyState::Missing,
            Self::Corrupt { flaw, .. } => CopyState::Corrupt(flaw.clone()),
            Self::Good { .. } => CopyState::Good,
        }
    }

    /// The header, where it is as it was written.
    fn sound_header(&self) -> Option<&Header> {
        match self {
            Self::Corrupt {
                flaw: Flaw::EntriesChecksum,
                header,
            }
            | Self::Good { header, .. } => Some(header),
            Self::Missing | Self::Corrupt { .. } => None,
        }
    }

    /// Whether this copy is good, and of the disk that `header` speaks of.
    fn is_good_of(&self, header: &Header) -> bool {
        matches!(self, Self::Good { header: own, .. } if own.disk_guid == header.disk_guid)
    }

    /// Whether a good backup with this header may be written over this primary.
    ///
    /// A disk may still carry the backup of a table it had before. And a primary whose checksums are right was meant by
    /// somebody, and Linux may go by it, even where we can make no sense of it.
    fn gives_way_to(&self, backup: &Header) -> bool {
        let Self::Corrupt { flaw, header } = self else {
            return matches!(self, Self::Missing);
        };
        let same_disk = header.disk_guid == backup.disk_guid;
        let same_entries = header.entries_crc == backup.entries_crc;
        match flaw {
            // Either field may be what is damaged.
            Flaw::HeaderSize(_) | Flaw::HeaderChecksum => same_disk || same_entries,
            // An interrupted write has new entries in the backup, and halves of both in the primary.
            Flaw::EntriesChecksum => same_disk,
            _ => same_disk && same_entries,
        }
    }
}

/// Whether each slot is empty, or holds a partition that the header has room for.
fn may_be_entries(bytes: &[u8], header: &Header) -> bool {
    let usable = header.first_usable..=header.last_usable;
    bytes
        .chunks_exact(length(header.entry_size.into()))
        .all(|slot| match Entry::parse(slot) {
            Some(entry) => {
                entry.first <= entry.last && usable.contains(&entry.first) && usable.contains(&entry.last)
            }
            None => slot.iter().all(|&byte| byte == 0),
        })
}

struct Reader<'a, R> {
    disk: &'a mut R,
    sectors: Sectors,
    sector_size: SectorSize,
    mbr: super::MbrChange,
}

impl<R: Read + Seek> Reader<'_, R> {
    /// Reads `count` sectors, which the caller has bounded.
    fn sectors_at(&mut self, at: Lba, count: u64) -> Result<Vec<u8>, ReadError> {
        self.bytes_at(
            at.to_bytes(self.sector_size),
            length(count * self.sector_size.bytes()),
        )
    }

    /// Reads `length` bytes, which the caller has bounded.
    fn bytes_at(&mut self, offset: Bytes, length: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; length];
        self.disk
            .seek(SeekFrom::Start(offset.0))
            .and_then(|_| self.disk.read_exact(&mut bytes))
            .map_err(|source| ReadError {
                offset,
                length,
                source,
            })?;
        Ok(bytes)
    }

    /// Reads the copy whose header is at `at`. `primary_entries` is where the primary keeps its entries, if known.
    fn copy(&mut self, side: Side, at: Lba, primary_entries: Option<Lba>) -> Result<Copy, ReadError> {
        if at.0 == 0 || at.0 >= self.sectors.0 {
            return Ok(Copy::Missing);
        }
        let sector = self.sectors_at(at, 1)?;
        let Some(header) = Header::parse(&sector) else {
            return Ok(Copy::Missing);
        };
        let corrupt = |flaw| Ok(Copy::Corrupt { flaw, header });
        if let Err(flaw) = header.check(&sector, at) {
            return corrupt(flaw);
        }
        if !self.has_room(side, &header) {
            return corrupt(Flaw::EntriesPlace(header.entries_lba));
        }
        let entries = self.entries_at(header.entries_lba, &header)?;
        if crc32fast::hash(&entries) != header.entries_crc {
            return corrupt(Flaw::EntriesChecksum);
        }
        let primary_entries = match (side, primary_entries) {
            (Side::Primary, _) => Some(header.entries_lba),
            (Side::Backup, Some(known)) => Some(known),
            (Side::Backup, None) => self.find_entries(&header)?,
        };
        let Some(primary_entries) = primary_entries else {
            return corrupt(Flaw::EntriesPlace(Lba(2)));
        };
        let disk = Disk {
            sector_size: self.sector_size,
            size: self.sectors,
            side,
            primary_entries,
            mbr: self.mbr,
        };
        match Table::from_copy(&header, &entries, &disk) {
            Ok(table) => Ok(Copy::Good { header, table }),
            Err(flaw) => corrupt(flaw),
        }
    }

    /// Reads entries of the number and size that `header` tells, which has been checked.
    fn entries_at(&mut self, at: Lba, header: &Header) -> Result<Vec<u8>, ReadError> {
        let mut entries = self.sectors_at(at, header.entries_sectors(self.sector_size))?;
        entries.truncate(length(header.entries_bytes()));
        Ok(entries)
    }

    /// Where the primary keeps its entries, if only the backup's header can be relied on: at sector 2, or where sgdisk
    /// moves them, right before the first sector for partitions. `None` where both places hold something else, which may
    /// be the boot loader that they made room for.
    fn find_entries(&mut self, backup: &Header) -> Result<Option<Lba>, ReadError> {
        let usual = Lba(2);
        let count = backup.entries_sectors(self.sector_size);
        let moved = Lba(backup.first_usable.0.saturating_sub(count));
        if moved <= usual {
            return Ok(Some(usual));
        }
        let mut similar = None;
        for place in [usual, moved] {
            if place.0 + count > self.sectors.0 {
                continue;
            }
            let entries = self.entries_at(place, backup)?;
            if crc32fast::hash(&entries) == backup.entries_crc {
                return Ok(Some(place));
            }
            // Damaged, or written halfway.
            if similar.is_none() && may_be_entries(&entries, backup) {
                similar = Some(place);
            }
        }
        Ok(similar)
    }

    /// Whether a sound header stands where a disk with sectors of another size has it: it was written through an adapter
    /// that shows other sectors than this one, or copied from such a disk.
    fn other_sectors(&mut self) -> Result<Option<Damage>, ReadError> {
        let mut damage = Damage {
            primary: CopyState::Missing,
            backup: CopyState::Missing,
        };
        let disk = self.sectors.to_bytes(self.sector_size);
        for bytes in [512, 4096] {
            let Some(size) = SectorSize::new(bytes).filter(|&size| size != self.sector_size) else {
                continue;
            };
            let last = Lba(disk.to_sectors(size).0.saturating_sub(1));
            for (at, state) in [(Lba(1), &mut damage.primary), (last, &mut damage.backup)] {
                if at.0 == 0 || at > last {
                    continue;
                }
                let sector = self.bytes_at(at.to_bytes(size), length(size.bytes()))?;
                if Header::parse(&sector).is_some_and(|header| header.check(&sector, at).is_ok()) {
                    *state = CopyState::Corrupt(Flaw::SectorSize(bytes));
                }
            }
        }
        let found = damage.primary != CopyState::Missing || damage.backup != CopyState::Missing;
        Ok(found.then_some(damage))
    }

    /// Whether the entries lie on the right side of the partitions and do not touch the header.
    fn has_room(&self, side: Side, header: &Header) -> bool {
        let count = header.entries_sectors(self.sector_size);
        let Some(after) = header.entries_lba.0.checked_add(count) else {
            return false;
        };
        let before_end = after <= self.sectors.0;
        before_end
            && match side {
                Side::Primary => header.entries_lba.0 >= 2 && after <= header.first_usable.0,
                Side::Backup => header.entries_lba > header.last_usable && after <= header.at.0,
            }
    }
}
