//! The disks of a config, drawn before and after.

use std::path::Path;

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::Config;

use crate::gpt::Found;
use crate::inventory::recorded::Recorded;
use crate::plan::disks::{Known, Place, instead_of_table, plan_layout};
use crate::plan::map::{DiskMap, Filesystem, map};
use crate::plan::step::Erased;
use crate::plan::{Plan, Step, filesystems};

/// The disks of the config with what `plan` makes of them.
pub(super) fn maps(
    config: &Config,
    known: &Known<'_>,
    plan: &Plan,
    inventory: Option<&Recorded>,
) -> Vec<DiskMap> {
    let Ok(layout) = plan_layout(config, known) else {
        return Vec::new();
    };
    let on_devices = on_devices(config, plan);
    let mut on_disks: OrderedMap<&str, OrderedMap<u32, Filesystem>> = OrderedMap::new();
    for (device, place) in &layout.places {
        let what = on_devices.get(Path::new(device));
        if let (Place::Partition(partition), Some(what)) = (place, what) {
            let on_it = on_disks.entry(&partition.disk).or_default();
            on_it.insert(partition.number, what.clone());
        }
    }
    let nothing = OrderedMap::new();
    let disks = config.storage.disks.iter();
    let drawn = disks.filter_map(|wanted| {
        let (disk, change) = (
            known.disks.get(&wanted.device)?,
            layout.tables.get(&wanted.device)?,
        );
        let before = match &disk.found {
            Found::Gpt { table, .. } => Some(table),
            Found::Blank | Found::Mbr | Found::Damaged(_) => None,
        };
        let on_it = on_disks.get(wanted.device.as_str()).unwrap_or(&nothing);
        let tables = (before, change.table.as_ref());
        let size = (disk.size, disk.sector);
        let drawn = map(&wanted.device, size, tables, on_it, change.wiped);
        let recorded = inventory.and_then(|inventory| inventory.disk(wanted.device.as_ref()));
        let empty = OrderedMap::new();
        let contents = recorded.map_or(&empty, |recorded| &recorded.contents);
        let drawn = drawn.with_contents(instead_of_table(disk).filter(|_| !change.is_noop()), contents);
        Some(drawn.with_mappings(change.mappings.as_ref()))
    });
    drawn
        .filter(|disk| !disk.partitions.is_empty() || disk.holds.is_some())
        .collect()
}

/// What the plan does with what the config puts on each device: a member of an array, a volume, a file system.
fn on_devices<'a>(config: &'a Config, plan: &'a Plan) -> OrderedMap<&'a Path, Filesystem> {
    let mut on_devices: OrderedMap<&Path, Filesystem> = OrderedMap::new();
    let mut add = |device: &'a str, what: String| {
        let kept = Filesystem {
            format: what,
            made: false,
            erases: false,
        };
        on_devices.entry(Path::new(device)).or_insert(kept);
    };
    for array in &config.storage.raid {
        for member in &array.devices {
            add(member, format!("member of the array {}", array.name));
        }
    }
    for volume in &config.storage.luks {
        let device = volume.device.as_deref().unwrap_or_default();
        add(device, format!("the volume {}", volume.name));
    }
    for filesystem in &config.storage.filesystems {
        add(&filesystem.device, String::new());
    }
    let mut change = |device: &'a Path, how: &dyn Fn(&mut Filesystem)| {
        if let Some(what) = on_devices.get_mut(&device) {
            how(what);
        }
    };
    let make = |erase: &Option<Erased>| {
        let erases = erase.as_ref().is_some_and(|erase| !erase.unfinished);
        move |what: &mut Filesystem| (what.made, what.erases) = (true, erases)
    };
    for planned in &plan.steps {
        match &planned.step {
            Step::CreateArray { members, .. } => {
                for member in members {
                    change(&member.device, &make(&member.erase));
                }
            }
            Step::FormatVolume { device, erase, .. } => change(device, &make(erase)),
            Step::WipeSignatures { device, erase, .. } => {
                change(device, &|what| what.erases = !erase.unfinished);
            }
            Step::MakeFilesystem { device, format, .. } => change(device, &|what| {
                (what.format, what.made) = (filesystems::name(*format).to_owned(), true);
            }),
            Step::KeepFilesystem { device, format } => change(device, &|what| {
                (what.format, what.made) = (format.clone(), false);
            }),
            _ => {}
        }
    }
    on_devices.retain(|_, what| !what.format.is_empty());
    on_devices
}
