//! Looks into the places of a config, layer by layer: what an array or a volume holds is seen only once it runs or is open.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::{Config, Luks};

use super::{device_failure, probe};
use crate::apply::Keys;
use crate::host::devices::Devices;
use crate::host::machine::card_queues;
use crate::host::process::Processes;
use crate::host::workers;
use crate::inventory::disks::{Content, Held};
use crate::inventory::observe;
use crate::inventory::stack::{Mapping, RunningArray, User};
use crate::invocation::{Invocation, Program};
use crate::plan::Stage;
use crate::plan::disks::volumes::{self, Facts, has_key};
use crate::plan::disks::{
    Known, Layout, Observed, Place, array_node, arrays, decide_arrays, decide_volumes, is_new, view_of_kept,
    volume_node,
};
use crate::plan::partitions::KernelView;
use crate::plan::place::Partition;
use crate::plan::step::Unlock;
use crate::report::Failure;

/// How the machine is looked at: [`Live`], or what a dry run may do. None of it changes a byte of anybody's data.
pub(in crate::stages) trait Look: Sync {
    /// Has the kernel show a partition of the table.
    ///
    /// # Errors
    /// When it does not.
    fn show(&self, partition: &Partition, view: &KernelView) -> Result<(), Failure>;

    /// What a place holds.
    ///
    /// # Errors
    /// When it cannot be read.
    fn content(&self, place: &Place) -> Result<Content, Failure>;

    /// Who uses a device.
    ///
    /// # Errors
    /// When the kernel does not say.
    fn user(&self, node: &Path) -> Result<Option<User>, Failure>;

    /// The array that a device is a member of.
    ///
    /// # Errors
    /// When it does not answer.
    fn array_on(&self, node: &Path) -> Result<Option<RunningArray>, Failure>;

    /// The device that has the node of an array of the config.
    ///
    /// # Errors
    /// When it cannot be told which that is.
    fn named(&self, node: &Path) -> Result<Option<PathBuf>, Failure>;

    /// Has an array run that consists of these members.
    fn assemble(&self, node: &Path, members: &[PathBuf]);

    /// The mapping of that name, and whether it stands on `node`.
    ///
    /// # Errors
    /// When the kernel does not say.
    fn mapping(&self, name: &str, node: &Path) -> Result<Option<(Mapping, bool)>, Failure>;

    /// What the header of a volume tells.
    ///
    /// # Errors
    /// When it cannot be read.
    fn volume(&self, want: &Luks, node: &Path) -> Result<Facts, Failure>;

    /// Opens a volume that is kept. Says whether one can look into it now.
    ///
    /// # Errors
    /// When its key does not open it.
    fn open(&self, index: usize, want: &Luks, node: &Path, unlock: Unlock) -> Result<bool, Failure>;
}

/// Everything the plan must know of the places in the layout.
///
/// # Errors
/// Those of [`Look`].
pub(super) fn observe(
    config: &Config,
    known: &Known<'_>,
    layout: &Layout,
    look: &dyn Look,
) -> Result<Observed, Failure> {
    let mut observed = Observed {
        card_queues: card_queues(),
        ..Observed::default()
    };
    show(config, layout, look)?;
    let lowest = those(layout, |place| {
        matches!(place, Place::Partition(_) | Place::Device(_))
    });
    hold(lowest, look, &mut observed)?;
    running_arrays(config, layout, look, &mut observed)?;
    let arrays = assembled(config, known, layout, look, &mut observed)?;
    for want in &config.storage.raid {
        if let Some(node) = look.named(&array_node(&want.name))? {
            observed.named.insert(want.name.clone(), node);
        }
    }
    let is_kept = |name: &str| arrays.get(name) == Some(&arrays::Decision::Keep);
    let in_arrays = those(
        layout,
        |place| matches!(place, Place::Array(name) if is_kept(name)),
    );
    hold(in_arrays, look, &mut observed)?;
    volumes_of(config, known, layout, look, &mut observed)?;
    Ok(observed)
}

