//! The header of one copy of the table, and what is wrong with it.

use kindling_config_spec::units::{Lba, SectorSize};
use serde::{Deserialize, Serialize};

use super::Guid;

/// Most entries a table may have; usual are 128, the largest seen in the field are 256.
///
/// With [`MAX_ENTRY_SIZE`] it bounds what reading a hostile header can make us allocate to 16 MiB per copy.
pub const MAX_ENTRIES: u32 = 4096;

/// Largest entry, in bytes; usual is 128. See [`MAX_ENTRIES`].
pub const MAX_ENTRY_SIZE: u32 = 4096;

/// Smallest entry, in bytes, and the size of one written by us.
///
/// Source: UEFI specification 2.10, table 5-5: 128 × 2ⁿ.
pub const MIN_ENTRY_SIZE: u32 = 128;

/// Where the fields of a header end, which is the part its checksum covers.
const HEADER_SIZE: u32 = 92;
const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION_1_0: u32 = 0x0001_0000;

/// Why one copy of a table cannot be used, or a table cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum Flaw {
    /// Less than the 92 bytes of fields, or more than a sector.
    #[error("the header claims to be {0} bytes long")]
    HeaderSize(u32),
    /// A sound header stands where a disk with logical sectors of so many bytes has it.
    #[error("the table was written for sectors of {0} bytes")]
    SectorSize(u32),
    /// The header's CRC-32 is another.
    #[error("the checksum of the header is wrong")]
    HeaderChecksum,
    /// The header names another place than the one it was read from, so it is a stray copy.
    #[error("the header at sector {} says that it belongs to sector {}", at.0, says.0)]
    Address {
        /// Where it was read.
        at: Lba,
        /// What it says.
        says: Lba,
    },
    /// No, or more than [`MAX_ENTRIES`], entries.
    #[error("the table claims {0} entries (1 to 4096 are accepted)")]
    EntryCount(u32),
    /// Not 128 × 2ⁿ, or more than [`MAX_ENTRY_SIZE`].
    #[error("the table claims entries of {0} bytes (128 to 4096, doubling, are accepted)")]
    EntrySize(u32),
    /// The entries lie on the header, on partitions, or outside the disk.
    #[error("the entries cannot lie at sector {}", .0.0)]
    EntriesPlace(Lba),
    /// The entries' CRC-32 is another.
    #[error("the checksum of the entries is wrong")]
    EntriesChecksum,
    /// The sectors for partitions are none, or lie outside the disk or on the table itself.
    #[error("sectors {} to {} cannot be the ones for partitions", first.0, last.0)]
    Usable {
        /// First sector for partitions.
        first: Lba,
        /// Last sector for partitions.
        last: Lba,
    },
    /// A partition that ends before it starts.
    #[error("partition {0} ends before it starts")]
    Reversed(u32),
    /// A partition outside the sectors for partitions.
    #[error("partition {0} lies outside the sectors for partitions")]
    Outside(u32),
    /// Two partitions share a sector.
    #[error("partitions {0} and {1} overlap")]
    Overlap(u32, u32),
    /// A partition number that the table has no entry for.
    #[error("the table has no entry {0}")]
    Number(u32),
}

/// The fields of one header. The reserved rest of its sector is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) at: Lba,
    pub(super) other: Lba,
    pub(super) first_usable: Lba,
    pub(super) last_usable: Lba,
    pub(super) disk_guid: Guid,
    pub(super) entries_lba: Lba,
    pub(super) entry_count: u32,
    pub(super) entry_size: u32,
    pub(super) entries_crc: u32,
}

impl Header {
    /// Reads the fields of the header in `sector`, right or not. `None` when there is no header at all.
    pub(super) fn parse(sector: &[u8]) -> Option<Self> {
        sector.starts_with(SIGNATURE).then(|| Self {
            at: Lba(u64_at(sector, 24)),
            other: Lba(u64_at(sector, 32)),
            first_usable: Lba(u64_at(sector, 40)),
            last_usable: Lba(u64_at(sector, 48)),
            disk_guid: Guid::from_disk(bytes_at(sector, 56)),
            entries_lba: Lba(u64_at(sector, 72)),
            entry_count: u32_at(sector, 80),
            entry_size: u32_at(sector, 84),
            entries_crc: u32_at(sector, 88),
        })
    }

    /// Checks the header, which was read from `sector` at `at`.
    ///
    /// # Errors
    /// The flaws of the header itself; whether its numbers fit the disk is [`super::table`]'s to check.
    pub(super) fn check(&self, sector: &[u8], at: Lba) -> Result<(), Flaw> {
        let size = u32_at(sector, 12);
        let fields = usize::try_from(size)
            .ok()
            .filter(|_| size >= HEADER_SIZE)
            .and_then(|size| sector.get(..size));
        let fields = fields.ok_or(Flaw::HeaderSize(size))?;
        if checksum(fields) != u32_at(sector, 16) {
            return Err(Flaw::HeaderChecksum);
        }
        if self.at != at {
            return Err(Flaw::Address { at, says: self.at });
        }
        check_entry_shape(self.entry_count, self.entry_size)
    }

    /// The sector that holds this header, checksum included.
    pub(super) fn to_sector(self, size: SectorSize) -> Vec<u8> {
        let mut fields = Vec::with_capacity(92);
        fields.extend(SIGNATURE);
        fields.extend(REVISION_1_0.to_le_bytes());
        fields.extend(HEADER_SIZE.to_le_bytes());
        fields.extend([0; 8]); // The checksum, and a reserved field.
        for lba in [self.at, self.other, self.first_usable, self.last_usable] {
            fields.extend(lba.0.to_le_bytes());
        }
        fields.extend(self.disk_guid.to_disk());
        fields.extend(self.entries_lba.0.to_le_bytes());
        for number in [self.entry_count, self.entry_size, self.entries_crc] {
            fields.extend(number.to_le_bytes());
        }
        let crc = checksum(&fields);
        fields[16..20].copy_from_slice(&crc.to_le_bytes());
        fields.resize(super::length(size.bytes()), 0);
        fields
    }

    /// How many bytes the entries have, without the rest of their last sector.
    pub(super) fn entries_bytes(&self) -> u64 {
        u64::from(self.entry_count) * u64::from(self.entry_size)
    }

    /// How many sectors the entries take.
    pub(super) fn entries_sectors(&self, size: SectorSize) -> u64 {
        self.entries_bytes().div_ceil(size.bytes())
    }
}

/// Refuses counts and sizes of entries that are not in the specification or would cost too much memory.
///
/// # Errors
/// `EntryCount`, `EntrySize`.
pub(super) fn check_entry_shape(count: u32, size: u32) -> Result<(), Flaw> {
    if count == 0 || count > MAX_ENTRIES {
        return Err(Flaw::EntryCount(count));
    }
    if !size.is_power_of_two() || !(MIN_ENTRY_SIZE..=MAX_ENTRY_SIZE).contains(&size) {
        return Err(Flaw::EntrySize(size));
    }
    Ok(())
}

/// CRC-32 of a header, its own checksum field counted as zero.
fn checksum(fields: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&fields[..16]);
    crc.update(&[0; 4]);
    crc.update(&fields[20..]);
    crc.finalize()
}

/// The `N` bytes at `offset`; zeros where `bytes` is shorter.
pub(super) fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut field = [0; N];
    if let Some(found) = bytes.get(offset..offset.saturating_add(N)) {
        field.copy_from_slice(found);
    }
    field
}

/// The little-endian number at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, offset))
}

/// The little-endian number at `offset`.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, offset))
}
