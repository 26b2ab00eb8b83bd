//! Rules for disks and partitions.

use super::{Check, Findings, catalog as rule, paths};
use crate::diagnostic::Pointer;
use crate::order::{self, OrderedMap};
use crate::suggest::quoted;
use crate::types::{Config, Disk, Partition};
use crate::version::Version;

pub(super) const CHECKS: &[Check] = &[
    devices_are_paths,
    numbers_differ,
    ranges_do_not_overlap,
    labels_differ,
    partitions_are_named,
    absent_partitions_have_no_details,
    labels_fit,
    guids_are_guids,
];

/// What a GPT entry has room for, counted in bytes as the reference counts them.
const MAX_LABEL_BYTES: usize = 36;

fn at_disk(disk: usize) -> Pointer {
    Pointer::root().key("storage").key("disks").index(disk)
}

fn at_partition(disk: usize, partition: usize) -> Pointer {
    at_disk(disk).key("partitions").index(partition)
}

/// Disks that name a device: a disk that does not is told only that.
fn named(config: &Config) -> impl Iterator<Item = (usize, &Disk)> {
    config
        .storage
        .disks
        .iter()
        .enumerate()
        .filter(|(_, disk)| !disk.device.is_empty())
}

/// All partitions with the indices of their disk and their own.
fn partitions(config: &Config) -> impl Iterator<Item = (usize, usize, &Partition)> {
    config
        .storage
        .disks
        .iter()
        .enumerate()
        .flat_map(|(disk_index, disk)| {
            disk.partitions
                .iter()
                .enumerate()
                .map(move |(index, partition)| (disk_index, index, partition))
        })
}

fn devices_are_paths(config: &Config, _: Version, findings: &mut Findings) {
    for (index, disk) in config.storage.disks.iter().enumerate() {
        let at = || at_disk(index).key("device");
        if disk.device.is_empty() {
            findings
                .report(rule::DEVICE_MISSING, at(), "a disk names no device")
                .help("write the path of its device, for example /dev/disk/by-id/…");
        } else {
            paths::check(&disk.device, at, findings);
        }
    }
}

fn numbers_differ(config: &Config, _: Version, findings: &mut Findings) {
    for (disk_index, disk) in named(config) {
        let mut first_holder = OrderedMap::new();
        let numbered = disk
            .partitions
            .iter()
            .enumerate()
            .filter(|(_, partition)| partition.number != 0);
        for (index, partition) in numbered {
            if let Some(first) = first_holder.insert(partition.number, index) {
                let message = format!(
                    "number {} is that of $.storage.disks.{disk_index}.partitions.{first}",
                    partition.number
                );
                findings
                    .report(
                        rule::PARTITION_NUMBER_COLLISION,
                        at_partition(disk_index, index),
                        message,
                    )
                    .help("number 0 takes the next free slot");
                break;
            }
        }
    }
}

/// The MiB a partition covers, first and last. Only partitions with a fixed place and a size have one.
fn range(partition: &Partition) -> Option<(i128, i128)> {
    let start = partition.start_mib.filter(|start| *start != 0)?;
    let (start, size) = (i128::from(start), i128::from(partition.size_mib?));
    // Size 0 grows into what is free, so it claims no more than where it starts. Negative sizes cover nothing.
    (size >= 0).then(|| (start, (start + size - 1).max(start)))
}

/// A partition as people know it: by its number, else by its label.
fn called(disk: &Disk, index: usize) -> String {
    match disk.partitions.get(index) {
        Some(Partition {
            number: 0,
            label: Some(label),
            ..
        }) => format!("partition {}", quoted(label)),
        Some(Partition { number, .. }) if *number != 0 => format!("partition {number}"),
        _ => "a nameless partition".to_owned(),
    }
}

/// As the reference, tells of one pair per disk: the first partition that overlaps any, at the first it overlaps.
fn ranges_do_not_overlap(config: &Config, _: Version, findings: &mut Findings) {
    for (disk_index, disk) in named(config) {
        let ranges = disk.partitions.iter().map(range);
        let ranges: Vec<_> = ranges
            .enumerate()
            .filter_map(|(index, range)| Some((index, range?)))
            .collect();
        let Some((index, (start, end))) = first_overlapping(&ranges) else {
            continue;
        };
        let overlaps = |&&(other, (other_start, other_end)): &&(usize, (i128, i128))| {
            other != index && start <= other_end && other_start <= end
        };
        let Some(&(other, (other_start, other_end))) = ranges.iter().find(overlaps) else {
            continue;
        };
        let (this, that) = (called(disk, other), called(disk, index));
        let message =
            format!("{this} ({other_start} to {other_end} MiB) overlaps {that} ({start} to {end} MiB)");
        let later_start = if other_start >= start {
            end + 1
        } else {
            other_end + 1
        };
        findings
            .report(rule::PARTITION_OVERLAP, at_partition(disk_index, other), message)
            .help(format!("the later one can start at {later_start}"));
    }
}

