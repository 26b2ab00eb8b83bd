//! Where on the disk a partition goes.
//!
//! The rules are those of sgdisk, which the reference engine calls, so that a config gives the same disk:
//! - An open start is the aligned start of the largest free block (the first of equals), also where another would fit.
//! - An open size reaches to the end of the largest free block, whatever the start.
//! - Alignment is 1 MiB, in sectors of whatever size (2048 of 512 bytes, 256 of 4096), halved until every partition
//!   that was on the disk is aligned; 8 sectors at least on disks from 585,937,500 sectors (300 GB).
//! - An open start that cannot be aligned within its block stays unaligned.
//!
//! A start that the config gives is a multiple of 1 MiB, hence aligned always. One kept from an existing partition stays
//! where it is, where sgdisk would move it on large disks (and the reference engine then fails).
//!
//! Source: observed with sgdisk 1.0.9; `fixtures/disks/placement.gen.sh`.

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::units::{Lba, MIB, Sectors};

use crate::gpt::Table;

/// From how many sectors on a disk is taken for one whose physical sectors are larger than its logical ones.
const LARGE_DISK: u64 = 585_937_500;
/// The alignment, in sectors, that such a disk has at least.
const LARGE_DISK_ALIGNMENT: u64 = 8;

/// The sectors for partitions, and who has which.
#[derive(Clone, Debug)]
pub(super) struct Space {
    first: u64,
    last: u64,
    alignment: u64,
    /// First sector to last sector and partition number. They do not overlap.
    used: OrderedMap<u64, (u64, u32)>,
}

/// Why a partition cannot go where it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// No sector is free.
    Full,
    /// Other partitions are in the way.
    Overlap(Vec<u32>),
    /// It starts on the table or beyond the end.
    Start {
        /// First sector for partitions.
        first: Lba,
        /// Last sector for partitions.
        last: Lba,
    },
    /// There are fewer sectors at that place.
    TooLarge(Sectors),
    /// Its size is open but it does not start in the largest free block, which is this one.
    OutsideLargest {
        /// First sector of the block.
        first: Lba,
        /// Last sector of the block.
        last: Lba,
    },
}

impl Space {
    /// All of `table` but the partitions for which `gone` holds; open starts get this alignment, in sectors (not 0).
    pub(super) fn new(table: &Table, alignment: u64, gone: impl Fn(u32) -> bool) -> Self {
        let mut space = Self {
            first: table.first_usable.0,
            last: table.last_usable.0,
            alignment,
            used: OrderedMap::new(),
        };
        for (&number, entry) in table.entries.iter().filter(|&(&number, _)| !gone(number)) {
            space.take(number, entry.first, entry.last);
        }
        space
    }

    /// Marks the sectors from `first` to `last` as those of partition `number`.
    pub(super) fn take(&mut self, number: u32, first: Lba, last: Lba) {
        self.used.insert(first.0, (last.0, number));
    }

    /// Finds the first and last sector of a partition; 0 leaves the start or the size open.
    pub(super) fn place(&self, start: Lba, size: Sectors) -> Result<(Lba, Lba), Misfit> {
        if start.0 != 0 && size.0 != 0 {
            return self.check(start.0, size.0);
        }
        let (block_first, block_last) = self.largest_free().ok_or(Misfit::Full)?;
        let first = if start.0 == 0 {
            self.align(block_first, block_last)
        } else {
            start.0
        };
        if !(block_first..=block_last).contains(&first) {
            // The partition in the way says more than the block elsewhere, if there is one.
            self.check(first, 1)?;
            return Err(Misfit::OutsideLargest {
                first: Lba(block_first),
                last: Lba(block_last),
            });
        }
        if size.0 == 0 {
            return Ok((Lba(first), Lba(block_last)));
        }
        let available = block_last - first + 1;
        if size.0 > available {
            return Err(Misfit::TooLarge(Sectors(available)));
        }
        Ok((Lba(first), Lba(first + size.0 - 1)))
    }

    /// Whether `size` sectors (not 0) from `first` on are free.
    fn check(&self, first: u64, size: u64) -> Result<(Lba, Lba), Misfit> {
        if first < self.first || first > self.last {
            return Err(Misfit::Start {
                first: Lba(self.first),
                last: Lba(self.last),
            });
        }
        let wanted_last = first.saturating_add(size - 1);
        let in_the_way: Vec<u32> = self
            .used
            .range(..=wanted_last)
            .filter(|(_, (last, _))| *last >= first)
            .map(|(_, (_, number))| *number)
            .collect();
        if !in_the_way.is_empty() {
            return Err(Misfit::Overlap(in_the_way));
        }
        if wanted_last > self.last {
            return Err(Misfit::TooLarge(Sectors(self.last - first + 1)));
        }
        Ok((Lba(first), Lba(wanted_last)))
    }

    /// First and last sector of the largest free block, the first of equals.
    fn largest_free(&self) -> Option<(u64, u64)> {
        let mut largest: Option<(u64, u64)> = None;
        let mut consider = |first: u64, end: u64| {
            if first < end && largest.is_none_or(|(from, to)| end - first > to - from + 1) {
                largest = Some((first, end - 1));
            }
        };
        let mut free_from = self.first;
        for (&first, &(last, _)) in &self.used {
            consider(free_from, first);
            free_from = free_from.max(last.saturating_add(1));
        }
        consider(free_from, self.last.saturating_add(1));
        largest
    }

    /// The first aligned sector of a block, or its first where none is. The sector before a block is never free, so
    /// aligning never goes back.
    fn align(&self, first: u64, last: u64) -> u64 {
        first
            .checked_next_multiple_of(self.alignment)
            .filter(|&aligned| aligned <= last)
            .unwrap_or(first)
    }
}

/// The alignments an open start may have on this disk, in sectors, sgdisk's choice first.
///
/// The others matter for a second run: partitions that the first one made or deleted may change what sgdisk chooses.
pub(super) fn alignments(table: &Table) -> Vec<u64> {
    let whole = MIB / table.sector_size.bytes();
    let mut chosen = whole;
    for entry in table.entries.values() {
        while !entry.first.0.is_multiple_of(chosen) {
            chosen /= 2;
        }
    }
    if table.disk_size.0 >= LARGE_DISK {
        chosen = chosen.max(LARGE_DISK_ALIGNMENT);
    }
    let halved = std::iter::successors(Some(whole), |alignment| {
        Some(alignment / 2).filter(|&half| half > 0)
    });
    std::iter::once(chosen)
        .chain(halved.filter(|&alignment| alignment != chosen))
        .collect()
}
