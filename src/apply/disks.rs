//! The disks stage: tables, arrays and volumes one by one, then file systems on different devices at the same time.

use std::path::Path;

use kindling_config_spec::order::OrderedMap;

use super::{Applied, ApplyError, Failed, Host, Outcome, stacks};
use crate::gpt::Table;
use crate::host::probe::{self, ProbeError};
use crate::host::workers;
use crate::inventory::disks::{Content, Probe};

use crate::invocation::{Invocation, Program};
use crate::plan::partitions::KernelView;
use crate::plan::step::{Planned, TableWrite};
use crate::plan::{Plan, Step};

/// Runs the plan: everything before the first file system, the file systems in parallel, everything after.
pub(super) fn apply(plan: &Plan, host: &Host<'_>, applied: &mut Applied) -> Result<(), Failed> {
    let is_content = |planned: &Planned| {
        matches!(
            planned.step,
            Step::WipeSignatures { .. } | Step::MakeFilesystem { .. } | Step::KeepFilesystem { .. }
        )
    };
    let first = plan.steps.iter().position(is_content).unwrap_or(plan.steps.len());
    let last = plan
        .steps
        .iter()
        .rposition(is_content)
        .map_or(first, |last| last + 1);
    let (before, rest) = plan.steps.split_at(first);
    let (content, after) = rest.split_at(last - first);
    in_order(host, before, applied)?;
    by_device(host, content, applied)?;
    in_order(host, after, applied)
}

fn in_order<'a>(
    host: &Host<'_>,
    steps: impl IntoIterator<Item = &'a Planned>,
    applied: &mut Applied,
) -> Result<(), Failed> {
    for planned in steps {
        host.timed(applied, planned, |_| step(host, planned))?;
    }
    Ok(())
}

/// The steps of one node stay in order, whatever names the config gave it; devices do not wait for each other.
fn by_device(host: &Host<'_>, steps: &[Planned], applied: &mut Applied) -> Result<(), Failed> {
    let mut devices: OrderedMap<&Path, Vec<&Planned>> = OrderedMap::new();
    for planned in steps {
        let device = match &planned.step {
            Step::WipeSignatures { node, .. } | Step::MakeFilesystem { node, .. } => node.as_path(),
            Step::KeepFilesystem { device, .. } => device.as_path(),
            _ => Path::new(""),
        };
        devices.entry(device).or_default().push(planned);
    }
    let results = workers::each(devices.into_values().collect(), |steps: Vec<&Planned>| {
        let mut part = Applied::default();
        let ended = in_order(host, steps, &mut part);
        (part, ended)
    });
    let mut ended = Ok(());
    for (part, one) in results {
        applied.join(part);
        ended = ended.and(one);
    }
    ended
}

fn step(host: &Host<'_>, planned: &Planned) -> Result<Outcome, ApplyError> {
    match &planned.step {
        Step::WriteTable { node, write, .. } => table(host, node, write),
        Step::FinishTable {
            node,
            table: finished,
            ..
        } => finish(host, node, finished),
        Step::KeepTable { node, view, .. } => host
            .devices
            .hold(node, view)
            .map(|()| Outcome::AlreadySo)
            .map_err(ApplyError::from),
        Step::KeepFilesystem { .. } | Step::KeepArray { .. } => Ok(Outcome::AlreadySo),
        Step::KeepVolume { name, refresh, .. } => match refresh {
            None => Ok(Outcome::AlreadySo),
            Some(call) => run(host, &call.with_key(host.keys.get(name))),
        },
        Step::TakeDown { stack, erase } => stacks::take_down(host, stack, erase),
        Step::CreateArray {
            node, members, call, ..
        } => stacks::create_array(host, node, members, call),
        Step::FormatVolume {
            name,
            node,
            erase,
            calls,
            ..
        } => stacks::format_volume(host, name, node, erase.is_some(), calls),
        Step::FinishVolume { call, .. } => run(host, call),
        Step::WipeSignatures { node, .. } => wipe(host, node),
        Step::MakeFilesystem { call, .. } => run(host, call),
        Step::SettleDevices { nodes } => {
            let nodes: Vec<_> = nodes.iter().cloned().collect();
            host.devices
                .settle(&nodes)
                .map(|()| Outcome::AlreadySo)
                .map_err(ApplyError::from)
        }
        _ => Err(ApplyError::Unprepared {
            what: "a step of another stage",
        }),
    }
}