/// The first of `ranges`, in their order, that overlaps any other; in less than quadratic time.
fn first_overlapping(ranges: &[(usize, (i128, i128))]) -> Option<(usize, (i128, i128))> {
    let mut sorted = ranges.to_vec();
    order::by_key(&mut sorted, |&(_, range)| range);
    let mut overlapping = None;
    let mut reach: Option<i128> = None;
    for (position, &(index, (start, end))) in sorted.iter().enumerate() {
        let before = reach.is_some_and(|reach| start <= reach);
        let after = sorted
            .get(position + 1)
            .is_some_and(|&(_, (next, _))| next <= end);
        if (before || after) && overlapping.is_none_or(|(first, _)| index < first) {
            overlapping = Some((index, (start, end)));
        }
        reach = reach.max(Some(end));
    }
    overlapping
}

fn labels_differ(config: &Config, _: Version, findings: &mut Findings) {
    for (disk_index, disk) in named(config) {
        let mut first_holder = OrderedMap::new();
        for (index, partition) in disk.partitions.iter().enumerate() {
            let Some(label) = &partition.label else { continue };
            if let Some(first) = first_holder.insert(label.as_str(), index) {
                let message = format!(
                    "label {} is that of $.storage.disks.{disk_index}.partitions.{first}",
                    quoted(label)
                );
                findings.report(
                    rule::PARTITION_LABEL_COLLISION,
                    at_partition(disk_index, index),
                    message,
                );
                break;
            }
        }
    }
}

fn partitions_are_named(config: &Config, _: Version, findings: &mut Findings) {
    for (disk, index, partition) in partitions(config) {
        if partition.number == 0 && partition.label.is_none() {
            findings
                .report(
                    rule::PARTITION_UNNAMED,
                    at_partition(disk, index),
                    "a partition has neither number nor label",
                )
                .help("give it a number, a label, or both");
        }
    }
}

fn absent_partitions_have_no_details(config: &Config, _: Version, findings: &mut Findings) {
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    for (disk, index, partition) in partitions(config) {
        let described = partition.label.is_some()
            || is_set(&partition.guid)
            || is_set(&partition.type_guid)
            || partition.start_mib.is_some()
            || partition.size_mib.is_some();
        if partition.should_exist == Some(false) && described {
            let message = "a partition that shall not exist is described";
            findings
                .report(
                    rule::PARTITION_ABSENT_WITH_DETAILS,
                    at_partition(disk, index),
                    message,
                )
                .help("leave only number, shouldExist and wipePartitionEntry");
        }
    }
}

fn labels_fit(config: &Config, _: Version, findings: &mut Findings) {
    for (disk, index, partition) in partitions(config) {
        let Some(label) = &partition.label else { continue };
        let at = || at_partition(disk, index).key("label");
        if label.len() > MAX_LABEL_BYTES {
            let message = format!(
                "a partition label has {} bytes, the limit is {MAX_LABEL_BYTES}",
                label.len()
            );
            findings.report(rule::PARTITION_LABEL_TOO_LONG, at(), message);
        } else if label.contains(':') {
            let message = "a partition label contains a colon";
            findings
                .report(rule::PARTITION_LABEL_COLON, at(), message)
                .help("partitioning tools cut labels there");
        }
    }
}

fn guids_are_guids(config: &Config, _: Version, findings: &mut Findings) {
    for (disk, index, partition) in partitions(config) {
        for (member, guid) in [("guid", &partition.guid), ("typeGuid", &partition.type_guid)] {
            let Some(guid) = guid else { continue };
            if !guid.is_empty() && !is_guid(guid) {
                let message = format!("{} is not a GUID", quoted(guid));
                findings
                    .report(
                        rule::GUID_MALFORMED,
                        at_partition(disk, index).key(member),
                        message,
                    )
                    .help("write hexadecimal digits in groups of 8-4-4-4-12");
            }
        }
    }
}

fn is_guid(text: &str) -> bool {
    let mut groups = text.split('-');
    let all_fit = [8, 4, 4, 4, 12].into_iter().all(|length| {
        groups
            .next()
            .is_some_and(|group| group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    all_fit && groups.next().is_none()
}

#[cfg(test)]
mod tests;
