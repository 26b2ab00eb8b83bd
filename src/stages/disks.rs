//! The disks stage. Everything is looked at and planned before the first write.

mod keys;
pub(super) mod look;

use std::path::PathBuf;

use kindling_config_spec::order::{Gather, OrderedMap};
use kindling_config_spec::types::Config;

use super::{Context, StageError, announce};
use crate::apply::{Applied, Keys, apply};
use crate::host::devices::{DeviceError, Devices};
use crate::host::probe::content;
use crate::host::process::{ProcessError, Processes};
use crate::host::workers;
use crate::inventory::disks::{Content, Disk, Probe};
use crate::plan::disks::{Known, Layout, Observed, Place, plan_disks, plan_layout, settle_places};
use crate::plan::{Plan, Stage};
use crate::report::Failure;
use look::{Live, Look};

/// Runs the stage.
pub(super) fn run(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, digest) = context.cached()?;
    if is_empty(&config) {
        announce(&Plan::empty(Stage::Disks))?;
        context.save()?;
        return Ok(Applied::default());
    }
    context.keys = keys::keys(&config, &context.fetcher)?;
    let left = keys::left(&context.state);
    let plan = plan(&context, &config, &digest, &left)?;
    keys::ask_servers(&config, &plan, &context.fetcher)?;
    keys::settle(&config, left, &plan, &mut context.keys);
    announce(&plan)?;
    let applied = apply(&plan, &context.host()).map_err(|failed| Failure::of_step(Stage::Disks, &failed))?;
    keys::hand_over(&config, &context.keys, &plan, &mut context.state)?;
    context.save()?;
    Ok(applied)
}

/// Nothing to do with any device: then no device is looked at either.
fn is_empty(config: &Config) -> bool {
    let storage = &config.storage;
    storage.disks.is_empty()
        && storage.raid.is_empty()
        && storage.luks.is_empty()
        && storage.filesystems.is_empty()
}

fn plan(context: &Context<'_>, config: &Config, digest: &str, left: &Keys) -> Result<Plan, Failure> {
    let devices = &context.devices;
    let disks = look_at(config, &context.processes, devices)?;
    let seed = context.seed(digest);
    let known = Known {
        disks: &disks,
        seed: &seed,
        fresh: context.machine.fresh,
    };
    let live = Live {
        processes: &context.processes,
        devices,
        keys: &context.keys,
        left,
    };
    plan_known(config, &known, devices, &live).map(|(plan, _)| plan)
}

/// Waits for the disks of the config, and reads them at the same time; by their paths in the config.
pub(super) fn look_at(
    config: &Config,
    processes: &dyn Processes,
    devices: &dyn Devices,
) -> Result<OrderedMap<String, Disk>, Failure> {
    let disks = &config.storage.disks;
    let named: Vec<PathBuf> = disks.iter().map(|disk| PathBuf::from(&disk.device)).collect();
    devices.wait_for(&named).map_err(|error| device_failure(&error))?;
    let looked_at = workers::each(disks.iter().collect(), |disk| {
        let mut found = devices
            .disk(disk.device.as_ref())
            .map_err(|error| device_failure(&error))?;
        look_beside(processes, devices, &mut found)?;
        Ok((disk.device.clone(), found))
    });
    let found: Result<Vec<(String, Disk)>, Failure> = looked_at.into_iter().collect();
    Ok(found?.into_iter().into_map())
}

/// Plans for the disks that were read; waits for every other device the config names. `look` says what the places hold.
pub(super) fn plan_known(
    config: &Config,
    known: &Known<'_>,
    devices: &dyn Devices,
    look: &dyn Look,
) -> Result<(Plan, Observed), Failure> {
    let refused = |conflicts: Vec<_>| Failure::of_conflicts(Stage::Disks, &conflicts);
    let mut layout = plan_layout(config, known).map_err(refused)?;
    resolve(&mut layout, devices).map_err(|error| device_failure(&error))?;
    let layout = settle_places(config, known, layout).map_err(refused)?;
    let observed = look::observe(config, known, &layout, look)?;
    let plan = plan_disks(config, known, layout, &observed).map_err(refused)?;
    Ok((plan, observed))
}

/// What a disk holds beside a table, where the table does not tell.
pub(super) fn look_beside(
    processes: &dyn Processes,
    devices: &dyn Devices,
    disk: &mut Disk,
) -> Result<(), Failure> {
    if disk.may_hide_content() {
        let whole = Probe {
            node: disk.node.clone(),
            range: None,
        };
        disk.content = probe(processes, devices, &whole)?;
    }
    Ok(())
}

/// What a place holds, as blkid sees it.
pub(super) fn probe(
    processes: &dyn Processes,
    devices: &dyn Devices,
    probe: &Probe,
) -> Result<Content, Failure> {
    content(processes, devices, probe).map_err(|error| {
        Failure::of(
            Stage::Disks,
            "device-unreadable",
            &error,
            "check the device".to_owned(),
        )
    })
}

fn resolve(layout: &mut Layout, devices: &dyn Devices) -> Result<(), DeviceError> {
    let others: Vec<PathBuf> = layout
        .places
        .values()
        .filter_map(|place| match place {
            Place::Device(path) => Some(path.clone()),
            Place::Partition(_) | Place::Array(_) | Place::Volume(_) => None,
        })
        .collect();
    devices.wait_for(&others)?;
    for place in layout.places.values_mut() {
        if let Place::Device(path) = place {
            *path = devices.node(path)?;
        }
    }
    Ok(())
}

pub(super) fn device_failure(error: &DeviceError) -> Failure {
    let (code, next) = match error {
        DeviceError::Missing { .. } => (
            "device-missing",
            "check that the disk is attached and that the config names it as this machine does",
        ),
        DeviceError::Mapping {
            source: ProcessError::NotInstalled { .. },
            ..
        } => (
            "program-missing",
            "rebuild the initramfs with dmsetup in it: partitions of a device-mapper disk are mappings",
        ),
        DeviceError::Locked { .. } => (
            "device-locked",
            "find out which program keeps the disk locked (flock), and end it",
        ),
        _ => (
            "device-unreadable",
            "check the disk and its cabling or backing store; the kernel log says more",
        ),
    };
    Failure::of(Stage::Disks, code, error, next.to_owned())
}

#[cfg(test)]
mod tests;
