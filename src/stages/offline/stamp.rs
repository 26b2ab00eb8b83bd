//! The stamp of the first boot, where it lies on a boot file system of its own.

use std::error::Error;
use std::path::Path;

use kindling_config_spec::order::OrderedSet;

use super::partitions;
use super::rootless::{OnCopies, can_be_filled};
use crate::host::copies::Copies;
use crate::host::devices::Devices;
use crate::host::mounts::Place;
use crate::host::process::{Processes, System};
use crate::host::sysroot::{Sysroot, SysrootError};
use crate::inventory::disks::Content;
use crate::inventory::recorded::Recorded;
use crate::invocation::{Invocation, Program};
use crate::plan::entries::Device;
use crate::plan::offline::labelled_boot;

/// Who shows what is on file systems.
pub(super) enum Shows<'a> {
    /// The kernel, on devices.
    Kernel(&'a dyn Processes, &'a dyn Devices),
    /// Programs, in files.
    Program(&'a System, &'a Copies),
}

/// Where it is there.
const STAMP: &str = "/ignition.firstboot";

/// What every system has in its root (os-release(5)). Not so a file system whose subvolume or deployment is the root: what is written
/// at its top is not seen by what boots, which needs its first boot still.
const SYSTEM: &str = "/usr/lib/os-release";

/// Whether the root mounted at `root` is one that a machine boots with as it is.
pub(super) fn boots(root: &Path) -> bool {
    let tree = Sysroot::open(root);
    tree.is_ok_and(|tree| tree.look(Path::new(SYSTEM)).is_ok_and(|found| found.is_some()))
}

/// Says that it stays on file systems labelled `boot`.
pub(super) fn leave(disks: &Recorded) {
    for device in labelled_boot(disks) {
        tracing::warn!(
            "{STAMP} stays on {}, if it is there: the root had no {SYSTEM} and may not be what the machine boots; with it the \
             first boot does all of this again",
            device.name.display()
        );
    }
}

/// Removes it from each file system labelled `boot`, where [`boots`] said so before. To be called when all that was made is on the medium, nothing is mounted any
/// more, and every program that has shown a file system has ended. One that is not looked at is told of; the machine would only
/// do all of this again.
///
/// # Errors
/// What a program cannot show or is not sound behind it: nothing of the copy may be used then.
pub(super) fn remove(disks: &Recorded, shows: &Shows<'_>) -> Result<(), Box<dyn Error>> {
    for device in labelled_boot(disks) {
        let removed = match (shows, disks.content_of(&device.node)) {
            (Shows::Program(..), Some(Content::Known(found))) if !can_be_filled(&found.kind) => {
                Err("that takes root".into())
            }
            (Shows::Program(..), _) => Ok(remove_from(&device, shows)?),
            (Shows::Kernel(_, devices), _) => partitions::show(disks, &OrderedSet::new(), *devices)
                .map_err(Into::into)
                .and_then(|()| remove_from(&device, shows)),
        };
        if let Err::<(), Box<dyn Error>>(error) = removed {
            tracing::warn!(
                "{STAMP} was not looked for on {}: {error}; with it there the first boot does all of this again",
                device.name.display()
            );
        }
    }
    Ok(())
}

fn remove_from(device: &Device, shows: &Shows<'_>) -> Result<(), Box<dyn Error>> {
    let stamp = Path::new(STAMP);
    // A file system without one is not written to, unless it has a journal to be replayed.
    let is_there = shows.mounted(device, "ro,nosuid,nodev,noexec", &|tree| {
        Ok(tree.look(stamp)?.is_some())
    })?;
    if is_there {
        shows.mounted(device, "nosuid,nodev,noexec", &|tree| {
            tree.remove(stamp)?;
            tree.sync(Path::new("/"))?;
            Ok(true)
        })?;
        tracing::info!("{STAMP} is removed from {}", device.name.display());
    }
    Ok(())
}

impl Shows<'_> {
    /// What `work` says of the file system, which is mounted with these options meanwhile.
    fn mounted(
        &self,
        device: &Device,
        options: &str,
        work: &dyn Fn(&Sysroot) -> Result<bool, SysrootError>,
    ) -> Result<bool, Box<dyn Error>> {
        let place = Place::new()?;
        let mount = Invocation::new(Program::Mount).args(["-o", options]);
        let call = mount.arg(&device.node).arg(place.path());
        let shown = match self {
            Self::Kernel(processes, _) => processes.run(&call).map(|_| None)?,
            Self::Program(programs, copies) => {
                let on_copies = OnCopies::new(programs, copies);
                on_copies.run(&call)?;
                Some(on_copies)
            }
        };
        let tree = Sysroot::open(place.path())?;
        let said = work(&tree)?;
        drop(tree);
        place.leave()?;
        // A program goes on writing until it ends.
        if let Some(shown) = shown {
            shown.end()?;
        }
        Ok(said)
    }
}
