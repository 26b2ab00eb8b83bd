//! The disks stage: first where everything will be ([`plan_layout`]), then, once it is known what those
//! places hold, what is done ([`plan_disks`]). Both before the first write.

mod claims;
mod marks;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kindling_config_spec::types::{Config, Filesystem};

use super::filesystems::{self, Decision};
pub use claims::settle_places;
use marks::Marks;

use super::partitions::{self, TableChange};
use super::place::{self, Partition};
use super::step::Format;
use super::{Conflict, Plan, Stage, Step};
use crate::gpt::{Entry, Found, Guid};
use crate::identity::Seed;
use crate::inventory::disks::{Content, Disk, Held, Probe};

/// Where a file system goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A partition of a disk that the config lists.
    Partition(Partition),
    /// Any other device: it must be there when the stage starts.
    Device(PathBuf),
}

impl Place {
    /// The node that is written.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        match self {
            Self::Partition(partition) => partition.node(),
            Self::Device(node) => node.clone(),
        }
    }

    /// What is probed to learn what the place holds.
    #[must_use]
    pub fn probe(&self) -> Probe {
        match self {
            Self::Partition(partition) => partition.probe(),
            Self::Device(node) => Probe {
                node: node.clone(),
                range: None,
            },
        }
    }
}

/// Every table as it will be, and where each file system goes.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// By the disk's path in the config.
    pub tables: BTreeMap<String, TableChange>,
    /// By the file system's path in the config; entries without a format are left out.
    pub places: BTreeMap<String, Place>,
}

/// What the planner may know about the machine: nothing it would have to look up.
pub struct Known<'a> {
    /// By the disk's path in the config.
    pub disks: &'a BTreeMap<String, Disk>,
    /// From which open identifiers are derived.
    pub seed: &'a Seed,
    /// Sixteen random bytes, for a table that is made anew.
    pub fresh: [u8; 16],
}

/// Lays out all disks.
///
/// # Errors
/// Every conflict on every disk, and the sections this build does not carry out.
pub fn plan_layout(config: &Config, known: &Known<'_>) -> Result<Layout, Vec<Conflict>> {
    let mut conflicts = not_built(config);
    conflicts.extend(claims::repeated_disks(config, known));
    let mut layout = Layout::default();
    for (index, disk) in config.storage.disks.iter().enumerate() {
        let Some(found) = known.disks.get(&disk.device) else {
            continue;
        };
        if is_device_mapper(found) && (disk.wipe_table == Some(true) || !disk.partitions.is_empty()) {
            conflicts.push(Conflict::new(
                format!("/storage/disks/{index}/device"),
                "device-mapper-not-built",
                format!(
                    "{} is a device-mapper device, which this version cannot partition",
                    disk.device
                ),
                "name the disk itself, or partition the device beforehand",
            ));
            continue;
        }
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
            Ok(change) => {
                conflicts.extend(hidden_data(&request.pointer, &disk.device, found, &change));
                layout.tables.insert(disk.device.clone(), change);
            }
            Err(found) => conflicts.extend(found),
        }
    }
    if conflicts.is_empty() {
        layout.places = places(config, &layout, known, &mut conflicts);
    }
    if conflicts.is_empty() {
        Ok(layout)
    } else {
        Err(conflicts)
    }
}

/// The kernel's name tells (drivers/md/dm.c); it refuses the partition calls there, after a table would be written.
fn is_device_mapper(disk: &Disk) -> bool {
    disk.node
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("dm-"))
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

fn not_built(config: &Config) -> Vec<Conflict> {
    let refuse = |pointer: &str, what: &str| {
        Conflict::new(
            pointer,
            "section-not-built",
            format!("{what} cannot be made by this version"),
            "remove the section, or use a release that lists it in CHANGELOG.md",
        )
    };
    let raid = (!config.storage.raid.is_empty()).then(|| refuse("/storage/raid", "RAID arrays"));
    let luks = (!config.storage.luks.is_empty()).then(|| refuse("/storage/luks", "LUKS volumes"));
    raid.into_iter().chain(luks).collect()
}

fn places(
    config: &Config,
    layout: &Layout,
    known: &Known<'_>,
    conflicts: &mut Vec<Conflict>,
) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    for (index, filesystem) in config.storage.filesystems.iter().enumerate() {
        if filesystems::format_of(filesystem).is_none() {
            continue;
        }
        let path = Path::new(&filesystem.device);
        let mut partitions = place::partitions_at(path, &layout.tables, known.disks);
        let place = match (partitions.pop(), partitions.is_empty()) {
            (None, _) => Place::Device(path.to_owned()),
            (Some(partition), true) => Place::Partition(partition),
            (Some(_), false) => {
                conflicts.push(Conflict::new(
                    format!("/storage/filesystems/{index}/device"),
                    "device-ambiguous",
                    format!("{} names more than one partition", filesystem.device),
                    "give the partitions different labels, or name the partition by its number",
                ));
                continue;
            }
        };
        places.insert(filesystem.device.clone(), place);
    }
    places
}

