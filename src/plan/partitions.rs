//! What becomes of the partition table of one disk: a pure decision.
//!
//! The flow: the config's entries are checked one by one ([`want`]), the table to start from is chosen, numbers are
//! resolved, every wanted partition is placed as if all configured ones were made anew ([`space`]), each slot is decided
//! by [`decide`], and the outcomes become one new table and the changes the kernel must be told.
//!
//! A second run on the resulting disk changes nothing (without `wipeTable`): a GUID that the config leaves open is
//! derived, so that even an entry with number 0 recognises the partition that an interrupted run made for it.

mod slots;
mod space;
mod start;
mod want;

use kindling_config_spec::order::{OrderedMap, OrderedSet};
use kindling_config_spec::types::{Disk, Partition};
use kindling_config_spec::units::{Bytes, SectorSize};
use serde::{Deserialize, Serialize};

use crate::gpt::{Entry, Extent, Found, Guid, MbrState, Table};
use crate::inventory::stack::User;

use super::Conflict;

/// One disk, what the config asks of it, and what it holds.
pub struct Request<'a> {
    /// The config's section.
    pub disk: &'a Disk,
    /// Where that section stands, for example `/storage/disks/0`.
    pub pointer: String,
    /// What the disk holds.
    pub found: &'a Found,
    /// The disk's size.
    pub size: Bytes,
    /// The disk's logical sector size.
    pub sector: SectorSize,
    /// Who uses the disk.
    pub in_use: &'a InUse,
    /// The GUID of the disk itself if a table is made anew.
    pub fresh_disk_guid: Guid,
    /// The GUID of the partition at this place of the config, where the config names none. Must be the same in each run
    /// of one provisioning, and differ between places.
    pub derive_guid: &'a dyn Fn(&str) -> Guid,
    /// Whether the partition with this number was made by an interrupted run of this provisioning, and never finished.
    /// Such a partition may be replaced as if `wipePartitionEntry` were set; it is never deleted for that reason.
    pub unfinished: &'a dyn Fn(u32) -> bool,
}

/// Who uses a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InUse {
    /// Who uses the disk as a whole.
    pub disk: Option<User>,
    /// Partition number to who uses it.
    pub partitions: OrderedMap<u32, User>,
}

/// What happens to a disk. Applied in the order of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableChange {
    /// Whether whatever table there was is gone, so that the kernel must forget every partition, also those of an MBR,
    /// which `kernel` does not name.
    pub wiped: bool,
    /// Stretches to be filled with zeros, before the table is written.
    pub erase: Vec<Extent>,
    /// Whether `table` is to be written.
    pub write: bool,
    /// The table the disk has afterwards; `None` when it has no GUID partition table then.
    pub table: Option<Table>,
    /// What the kernel must be told, in this order. Repeating one that it knows already is no error.
    pub kernel: Vec<KernelChange>,
    /// What became of each entry of the config, in the config's order.
    pub slots: Vec<SlotOutcome>,
    /// The names of the mappings that are the partitions, by number; `None` for a disk of the kernel's own. Filled in by
    /// [`super::place::mapping_names`].
    #[serde(default)]
    pub mappings: Option<OrderedMap<u32, String>>,
}

impl TableChange {
    /// Whether the disk stays as it is.
    #[must_use]
    pub fn is_noop(&self) -> bool {
        !self.write && self.erase.is_empty()
    }
}

/// One change of the kernel's view. Start and size are in bytes from the start of the disk, as `BLKPG` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KernelChange {
    /// The partition is gone.
    Delete {
        /// Partition number.
        number: u32,
    },
    /// The partition has another size.
    Resize {
        /// Partition number.
        number: u32,
        /// Where it starts, unchanged.
        start: Bytes,
        /// Its new size.
        size: Bytes,
    },
    /// There is a new partition.
    Add {
        /// Partition number.
        number: u32,
        /// Where it starts.
        start: Bytes,
        /// Its size.
        size: Bytes,
    },
}

/// A partition as the kernel has to show it once its table is in order. In bytes from the start of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Partition number.
    pub number: u32,
    /// Where it starts.
    pub start: Bytes,
    /// Its size.
    pub size: Bytes,
}

