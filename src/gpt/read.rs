//! From a disk to what it holds. Both copies are read, so that the report can say what is wrong with each.

use std::io::{self, Read, Seek, SeekFrom};

use kindling_config_spec::units::{Bytes, Lba, SectorSize, Sectors};
use serde::{Deserialize, Serialize};

use super::header::Header;
use super::table::Disk;
use super::{Flaw, MbrState, Side, Table, length, mbr};

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
    /// A good backup of another table: a write was interrupted, or some program wrote only one copy.
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
    #[must_use]
    pub fn seen_by_linux(&self) -> bool {
        let protective = matches!(
            self.mbr,
            MbrState::Protective | MbrState::WrongSize | MbrState::Hybrid
        );
        self.primary == CopyState::Good && protective
    }
}

/// Why no copy of a table can be used.
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
    /// There was a GUID partition table, and no copy can be used.
    Damaged(Damage),
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
    /// `entries_lba` is set when the header itself was good.
    Corrupt {
        flaw: Flaw,
        header: Option<Header>,
    },
    Good {
        header: Header,
        table: Table,
    },
}

/// Says what `disk`, of `size` bytes and with logical sectors of `sector_size`, holds. A last partial sector is ignored.
///
/// Reads sector 0 and at most three headers with their entries, each bounded by [`super::MAX_ENTRIES`]. Whatever the bytes
/// are, the answer is a [`Found`].
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
    let hint = primary.header().map(|header| (header.entries_lba, header.other));
    let mut backup = reader.copy(Side::Backup, last, hint.map(|(entries, _)| entries))?;
    let mut backup_at = last;
    if let (false, Some((entries, other))) = (matches!(backup, Copy::Good { .. }), hint) {
        // The primary may know of a backup that was at the end when the disk was smaller.
        let elsewhere = reader.copy(Side::Backup, other, Some(entries))?;
        if other < last && matches!(elsewhere, Copy::Good { .. }) {
            (backup, backup_at) = (elsewhere, other);
        }
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
        (_, Copy::Good { table, .. }) => Found::Gpt {
            table,
            health: Health {
                primary: primary_state,
                backup: placed,
                mbr,
            },
        },
        (Copy::Missing, Copy::Missing) => match mbr {
            MbrState::Missing => Found::Blank,
            MbrState::Partitions | MbrState::BootSector => Found::Mbr,
            MbrState::Protective | MbrState::WrongSize | MbrState::Hybrid => Found::Damaged(Damage {
                primary: primary_state,
                backup: backup_state,
            }),
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

    fn header(&self) -> Option<&Header> {
        match self {
            Self::Missing => None,
            Self::Corrupt { header, .. } => header.as_ref(),
            Self::Good { header, .. } => Some(header),
        }
    }
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
        let offset = at.to_bytes(self.sector_size);
        let mut bytes = vec![0; length(count * self.sector_size.bytes())];
        let length = bytes.len();
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
        let header = match Header::parse(&self.sectors_at(at, 1)?, at) {
            Ok(None) => return Ok(Copy::Missing),
            Ok(Some(header)) => header,
            Err(flaw) => return Ok(Copy::Corrupt { flaw, header: None }),
        };
        let count = header.entries_sectors(self.sector_size);
        if !self.has_room(side, &header, count) {
            return Ok(Copy::Corrupt {
                flaw: Flaw::EntriesPlace(header.entries_lba),
                header: None,
            });
        }
        let mut entries = self.sectors_at(header.entries_lba, count)?;
        entries.truncate(length(header.entries_bytes()));
        if crc32fast::hash(&entries) != header.entries_crc {
            return Ok(Copy::Corrupt {
                flaw: Flaw::EntriesChecksum,
                header: Some(header),
            });
        }
        let disk = Disk {
            sector_size: self.sector_size,
            size: self.sectors,
            side,
            primary_entries: if side == Side::Primary {
                Some(header.entries_lba)
            } else {
                primary_entries
            },
            mbr: self.mbr,
        };
        Ok(match Table::from_copy(&header, &entries, &disk) {
            Ok(table) => Copy::Good { header, table },
            Err(flaw) => Copy::Corrupt { flaw, header: None },
        })
    }

    /// Whether `count` sectors of entries lie on the right side of the partitions and do not touch the header.
    fn has_room(&self, side: Side, header: &Header, count: u64) -> bool {
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
