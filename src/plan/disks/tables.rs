//! The steps of one partition table: the first write, and the last one that takes the marks off.

use std::path::PathBuf;

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};

use super::marks::Marks;
use crate::gpt::Found;
use crate::identity::Seed;
use crate::inventory::disks::Disk;
use crate::plan::Step;
use crate::plan::partitions::{KernelView, Shown, SlotStep, TableChange};
use crate::plan::place;
use crate::plan::show::counted;
use crate::plan::step::{Planned, TableWrite};

/// blkid's name for an MBR partition table.
const MBR_SIGNATURE: &str = "dos partition table";

/// One disk of the config, and what is to become of its table.
pub(super) struct Work<'a> {
    pub(super) pointer: String,
    /// As the config names it.
    pub(super) device: PathBuf,
    pub(super) disk: &'a Disk,
    pub(super) seed: &'a Seed,
    pub(super) change: TableChange,
    /// Partitions that the config names: by number, or by a file system's device.
    pub(super) named: OrderedSet<u32>,
    /// Partitions to be marked, since a file system is made on them that a rerun could not touch otherwise.
    pub(super) begun: OrderedSet<u32>,
}

impl Work<'_> {
    /// The nodes that udev has to look at again: of the disk, whose table is written, and of every new partition.
    pub(super) fn changed(&self) -> OrderedSet<PathBuf> {
        let made = self
            .change
            .slots
            .iter()
            .filter(|slot| matches!(slot.step, SlotStep::Create | SlotStep::Replace))
            .map(|slot| place::made_node(self.disk, slot.number));
        let disk = (!self.change.is_noop() || !self.begun.is_empty()).then(|| self.disk.node.clone());
        made.chain(disk).into_set()
    }

    /// The partitions the config uses, as the table has them, and those it wants absent. None where Linux does not see the
    /// table, and nothing is written: then it shows none of them after the next boot either.
    fn view(&self) -> KernelView {
        let seen = self.disk.found.seen_by_linux();
        let Some(table) = self.change.table.as_ref().filter(|_| seen || self.change.write) else {
            return KernelView {
                mappings: self.change.mappings.clone(),
                ..KernelView::default()
            };
        };
        let of = |number: &u32| Shown::of(table, *number);
        let slots = self.change.slots.iter().map(|slot| slot.number);
        KernelView {
            shown: self.named.iter().filter_map(of).collect(),
            absent: slots
                .filter(|number| *number > 0 && !table.entries.contains_key(number))
                .into_set(),
            mappings: self.change.mappings.clone(),
        }
    }

    /// What is done first, and what is done once every file system is complete.
    pub(super) fn steps(self) -> (Planned, Option<Planned>) {
        let view = self.view();
        let (device, node) = (self.device, self.disk.node.clone());
        let step = |step| Planned {
            pointer: self.pointer.clone(),
            step,
        };
        let mut clean = self.change.table;
        let mut marked = None;
        let (mut begun, mut left_over) = (OrderedSet::new(), OrderedSet::new());
        if let Some(table) = &mut clean {
            let marks = Marks::new(self.seed, table.disk_guid);
            left_over = marks.among(table, &self.named);
            left_over.iter().for_each(|&number| marks.take_off(table, number));
            let with_marks = marked.insert(table.clone());
            begun.extend(
                self.begun
                    .into_iter()
                    .filter(|&number| marks.put(with_marks, number)),
            );
        }
        let slots = self.change.slots;
        let lost = match &self.disk.found {
            Found::Gpt { table, .. } if self.change.wiped => table.entries.clone(),
            _ => OrderedMap::new(),
        };
        let unchanged = !self.change.write && self.change.erase.is_empty();
        let first = if unchanged && begun.is_subset(&left_over) {
            Step::KeepTable {
                device: device.clone(),
                node: node.clone(),
                slots,
                view,
            }
        } else {
            let write = TableWrite {
                wiped: self.change.wiped,
                erase: self.change.erase,
                table: marked,
                kernel: self.change.kernel,
                view,
            };
            Step::WriteTable {
                device: device.clone(),
                node: node.clone(),
                write: Box::new(write),
                slots,
                before: in_words_now(self.disk),
                lost,
                sector: self.disk.sector,
            }
        };
        let numbers: OrderedSet<u32> = begun.iter().chain(&left_over).copied().into_set();
        let last = clean
            .filter(|_| !numbers.is_empty())
            .map(|table| Step::FinishTable {
                device,
                node,
                table,
                numbers,
            });
        (step(first), last.map(step))
    }
}

/// What a disk without a GUID partition table holds, in words; `None` where that is nothing.
#[must_use]
pub fn instead_of_table(disk: &Disk) -> Option<String> {
    let is_other = match &disk.found {
        Found::Gpt { .. } => false,
        Found::Blank => disk.beside_table().is_some(),
        Found::Mbr | Found::Damaged(_) => true,
    };
    is_other.then(|| in_words_now(disk))
}

fn in_words_now(disk: &Disk) -> String {
    let table = match &disk.found {
        Found::Blank => "blank".to_owned(),
        Found::Gpt { table, .. } => format!("GPT with {}", counted(table.entries.len(), "partition")),
        Found::Mbr => "an MBR partition table".to_owned(),
        Found::Damaged(_) => "a damaged GPT".to_owned(),
    };
    match (disk.beside_table(), &disk.found) {
        // The signature that blkid gives an MBR, or the file system whose boot sector looks like one.
        (Some(data), Found::Mbr) if data == MBR_SIGNATURE => table,
        (Some(data), Found::Blank | Found::Mbr) => data,
        (Some(data), _) => format!("{data}, and {table}"),
        (None, _) => table,
    }
}
