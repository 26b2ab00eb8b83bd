//! What the machine's owner allows, read from the config alone: not from what the planner made of it.

use std::path::{Path, PathBuf};

use kindling_config_spec::types::{Config, Disk as Wanted, Partition};
use kindling_config_spec::units::MIB;

use super::machine::{Address, Space, State};
use crate::gpt::{Entry, Table};
use crate::plan::step::TableWrite;

/// The attribute bits of marks (docs/decisions/0004-unfinished-mark.md).
pub(super) const MARK: u64 = 0x7ff << 48;

fn is_set(flag: Option<bool>) -> bool {
    flag == Some(true)
}

fn wanted<'a>(state: &State, config: &'a Config, node: &Path) -> Option<&'a Wanted> {
    let mut disks = config.storage.disks.iter();
    disks.find(|wanted| state.real(wanted.device.as_ref()).as_deref() == Some(node))
}

/// The entries of the config that may speak of partition `number`.
fn entries(wanted: &Wanted, number: u32) -> impl Iterator<Item = &Partition> {
    let is_named = wanted
        .partitions
        .iter()
        .any(|one| one.number == i64::from(number));
    let speaks = move |one: &&Partition| one.number == if is_named { i64::from(number) } else { 0 };
    wanted.partitions.iter().filter(speaks)
}

/// Whether the config lets what lies at an address go.
pub(super) fn may_go(state: &State, config: &Config, at: &Address) -> bool {
    let starts_at = |node: &PathBuf| state.at(node).is_some_and(|(there, _)| there == *at);
    // A label may be that of several partitions.
    let is_at = |device: &str| state.nodes(Path::new(device)).iter().any(starts_at);
    let storage = &config.storage;
    let filesystems = storage.filesystems.iter();
    let mut filesystems = filesystems.filter(|one| is_set(one.wipe_filesystem));
    let mut volumes = storage.luks.iter().filter(|one| is_set(one.wipe_volume));
    if filesystems.any(|one| is_at(&one.device))
        || volumes.any(|one| one.device.as_deref().is_some_and(is_at))
    {
        return true;
    }
    let Space::Disk(node) = &at.0 else { return false };
    let Some(wanted) = wanted(state, config, node) else {
        return false;
    };
    let starts_there = |(_, entry): &(&u32, &Entry)| {
        state
            .table(node)
            .is_some_and(|table| entry.first.to_bytes(table.sector_size).0 == at.1)
    };
    let partition = state
        .table(node)
        .and_then(|table| table.entries.iter().find(starts_there));
    is_set(wanted.wipe_table)
        || partition
            .is_some_and(|(number, _)| entries(wanted, *number).any(|one| is_set(one.wipe_partition_entry)))
}

/// What must hold of every table that is written, in words where it does not.
pub(super) fn of_table(state: &State, config: &Config, node: &Path, write: &TableWrite) -> Vec<String> {
    let Some(wanted) = wanted(state, config, node) else {
        return vec![format!(
            "{}: a table is written to a disk that is not in the config",
            node.display()
        )];
    };
    let mut faults = Vec::new();
    let mut fault = |what: String| faults.push(format!("{}: {what}", node.display()));
    let old = state.table(node);
    if write.wiped && !is_set(wanted.wipe_table) {
        fault("the table is wiped without leave".to_owned());
    }
    for (number, was) in old.iter().flat_map(|table| &table.entries) {
        let is = write
            .table
            .as_ref()
            .filter(|_| !write.wiped)
            .and_then(|table| table.entries.get(number));
        let change = change(was, is);
        let has = |leave: &dyn Fn(&Partition) -> bool| entries(wanted, *number).any(leave);
        let may = match change {
            Change::None => true,
            Change::Size => has(&|one| is_set(one.resize) || is_set(one.wipe_partition_entry)),
            Change::Other => has(&|one| is_set(one.wipe_partition_entry)),
        };
        let is_ours = is.is_some() && state.made.contains(&was.guid.to_string());
        if !may && !is_ours && !write.wiped {
            fault(format!(
                "partition {number} is {change:?} without leave: {was:?} becomes {is:?}"
            ));
        }
        let start = state.span(node, *number).map_or(0, |(start, _)| start);
        let user = state.user(&(Space::Disk(node.to_owned()), start));
        // A volume that the stage opened to look into does not mind.
        let may_grow = |by: &str| change == Change::Size && by.starts_with("held by dm-");
        if let Some(user) = user.filter(|user| change != Change::None && !may_grow(&user.by)) {
            fault(format!("partition {number} is {change:?} while it is {user}"));
        }
    }
    if let Some(table) = &write.table {
        if let Err(flaw) = table.check() {
            fault(flaw.to_string());
        }
        let old = old.filter(|_| !write.wiped);
        let is_new = |number: &u32, entry: &Entry| {
            old.and_then(|old| old.entries.get(number))
                .is_none_or(|was| was.first != entry.first)
        };
        for (number, entry) in table
            .entries
            .iter()
            .filter(|(number, entry)| is_new(number, entry))
        {
            if !is_aligned(old, table, entry) {
                fault(format!("partition {number} starts at sector {}", entry.first.0));
            }
        }
    }
    faults
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    Size,
    Other,
}

fn change(was: &Entry, is: Option<&Entry>) -> Change {
    let without_mark = |entry: &Entry| Entry {
        attributes: entry.attributes & !MARK,
        ..entry.clone()
    };
    match is.map(without_mark) {
        Some(is) if is == without_mark(was) => Change::None,
        Some(is)
            if Entry {
                last: was.last,
                ..is.clone()
            } == without_mark(was) =>
        {
            Change::Size
        }
        _ => Change::Other,
    }
}

/// Whether a new partition starts at a multiple of 1 MiB, or, beside older ones that do not, of what they have in common;
/// or at the first sector of a block that has no such one.
fn is_aligned(old: Option<&Table>, new: &Table, entry: &Entry) -> bool {
    let mut alignment = MIB / new.sector_size.bytes();
    for was in old.iter().flat_map(|old| old.entries.values()) {
        while !was.first.0.is_multiple_of(alignment) {
            alignment /= 2;
        }
    }
    let starts_block =
        entry.first == new.first_usable || new.entries.values().any(|one| one.last.0 + 1 == entry.first.0);
    entry.first.0.is_multiple_of(alignment) || starts_block
}
