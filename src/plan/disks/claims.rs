//! One device, one purpose: the paths of a config are different names, and what they lead to must not be the same.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedMap};
use kindling_config_spec::types::Config;

use super::places::{Use, uses};
use super::{Known, Layout, Place};
use crate::inventory::disks::{Disk, Held};
use crate::inventory::stack::User;
use crate::plan::Conflict;
use crate::plan::partitions::{SlotStep, TableChange};
use crate::plan::place::{self, number_of};

/// Disks that an earlier entry names already.
pub(super) fn repeated_disks(config: &Config, known: &Known<'_>) -> Vec<Conflict> {
    let mut first: OrderedMap<&Path, &str> = OrderedMap::new();
    let mut conflicts = Vec::new();
    for (index, wanted) in config.storage.disks.iter().enumerate() {
        let Some(disk) = known.disks.get(&wanted.device).filter(|disk| !disk.assumed) else {
            continue;
        };
        let pointer = format!("/storage/disks/{index}/device");
        match first.get(disk.node.as_path()) {
            Some(earlier) => conflicts.push(repeated(pointer, &wanted.device, earlier, &disk.node)),
            None => drop(first.insert(&disk.node, &wanted.device)),
        }
    }
    conflicts
}

/// Recognises partitions of listed disks that were named by a link only the running system knows, and refuses every
/// device that is spoken of twice. The nodes of `Place::Device` are resolved by then.
///
/// # Errors
/// Every device in question.
pub fn settle_places(
    config: &Config,
    known: &Known<'_>,
    mut layout: Layout,
) -> Result<Layout, Vec<Conflict>> {
    let mut conflicts = Vec::new();
    let mut first: OrderedMap<PathBuf, &str> = OrderedMap::new();
    let with_table = with_table(config, known, &layout);
    for Use { pointer, device, .. } in uses(config) {
        let Some(place) = layout.places.get_mut(device) else {
            continue;
        };
        if let Place::Device(node) = place {
            match partition_at(node, &layout.tables, known) {
                Ok(Some(partition)) => *place = Place::Partition(partition),
                Ok(None) => {}
                Err((disk, number)) => {
                    conflicts.push(Conflict::new(
                        pointer,
                        "partition-not-kept",
                        format!(
                            "{device} is partition {number} of {disk}, which the config deletes or makes anew"
                        ),
                        "name the partition as it will be: by its number or its label",
                    ));
                    continue;
                }
            }
            if let Some(disk) = with_table.get(&place.node()) {
                conflicts.push(repeated(pointer, device, disk, &place.node()));
                continue;
            }
        }
        match first.get(&place.node()) {
            Some(earlier) => conflicts.push(repeated(pointer, device, earlier, &place.node())),
            None => drop(first.insert(place.node(), device)),
        }
    }
    if conflicts.is_empty() {
        Ok(layout)
    } else {
        Err(conflicts)
    }
}

/// The disks that have a partition table, as the config calls them, by their nodes; of several with one node the first.
fn with_table<'a>(config: &'a Config, known: &Known<'_>, layout: &Layout) -> OrderedMap<PathBuf, &'a str> {
    let disks = config.storage.disks.iter().rev();
    let found = disks.filter_map(|disk| {
        layout.tables.get(&disk.device)?.table.as_ref()?;
        Some((known.disks.get(&disk.device)?.node.clone(), disk.device.as_str()))
    });
    found.into_map()
}

fn repeated(pointer: String, device: &str, earlier: &str, node: &Path) -> Conflict {
    Conflict::new(
        pointer,
        "device-repeated",
        format!("{device} and {earlier} are the same device, {}", node.display()),
        "describe each device once; a disk with partitions has its file systems on them",
    )
}

/// The partition of a listed disk that the node is and stays; the disk and the number of one that does not stay.
fn partition_at(
    node: &Path,
    tables: &OrderedMap<String, TableChange>,
    known: &Known<'_>,
) -> Result<Option<place::Partition>, (String, u32)> {
    for (device, change) in tables {
        let Some(disk) = known.disks.get(device).filter(|disk| !disk.assumed) else {
            continue;
        };
        let Some(number) = number_of(disk, node) else {
            continue;
        };
        let goes = change
            .slots
            .iter()
            .any(|slot| slot.number == number && !matches!(slot.step, SlotStep::Keep | SlotStep::Resize));
        return match &change.table {
            Some(table) if table.entries.contains_key(&number) && !goes => {
                Ok(Some(place::partition(device, disk, change, number)))
            }
            // The disk stays as it is, whatever its table.
            None if !change.wiped => Ok(None),
            _ => Err((device.clone(), number)),
        };
    }
    Ok(None)
}

/// Who uses the place now.
pub(super) fn user<'a>(
    place: &Place,
    held: &'a Held,
    disks: &'a OrderedMap<String, Disk>,
) -> Option<&'a User> {
    match place {
        Place::Device(_) | Place::Array(_) | Place::Volume(_) => held.user.as_ref(),
        Place::Partition(partition) => disks.get(&partition.disk).and_then(|disk| {
            let whole = disk.in_use.disk.as_ref();
            let parts = &disk.in_use.partitions;
            parts
                .get(&partition.number)
                .or(whole.filter(|_| parts.is_empty()))
        }),
    }
}
