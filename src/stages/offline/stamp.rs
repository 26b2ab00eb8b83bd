//! The stamp of the first boot, where it lies on a boot file system of its own.

use std::error::Error;
use std::path::Path;

use kindling_config_spec::order::OrderedSet;

use super::partitions;
use crate::apply::Host;
use crate::host::mounts::Place;
use crate::host::sysroot::Sysroot;
use crate::inventory::recorded::Recorded;
use crate::invocation::{Invocation, Program};
use crate::plan::entries::Device;
use crate::plan::offline::labelled_boot;

/// Who shows what is on file systems.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    Kernel,
    Program,
}

/// Where it is there.
const STAMP: &str = "/ignition.firstboot";

/// Removes it from each file system labelled `boot`. To be called when all that was made is on the medium, and nothing is
/// mounted any more: a program that `shows` a file system in the place of the kernel may still be writing to it. One that is not
/// looked at is told of; the machine would only do all of this again.
pub(super) fn remove(disks: &Recorded, host: &Host<'_>, shows: Shows) {
    for device in labelled_boot(disks) {
        let removed = match shows {
            Shows::Kernel => remove_from(&device, disks, host),
            Shows::Program => Err("that takes root".into()),
        };
        if let Err(error) = removed {
            tracing::warn!(
                "{STAMP} was not looked for on {}: {error}; with it there the first boot does all of this again",
                device.name.display()
            );
        }
    }
}

fn remove_from(device: &Device, disks: &Recorded, host: &Host<'_>) -> Result<(), Box<dyn Error>> {
    partitions::show(disks, &OrderedSet::new(), host.devices)?;
    let place = Place::new()?;
    let mount = |options| Invocation::new(Program::Mount).args(["-o", options]);
    let call = mount("ro,nosuid,nodev,noexec");
    host.processes.run(&call.arg(&device.node).arg(place.path()))?;
    let tree = Sysroot::open(place.path())?;
    if tree.look(Path::new(STAMP))?.is_some() {
        host.processes.run(&mount("remount,rw").arg(place.path()))?;
        tree.remove(Path::new(STAMP))?;
        tree.sync(Path::new("/"))?;
        tracing::info!("{STAMP} is removed from {}", device.name.display());
    }
    drop(tree);
    Ok(place.leave()?)
}
