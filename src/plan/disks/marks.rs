//! The mark on a partition whose file system is not complete (docs/decisions/0004-unfinished-mark.md).

use kindling_config_spec::order::{Gather, OrderedSet};

use crate::gpt::{Entry, Guid, Table};
use crate::identity::Seed;
use crate::plan::first_boot::PROVISIONED;

/// Where the mark stands: attribute bits 48–58. Bits 48–63 belong to the owner of the partition type (UEFI 2.10,
/// table 5.8); the Discoverable Partitions Specification uses 59, 60 and 63. Others use bits of these as well
/// (ChromeOS, Flatcar and Android for their boot slots), so no single bit says whose it is.
const BITS: u64 = 0x7ff << 48;

/// The marks of one disk in one provisioning: other machines, configs, disks and numbers have other ones.
pub(super) struct Marks<'a> {
    seed: &'a Seed,
    disk: Guid,
}

impl<'a> Marks<'a> {
    pub(super) fn new(seed: &'a Seed, disk: Guid) -> Self {
        Self { seed, disk }
    }

    /// The mark of partition `number`; never zero.
    fn of(&self, number: u32) -> u64 {
        let derived = self
            .seed
            .derive(&self.disk.to_string(), &format!("unfinished/{number}"));
        let value = u64::from(u16::from_le_bytes([derived[0], derived[1]])) << 48 & BITS;
        if value == 0 { 1 << 48 } else { value }
    }

    /// Whether the partition carries exactly our mark. A provisioned machine keeps its own name in the same bits.
    pub(super) fn is_on(&self, number: u32, entry: &Entry) -> bool {
        entry.attributes & (BITS | PROVISIONED) == self.of(number)
    }

    /// Whether the bits are those of a partition whose mark was taken off, or never put on; with other ones there is no
    /// room for a mark.
    pub(super) fn is_off(entry: &Entry) -> bool {
        entry.attributes & BITS == 0
    }

    /// Those of `numbers` that carry it.
    pub(super) fn among(&self, table: &Table, numbers: &OrderedSet<u32>) -> OrderedSet<u32> {
        let carries = |number: &&u32| {
            table
                .entries
                .get(number)
                .is_some_and(|entry| self.is_on(**number, entry))
        };
        numbers.iter().filter(carries).copied().into_set()
    }

    /// Puts the mark on a partition, unless somebody else uses the bits there. Says whether it is there now.
    pub(super) fn put(&self, table: &mut Table, number: u32) -> bool {
        let Some(entry) = table.entries.get_mut(&number) else {
            return false;
        };
        if entry.attributes & BITS == 0 {
            entry.attributes |= self.of(number);
        }
        self.is_on(number, entry)
    }

    /// Takes our mark off again; other values of the bits stay.
    pub(super) fn take_off(&self, table: &mut Table, number: u32) {
        if let Some(entry) = table
            .entries
            .get_mut(&number)
            .filter(|entry| self.is_on(number, entry))
        {
            entry.attributes &= !BITS;
        }
    }
}

#[cfg(test)]
mod tests {
    use kindling_config_spec::units::Lba;

    use super::*;
    use crate::gpt::Label;

    #[test]
    fn the_name_of_a_provisioned_machine_is_no_leave_to_erase() {
        let seed = Seed::new("machine", "config");
        let marks = Marks::new(&seed, Guid::from_random([1; 16]));
        let mut entry = Entry {
            type_guid: Guid::LINUX_FILESYSTEM,
            guid: Guid::from_random([2; 16]),
            first: Lba(2048),
            last: Lba(4095),
            attributes: marks.of(1),
            label: Label::EMPTY,
            extra: Vec::new(),
        };
        assert!(marks.is_on(1, &entry));
        entry.attributes |= PROVISIONED;
        assert!(!marks.is_on(1, &entry));
    }

    #[test]
    fn marks_differ_by_config_disk_and_number_and_are_never_nothing() {
        let seed = Seed::new("machine", "config");
        let disk = Guid::from_random([1; 16]);
        let marks = Marks::new(&seed, disk);
        for number in 0..5000 {
            let mark = marks.of(number);
            assert!(mark != 0 && mark & !BITS == 0);
        }
        let other = Seed::new("machine", "corrected");
        assert_ne!(marks.of(1), Marks::new(&other, disk).of(1));
        assert_ne!(marks.of(1), Marks::new(&seed, Guid::from_random([2; 16])).of(1));
        assert_ne!(marks.of(1), marks.of(2));
        assert_eq!(marks.of(1), Marks::new(&seed, disk).of(1));
    }
}