/// What the kernel has to show of a disk once its table is in order, whatever an earlier run left it with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelView {
    /// The partitions that the config uses.
    pub shown: Vec<Shown>,
    /// The numbers that the config wants absent.
    #[serde(skip_serializing_if = "OrderedSet::is_empty")]
    pub absent: OrderedSet<u32>,
    /// The names of the mappings that are the partitions, those that go included; `None` for a disk of the kernel's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mappings: Option<OrderedMap<u32, String>>,
}

impl Shown {
    /// A partition as `table` has it; `None` where it has none of that number.
    #[must_use]
    pub fn of(table: &Table, number: u32) -> Option<Self> {
        let entry = table.entries.get(&number)?;
        Some(Self {
            number,
            start: entry.first.to_bytes(table.sector_size),
            size: entry.size().to_bytes(table.sector_size),
        })
    }

    /// Whether the two lie on the same bytes, or bear the same number.
    #[must_use]
    pub fn collides(&self, other: &Self) -> bool {
        let end = |shown: &Self| shown.start.0.saturating_add(shown.size.0);
        self.number == other.number || (self.start.0 < end(other) && other.start.0 < end(self))
    }
}

/// What became of one entry of the config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotOutcome {
    /// The partition number, resolved. 0 only for an entry that asks for the absence of number 0.
    pub number: u32,
    /// The entry's place in the config's list.
    pub index: usize,
    /// What is done.
    pub step: SlotStep,
    /// What the slot held.
    pub before: Option<Entry>,
    /// What it will hold.
    pub after: Option<Entry>,
}

/// What is done to one slot of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SlotStep {
    /// It is empty, and shall be.
    Nothing,
    /// It matches; every byte stays.
    Keep,
    /// A partition is made.
    Create,
    /// Only the size changes; GUID, type, label, start and attributes stay.
    Resize,
    /// The partition is deleted and another one made.
    Replace,
    /// The partition is deleted.
    Delete,
}

/// How far an existing partition agrees with the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreement {
    Full,
    ButSize,
    None,
}

/// Why a slot may not be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It shall not exist, but nobody allowed us to delete it.
    Unwanted,
    /// It differs, but nobody allowed us to replace it.
    Differs,
}

/// Permissions of one entry of the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Permissions {
    may_delete: bool,
    may_replace: bool,
    may_resize: bool,
}

/// Decides one slot: `found` is how the partition in it agrees, if there is one.
fn decide(found: Option<Agreement>, exists: bool, may: Permissions) -> Result<SlotStep, Refusal> {
    match (found, exists) {
        (None, false) => Ok(SlotStep::Nothing),
        (None, true) => Ok(SlotStep::Create),
        (Some(_), false) if may.may_delete => Ok(SlotStep::Delete),
        (Some(_), false) => Err(Refusal::Unwanted),
        (Some(Agreement::Full), true) => Ok(SlotStep::Keep),
        (Some(Agreement::ButSize | Agreement::None), true) if may.may_replace => Ok(SlotStep::Replace),
        (Some(Agreement::ButSize), true) if may.may_resize => Ok(SlotStep::Resize),
        (Some(Agreement::ButSize | Agreement::None), true) => Err(Refusal::Differs),
    }
}

/// Decides what becomes of the partition table of one disk.
///
/// # Errors
/// Every conflict of this disk that can be told, never an empty list.
pub fn plan_partitions(request: &Request<'_>) -> Result<TableChange, Vec<Conflict>> {
    let (wants, mut conflicts) = want::parse_all(request);
    let start = start::choose(request, &wants);
    // Where an entry is unsound, placing the others would be guessing, and the guesses would be told as conflicts.
    let sound = conflicts.is_empty();
    let start = match start {
        Ok(start) if sound => start,
        Ok(_) => return Err(conflicts),
        Err(more) => {
            conflicts.extend(more);
            if let Some(table) = usable_table(request).filter(|_| sound) {
                conflicts.extend(
                    slots::decide_all(request, &wants, table)
                        .err()
                        .into_iter()
                        .flatten(),
                );
            }
            return Err(conflicts);
        }
    };
    let Some(table) = start.table else {
        let slots = request
            .disk
            .partitions
            .iter()
            .zip(0..)
            .map(SlotOutcome::nothing)
            .collect();
        return Ok(TableChange {
            slots,
            ..start.change
        });
    };
    let slots = slots::decide_all(request, &wants, &table)?;
    check(
        request,
        finish(
            request,
            TableChange {
                slots,
                ..start.change
            },
            table,
        ),
    )
}

