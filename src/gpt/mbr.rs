//! Sector 0: the protective record that keeps programs which know no GPT from taking the disk for empty.

use serde::{Deserialize, Serialize};

use super::header::u32_at;

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
    /// Protective and usual records side by side. Other systems read the usual ones, so any change here would make
    /// the two tables contradict each other.
    Hybrid,
    /// Only usual records.
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
    let used: Vec<(u8, usize)> = (0..4_u8)
        .map(|index| (index, RECORDS + RECORD_SIZE * usize::from(index)))
        .filter(|&(_, at)| sector.get(at + 4).is_some_and(|&kind| kind != 0))
        .collect();
    let protective = used
        .iter()
        .find(|&&(_, at)| sector.get(at + 4) == Some(&PROTECTIVE));
    match (protective, used.len()) {
        (None, 0) => (MbrState::BootSector, MbrChange::Records),
        (None, _) => (MbrState::Partitions, MbrChange::Records),
        (Some(&(index, at)), 1) => {
            let size = u32_at(sector, at + 12);
            // Some tools write the largest number whatever the disk; Linux accepts it.
            if size == covered(sectors) || size == u32::MAX {
                (MbrState::Protective, MbrChange::Keep)
            } else {
                (MbrState::WrongSize, MbrChange::Size(index))
            }
        }
        (Some(_), _) => (MbrState::Hybrid, MbrChange::Keep),
    }
}

/// How many sectors the protective record covers: all but sector 0, or as many as it can say.
fn covered(sectors: u64) -> u32 {
    u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX)
}

/// The bytes `change` writes, and at which offset of the disk. `None` when nothing is written.
pub(super) fn bytes(change: MbrChange, sectors: u64) -> Option<(usize, Vec<u8>)> {
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
            Some((0, sector))
        }
    }
}
