//! The disks stage: first where everything will be ([`plan_layout`]), then, once it is known what those
//! places hold, what is done ([`plan_disks`]). Both before the first write.
//!
//! From the bottom of the stack to its top: tables, arrays, encrypted volumes, file systems.

pub mod arrays;
mod claims;
mod contents;
mod marks;
mod places;
mod stacks;
mod tables;
pub mod volumes;

use std::path::PathBuf;

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};
use kindling_config_spec::types::{Config, Disk as WantedDisk};

pub use claims::settle_places;
use marks::Marks;
use places::ByName;
pub use places::{Place, array_node, volume_node};
use stacks::TakenDown;
pub use tables::instead_of_table;

use super::partitions::{self, KernelView, Shown, TableChange};
use super::place;
use super::{Conflict, Plan, Stage, Step};
use crate::gpt::{Entry, Found, Guid};
use crate::identity::Seed;
use crate::inventory::disks::{Content, Disk, Held};
use crate::inventory::stack::{Mapping, RunningArray, User};

/// Every table as it will be, and where each device of the config is.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// By the disk's path in the config.
    pub tables: OrderedMap<String, TableChange>,
    /// By the device's path in the config: members of arrays, devices of volumes and of file systems. File systems
    /// without a format are left out.
    pub places: OrderedMap<String, Place>,
    /// Nodes of the disks that lose whatever is on them and get no table.
    pub wiped: OrderedSet<PathBuf>,
}

/// What was found in those places.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// By the device's path in the config. Arrays and volumes that are yet to be made hold nothing.
    pub held: OrderedMap<String, Held>,
    /// By the array's name: the running one that the members belong to.
    pub arrays: OrderedMap<String, RunningArray>,
    /// By the array's name: the node that its own leads to now.
    pub named: OrderedMap<String, PathBuf>,
    /// By the volume's name: the mapping that has this name now, unless it is the volume itself.
    pub mappings: OrderedMap<String, Mapping>,
    /// By the volume's name: what its header tells.
    pub volumes: OrderedMap<String, volumes::Facts>,
    /// Queues of the crypto cards of this machine.
    pub card_queues: Vec<String>,
    /// Devices that nobody looked into: they are in a volume that is closed.
    pub unseen: OrderedSet<String>,
}

/// What the planner may know about the machine: nothing it would have to look up.
pub struct Known<'a> {
    /// By the disk's path in the config.
    pub disks: &'a OrderedMap<String, Disk>,
    /// From which open identifiers are derived.
    pub seed: &'a Seed,
    /// Sixteen random bytes, for a table that is made anew.
    pub fresh: [u8; 16],
}

/// Devices that the config puts a file system on whatever is there. Where that is the whole of a disk that it gives partitions
/// to, and it says of both that what is there may go, it is what Cluster API's provider writes. The reference makes the table
/// first and the file system over it, so nothing of the table would be left; a rule tells it.
fn overwritten(config: &Config) -> OrderedSet<&str> {
    let filesystems = config.storage.filesystems.iter();
    filesystems
        .filter(|filesystem| filesystem.wipe_filesystem == Some(true))
        .map(|filesystem| filesystem.device.as_str())
        .into_set()
}

/// Lays out all disks.
///
/// # Errors
/// Every conflict on every disk, and device paths that nobody can make sense of.
pub fn plan_layout(config: &Config, known: &Known<'_>) -> Result<Layout, Vec<Conflict>> {
    let mut conflicts = claims::repeated_disks(config, known);
    let mut layout = Layout::default();
    let (overwritten, asked) = (overwritten(config), place::asked_names(config));
    for (index, disk) in config.storage.disks.iter().enumerate() {
        let Some(found) = known.disks.get(&disk.device) else {
            continue;
        };
        let alone;
        let disk = if disk.wipe_table == Some(true) && overwritten.contains(disk.device.as_str()) {
            alone = WantedDisk {
                partitions: Vec::new(),
                ..disk.clone()
            };
            &alone
        } else {
            disk
        };
        let medium = match &found.found {
            Found::Gpt { table, .. } if disk.wipe_table != Some(true) => table.disk_guid,
            _ => fresh_guid(known, index),
        };
        let derive = |pointer: &str| Guid::from_random(known.seed.derive(&medium.to_string(), pointer));
        let request = partitions::Request {
            disk,
            pointer: format!("/storage/disks/{index}"),
            found: &found.found,
            size: found.size,
            sector: found.sector,
            in_use: &found.in_use,
            fresh_disk_guid: fresh_guid(known, index),
            derive_guid: &derive,
            unfinished: &|number| is_marked(known, found, number),
        };
        match partitions::plan_partitions(&request) {
            Ok(mut change) => {
                conflicts.extend(hidden_data(&request.pointer, &disk.device, found, &change));
                change.mappings = place::mapping_names(&asked, found, &change);
                if change.wiped && change.table.is_none() {
                    layout.wiped.insert(found.node.clone());
                }
                layout.tables.insert(disk.device.clone(), change);
            }
            Err(found) => conflicts.extend(found),
        }
    }
    if conflicts.is_empty() {
        layout.places = places::places(config, &layout, known, &mut conflicts);
    }
    if conflicts.is_empty() {
        Ok(layout)
    } else {
        Err(conflicts)
    }
}

