//! Each entry of the config against the table: its number, its place, its step.

use kindling_config_spec::order::Gather;
use kindling_config_spec::order::{self, OrderedSet};
use kindling_config_spec::units::{Lba, SectorSize, Sectors};

use crate::gpt::{Entry, Guid, Table};

use super::space::{Misfit, Space, alignments};
use super::want::Want;
use super::{Agreement, Conflict, Permissions, Refusal, Request, SlotOutcome, SlotStep, decide};

/// An entry of the config whose number is known.
struct Slot<'a> {
    want: &'a Want,
    number: u32,
    /// The partition it speaks of, which is the one to be kept, changed or deleted.
    existing: Option<&'a Entry>,
}

/// Decides every entry; returns the outcomes in the config's order.
///
/// A disk that is as it would be under some alignment is left alone: it was made so by an earlier run, whose own
/// partitions (one in a block too small to be aligned, or the place of a deleted one) now make sgdisk's choice another.
///
/// # Errors
/// All conflicts.
pub(super) fn decide_all(
    request: &Request<'_>,
    wants: &[Want],
    table: &Table,
) -> Result<Vec<SlotOutcome>, Vec<Conflict>> {
    let mut others = alignments(table).into_iter();
    let usual = decide_aligned(request, wants, table, others.next().unwrap_or(1));
    if usual.as_ref().is_ok_and(|outcomes| unchanged(outcomes)) {
        return usual;
    }
    others
        .filter_map(|alignment| decide_aligned(request, wants, table, alignment).ok())
        .find(|outcomes| unchanged(outcomes))
        .map_or(usual, Ok)
}

fn unchanged(outcomes: &[SlotOutcome]) -> bool {
    outcomes
        .iter()
        .all(|outcome| matches!(outcome.step, SlotStep::Nothing | SlotStep::Keep))
}

/// Decides every entry, in the order of `wants`, with open starts aligned to so many sectors.
fn decide_aligned(
    request: &Request<'_>,
    wants: &[Want],
    table: &Table,
    alignment: u64,
) -> Result<Vec<SlotOutcome>, Vec<Conflict>> {
    let mut conflicts = Vec::new();
    let slots = resolve(request, wants, table, &mut conflicts);
    // As the reference does: everything is placed as if all that the config names were made anew.
    let named: OrderedSet<u32> = slots
        .iter()
        .filter(|slot| slot.existing.is_some())
        .map(|slot| slot.number)
        .into_set();
    let mut space = Space::new(table, alignment, |number| named.contains(&number));
    let mut outcomes = Vec::new();
    for slot in &slots {
        match decide_one(request, slot, table.sector_size, &mut space) {
            Ok(outcome) => outcomes.push(outcome),
            Err(conflict) => conflicts.push(conflict),
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    order::by_key(&mut outcomes, |outcome| outcome.index);
    Ok(outcomes)
}

/// Gives every entry its number and the partition it speaks of.
fn resolve<'a>(
    request: &Request<'_>,
    wants: &'a [Want],
    table: &'a Table,
    conflicts: &mut Vec<Conflict>,
) -> Vec<Slot<'a>> {
    let wanted = |number: u32| wants.iter().any(|want| want.exists && want.number == number);
    let unwanted = |number: u32| wants.iter().any(|want| !want.exists && want.number == number);
    let mut taken = OrderedSet::new();
    let mut slots = Vec::new();
    for want in wants {
        if want.number > table.entry_count {
            conflicts.push(Conflict::new(
                format!("{}/number", want.pointer),
                "partition-number-too-large",
                format!(
                    "{} has room for {} partitions, so none can have number {}",
                    request.disk.device, table.entry_count, want.number
                ),
                format!("use a number up to {}", table.entry_count),
            ));
        } else if want.number != 0 || !want.exists {
            slots.push(Slot {
                want,
                number: want.number,
                existing: table.entries.get(&want.number),
            });
        } else if let Some((&number, entry)) = table.entries.iter().find(|&(number, entry)| {
            // What an interrupted run made for this entry carries its GUID.
            entry.guid == own_guid(request, want) && !wanted(*number) && !taken.contains(number)
        }) {
            taken.insert(number);
            slots.push(Slot {
                want,
                number,
                existing: Some(entry),
            });
        } else if let Some(number) = (1..=table.entry_count).find(|&number| {
            let free = !table.entries.contains_key(&number) || unwanted(number);
            free && !wanted(number) && !taken.contains(&number)
        }) {
            taken.insert(number);
            slots.push(Slot {
                want,
                number,
                existing: None,
            });
        } else {
            conflicts.push(Conflict::new(
                format!("{}/number", want.pointer),
                "table-full",
                format!(
                    "all {} partition numbers of {} are taken",
                    table.entry_count, request.disk.device
                ),
                "delete a partition, or set wipeTable: true to erase the disk",
            ));
        }
    }
    shadow(slots)
}