/// Has the kernel show what arrays and volumes that stay are made of. Linux looks at no backup of a table, so after a power
/// cut between the two copies it shows no partition at all.
fn show(config: &Config, layout: &Layout, look: &dyn Look) -> Result<(), Failure> {
    let storage = &config.storage;
    let members = storage.raid.iter().flat_map(|want| &want.devices);
    let devices = members.chain(storage.luks.iter().filter_map(|want| want.device.as_ref()));
    for place in devices.filter_map(|device| layout.places.get(device)) {
        if let (Place::Partition(partition), Some(view)) = (place, view_of_kept(place, layout)) {
            look.show(partition, &view)?;
        }
    }
    Ok(())
}

/// Devices of the config with their places.
type Placed<'a> = Vec<(&'a String, &'a Place)>;

fn those(layout: &Layout, is_meant: impl Fn(&Place) -> bool) -> Placed<'_> {
    let places = layout.places.iter();
    places.filter(|(_, place)| is_meant(place)).collect()
}

/// Looks into the places of a layer at the same time: nearly all of it is waiting for devices and for programs to start.
fn hold(places: Placed<'_>, look: &dyn Look, observed: &mut Observed) -> Result<(), Failure> {
    let found = workers::each(places, |(device, place)| {
        held(place, look).map(|held| (device.clone(), held))
    });
    for entry in found {
        let (device, held) = entry?;
        observed.held.insert(device, held);
    }
    Ok(())
}

fn held(place: &Place, look: &dyn Look) -> Result<Held, Failure> {
    let user = match place {
        // The disk tells.
        Place::Partition(_) => None,
        Place::Device(_) | Place::Array(_) | Place::Volume(_) => look.user(&place.node())?,
    };
    let content = look.content(place)?;
    Ok(Held { content, user })
}

fn running_arrays(
    config: &Config,
    layout: &Layout,
    look: &dyn Look,
    observed: &mut Observed,
) -> Result<(), Failure> {
    for want in &config.storage.raid {
        for place in want.devices.iter().filter_map(|device| layout.places.get(device)) {
            if let Some(array) = look.array_on(&place.node())? {
                observed.arrays.insert(want.name.clone(), array);
                break;
            }
        }
    }
    Ok(())
}

/// The decisions on the arrays, once those are assembled that may be what the config asks for and do not run.
fn assembled(
    config: &Config,
    known: &Known<'_>,
    layout: &Layout,
    look: &dyn Look,
    observed: &mut Observed,
) -> Result<OrderedMap<String, arrays::Decision>, Failure> {
    let decisions = decide_arrays(config, known, layout, observed);
    let mut tried = false;
    for want in &config.storage.raid {
        let places = || want.devices.iter().filter_map(|device| layout.places.get(device));
        let is_member = |device: &String| match observed.held.get(device).map(|held| &held.content) {
            Some(Content::Known(found)) => found.kind == "linux_raid_member",
            _ => false,
        };
        let is_idle = !observed.arrays.contains_key(&want.name);
        let is_refused = decisions.get(&want.name) == Some(&arrays::Decision::Refuse);
        if is_idle && is_refused && want.devices.iter().all(is_member) {
            let nodes: Vec<PathBuf> = places().map(Place::node).collect();
            look.assemble(&array_node(&want.name), &nodes);
            tried = true;
        }
    }
    if !tried {
        return Ok(decisions);
    }
    running_arrays(config, layout, look, observed)?;
    Ok(decide_arrays(config, known, layout, observed))
}