/// A table without leave to wipe is written only over nothing, or over a table that is there already: where Linux sees
/// none, the disk as a whole may be a file system or a member of something.
fn hidden_data(pointer: &str, device: &str, found: &Disk, change: &TableChange) -> Option<Conflict> {
    let data = found
        .beside_table()
        .filter(|_| change.write && !change.wiped && found.may_hide_content())?;
    Some(Conflict::new(
        pointer,
        "disk-has-data",
        format!("{device} has no partition table that Linux sees, and holds {data}"),
        "set wipeTable: true to erase the disk, or name another one",
    ))
}

/// The GUID a table gets when it is made anew; different for each disk.
fn fresh_guid(known: &Known<'_>, index: usize) -> Guid {
    let mut bytes = known.fresh;
    let [low, high, ..] = u16::try_from(index).unwrap_or(u16::MAX).to_le_bytes();
    bytes[14] ^= low;
    bytes[15] ^= high;
    Guid::from_random(bytes)
}

/// The steps of the stage as they come together, and what is decided of the lower layers.
struct Planner<'a> {
    config: &'a Config,
    by_name: ByName<'a>,
    known: &'a Known<'a>,
    layout: Layout,
    observed: &'a Observed,
    plan: Plan,
    conflicts: Vec<Conflict>,
    /// Nodes that udev has to look at again.
    changed: OrderedSet<PathBuf>,
    /// Partitions that carry our mark until all of this is done, by the disk's path.
    marks: OrderedMap<String, OrderedSet<u32>>,
    taken_down: TakenDown,
    arrays: OrderedMap<String, arrays::Decision>,
    volumes: OrderedMap<String, volumes::Decision>,
    /// What is done once every file system is complete.
    finished: Vec<(String, Step)>,
}

impl<'a> Planner<'a> {
    fn new(config: &'a Config, known: &'a Known<'a>, layout: Layout, observed: &'a Observed) -> Self {
        Self {
            taken_down: TakenDown::of_tables(known, &layout),
            config,
            by_name: ByName::new(config),
            known,
            layout,
            observed,
            plan: Plan::empty(Stage::Disks),
            conflicts: Vec::new(),
            changed: OrderedSet::new(),
            marks: OrderedMap::new(),
            arrays: OrderedMap::new(),
            volumes: OrderedMap::new(),
            finished: Vec::new(),
        }
    }

    /// What a device holds as it was found; nothing, where what is there goes with a stack that is taken down.
    fn held(&self, device: &str) -> Held {
        let held = self.observed.held.get(device).cloned().unwrap_or_default();
        let place = self.layout.places.get(device);
        let is_erased = matches!(place, Some(Place::Device(node)) if self.taken_down.erases(node));
        if is_erased || place.is_some_and(|place| self.goes_with_stack(place, &held.content)) {
            return Held::default();
        }
        held
    }

    /// Whether what was found where this run makes a partition is the signature of a member that is erased before: that
    /// begins there, or it ends there and is a member of an array, which may have its signature at its end.
    fn goes_with_stack(&self, place: &Place, found: &Content) -> bool {
        let Place::Partition(new) = place else {
            return false;
        };
        let Some(disk) = self
            .known
            .disks
            .get(&new.disk)
            .filter(|_| places::is_new(place, &self.layout))
        else {
            return false;
        };
        let Found::Gpt { table, .. } = &disk.found else {
            return false;
        };
        let end = new.start.0.saturating_add(new.size.0);
        let old = table.entries.iter().map(|(number, old)| {
            let start = old.first.to_bytes(table.sector_size).0;
            let old_end = start.saturating_add(old.size().to_bytes(table.sector_size).0);
            let node = place::partition_name(&disk.node, *number);
            (
                start == new.start.0,
                old_end == end,
                self.taken_down.erases(&node),
            )
        });
        let old: Vec<_> = old.collect();
        let at_end = arrays::is_member(found) && old.iter().any(|(_, ends, erased)| *ends && *erased);
        match old.iter().find(|(begins, ..)| *begins) {
            Some((.., erased)) => *erased,
            None => at_end,
        }
    }