/// The table on the disk, where entries can be compared with it.
fn usable_table<'a>(request: &Request<'a>) -> Option<&'a Table> {
    match request.found {
        Found::Gpt { table, .. } if request.disk.wipe_table != Some(true) => Some(table),
        _ => None,
    }
}

/// Fills in the new table and the kernel's changes from the outcomes of the slots.
fn finish(request: &Request<'_>, mut change: TableChange, mut table: Table) -> TableChange {
    let (old, seen) = match request.found {
        Found::Gpt { table, .. } => (Some(&table.entries), request.found.seen_by_linux()),
        _ => (None, true),
    };
    let changed = change
        .slots
        .iter()
        .any(|slot| !matches!(slot.step, SlotStep::Nothing | SlotStep::Keep));
    // Linux does not use a backup on its own, so a table it cannot see is written even when its content is right.
    let repair = !seen && !change.wiped && !request.disk.partitions.is_empty();
    change.write = changed || repair || change.wiped;

    let mut kernel = Kernel::default();
    if change.wiped {
        kernel.gone.extend(old.into_iter().flat_map(OrderedMap::keys));
    }
    for slot in change
        .slots
        .iter()
        .filter(|slot| matches!(slot.step, SlotStep::Delete | SlotStep::Replace))
    {
        table.entries.remove(&slot.number);
        kernel.gone.insert(slot.number);
    }
    for slot in &change.slots {
        let Some(after) = &slot.after else { continue };
        match slot.step {
            SlotStep::Create | SlotStep::Replace => {
                kernel.made.insert(slot.number);
            }
            SlotStep::Resize => {
                kernel.resized.insert(slot.number);
            }
            SlotStep::Nothing | SlotStep::Keep | SlotStep::Delete => continue,
        }
        table.entries.insert(slot.number, after.clone());
    }
    if repair {
        // It may know none of them.
        kernel.gone.append(&mut kernel.resized);
        kernel.made.extend(table.entries.keys());
    }
    change.kernel = kernel.changes(&table);
    change.table = Some(table);
    change
}

/// Partition numbers by what the kernel is to be told about them.
#[derive(Default)]
struct Kernel {
    gone: OrderedSet<u32>,
    resized: OrderedSet<u32>,
    made: OrderedSet<u32>,
}

impl Kernel {
    /// Deletions come first, so that a partition may take the place of another; then sizes, then additions.
    fn changes(&self, table: &Table) -> Vec<KernelChange> {
        let span = |number: &u32| {
            let entry = table.entries.get(number)?;
            let size = entry.size().to_bytes(table.sector_size);
            Some((*number, entry.first.to_bytes(table.sector_size), size))
        };
        let gone = self.gone.iter().map(|&number| KernelChange::Delete { number });
        let resized = self.resized.iter().filter_map(span);
        let made = self.made.iter().filter_map(span);
        gone.chain(resized.map(|(number, start, size)| KernelChange::Resize { number, start, size }))
            .chain(made.map(|(number, start, size)| KernelChange::Add { number, start, size }))
            .collect()
    }
}

/// Refuses a change that may not be made whatever its parts are.
fn check(request: &Request<'_>, change: TableChange) -> Result<TableChange, Vec<Conflict>> {
    let hybrid = matches!(request.found, Found::Gpt { health, .. } if health.mbr == MbrState::Hybrid);
    if hybrid && change.write && !change.wiped {
        return Err(vec![Conflict::new(
            &request.pointer,
            "table-hybrid",
            format!(
                "{} has a hybrid partition table: GPT and MBR records side by side",
                request.disk.device
            ),
            "make the MBR of the disk protective, or set wipeTable: true to erase the disk",
        )]);
    }
    match change.table.as_ref().filter(|_| change.write).map(Table::check) {
        Some(Err(flaw)) => Err(vec![Conflict::new(
            &request.pointer,
            "table-invalid",
            format!(
                "the new partition table of {} would be invalid: {flaw}",
                request.disk.device
            ),
            "report this as a defect, with the config and the output of `kindling plan`",
        )]),
        _ => Ok(change),
    }
}

impl SlotOutcome {
    /// An entry that asks for the absence of a partition on a disk without a table.
    fn nothing((partition, index): (&Partition, usize)) -> Self {
        let number = u32::try_from(partition.number).unwrap_or_default();
        Self {
            number,
            index,
            step: SlotStep::Nothing,
            before: None,
            after: None,
        }
    }
}

#[cfg(test)]
mod tests;