fn volumes_of(
    config: &Config,
    known: &Known<'_>,
    layout: &Layout,
    look: &dyn Look,
    observed: &mut Observed,
) -> Result<(), Failure> {
    let volumes = config.storage.luks.iter().enumerate();
    let placed =
        volumes.filter_map(|(index, want)| Some((index, want, layout.places.get(want.device.as_deref()?)?)));
    let placed: Vec<_> = placed.collect();
    for (_, want, place) in &placed {
        let node = place.node();
        let content = want.device.as_ref().and_then(|device| observed.held.get(device));
        if let Some(Content::Known(found)) = content.map(|held| &held.content)
            && found.kind == "crypto_LUKS"
            && found.version.as_deref() != Some("1")
            && !is_new(place, layout)
        {
            observed
                .volumes
                .insert(want.name.clone(), look.volume(want, &node)?);
        }
        if let Some((mapping, false)) = look.mapping(&want.name, &node)? {
            observed.mappings.insert(want.name.clone(), mapping);
        }
    }
    let decisions = decide_volumes(config, known, layout, observed);
    let mut inside: OrderedMap<&str, Placed<'_>> = OrderedMap::new();
    for (device, place) in &layout.places {
        if let Place::Volume(name) = place {
            inside.entry(name).or_default().push((device, place));
        }
    }
    for (index, want, place) in placed {
        let Some(volumes::Decision::Keep(unlock)) = decisions.get(&want.name) else {
            continue;
        };
        let is_open = look.open(index, want, &place.node(), *unlock)?;
        let inside = inside.remove(want.name.as_str()).unwrap_or_default();
        if is_open {
            hold(inside, look, observed)?;
        } else {
            observed
                .unseen
                .extend(inside.into_iter().map(|(device, _)| device.clone()));
        }
    }
    Ok(())
}

/// The running machine.
pub(in crate::stages) struct Live<'a> {
    pub(in crate::stages) processes: &'a dyn Processes,
    pub(in crate::stages) devices: &'a dyn Devices,
    pub(in crate::stages) keys: &'a Keys,
    /// Keys that an earlier run of this boot left in the state.
    pub(in crate::stages) left: &'a Keys,
}

impl Look for Live<'_> {
    fn show(&self, partition: &Partition, view: &KernelView) -> Result<(), Failure> {
        if self.devices.is_there(&partition.node) {
            return Ok(());
        }
        let shown = self.devices.hold(&partition.disk_node, view);
        shown.map_err(|error| device_failure(&error))
    }

    fn content(&self, place: &Place) -> Result<Content, Failure> {
        probe(self.processes, self.devices, &place.probe())
    }

    fn user(&self, node: &Path) -> Result<Option<User>, Failure> {
        // An array may run before udev has linked it.
        self.devices
            .wait_for(&[node.to_owned()])
            .and_then(|()| self.devices.used_by(node))
            .map_err(|error| device_failure(&error))
    }

    fn array_on(&self, node: &Path) -> Result<Option<RunningArray>, Failure> {
        array_on(self.processes, self.devices, node)
    }

    fn named(&self, node: &Path) -> Result<Option<PathBuf>, Failure> {
        named(self.devices, node)
    }

    fn assemble(&self, node: &Path, members: &[PathBuf]) {
        // Without `--run` and `--force`, so that only a whole array is started.
        let call = Invocation::new(Program::Mdadm)
            .arg("--assemble")
            .arg(node)
            .args(["--homehost", "any"])
            .args(members);
        if let Err(error) = self.processes.run(&call) {
            tracing::warn!("the array {} cannot be started: {error}", node.display());
        }
    }

    fn mapping(&self, name: &str, node: &Path) -> Result<Option<(Mapping, bool)>, Failure> {
        let found = mapping(self.devices, name, node)?;
        if found.is_none() {
            self.free(name);
        }
        Ok(found)
    }

    fn volume(&self, want: &Luks, node: &Path) -> Result<Facts, Failure> {
        if !self.devices.is_there(node) {
            return Ok(Facts::default());
        }
        let facts = observe::volume(self.processes, node).map_err(|error| {
            let next = "check the device".to_owned();
            Failure::of(Stage::Disks, "device-unreadable", &error, next)
        })?;
        let left = self.left.get(&want.name);
        let handed_over = left.is_some_and(|key| {
            let call = volumes::try_key(node).with_key(Some(key));
            self.processes.run(&call).is_ok()
        });
        Ok(Facts { handed_over, ..facts })
    }

    fn open(&self, index: usize, want: &Luks, node: &Path, unlock: Unlock) -> Result<bool, Failure> {
        let is_open = matches!(self.mapping(&want.name, node)?, Some((_, true)));
        let key = match unlock {
            Unlock::Key => self
                .left
                .get(&want.name)
                .filter(|_| !has_key(want))
                .or(self.keys.get(&want.name)),
            Unlock::Clevis | Unlock::Stored => None,
        };
        let call = match (unlock, is_open) {
            (Unlock::Stored, is_open) => return Ok(is_open),
            (Unlock::Clevis, true) => return Ok(true),
            (Unlock::Clevis, false) => volumes::unlock(&want.name, node),
            (Unlock::Key, true) => volumes::try_key(node).with_key(key),
            (Unlock::Key, false) => volumes::open(want, node).with_key(key),
        };
        self.processes.run(&call).map_err(|error| {
            let next =
                "check the keyFile of the volume, or set wipeVolume to true if the data may go".to_owned();
            let failure = Failure::of(Stage::Disks, "volume-not-opened", &error, next);
            failure.at(
                format!("/storage/luks/{index}"),
                format!("cannot open the volume {}", want.name),
            )
        })?;
        let node = volume_node(&want.name);
        self.devices
            .wait_for(&[node])
            .map_err(|error| device_failure(&error))?;
        Ok(true)
    }
}

