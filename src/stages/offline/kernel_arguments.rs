//! Kernel arguments on images: what the kargs stage has its helper do on a machine, in the boot entries that the images hold.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};
use kindling_config_spec::types::Config;

use super::images::is_root;
use super::partitions;
use crate::apply::{Applied, Host, Noted, Outcome, Tally};
use crate::host::boot::{Boot, BootError, Entry};
use crate::host::devices::Devices;
use crate::host::mounts::Place;
use crate::host::runs::milliseconds;
use crate::inventory::disks::Content;
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

/// The file systems that were looked at before the disks were made, by their nodes, each with its UUID. What the run makes itself
/// has no entries, and the kernel here need not know its format.
#[derive(Default)]
pub(super) struct Looked(OrderedMap<PathBuf, Option<String>>);

impl Looked {
    fn at(devices: &[Device], disks: &Recorded) -> Self {
        let one = |device: &Device| (device.node.clone(), uuid(disks, device));
        Self(devices.iter().map(one).into_map())
    }

    fn has(&self, device: &Device, disks: &Recorded) -> bool {
        self.0.get(&device.node) == Some(&uuid(disks, device))
    }
}

fn uuid(disks: &Recorded, device: &Device) -> Option<String> {
    match disks.content_of(&device.node)? {
        Content::Known(signature) => signature.uuid.clone(),
        Content::Blank | Content::Ambiguous(_) => None,
    }
}

/// Sees to it that the entries can get the config's arguments. To be called before anything is changed.
///
/// # Errors
/// The record that the kargs stage would end with.
pub(super) fn check(config: &Config, disks: &Recorded, host: &Host<'_>) -> Result<Looked, Failure> {
    if plan_kargs(config).steps.is_empty() {
        return Ok(Looked::default());
    }
    let looked = places(config, disks, host.devices).map_err(EntriesError::Boot);
    let looked = looked.and_then(|devices| {
        let looked = Looked::at(&devices, disks);
        edit(config, devices, host, &|_, _| Ok(())).map(|_| looked)
    });
    looked.map_err(|error| {
        let mut failure = told(&error);
        if error.code() == "boot-unreadable" {
            failure
                .next
                .push_str("; --split leaves the arguments to the first boot");
        }
        failure.why.push("nothing was changed".to_owned());
        failure
    })
}

/// Puts the arguments into the entries that [`check`] has seen; nothing without any.
///
/// # Errors
/// As [`check`].
pub(super) fn put(
    config: &Config,
    disks: &Recorded,
    looked: &Looked,
    host: &Host<'_>,
    noted: &Noted,
) -> Result<Option<StageRecord>, Failure> {
    let plan = plan_kargs(config);
    let Some(planned) = plan.steps.first() else {
        return Ok(None);
    };
    noted.runs.begin_anew();
    announce(&plan)?;
    let devices = places(config, disks, host.devices).map_err(EntriesError::Boot);
    let changed = devices.and_then(|mut devices| {
        devices.retain(|device| looked.has(device, disks));
        edit(config, devices, host, &|boot, changes| {
            boot.replace(changes, &|| Ok(()))
        })
    });
    let changed = changed.map_err(|error| told(&error))?;
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

/// What is done with the entries that have to change, each with its new text.
type Make<'a> = &'a dyn Fn(&Boot<'_>, &[(Entry, String)]) -> Result<(), BootError>;

/// Has the changes made, if there are any; returns whether there are.
fn edit(
    config: &Config,
    devices: Vec<Device>,
    host: &Host<'_>,
    make: Make<'_>,
) -> Result<bool, EntriesError> {
    let listed = &config.kernel_arguments;
    let wanted =
        Wanted::new(&listed.should_exist, &listed.should_not_exist).map_err(EntriesError::Arguments)?;
    let scratch = Place::new().map_err(|source| BootError::Look {
        on: std::env::temp_dir(),
        source,
    })?;
    let boot = Boot::on(host.processes, scratch.path(), devices)?;
    let done = boot_entries::changes(&boot, &wanted).and_then(|changes| {
        if !changes.is_empty() {
            make(&boot, &changes)?;
        }
        Ok(!changes.is_empty())
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
