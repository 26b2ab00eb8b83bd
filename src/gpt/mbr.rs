//! Sector 0: the protective record that keeps programs which know no GPT from taking the disk for empty.

use kindling_config_spec::units::SectorSize;
use serde::{Deserialize, Serialize};

use super::header::{bytes_at, u32_at};

/// Where the four records start; before them is boot code, which is never ours to change.
///
/// Source: UEFI specification 2.10, table 5-1.
pub(super) const RECORDS: usize = 446;
/// Where the sector's signature stands, whatever the sector size.
pub(super) const SIGNATURE: usize = 510;
/// How many bytes of sector 0 are an MBR, whatever the sector size.
pub(super) const MBR_SIZE: usize = 512;
const RECORD_SIZE: usize = 16;
const PROTECTIVE: u8 = 0xee;

/// What sector 0 holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MbrState {
    /// One protective record and nothing else.
    Protective,
    /// One protective record, but for a disk of another size.
    WrongSize,
    /// One record of the protective type that does not start at sector 1. Linux does not look for a GPT then.
    WrongStart,
    /// Protective and usual records side by side. Other systems read the usual ones, so any change here would make
    /// the two tables contradict each other.
    Hybrid,
    /// Only usual records, or with them one of the protective type that does not start at sector 1.
    Partitions,
    /// A signature without any record: an empty table, or the boot sector of a file system such as FAT.
    BootSector,
    /// No signature. Linux does not look for a GPT then.
    Missing,
}

/// What writing a table does to sector 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MbrChange {
    /// It is right already, boot code and boot flag included.
    Keep,
    /// Only the size in the record with this index (0 to 3) is written: the disk has grown.
    Size(u8),
    /// The records and the signature are written; boot code is kept.
    Records,
    /// The whole sector is written, boot code erased: the disk starts afresh.
    Sector,
}

/// Judges sector 0 of a disk with `sectors` sectors, and says what a table on it has to do.
pub(super) fn judge(sector: &[u8], sectors: u64) -> (MbrState, MbrChange) {
    if sector.get(SIGNATURE..MBR_SIZE) != Some(&[0x55, 0xaa]) {
        return (MbrState::Missing, MbrChange::Records);
    }
    let records = (0..4_u8).map(|index| Record::parse(sector, index));
    let used: Vec<Record> = records.filter(|record| record.kind != 0).collect();
    // As Linux does (block/partitions/efi.c): a record that starts elsewhere protects nothing.
    let protective = used
        .iter()
        .find(|record| record.kind == PROTECTIVE && record.start == 1);
    match (protective, &used[..]) {
        (None, []) => (MbrState::BootSector, MbrChange::Records),
        (None, [only]) if only.kind == PROTECTIVE => (MbrState::WrongStart, MbrChange::Records),
        (None, _) => (MbrState::Partitions, MbrChange::Records),
        // Some tools write the largest number whatever the disk; Linux accepts it.
        (Some(record), [_]) if record.size == covered(sectors) || record.size == u32::MAX => {
            (MbrState::Protective, MbrChange::Keep)
        }
        (Some(record), [_]) => (MbrState::WrongSize, MbrChange::Size(record.index)),
        (Some(_), _) => (MbrState::Hybrid, MbrChange::Keep),
    }
}

/// What we need to know of one of the four records.
struct Record {
    index: u8,
    /// 0 in an unused one.
    kind: u8,
    start: u32,
    /// In sectors.
    size: u32,
}

impl Record {
    fn parse(sector: &[u8], index: u8) -> Self {
        let at = RECORDS + RECORD_SIZE * usize::from(index);
        let [kind] = bytes_at(sector, at + 4);
        Self {
            index,
            kind,
            start: u32_at(sector, at + 8),
            size: u32_at(sector, at + 12),
        }
    }
}

/// How many sectors the protective record covers: all but sector 0, or as many as it can say.
fn covered(sectors: u64) -> u32 {
    u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX)
}

/// The bytes `change` writes, and at which offset of the disk. `None` when nothing is written.
pub(super) fn bytes(change: MbrChange, sectors: u64, sector_size: SectorSize) -> Option<(usize, Vec<u8>)> {
    let mut records = [0; MBR_SIZE - RECORDS];
    // From sector 1 (in the old notation 0/0/2) to the last the old notation can name.
    records[..8].copy_from_slice(&[0, 0x00, 0x02, 0x00, PROTECTIVE, 0xff, 0xff, 0xff]);
    records[8..12].copy_from_slice(&1_u32.to_le_bytes());
    records[12..16].copy_from_slice(&covered(sectors).to_le_bytes());
    records[SIGNATURE - RECORDS..].copy_from_slice(&[0x55, 0xaa]);
    match change {
        MbrChange::Keep => None,
        MbrChange::Size(index) => {
            let at = RECORDS + RECORD_SIZE * usize::from(index.min(3)) + 12;
            Some((at, covered(sectors).to_le_bytes().to_vec()))
        }
        MbrChange::Records => Some((RECORDS, records.to_vec())),
        MbrChange::Sector => {
            let mut sector = vec![0; RECORDS];
            sector.extend(records);
            // In a large sector the header of a disk with small ones, and the marks of some file systems and members,
            // would outlive the table.
            sector.resize(super::length(sector_size.bytes()), 0);
            Some((0, sector))
        }
    }
}
