//! Kernel arguments on images: what the kargs stage has its helper do on a machine, in the boot entries that the images hold.

use std::path::Path;

use kindling_config_spec::order::OrderedSet;
use kindling_config_spec::types::Config;

use super::images::is_root;
use super::partitions;
use crate::apply::{Applied, Host, Outcome, Tally};
use crate::host::boot::{Boot, BootError};
use crate::host::devices::Devices;
use crate::host::mounts::Place;
use crate::host::runs::milliseconds;
use crate::inventory::recorded::Recorded;
use crate::plan::entries::{Device, Wanted};
use crate::plan::kargs::plan_kargs;
use crate::plan::offline::{boot_devices, root_node};
use crate::plan::place::partition_name;
use crate::plan::{Stage, show};
use crate::report::Failure;
use crate::report::progress::{self, StageRecord};
use crate::report::receipt::StepRecord;
use crate::stages::announce;
use crate::stages::boot_entries::{self, EntriesError};

/// When entries are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before anything is changed: only whether they can be as the config asks.
    Before,
    /// With the disks as they will be.
    Now,
}

/// Sees to it that the entries can get the config's arguments. To be called before anything is changed.
///
/// # Errors
/// The record that the kargs stage would end with.
pub(super) fn check(config: &Config, disks: &Recorded, host: &Host<'_>) -> Result<(), Failure> {
    if plan_kargs(config).steps.is_empty() {
        return Ok(());
    }
    let looked = edit(config, disks, host, When::Before);
    looked.map(drop).map_err(|error| {
        let mut failure = told(&error);
        failure.why.push("nothing was changed".to_owned());
        failure
    })
}

/// Puts the arguments into the entries; nothing without any.
///
/// # Errors
/// As [`check`].
pub(super) fn put(
    config: &Config,
    disks: &Recorded,
    host: &Host<'_>,
) -> Result<Option<StageRecord>, Failure> {
    let plan = plan_kargs(config);
    let (Some(planned), Some(noted)) = (plan.steps.first(), host.noted) else {
        return Ok(None);
    };
    noted.runs.begin_anew();
    announce(&plan)?;
    let changed = edit(config, disks, host, When::Now).map_err(|error| told(&error))?;
    let timed = noted.runs.timed();
    let step = StepRecord {
        what: show::headline(&planned.step),
        config: planned.pointer.clone(),
        outcome: if changed {
            Outcome::Changed
        } else {
            Outcome::AlreadySo
        },
        began: Some(0),
        milliseconds: milliseconds(timed.taken),
    };
    let applied = Applied {
        tally: Tally {
            changed: usize::from(changed),
            already_so: usize::from(!changed),
        },
        steps: vec![step],
        ..Applied::default()
    };
    Ok(Some(StageRecord::new(Stage::Kargs, timed, applied, progress::OK)))
}

/// Whether an entry was changed.
fn edit(config: &Config, disks: &Recorded, host: &Host<'_>, when: When) -> Result<bool, EntriesError> {
    let listed = &config.kernel_arguments;
    let wanted =
        Wanted::new(&listed.should_exist, &listed.should_not_exist).map_err(EntriesError::Arguments)?;
    let devices = places(config, disks, host.devices)?;
    let scratch = Place::new().map_err(|source| BootError::Look {
        on: std::env::temp_dir(),
        source,
    })?;
    let boot = Boot::on(host.processes, scratch.path(), devices)?;
    let done = boot_entries::changes(&boot, &wanted).and_then(|changes| {
        let is_due = when == When::Now && !changes.is_empty();
        if is_due {
            boot.replace(&changes, &|| Ok(()))?;
        }
        Ok(is_due)
    });
    boot.close();
    done
}

/// The record; where no entry can be changed, the first boot's helper may know more.
fn told(error: &EntriesError) -> Failure {
    let mut failure = boot_entries::record(error);
    if error.is_of_loader() {
        "put the arguments where the image's boot loader reads them, or give --split to leave them to the first boot"
            .clone_into(&mut failure.next);
    }
    failure
}

/// What may have entries: not what the config removes or makes anew in any case. There they are gone, and the kernel here
/// need not know the format.
fn places(config: &Config, disks: &Recorded, devices: &dyn Devices) -> Result<Vec<Device>, BootError> {
    let node = |name: &str| devices.node(Path::new(name));
    let (mut gone, mut others, mut root) = (OrderedSet::new(), OrderedSet::new(), None);
    for disk in &config.storage.disks {
        let Ok(node) = node(&disk.device) else {
            continue;
        };
        for partition in &disk.partitions {
            if partition.should_exist == Some(false) {
                let number = u32::try_from(partition.number).unwrap_or_default();
                gone.insert(partition_name(&node, number));
            }
        }
        if disk.wipe_table == Some(true) {
            gone.insert(node);
        }
    }
    let filesystems = &config.storage.filesystems;
    for filesystem in filesystems {
        let Ok(node) = node(&filesystem.device) else {
            continue;
        };
        if filesystem.wipe_filesystem == Some(true) {
            gone.insert(node.clone());
        }
        if is_root(filesystem) {
            root = Some(node.clone());
        }
        others.insert(node);
    }
    if !filesystems.iter().any(is_root) {
        root = root_node(disks, &others).ok();
    }
    partitions::show(disks, &gone, devices)?;
    Ok(boot_devices(disks, root.as_deref(), &gone))
}