/// Erases every signature on a device that may be wiped. Meanwhile udev does not look at it.
pub(super) fn wipe(host: &Host<'_>, node: &Path) -> Result<Outcome, ApplyError> {
    let _locks = host.devices.lock(&[node.to_owned()])?;
    erase(host, node)
}

/// Erases every signature on a locked device, and looks once more: one that came back later would be the data of a machine
/// that is gone.
pub(super) fn erase(host: &Host<'_>, node: &Path) -> Result<Outcome, ApplyError> {
    // udev may have started one since the plan looked: it does at each event of a member.
    for array in host.devices.arrays_on(node)? {
        run(host, &stacks::stop(&array))?;
    }
    let erase = Invocation::new(Program::Wipefs)
        .args(["--all", "--force"])
        .arg(node.as_os_str());
    run(host, &erase)?;
    let whole = Probe {
        node: node.to_owned(),
        range: None,
    };
    match probe::content(host.processes, host.devices, &whole) {
        Ok(Content::Blank) => Ok(Outcome::Changed),
        Ok(Content::Known(signature)) => Err(stays(node, signature.kind)),
        Ok(Content::Ambiguous(kinds)) => Err(stays(node, kinds.join(" and "))),
        Err(ProbeError::Program { source, .. }) => Err(source.into()),
        Err(ProbeError::Unreadable(error)) => Err(error.into()),
    }
}

fn stays(node: &Path, found: String) -> ApplyError {
    ApplyError::SignatureStays {
        device: node.to_owned(),
        found,
    }
}

fn table(host: &Host<'_>, node: &Path, write: &TableWrite) -> Result<Outcome, ApplyError> {
    host.devices.write_table(node, write)?;
    Ok(Outcome::Changed)
}

fn finish(host: &Host<'_>, node: &Path, table: &Table) -> Result<Outcome, ApplyError> {
    let write = TableWrite {
        wiped: false,
        erase: Vec::new(),
        table: Some(table.clone()),
        kernel: Vec::new(),
        view: KernelView::default(),
    };
    host.devices.write_table(node, &write)?;
    Ok(Outcome::Changed)
}

/// Runs one program to its end.
pub(super) fn run(host: &Host<'_>, call: &Invocation) -> Result<Outcome, ApplyError> {
    host.processes.run(call)?;
    Ok(Outcome::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Keys;
    use crate::host::fake::{Disks, Scripted};

    fn wiped(answers: &[(i32, &str)], unreadable: &[&str]) -> (Result<Outcome, ApplyError>, Vec<String>) {
        let processes = Scripted::answering(answers);
        let devices = Disks {
            unreadable: unreadable.iter().map(Into::into).collect(),
            ..Disks::default()
        };
        let host = Host {
            processes: &processes,
            devices: &devices,
            keys: &Keys::new(),
            sysroot: None,
            fetcher: None,
            journal: None,
            receipt: None,
            noted: None,
        };
        let outcome = wipe(&host, Path::new("/dev/vdb1"));
        (outcome, processes.calls())
    }

    #[test]
    fn what_is_erased_is_looked_at_again() {
        let (outcome, calls) = wiped(&[(0, ""), (2, "")], &[]);
        assert!(matches!(outcome, Ok(Outcome::Changed)));
        assert_eq!(
            calls,
            [
                "wipefs --all --force /dev/vdb1",
                "blkid --probe --output export /dev/vdb1"
            ]
        );
        for (answer, code) in [
            ((0, "TYPE=ext4\n"), "signature-stays"),
            ((8, ""), "signature-stays"),
            ((4, ""), "program-failed"),
        ] {
            let (outcome, _) = wiped(&[(0, ""), answer], &[]);
            assert_eq!(outcome.unwrap_err().code(), code, "{answer:?}");
        }
        let (outcome, _) = wiped(&[(0, ""), (2, "")], &["/dev/vdb1"]);
        assert_eq!(outcome.unwrap_err().code(), "device-failed");
    }
}
