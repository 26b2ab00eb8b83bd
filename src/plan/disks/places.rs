//! Where each device path of the config leads, before the device exists.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedMap};
use kindling_config_spec::types::{Config, Disk as WantedDisk, Luks, Raid};

use super::{Known, Layout};
use crate::gpt::Guid;
use crate::inventory::disks::Probe;
use crate::plan::Conflict;
use crate::plan::filesystems;
use crate::plan::partitions::{SlotStep, TableChange};
use crate::plan::place::{Names, Partition};

/// What a device path of the config means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A partition of a disk that the config lists.
    Partition(Partition),
    /// An array of the config, by its name.
    Array(String),
    /// An encrypted volume of the config, by its name.
    Volume(String),
    /// Any other device: it must be there when the stage starts.
    Device(PathBuf),
}

impl Place {
    /// The node that is written.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        match self {
            Self::Partition(partition) => partition.node.clone(),
            Self::Array(name) => array_node(name),
            Self::Volume(name) => volume_node(name),
            Self::Device(node) => node.clone(),
        }
    }

    /// What is probed to learn what the place holds.
    #[must_use]
    pub fn probe(&self) -> Probe {
        match self {
            Self::Partition(partition) => partition.probe(),
            Self::Array(_) | Self::Volume(_) | Self::Device(_) => Probe {
                node: self.node(),
                range: None,
            },
        }
    }
}

/// Where udev links an array (63-md-raid-arrays.rules), or the node that the config names.
#[must_use]
pub fn array_node(name: &str) -> PathBuf {
    if name.starts_with("/dev") {
        PathBuf::from(name)
    } else {
        Path::new("/dev/md").join(name)
    }
}

/// Where device mapper puts an open volume.
#[must_use]
pub fn volume_node(name: &str) -> PathBuf {
    Path::new("/dev/mapper").join(name)
}

/// What is to be made of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Array,
    Volume,
    Filesystem,
}

/// One device path of the config.
pub(super) struct Use<'a> {
    pub(super) pointer: String,
    pub(super) device: &'a str,
    pub(super) layer: Layer,
}

/// Every device path of the config but the disks', from the bottom of the stack to its top.
pub(super) fn uses(config: &Config) -> Vec<Use<'_>> {
    let mut uses = Vec::new();
    for (index, array) in config.storage.raid.iter().enumerate() {
        let members = array.devices.iter().enumerate();
        uses.extend(members.map(|(member, device)| Use {
            pointer: format!("/storage/raid/{index}/devices/{member}"),
            device,
            layer: Layer::Array,
        }));
    }
    for (index, volume) in config.storage.luks.iter().enumerate() {
        uses.extend(volume.device.as_deref().map(|device| Use {
            pointer: format!("/storage/luks/{index}/device"),
            device,
            layer: Layer::Volume,
        }));
    }
    for (index, filesystem) in config.storage.filesystems.iter().enumerate() {
        if filesystems::format_of(filesystem).is_some() {
            uses.push(Use {
                pointer: format!("/storage/filesystems/{index}/device"),
                device: &filesystem.device,
                layer: Layer::Filesystem,
            });
        }
    }
    uses
}

/// What every device path means, as far as names tell.
pub(super) fn places(
    config: &Config,
    layout: &Layout,
    known: &Known<'_>,
    conflicts: &mut Vec<Conflict>,
) -> OrderedMap<String, Place> {
    let mut places = OrderedMap::new();
    let (made, names) = (made_by_config(config), Names::new(&layout.tables, known.disks));
    for one in uses(config) {
        let path = Path::new(one.device);
        if let Some((place, made)) = made.get(path) {
            if *made >= one.layer {
                conflicts.push(made_later(&one));
            }
            places.insert(one.device.to_owned(), place.clone());
            continue;
        }
        let mut partitions = names.at(path);
        let place = match (partitions.pop(), partitions.is_empty()) {
            (None, _) => Place::Device(path.to_owned()),
            (Some(partition), true) => Place::Partition(partition),
            (Some(_), false) => {
                conflicts.push(Conflict::new(
                    one.pointer,
                    "device-ambiguous",
                    format!("{} names more than one partition", one.device),
                    "give the partitions different labels, or name the partition by its number",
                ));
                continue;
            }
        };
        places.insert(one.device.to_owned(), place);
    }
    places
}

fn made_later(one: &Use<'_>) -> Conflict {
    let (what, order) = match one.layer {
        Layer::Array => ("a member of an array", "arrays are made of partitions and disks"),
        Layer::Volume | Layer::Filesystem => (
            "the device of a volume",
            "volumes are made of partitions, disks and arrays",
        ),
    };
    Conflict::new(
        &one.pointer,
        "device-made-later",
        format!("{} is {what}, and is made later by the same config", one.device),
        format!("name another device: {order}"),
    )
}