/// Plans the stage. `contents` holds what each place of the layout holds, by the file system's path in the
/// config; the layout went through [`settle_places`].
///
/// # Errors
/// Every file system that would have to replace something it may not.
pub fn plan_disks(
    config: &Config,
    known: &Known<'_>,
    layout: Layout,
    contents: &BTreeMap<String, Held>,
) -> Result<Plan, Vec<Conflict>> {
    let mut conflicts = Vec::new();
    let mut made = Plan::empty(Stage::Disks);
    let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
    let mut marks: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for (index, want) in config.storage.filesystems.iter().enumerate() {
        let (Some(format), Some(place)) = (filesystems::format_of(want), layout.places.get(&want.device))
        else {
            continue;
        };
        let pointer = format!("/storage/filesystems/{index}");
        let unfinished = is_unfinished(place, known);
        let held = contents.get(&want.device).cloned().unwrap_or_default();
        let content = &held.content;
        let decision = filesystems::decide(content, want, format, unfinished);
        if let Decision::Refuse(why) = &decision {
            conflicts.push(refusal(&pointer, want, why));
            continue;
        }
        let user = claims::user(place, &held, known.disks).filter(|_| decision != Decision::Keep);
        if let Some(user) = user {
            conflicts.push(in_use(&pointer, want, user));
            continue;
        }
        let made_here = push_filesystem(
            &mut made, &pointer, want, format, place, &decision, content, known, &layout, unfinished,
        );
        if made_here {
            changed.insert(place.node());
            // Where the config lets us erase, a rerun may anyway; and a corrected config must not inherit the leave.
            if let (Place::Partition(partition), false) = (place, want.wipe_filesystem == Some(true)) {
                marks
                    .entry(partition.disk.clone())
                    .or_default()
                    .insert(partition.number);
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let (mut plan, mut finish) = plan_tables(config, known, &layout, &mut marks, &mut changed);
    plan.steps.append(&mut made.steps);
    plan.steps.append(&mut finish.steps);
    if !changed.is_empty() {
        plan.push("/storage", Step::SettleDevices { nodes: changed });
    }
    Ok(plan)
}

/// The first and the last steps of every table: what is written before the file systems are made, and after.
/// `marks` holds the partitions on which one is made, by the disk's path; `changed` gains the nodes for udev.
fn plan_tables(
    config: &Config,
    known: &Known<'_>,
    layout: &Layout,
    marks: &mut BTreeMap<String, BTreeSet<u32>>,
    changed: &mut BTreeSet<PathBuf>,
) -> (Plan, Plan) {
    let mut plan = Plan::empty(Stage::Disks);
    let mut finish = Plan::empty(Stage::Disks);
    for (index, disk) in config.storage.disks.iter().enumerate() {
        let Some(found) = known.disks.get(&disk.device) else {
            continue;
        };
        let named = layout.places.values().filter_map(|place| match place {
            Place::Partition(partition) if partition.disk == disk.device => Some(partition.number),
            _ => None,
        });
        let change = layout.tables.get(&disk.device).cloned();
        let Some(change) = change else { continue };
        let work = tables::Work {
            pointer: format!("/storage/disks/{index}"),
            device: PathBuf::from(&disk.device),
            disk: found,
            named: change.slots.iter().map(|slot| slot.number).chain(named).collect(),
            begun: marks.remove(&disk.device).unwrap_or_default(),
            seed: known.seed,
            change,
        };
        changed.extend(work.changed());
        let (write, last) = work.steps();
        plan.steps.push(write);
        changed.extend(last.is_some().then(|| found.node.clone()));
        finish.steps.extend(last);
    }
    (plan, finish)
}

fn in_use(pointer: &str, want: &Filesystem, user: &str) -> Conflict {
    Conflict::new(
        pointer,
        "device-in-use",
        format!(
            "cannot make a file system on {}: it is in use by {user}",
            want.device
        ),
        "describe the file system as it is, or name another device",
    )
}

fn refusal(pointer: &str, want: &Filesystem, why: &str) -> Conflict {
    Conflict::new(
        pointer,
        "filesystem-differs",
        format!("{}: {why}", want.device),
        "set wipeFilesystem to true if the data may go, or correct the config to describe what is there",
    )
}

/// Whether the partition carries our mark on the disk as it is now.
fn is_unfinished(place: &Place, known: &Known<'_>) -> bool {
    let Place::Partition(partition) = place else {
        return false;
    };
    let Some(Disk {
        found: Found::Gpt { table, .. },
        ..
    }) = known.disks.get(&partition.disk)
    else {
        return false;
    };
    // The same number at another place would be another partition.
    let start = |entry: &Entry| entry.first.to_bytes(table.sector_size);
    let marks = Marks::new(known.seed, table.disk_guid);
    table
        .entries
        .get(&partition.number)
        .is_some_and(|entry| marks.is_on(partition.number, entry) && start(entry) == partition.start)
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

#[expect(
    clippy::too_many_arguments,
    reason = "one call site; the values have no meaning together"
)]
fn push_filesystem(
    plan: &mut Plan,
    pointer: &str,
    want: &Filesystem,
    format: Format,
    place: &Place,
    decision: &Decision,
    content: &Content,
    known: &Known<'_>,
    layout: &Layout,
    unfinished: bool,
) -> bool {
    let (device, node) = (PathBuf::from(&want.device), place.node());
    if *decision == Decision::Keep {
        plan.push(
            pointer,
            Step::KeepFilesystem {
                device,
                format: filesystems::name(format).to_owned(),
            },
        );
        return false;
    }
    if *decision == Decision::WipeAndMake {
        let (device, node) = (device.clone(), node.clone());
        plan.push(
            pointer,
            Step::WipeSignatures {
                device,
                node,
                found: in_words(content),
                unfinished,
            },
        );
    }
    let medium = match place {
        Place::Partition(partition) => {
            let table = layout
                .tables
                .get(&partition.disk)
                .and_then(|change| change.table.as_ref());
            table.map_or(String::new(), |table| table.disk_guid.to_string())
        }
        Place::Device(_) => String::new(),
    };
    let derived = known.seed.derive_uuid(&medium, pointer);
    if let Some(call) = filesystems::mkfs(want, format, &node, &derived) {
        plan.push(
            pointer,
            Step::MakeFilesystem {
                device,
                node,
                format,
                call,
            },
        );
    }
    true
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
