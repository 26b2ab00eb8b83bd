//! Reads a finished plan and refuses what no planner should emit. A finding here is our bug, not the user's.

use std::path::PathBuf;

use super::{Plan, Step};
use crate::gpt::Table;
use kindling_config_spec::order::{self, OrderedSet};

/// Every fault of the plan, in words; empty for a sound one.
#[must_use]
pub fn faults(plan: &Plan) -> Vec<String> {
    let mut faults = Vec::new();
    let mut made: OrderedSet<PathBuf> = OrderedSet::new();
    let mut has_result = false;
    for planned in &plan.steps {
        match &planned.step {
            Step::WriteTable { node, write, .. } => {
                faults.extend(
                    write
                        .table
                        .iter()
                        .flat_map(overlaps)
                        .map(|what| format!("{}: {what}", node.display())),
                );
                if made
                    .iter()
                    .any(|at| at.starts_with(node) || starts_with_name(at, node))
                {
                    faults.push(format!(
                        "{}: a table is written after a file system was made on it",
                        node.display()
                    ));
                }
            }
            Step::FinishTable { node, table, .. } => {
                faults.extend(
                    overlaps(table)
                        .into_iter()
                        .map(|what| format!("{}: {what}", node.display())),
                );
            }
            Step::MakeFilesystem { node, call, .. } => {
                if call.args.last().map(crate::invocation::Arg::expose) != Some(node.as_os_str()) {
                    faults.push(format!("{call} does not end with {}", node.display()));
                }
                if !made.insert(node.clone()) {
                    faults.push(format!("{}: two file systems are made on it", node.display()));
                }
            }
            Step::Result { .. } => has_result = true,
            // The disks stage does it only where nothing has to be stored.
            Step::FinishVolume { device, stored, .. } if !has_result && !stored.is_empty() => {
                faults.push(format!(
                    "{}: finished before the result is written",
                    device.display()
                ));
            }
            _ => {}
        }
    }
    faults
}

fn starts_with_name(partition: &std::path::Path, disk: &std::path::Path) -> bool {
    partition.to_string_lossy().starts_with(&*disk.to_string_lossy())
}

fn overlaps(table: &Table) -> Vec<String> {
    let mut spans: Vec<_> = table
        .entries
        .iter()
        .map(|(number, entry)| (entry.first, entry.last, number))
        .collect();
    order::sort(&mut spans);
    let pairs = spans.iter().zip(spans.iter().skip(1));
    let overlapping = pairs.filter(|((_, last, _), (first, _, _))| last >= first);
    let outside = spans
        .iter()
        .filter(|(first, last, _)| first > last || *first < table.first_usable || *last > table.last_usable);
    overlapping
        .map(|((_, _, a), (_, _, b))| format!("partitions {a} and {b} overlap"))
        .chain(outside.map(|(_, _, number)| format!("partition {number} is not within the usable sectors")))
        .collect()
}
