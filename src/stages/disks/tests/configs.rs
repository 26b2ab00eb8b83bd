//! Configs for such a machine: many are possible on it as it is, the others are refused.

use std::fmt;
use std::path::Path;

use kindling_config_spec::types::{
    Config, Disk, Filesystem, Ignition, Luks, Partition, Raid, Resource, Storage,
};
use kindling_config_spec::version::NEWEST;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::{select, subsequence};

use super::generate::{DISKS, LABELS, machine};
use super::machine::State;

const KEY: &str = "data:,k";

/// A config that prints as people write it.
#[derive(Clone)]
pub(super) struct Asked(pub(super) Config);

impl fmt::Debug for Asked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&serde_json::to_string(&self.0.storage).unwrap())
    }
}

/// A machine, and a config for it.
pub(super) fn cases() -> impl Strategy<Value = (State, Asked)> {
    machine().prop_flat_map(|state| {
        let config = config(state.clone());
        (Just(state), config)
    })
}

fn leave() -> impl Strategy<Value = Option<bool>> + Clone {
    weighted(0.5, Just(true))
}

fn partition(number: i64) -> impl Strategy<Value = Partition> + Clone {
    let start = weighted(0.1, select(&[1_i64, 5, 9, 17, 33][..]));
    let size = weighted(0.5, select(&[0_i64, 4, 8, 16][..]));
    let label = weighted(if number == 0 { 0.95 } else { 0.3 }, select(&LABELS[..]));
    let exists = weighted(0.1, Just(false));
    let parts = (label, start, size, exists, leave(), leave());
    parts.prop_map(
        move |(label, start, size, exists, wipe_partition_entry, resize)| {
            let is_wanted = exists.is_none();
            Partition {
                number,
                label: label.filter(|_| is_wanted).map(str::to_owned),
                start_mib: start.filter(|_| is_wanted),
                size_mib: size.filter(|_| is_wanted),
                should_exist: exists,
                wipe_partition_entry,
                resize,
                ..Partition::default()
            }
        },
    )
}

fn disk(index: usize) -> impl Strategy<Value = Option<Disk>> {
    let (node, alias) = DISKS[index];
    let numbers = subsequence(vec![0_i64, 1, 2, 3], 0..=3);
    let partitions = numbers.prop_flat_map(|numbers| numbers.into_iter().map(partition).collect::<Vec<_>>());
    let parts = (select(vec![node, alias]), weighted(0.3, Just(true)), partitions);
    let disk = parts.prop_map(|(device, wipe_table, partitions)| Disk {
        device: device.to_owned(),
        wipe_table,
        partitions,
    });
    weighted(0.75, disk)
}

/// Every device that something can be made on or kept on, once the tables are as the config asks.
fn places(state: &State, disks: [&Option<Disk>; 2]) -> Vec<String> {
    let mut places = Vec::new();
    for ((node, alias), wanted) in DISKS.into_iter().zip(disks) {
        let table = state.table(Path::new(node));
        let there = table
            .into_iter()
            .flat_map(|table| table.entries.keys().copied().map(i64::from));
        let name = |number: i64| {
            if number % 2 == 0 {
                format!("{alias}-part{number}")
            } else {
                format!("{node}{number}")
            }
        };
        let Some(wanted) = wanted else {
            places.extend(there.map(name));
            places.extend(table.is_none().then(|| node.to_owned()));
            continue;
        };
        let is_listed = |number: i64| wanted.partitions.iter().any(|one| one.number == number);
        let others = there.filter(|number| wanted.wipe_table.is_none() && !is_listed(*number));
        places.extend(others.map(name));
        for one in wanted.partitions.iter().filter(|one| one.should_exist.is_none()) {
            let by_label = one
                .label
                .as_ref()
                .map(|label| format!("/dev/disk/by-partlabel/{label}"));
            places.push(by_label.unwrap_or_else(|| name(one.number)));
        }
    }
    kindling_config_spec::order::sort(&mut places);
    places.dedup();
    places
}