/// An entry that asks for an absence is void once another one wants the very partition it speaks of.
fn shadow(mut slots: Vec<Slot<'_>>) -> Vec<Slot<'_>> {
    let held: OrderedSet<u32> = slots
        .iter()
        .filter(|slot| slot.want.exists && slot.existing.is_some())
        .map(|slot| slot.number)
        .into_set();
    for slot in slots
        .iter_mut()
        .filter(|slot| !slot.want.exists && held.contains(&slot.number))
    {
        slot.existing = None;
    }
    slots
}

fn own_guid(request: &Request<'_>, want: &Want) -> Guid {
    want.guid.unwrap_or_else(|| (request.derive_guid)(&want.pointer))
}

/// Places and decides one entry; what it takes is taken from `space`.
fn decide_one(
    request: &Request<'_>,
    slot: &Slot<'_>,
    sector: SectorSize,
    space: &mut Space,
) -> Result<SlotOutcome, Conflict> {
    let Slot {
        want,
        number,
        existing,
    } = *slot;
    let may = Permissions {
        may_delete: want.may_wipe,
        may_replace: want.may_wipe || (existing.is_some() && (request.unfinished)(number)),
        may_resize: want.may_resize,
    };
    let place = if want.exists {
        let kept = existing.filter(|_| !want.may_wipe);
        let start = want
            .start
            .map(|start| Lba(start.0))
            .or(kept.map(|entry| entry.first))
            .unwrap_or_default();
        let size = want.size.or(kept.map(Entry::size)).unwrap_or_default();
        let (first, last) = space
            .place(start, size)
            .map_err(|misfit| misfit_conflict(request, slot, sector, &misfit))?;
        space.take(number, first, last);
        Some((first, last))
    } else {
        None
    };
    let differences = match (existing, place) {
        (Some(entry), Some((first, last))) => differences(entry, want, first, last, sector),
        _ => Differences::default(),
    };
    let step = decide(existing.map(|_| differences.agreement()), want.exists, may)
        .map_err(|refusal| refusal_conflict(request, slot, refusal, &differences))?;
    // Who may wipe the partition may take down what stands on it, as long as nobody uses that.
    let in_the_way = request.in_use.partitions.get(&number).filter(|user| match step {
        SlotStep::Delete | SlotStep::Replace => user.stack.is_empty(),
        SlotStep::Resize => true,
        SlotStep::Nothing | SlotStep::Keep | SlotStep::Create => false,
    });
    if let Some(user) = in_the_way {
        return Err(Conflict::new(
            &want.pointer,
            "partition-in-use",
            format!(
                "cannot change partition {number} of {}: it is {user}",
                request.disk.device
            ),
            "describe the partition as it is, or leave it out of the config",
        ));
    }
    let after = match (step, place) {
        (SlotStep::Keep, _) => existing.cloned(),
        (SlotStep::Resize, Some((_, last))) => existing.map(|entry| Entry {
            last,
            ..entry.clone()
        }),
        (SlotStep::Create | SlotStep::Replace, Some((first, last))) => Some(Entry {
            type_guid: want.type_guid.unwrap_or(Guid::LINUX_FILESYSTEM),
            guid: own_guid(request, want),
            first,
            last,
            attributes: 0,
            label: want.label.unwrap_or_default(),
            extra: Vec::new(),
        }),
        _ => None,
    };
    Ok(SlotOutcome {
        number,
        index: want.index,
        step,
        before: existing.cloned(),
        after,
    })
}

/// How an existing partition differs, in words; the size apart, since it may have its own permission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Differences {
    size: Option<String>,
    others: Vec<String>,
}

impl Differences {
    fn agreement(&self) -> Agreement {
        match (self.others.is_empty(), &self.size) {
            (true, None) => Agreement::Full,
            (true, Some(_)) => Agreement::ButSize,
            (false, _) => Agreement::None,
        }
    }
}