impl Live<'_> {
    /// Removes a mapping of that name that has no table. A program that is killed while it makes one leaves it; the kernel
    /// shows it nowhere, no data is behind it, and it keeps the name taken.
    fn free(&self, name: &str) {
        let asked = Invocation::new(Program::Dmsetup)
            .args(["info", "--columns", "--noheadings", "--options", "tables_loaded"])
            .arg(name);
        // Where there is none, dmsetup ends with a status of its own; where it is missing, whoever needs it says so.
        let empty = self
            .processes
            .run(&asked)
            .is_ok_and(|said| said.stdout.trim_ascii() == b"None");
        let removed = Invocation::new(Program::Dmsetup)
            .args(["remove", "--retry"])
            .arg(name);
        if empty && let Err(error) = self.processes.run(&removed) {
            tracing::warn!("the empty mapping {name} cannot be removed: {error}");
        }
    }
}

/// The mapping of that name, and whether it stands on `node`, which may be a link.
pub(in crate::stages) fn mapping(
    devices: &dyn Devices,
    name: &str,
    node: &Path,
) -> Result<Option<(Mapping, bool)>, Failure> {
    let found = devices.mapping(name).map_err(|error| device_failure(&error))?;
    let real = devices.node(node).unwrap_or_else(|_| node.to_owned());
    Ok(found.map(|mapping| {
        let is_on_it = mapping.below.contains(&real);
        (mapping, is_on_it)
    }))
}

/// The device that has a node or is led to by it.
pub(in crate::stages) fn named(devices: &dyn Devices, node: &Path) -> Result<Option<PathBuf>, Failure> {
    // A link that leads nowhere, or that udev takes away at this moment, names nothing.
    let real = devices.node(node).ok();
    Ok(real.filter(|real| devices.is_there(real)))
}

/// The array that a device is a member of.
pub(in crate::stages) fn array_on(
    processes: &dyn Processes,
    devices: &dyn Devices,
    node: &Path,
) -> Result<Option<RunningArray>, Failure> {
    let nodes = devices.arrays_on(node).map_err(|error| device_failure(&error))?;
    let Some(node) = nodes.into_iter().next() else {
        return Ok(None);
    };
    observe::array(processes, &node).map_err(|error| {
        let next = format!("check the array {}", node.display());
        Failure::of(Stage::Disks, "device-unreadable", &error, next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{Disks, Scripted};

    #[test]
    fn only_a_mapping_without_a_table_is_in_nobodys_way() {
        let asked = "dmsetup info --columns --noheadings --options tables_loaded data";
        for (answer, removed) in [((0, "None\n"), true), ((0, "Live\n"), false), ((1, ""), false)] {
            let programs = Scripted::answering(&[answer, (0, "")]);
            let live = Live {
                processes: &programs,
                devices: &Disks::default(),
                keys: &Keys::new(),
                left: &Keys::new(),
            };
            assert!(live.mapping("data", Path::new("/dev/vdb")).unwrap().is_none());
            let calls: Vec<String> = programs.calls();
            let expected = ["dmsetup remove --retry data"].iter().filter(|_| removed);
            let expected: Vec<&str> = [asked].into_iter().chain(expected.copied()).collect();
            assert_eq!(calls, expected, "{answer:?}");
        }
    }
}