    /// What a device holds once the layers below are in place: nothing where they are made, and `None` where they are
    /// refused, so that nobody can tell.
    fn held_now(&self, device: &str, place: &Place) -> Option<Held> {
        let is_kept = match place {
            Place::Partition(_) | Place::Device(_) => Some(true),
            Place::Array(name) => match self.arrays.get(name)? {
                arrays::Decision::Keep => Some(true),
                arrays::Decision::Make | arrays::Decision::EraseAndMake => Some(false),
                arrays::Decision::Refuse => None,
            },
            Place::Volume(name) => match self.volumes.get(name)? {
                volumes::Decision::Keep(_) => Some(true),
                volumes::Decision::Make | volumes::Decision::EraseAndMake => Some(false),
                volumes::Decision::Refuse(_) => None,
            },
        };
        Some(if is_kept? {
            self.held(device)
        } else {
            Held::default()
        })
    }

    /// Who uses the place now.
    fn user(&self, place: &Place, held: &Held) -> Option<User> {
        // Of a partition that this run makes, the users are those of the one that goes: the table's matter. So are those of
        // a disk that loses its table.
        if places::is_new(place, &self.layout) {
            return None;
        }
        claims::user(place, held, self.known.disks).cloned()
    }

    /// Whether the partition carries our mark on the disk as it is now.
    fn is_unfinished(&self, place: &Place) -> bool {
        self.entry_now(place)
            .is_some_and(|(number, entry, disk)| Marks::new(self.known.seed, disk).is_on(number, entry))
    }

    /// Whether the partition has room for our mark and does not carry it.
    fn has_no_mark(&self, place: &Place) -> bool {
        self.entry_now(place)
            .is_some_and(|(_, entry, _)| Marks::is_off(entry))
    }

    /// The partition of that number and start as it is on the disk now, with the GUID of the disk.
    fn entry_now(&self, place: &Place) -> Option<(u32, &Entry, Guid)> {
        let Place::Partition(partition) = place else {
            return None;
        };
        let Found::Gpt { table, .. } = &self.known.disks.get(&partition.disk)?.found else {
            return None;
        };
        // The same number at another place would be another partition.
        let entry = table.entries.get(&partition.number)?;
        let stays = entry.first.to_bytes(table.sector_size) == partition.start;
        stays.then_some((partition.number, entry, table.disk_guid))
    }

    /// Has the partition carry our mark until everything is done.
    fn mark(&mut self, place: &Place) {
        if let Place::Partition(partition) = place {
            self.marks
                .entry(partition.disk.clone())
                .or_default()
                .insert(partition.number);
        }
    }

    /// Everything in its order: what is in the way goes, tables are written, the layers are made, marks come off.
    fn finish(mut self) -> Result<Plan, Vec<Conflict>> {
        let more: Vec<Conflict> = [self.needed_and_taken_down(), self.names_taken()].concat();
        self.conflicts.extend(more);
        if !self.conflicts.is_empty() {
            return Err(self.conflicts);
        }
        let (tables, last) = self.plan_tables();
        let mut plan = Plan::empty(Stage::Disks);
        if let Some(step) = self.taken_down.step() {
            plan.push("/storage", step);
        }
        plan.steps.extend(tables.steps);
        plan.steps.append(&mut self.plan.steps);
        for (pointer, step) in self.finished {
            plan.push(pointer, step);
        }
        plan.steps.extend(last.steps);
        if !self.changed.is_empty() {
            let nodes = self.changed;
            plan.push("/storage", Step::SettleDevices { nodes });
        }
        Ok(plan)
    }

