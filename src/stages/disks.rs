//! The disks stage. Everything is looked at and planned before the first write.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kindling_config_spec::types::Config;

use super::{Context, StageError, announce};
use crate::apply::{Applied, apply};
use crate::host::devices::{DeviceError, Devices};
use crate::host::process::Processes;
use crate::inventory::disks::{Content, Disk, Held, Probe};
use crate::inventory::observe;
use crate::plan::disks::{Known, Layout, Place, plan_disks, plan_layout, settle_places};
use crate::plan::{Plan, Stage};
use crate::report::Failure;

/// Runs the stage.
pub(super) fn run(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, digest) = context.cached()?;
    let plan = if is_empty(&config) {
        Plan::empty(Stage::Disks)
    } else {
        plan(&context, &config, &digest)?
    };
    announce(&plan)?;
    let applied = apply(&plan, &context.host()).map_err(|failed| Failure::of_step(Stage::Disks, &failed))?;
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

fn plan(context: &Context<'_>, config: &Config, digest: &str) -> Result<Plan, Failure> {
    let devices = &context.devices;
    let named: Vec<PathBuf> = config
        .storage
        .disks
        .iter()
        .map(|disk| PathBuf::from(&disk.device))
        .collect();
    devices.wait_for(&named).map_err(|error| device_failure(&error))?;
    let mut disks = BTreeMap::new();
    for disk in &config.storage.disks {
        let mut found = devices
            .disk(disk.device.as_ref())
            .map_err(|error| device_failure(&error))?;
        look_beside(&context.processes, devices, &mut found)?;
        disks.insert(disk.device.clone(), found);
    }
    let seed = context.seed(digest);
    let known = Known {
        disks: &disks,
        seed: &seed,
        fresh: context.machine.fresh,
    };
    plan_known(config, &known, devices, &|place| {
        probe(&context.processes, devices, &place.probe())
    })
}

/// Plans for the disks that were read; waits for every other device the config puts a file system on.
/// `content` says what a place holds.
pub(super) fn plan_known(
    config: &Config,
    known: &Known<'_>,
    devices: &dyn Devices,
    content: &dyn Fn(&Place) -> Result<Content, Failure>,
) -> Result<Plan, Failure> {
    let refused = |conflicts: Vec<_>| Failure::of_conflicts(Stage::Disks, &conflicts);
    let mut layout = plan_layout(config, known).map_err(refused)?;
    resolve(&mut layout, devices).map_err(|error| device_failure(&error))?;
    let layout = settle_places(config, known, layout).map_err(refused)?;
    let mut contents: BTreeMap<String, Held> = BTreeMap::new();
    for (device, place) in &layout.places {
        let user = match place {
            Place::Device(node) => devices.used_by(node).map_err(|error| device_failure(&error))?,
            Place::Partition(_) => None,
        };
        let content = content(place)?;
        contents.insert(device.clone(), Held { content, user });
    }
    plan_disks(config, known, layout, &contents).map_err(refused)
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
    observe::content(processes, devices, probe).map_err(|error| {
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
            Place::Partition(_) => None,
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

fn device_failure(error: &DeviceError) -> Failure {
    let (code, next) = match error {
        DeviceError::Missing { .. } => (
            "device-missing",
            "check that the disk is attached and that the config names it as this machine does",
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