fn differences(entry: &Entry, want: &Want, first: Lba, last: Lba, sector: SectorSize) -> Differences {
    let mut others = Vec::new();
    if entry.first != first {
        let (is, wanted) = (entry.first.to_bytes(sector), first.to_bytes(sector));
        others.push(format!(
            "it starts at {is} (sector {}), not {wanted} (sector {})",
            entry.first.0, first.0
        ));
    }
    if let Some(guid) = want.guid.filter(|&guid| guid != entry.guid) {
        others.push(format!("its guid is {}, not {guid}", entry.guid));
    }
    if let Some(type_guid) = want.type_guid.filter(|&type_guid| type_guid != entry.type_guid) {
        others.push(format!("its type is {}, not {type_guid}", entry.type_guid));
    }
    if let Some(label) = want.label.filter(|&label| label.text() != entry.label.text()) {
        others.push(format!("its label is {:?}, not {label:?}", entry.label));
    }
    let (is, wanted) = (entry.size(), Sectors((last.0 - first.0).saturating_add(1)));
    let size = (is != wanted).then(|| {
        let (is_bytes, wanted_bytes) = (is.to_bytes(sector), wanted.to_bytes(sector));
        format!(
            "it has {is_bytes} ({} sectors), not {wanted_bytes} ({} sectors)",
            is.0, wanted.0
        )
    });
    Differences { size, others }
}

fn refusal_conflict(
    request: &Request<'_>,
    slot: &Slot<'_>,
    refusal: Refusal,
    differences: &Differences,
) -> Conflict {
    let (number, device) = (slot.number, &request.disk.device);
    match refusal {
        Refusal::Unwanted => Conflict::new(
            &slot.want.pointer,
            "partition-unwanted",
            format!("partition {number} of {device} exists, and may not be deleted"),
            "set wipePartitionEntry: true to delete it",
        ),
        Refusal::Differs => {
            let reasons: Vec<&str> = differences
                .others
                .iter()
                .chain(&differences.size)
                .map(String::as_str)
                .collect();
            let next = match differences.agreement() {
                Agreement::ButSize => {
                    "set resize: true to change only its size, or wipePartitionEntry: true to replace it"
                }
                _ => "set wipePartitionEntry: true to replace it, or describe it as it is",
            };
            Conflict::new(
                &slot.want.pointer,
                "partition-differs",
                format!(
                    "partition {number} of {device} is another one: {}",
                    reasons.join("; ")
                ),
                next,
            )
        }
    }
}

fn misfit_conflict(request: &Request<'_>, slot: &Slot<'_>, sector: SectorSize, misfit: &Misfit) -> Conflict {
    let (number, device, pointer) = (slot.number, &request.disk.device, &slot.want.pointer);
    let sectors = |first: &Lba, last: &Lba| {
        format!(
            "sectors {} to {} ({} to {})",
            first.0,
            last.0,
            first.to_bytes(sector),
            Lba(last.0.saturating_add(1)).to_bytes(sector)
        )
    };
    match misfit {
        Misfit::Full => Conflict::new(
            pointer,
            "disk-full",
            format!("{device} has no free space for partition {number}"),
            "delete a partition, or set wipeTable: true to erase the disk",
        ),
        Misfit::Overlap(others) => {
            let others: Vec<String> = others.iter().map(u32::to_string).collect();
            Conflict::new(
                format!("{pointer}/startMiB"),
                "partition-overlap",
                format!(
                    "partition {number} of {device} would overlap partition {}",
                    others.join(" and ")
                ),
                "choose another start or a smaller size, and list partitions that exist before new ones",
            )
        }
        Misfit::Start { first, last } => Conflict::new(
            format!("{pointer}/startMiB"),
            "partition-start-outside",
            format!(
                "partition {number} would start outside the usable part of {device}: {}",
                sectors(first, last)
            ),
            "choose a start inside, or leave it out",
        ),
        Misfit::TooLarge(available) => {
            let available = available.to_bytes(sector);
            Conflict::new(
                format!("{pointer}/sizeMiB"),
                "partition-too-large",
                format!("partition {number} does not fit on {device}: {available} are available there"),
                "choose a smaller size, or 0 for all there is",
            )
        }
        Misfit::OutsideLargest { first, last } => Conflict::new(
            format!("{pointer}/sizeMiB"),
            "partition-size-open",
            format!(
                "partition {number} of {device} has no size, and does not start in the largest free block: {}",
                sectors(first, last)
            ),
            "give the partition a size",
        ),
    }
}