/// What the paths lead to that the config makes, an array or a volume: its own node and udev's links
/// (63-md-raid-arrays.rules, 60-persistent-storage-dm.rules). One that could be several is the first of them.
fn made_by_config(config: &Config) -> OrderedMap<PathBuf, (Place, Layer)> {
    let mut made = OrderedMap::new();
    let mut add = |path: PathBuf, place: &Place, layer| {
        made.entry(path).or_insert_with(|| (place.clone(), layer));
    };
    let by_id = |link: String| Path::new("/dev/disk/by-id").join(link);
    for Raid { name, .. } in &config.storage.raid {
        let place = Place::Array(name.clone());
        add(array_node(name), &place, Layer::Array);
        add(Path::new("/dev/md").join(name), &place, Layer::Array);
        add(by_id(format!("md-name-any:{name}")), &place, Layer::Array);
    }
    for Luks { name, .. } in &config.storage.luks {
        let place = Place::Volume(name.clone());
        add(volume_node(name), &place, Layer::Volume);
        add(by_id(format!("dm-name-{name}")), &place, Layer::Volume);
    }
    made
}

/// What the config says of a device, an array or a volume; of several of one name, the first.
pub(super) struct ByName<'a> {
    disks: OrderedMap<&'a str, &'a WantedDisk>,
    arrays: OrderedMap<&'a str, &'a Raid>,
    volumes: OrderedMap<&'a str, &'a Luks>,
}

impl<'a> ByName<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        // The first one comes last.
        let disks = config.storage.disks.iter().rev();
        let arrays = config.storage.raid.iter().rev();
        let volumes = config.storage.luks.iter().rev();
        Self {
            disks: disks.map(|disk| (disk.device.as_str(), disk)).into_map(),
            arrays: arrays.map(|array| (array.name.as_str(), array)).into_map(),
            volumes: volumes.map(|volume| (volume.name.as_str(), volume)).into_map(),
        }
    }
}

/// What tells the media below a place from others: the GUID of the disk it is on, where a table of the config has one.
pub(super) fn medium(place: &Place, by_name: &ByName<'_>, layout: &Layout) -> String {
    let below = |device: Option<&str>| {
        let place = device.and_then(|device| layout.places.get(device));
        match place {
            // A volume is never on a volume, nor an array on either: this ends.
            Some(below @ (Place::Partition(_) | Place::Array(_))) => medium(below, by_name, layout),
            _ => String::new(),
        }
    };
    match place {
        Place::Partition(partition) => {
            table_guid(&partition.disk, layout).map_or_else(String::new, |guid| guid.to_string())
        }
        Place::Array(name) => {
            let array = by_name.arrays.get(name.as_str());
            let member = array.and_then(|array| array.devices.first()).map(String::as_str);
            let partition =
                member.filter(|member| matches!(layout.places.get(*member), Some(Place::Partition(_))));
            below(partition)
        }
        Place::Volume(name) => {
            let volume = by_name.volumes.get(name.as_str());
            below(volume.and_then(|volume| volume.device.as_deref()))
        }
        Place::Device(_) => String::new(),
    }
}

fn table_guid(disk: &str, layout: &Layout) -> Option<Guid> {
    Some(layout.tables.get(disk)?.table.as_ref()?.disk_guid)
}

/// Whether the config lets us erase whatever lies where the place will be: the whole table goes, or the partition's entry
/// may, and this run makes the partition.
pub(super) fn may_wipe(place: &Place, by_name: &ByName<'_>, layout: &Layout) -> bool {
    if is_wiped(place, layout) {
        return true;
    }
    let Place::Partition(partition) = place else {
        return false;
    };
    let Some(disk) = by_name.disks.get(partition.disk.as_str()) else {
        return false;
    };
    let entry_may_go = |change: &TableChange| {
        let slot = change.slots.iter().find(|slot| slot.number == partition.number);
        slot.is_some_and(|slot| {
            let entry = disk.partitions.get(slot.index);
            let leave = entry.is_some_and(|entry| entry.wipe_partition_entry == Some(true));
            match slot.step {
                SlotStep::Replace => true,
                SlotStep::Create => leave,
                SlotStep::Nothing | SlotStep::Keep | SlotStep::Resize | SlotStep::Delete => false,
            }
        })
    };
    disk.wipe_table == Some(true) || layout.tables.get(&partition.disk).is_some_and(entry_may_go)
}

/// Whether the place is a disk that loses whatever is on it. What is left behind the ends that are zeroed may be erased too.
pub(super) fn is_wiped(place: &Place, layout: &Layout) -> bool {
    matches!(place, Place::Device(node) if layout.wiped.contains(node))
}

/// Whether this run makes the partition or wipes the disk, so that nothing of it can be there as it shall be.
pub(super) fn is_new(place: &Place, layout: &Layout) -> bool {
    if is_wiped(place, layout) {
        return true;
    }
    let Place::Partition(partition) = place else {
        return false;
    };
    let made = |change: &TableChange| {
        let mut slots = change.slots.iter().filter(|slot| slot.number == partition.number);
        change.wiped || slots.any(|slot| matches!(slot.step, SlotStep::Create | SlotStep::Replace))
    };
    layout.tables.get(&partition.disk).is_some_and(made)
}

/// Whether the partition stays, with another size.
pub(super) fn is_resized(place: &Place, layout: &Layout) -> bool {
    let Place::Partition(partition) = place else {
        return false;
    };
    let slots = layout
        .tables
        .get(&partition.disk)
        .into_iter()
        .flat_map(|change| &change.slots);
    let mut slots = slots.filter(|slot| slot.number == partition.number);
    slots.any(|slot| slot.step == SlotStep::Resize)
}
