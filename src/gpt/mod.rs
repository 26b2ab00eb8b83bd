//! GUID partition tables: read, described as plain data, written.
//!
//! [`read`] looks at both copies and tells what the disk holds ([`Found`]) and how well ([`Health`]). A [`Table`] is
//! changed as data and turned into the bytes to be written by [`Table::regions`]. Nothing here opens a device.
//!
//! Entries keep their number, their attributes and every byte we have no name for, so that a table written back without
//! a change is the same byte for byte.
//!
//! Source: UEFI specification 2.10, chapter 5.

mod guid;
mod header;
mod label;
mod mbr;
mod read;
mod table;
mod write;

pub use guid::{Guid, GuidError};
pub use header::{Flaw, MAX_ENTRIES, MAX_ENTRY_SIZE, MIN_ENTRY_SIZE};
pub use label::{LABEL_UNITS, Label, LabelError};
pub use mbr::{MbrChange, MbrState};
pub use read::{CopyState, Damage, Found, Health, ReadError, read};
pub use table::{Entry, Side, Table, TooSmall};
pub use write::{Extent, Region, erase};

/// A length in memory. All callers are bounded by [`MAX_ENTRIES`] × [`MAX_ENTRY_SIZE`] or one sector.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("bounded to 16 MiB by check_entry_shape, and to 64 KiB by SectorSize")
}

#[cfg(test)]
mod tests;