    /// The first and the last steps of every table: what is written before anything is made on its partitions, and after.
    fn plan_tables(&mut self) -> (Plan, Plan) {
        let mut plan = Plan::empty(Stage::Disks);
        let mut finish = Plan::empty(Stage::Disks);
        let mut finish_last = Vec::new();
        let mut named: OrderedMap<&str, OrderedSet<u32>> = OrderedMap::new();
        for place in self.layout.places.values() {
            if let Place::Partition(partition) = place {
                named.entry(&partition.disk).or_default().insert(partition.number);
            }
        }
        for (index, disk) in self.config.storage.disks.iter().enumerate() {
            let Some(found) = self.known.disks.get(&disk.device) else {
                continue;
            };
            let named = named.get(disk.device.as_str()).into_iter().flatten();
            let change = self.layout.tables.get(&disk.device).cloned();
            let Some(change) = change else { continue };
            let work = tables::Work {
                pointer: format!("/storage/disks/{index}"),
                device: PathBuf::from(&disk.device),
                disk: found,
                named: change
                    .slots
                    .iter()
                    .map(|slot| slot.number)
                    .chain(named.copied())
                    .into_set(),
                begun: self.marks.remove(&disk.device).unwrap_or_default(),
                seed: self.known.seed,
                change,
            };
            self.changed.extend(work.changed());
            let (write, last) = work.steps();
            plan.steps.push(write);
            self.changed.extend(last.is_some().then(|| found.node.clone()));
            // A rerun wipes a table that may be wiped once more: what an array has on other disks must be known for our own
            // until the mark is off there.
            if disk.wipe_table == Some(true) {
                finish.steps.extend(last);
            } else {
                finish_last.extend(last);
            }
        }
        finish.steps.extend(finish_last);
        (plan, finish)
    }
}

/// Plans the stage; the layout went through [`settle_places`].
///
/// # Errors
/// Everything that would have to replace something it may not.
pub fn plan_disks(
    config: &Config,
    known: &Known<'_>,
    layout: Layout,
    observed: &Observed,
) -> Result<Plan, Vec<Conflict>> {
    let mut planner = Planner::new(config, known, layout, observed);
    planner.plan_arrays();
    planner.plan_volumes();
    planner.plan_filesystems();
    planner.finish()
}

/// Whether this run makes the partition, so that there is no node to look into yet.
#[must_use]
pub fn is_new(place: &Place, layout: &Layout) -> bool {
    places::is_new(place, layout)
}

/// What the kernel has to show of a disk so that a partition can be read that stays as it is; nothing for other places.
#[must_use]
pub fn view_of_kept(place: &Place, layout: &Layout) -> Option<KernelView> {
    let Place::Partition(partition) = place else {
        return None;
    };
    if places::is_new(place, layout) || places::is_resized(place, layout) {
        return None;
    }
    Some(KernelView {
        shown: vec![Shown {
            number: partition.number,
            start: partition.start,
            size: partition.size,
        }],
        absent: OrderedSet::new(),
        mappings: layout.tables.get(&partition.disk)?.mappings.clone(),
    })
}

/// What is decided of the arrays, as far as it is known what their members hold: an array that is kept can be looked into.
#[must_use]
pub fn decide_arrays(
    config: &Config,
    known: &Known<'_>,
    layout: &Layout,
    observed: &Observed,
) -> OrderedMap<String, arrays::Decision> {
    let mut planner = Planner::new(config, known, layout.clone(), observed);
    planner.plan_arrays();
    planner.arrays
}

/// What is decided of the volumes, once it is known what their devices hold: a volume that is kept can be opened.
#[must_use]
pub fn decide_volumes(
    config: &Config,
    known: &Known<'_>,
    layout: &Layout,
    observed: &Observed,
) -> OrderedMap<String, volumes::Decision> {
    let mut planner = Planner::new(config, known, layout.clone(), observed);
    planner.plan_arrays();
    planner.plan_volumes();
    planner.volumes
}

/// Whether a partition of the disk carries our mark.
fn is_marked(known: &Known<'_>, disk: &Disk, number: u32) -> bool {
    match &disk.found {
        Found::Gpt { table, .. } => table
            .entries
            .get(&number)
            .is_some_and(|entry| Marks::new(known.seed, table.disk_guid).is_on(number, entry)),
        Found::Blank | Found::Mbr | Found::Damaged(_) => false,
    }
}

fn in_words(content: &Content) -> String {
    match content {
        Content::Blank => "nothing".to_owned(),
        Content::Known(signature) => signature.kind.clone(),
        Content::Ambiguous(kinds) => kinds.join(" and "),
    }
}

#[cfg(test)]
mod tests;