/// What is put on places, before it is known on which.
#[derive(Clone, Debug)]
struct Layers {
    array: Option<(usize, &'static str, Option<i64>)>,
    /// The array is the one that is there.
    is_there: bool,
    volume: Option<Luks>,
    on_array: bool,
    filesystems: Vec<Filesystem>,
}

fn layers() -> impl Strategy<Value = Layers> {
    let level = select(&["raid1", "raid1", "raid0"][..]);
    let array = weighted(0.5, (2..=3_usize, level, weighted(0.1, Just(1))));
    let parts = (
        array,
        any::<bool>(),
        weighted(0.5, volume()),
        any::<bool>(),
        vec(filesystem(), 0..4),
    );
    parts.prop_map(|(array, is_there, volume, on_array, filesystems)| Layers {
        array,
        is_there,
        volume,
        on_array,
        filesystems,
    })
}

fn volume() -> impl Strategy<Value = Luks> {
    let label = weighted(0.2, Just("volume".to_owned()));
    let discard = weighted(0.1, Just(true));
    let parts = (any::<bool>(), weighted(0.2, Just(true)), leave(), label, discard);
    parts.prop_map(|(has_key, tpm2, wipe_volume, label, discard)| {
        let mut volume = Luks {
            name: "secret".to_owned(),
            wipe_volume,
            label,
            discard,
            key_file: Resource {
                source: has_key.then(|| KEY.to_owned()),
                ..Resource::default()
            },
            ..Luks::default()
        };
        volume.clevis.tpm2 = tpm2;
        volume
    })
}

fn filesystem() -> impl Strategy<Value = Filesystem> {
    let format = select(&["ext4", "ext4", "xfs", "swap", "vfat", "none"][..]);
    let label = weighted(0.2, select(&["old", "new"][..]));
    (format, label, leave()).prop_map(|(format, label, wipe_filesystem)| Filesystem {
        format: Some(format.to_owned()),
        label: label.filter(|_| format != "none").map(str::to_owned),
        wipe_filesystem,
        ..Filesystem::default()
    })
}

fn config(state: State) -> impl Strategy<Value = Asked> {
    (disk(0), disk(1)).prop_flat_map(move |(first, second)| {
        let places = Just(places(&state, [&first, &second])).prop_shuffle();
        // Rarely a place is taken twice.
        let twice = weighted(0.03, Just(()));
        let (state, disks) = (state.clone(), [first, second]);
        (places, layers(), twice).prop_map(move |(mut places, layers, twice)| {
            if twice.is_some() {
                places.extend(places.first().cloned());
            }
            Asked(assemble(&state, disks.clone(), places, layers))
        })
    })
}

fn assemble(state: &State, disks: [Option<Disk>; 2], mut places: Vec<String>, layers: Layers) -> Config {
    let mut take = |number: usize| places.split_off(places.len().saturating_sub(number));
    let mut above = Vec::new();
    let raid = layers.array.map(|(members, level, spares)| Raid {
        name: "data".to_owned(),
        level: Some(level.to_owned()),
        devices: take(members),
        spares: spares.filter(|_| level == "raid1"),
        ..Raid::default()
    });
    let mut raid = raid.filter(|raid| raid.devices.len() > 1);
    let array = state.arrays.values().next();
    if let (Some(raid), Some(array)) = (&mut raid, array.filter(|_| layers.is_there)) {
        raid.level = Some(array.level.clone());
        raid.spares = None;
        let nodes = array.members.iter().filter_map(|at| state.node_of(at));
        raid.devices = nodes.map(|node| node.display().to_string()).collect();
    }
    above.extend((raid.is_some() || !state.running.is_empty()).then(|| "/dev/md/data".to_owned()));
    let volume = layers.volume.and_then(|volume| {
        let device = if layers.on_array { above.pop() } else { None };
        let device = device.or_else(|| take(1).pop())?;
        Some(Luks {
            device: Some(device),
            ..volume
        })
    });
    above.extend(volume.is_some().then(|| "/dev/mapper/secret".to_owned()));
    places.extend(above);
    let filesystems = layers.filesystems.into_iter().filter_map(|filesystem| {
        let device = places.pop()?;
        Some(Filesystem { device, ..filesystem })
    });
    Config {
        storage: Storage {
            filesystems: filesystems.collect(),
            disks: disks.into_iter().flatten().collect(),
            raid: raid.into_iter().collect(),
            luks: volume.into_iter().collect(),
            ..Storage::default()
        },
        ignition: Ignition {
            version: NEWEST.as_str().to_owned(),
            ..Ignition::default()
        },
        ..Config::default()
    }
}

/// The same config without leave for anything to go.
pub(super) fn without_leave(mut config: Config) -> Config {
    let storage = &mut config.storage;
    for disk in &mut storage.disks {
        disk.wipe_table = None;
        for partition in &mut disk.partitions {
            partition.wipe_partition_entry = None;
        }
    }
    storage.luks.iter_mut().for_each(|one| one.wipe_volume = None);
    storage
        .filesystems
        .iter_mut()
        .for_each(|one| one.wipe_filesystem = None);
    config
}
