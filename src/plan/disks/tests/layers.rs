//! Arrays and volumes between tables and file systems.

use kindling_config_spec::types::{Luks, Raid, Resource};

use super::*;
use crate::inventory::stack::{Mapping, RunningArray};
use crate::plan::disks::volumes::Facts;

const MEMBERS: [&str; 2] = ["/dev/disk/by-partlabel/a", "/dev/vdb2"];

pub(super) fn pair() -> Raid {
    Raid {
        name: "data".into(),
        level: Some("raid1".into()),
        devices: MEMBERS.map(str::to_owned).into(),
        ..Raid::default()
    }
}

pub(super) fn volume(name: &str, device: &str) -> Luks {
    Luks {
        name: name.into(),
        device: Some(device.into()),
        key_file: Resource {
            source: Some("data:,k".into()),
            ..Resource::default()
        },
        ..Luks::default()
    }
}

/// An array of two partitions, a volume on it, a file system in that.
pub(super) fn layered() -> Case {
    let mut case = Case::new(
        vec![partition(1, "a"), partition(2, "b")],
        vec![ext4("/dev/mapper/secret")],
    );
    case.config.storage.raid = vec![pair()];
    case.config.storage.luks = vec![volume("secret", "/dev/md/data")];
    case
}

pub(super) fn running() -> RunningArray {
    RunningArray {
        node: "/dev/md127".into(),
        level: "raid1".into(),
        raid_devices: 2,
        uuid: "0".into(),
        name: Some("data".into()),
        active: ["/dev/vdb1", "/dev/vdb2"].map(PathBuf::from).into(),
        spares: OrderedSet::new(),
    }
}

/// The same machine once all of it is made.
pub(super) fn made() -> Case {
    let mut case = layered().interrupted();
    let finished = case
        .plan()
        .unwrap()
        .steps
        .iter()
        .rev()
        .find_map(|planned| match &planned.step {
            Step::FinishTable { table, .. } => Some(table.clone()),
            _ => None,
        });
    case.disk().found = Found::Gpt {
        table: finished.unwrap(),
        health: good(),
    };
    for member in MEMBERS {
        case.contents
            .insert(member.into(), held(known("linux_raid_member")));
    }
    case.observed.arrays.insert("data".into(), running());
    let volume = Signature {
        kind: "crypto_LUKS".into(),
        version: Some("2".into()),
        ..Signature::default()
    };
    case.contents
        .insert("/dev/md/data".into(), held(Content::Known(volume)));
    case.contents
        .insert("/dev/mapper/secret".into(), held(known("ext4")));
    case
}

pub(super) fn names(plan: &Plan) -> Vec<&'static str> {
    let name = |step: &Step| match step {
        Step::TakeDown { .. } => "take-down",
        Step::WriteTable { .. } => "table",
        Step::KeepTable { .. } => "keep-table",
        Step::CreateArray { .. } => "array",
        Step::KeepArray { .. } => "keep-array",
        Step::FormatVolume { .. } => "volume",
        Step::KeepVolume { .. } => "keep-volume",
        Step::WipeSignatures { .. } => "wipe",
        Step::MakeFilesystem { .. } => "mkfs",
        Step::KeepFilesystem { .. } => "keep-mkfs",
        Step::FinishVolume { .. } => "finish-volume",
        Step::FinishTable { .. } => "finish-table",
        Step::SettleDevices { .. } => "settle",
        _ => "other",
    };
    plan.steps.iter().map(|planned| name(&planned.step)).collect()
}

#[test]
fn layers_are_made_from_the_bottom_and_finished_at_the_end() {
    let plan = layered().plan().unwrap();
    assert_eq!(
        names(&plan),
        [
            "table",
            "array",
            "volume",
            "mkfs",
            "finish-volume",
            "finish-table",
            "settle"
        ]
    );
    assert_eq!(finished(&plan), [OrderedSet::from([1, 2])]);
    assert_eq!(show::count(&plan).destroys, 0);
}

#[test]
fn once_made_nothing_changes() {
    let plan = made().plan().unwrap();
    assert_eq!(
        names(&plan),
        ["keep-table", "keep-array", "keep-volume", "keep-mkfs"]
    );
    assert_eq!(show::count(&plan), show::Count::default());
}

#[test]
fn what_an_interrupted_run_made_of_the_array_is_made_again() {
    let mut case = layered().interrupted();
    case.contents = made().contents;
    case.observed = made().observed;
    let plan = case.plan().unwrap();
    assert_eq!(
        names(&plan),
        [
            "table",
            "array",
            "volume",
            "mkfs",
            "finish-volume",
            "finish-table",
            "settle"
        ][1..]
            .iter()
            .copied()
            .fold(vec!["keep-table"], |mut all, one| {
                all.push(one);
                all
            })
    );
    let text = show::show(&plan);
    assert!(text.contains("~ /dev/vdb2: erase what an interrupted run left there (linux_raid_member)"));
    // A corrected config does not inherit the leave.
    case.seed = Seed::new("machine", "corrected");
    case.observed.arrays.get_mut("data").unwrap().level = "raid0".into();
    assert_eq!(case.codes(), ["array-differs"]);
}

#[test]
fn an_array_that_differs_is_refused_with_the_difference() {
    for (change, said) in [
        (
            (|array| array.level = "raid10".into()) as fn(&mut RunningArray),
            "its level is raid10, not raid1",
        ),
        (|array| array.raid_devices = 3, "it has 3 devices, not 2"),
        (
            |array| array.name = Some("other".into()),
            "its name is other, not data",
        ),
        (
            |array| {
                array.active.insert("/dev/vdc".into());
            },
            "/dev/vdc belongs to it as well",
        ),
        (
            |array| {
                array.active.remove(std::path::Path::new("/dev/vdb2"));
            },
            "it lacks /dev/vdb2",
        ),
    ] {
        let mut case = made();
        change(case.observed.arrays.get_mut("data").unwrap());
        let conflicts = case.plan().unwrap_err();
        assert_eq!(conflicts[0].code, "array-differs");
        assert!(conflicts[0].message.contains(said), "{}", conflicts[0].message);
    }
    // Not running, however much its members look like ours.
    let mut case = made();
    case.observed.arrays.clear();
    assert_eq!(case.codes(), ["array-differs", "array-differs"]);
}

#[test]
fn an_array_is_complete_once_one_member_has_lost_its_mark() {
    let marks = |case: &mut Case, change: fn(&mut u64)| {
        let Found::Gpt { table, .. } = &mut case.disk().found else {
            panic!()
        };
        change(&mut table.entries.get_mut(&1).unwrap().attributes);
    };
    let mut case = made();
    case.disk().found = layered().interrupted().disk().found.clone();
    assert!(names(&case.plan().unwrap()).contains(&"array"));
    marks(&mut case, |attributes| *attributes = 0);
    let plan = case.plan().unwrap();
    assert_eq!(
        names(&plan),
        [
            "keep-table",
            "keep-array",
            "keep-volume",
            "keep-mkfs",
            "finish-table",
            "settle"
        ]
    );
    assert_eq!(finished(&plan), [OrderedSet::from([2])]);
    // Bits of somebody else are no sign.
    marks(&mut case, |attributes| *attributes = 1 << 56);
    let conflicts = case.plan().unwrap_err();
    assert!(conflicts[0].message.ends_with("a run that made it was cut short"));
}

#[test]
fn a_member_of_an_array_that_is_kept_keeps_its_size() {
    let mut case = made();
    let member = &mut case.config.storage.disks[0].partitions[1];
    (member.size_mib, member.resize) = (Some(32), Some(true));
    assert_eq!(case.codes(), ["partition-in-use"]);
}

#[test]
fn a_device_is_used_once_and_made_before_it_is_used() {
    for (device, code) in [
        ("/dev/vdb1", "device-repeated"),
        ("/dev/disk/by-partlabel/b", "device-repeated"),
        ("/dev/disk/by-id/md-name-any:data", "device-repeated"),
    ] {
        let mut case = layered();
        case.config.storage.filesystems = vec![ext4(device)];
        assert_eq!(case.codes(), [code], "{device}");
    }
    let mut case = layered();
    case.config
        .storage
        .luks
        .push(volume("inner", "/dev/mapper/secret"));
    assert_eq!(case.codes(), ["device-made-later"]);
    let mut case = layered();
    case.config.storage.raid.push(Raid {
        name: "outer".into(),
        devices: vec!["/dev/md/data".into()],
        ..pair()
    });
    assert_eq!(case.codes(), ["device-made-later"]);
}

#[test]
fn a_volume_that_carries_our_mark_is_unfinished_unless_its_key_was_handed_over() {
    let mut case = made();
    let mark = layered()
        .plan()
        .unwrap()
        .steps
        .iter()
        .find_map(|planned| match &planned.step {
            Step::FormatVolume { calls, .. } => {
                let call = calls[0].to_string();
                let (_, rest) = call.split_once("--subsystem ")?;
                rest.split(' ').next().map(str::to_owned)
            }
            _ => None,
        });
    let Content::Known(found) = &mut case.contents.get_mut("/dev/md/data").unwrap().content else {
        panic!()
    };
    found.subsystem = mark;
    let codes = |case: &Case| names(&case.plan().unwrap());
    // Written with the medium of the disk as it is, the mark is the same.
    assert_eq!(
        codes(&case),
        [
            "keep-table",
            "keep-array",
            "volume",
            "mkfs",
            "finish-volume",
            "settle"
        ]
    );
    let facts = Facts {
        handed_over: true,
        ..Facts::default()
    };
    case.observed.volumes.insert("secret".into(), facts);
    assert_eq!(
        codes(&case),
        ["keep-table", "keep-array", "keep-volume", "keep-mkfs"]
    );
    case.observed.volumes.clear();
    case.seed = Seed::new("machine", "corrected");
    assert_eq!(
        codes(&case),
        ["keep-table", "keep-array", "keep-volume", "keep-mkfs"]
    );
}

#[test]
fn a_finished_volume_whose_key_was_drawn_is_left_to_the_mount_stage() {
    let mut case = made();
    case.config.storage.luks[0].key_file = Resource::default();
    // Of another config, or of a person: nobody here can open it.
    assert_eq!(case.codes(), ["volume-differs"]);
    let uuid = layered()
        .plan()
        .unwrap()
        .steps
        .iter()
        .find_map(|planned| match &planned.step {
            Step::FormatVolume { calls, .. } => {
                let call = calls[0].to_string();
                let (_, rest) = call.split_once("--uuid ")?;
                rest.split(' ').next().map(str::to_owned)
            }
            _ => None,
        });
    let Content::Known(found) = &mut case.contents.get_mut("/dev/md/data").unwrap().content else {
        panic!()
    };
    found.uuid = uuid;
    case.observed.unseen.insert("/dev/mapper/secret".into());
    let plan = case.plan().unwrap();
    assert_eq!(names(&plan), ["keep-table", "keep-array", "keep-volume"]);
    assert!(show::show(&plan).contains("opened by the key in the target, by the mount stage"));
    // A configured UUID says as much.
    case.config.storage.luks[0].uuid = Some("5a0e".into());
    assert_eq!(case.codes(), ["volume-differs"]);
    let Content::Known(found) = &mut case.contents.get_mut("/dev/md/data").unwrap().content else {
        panic!()
    };
    found.uuid = Some("5a0e".into());
    assert_eq!(case.codes(), Vec::<&str>::new());
}

#[test]
fn a_drawn_key_is_finished_by_the_files_stage() {
    let mut case = layered();
    case.config.storage.luks[0].key_file = Resource::default();
    assert!(!names(&case.plan().unwrap()).contains(&"finish-volume"));
    case.config.storage.luks[0].clevis.tpm2 = Some(true);
    assert!(names(&case.plan().unwrap()).contains(&"finish-volume"));
}

#[test]
fn a_name_that_another_mapping_has_is_refused() {
    let mut case = layered();
    let other = Mapping {
        node: "/dev/dm-3".into(),
        below: [PathBuf::from("/dev/vdz")].into(),
    };
    case.observed.mappings.insert("secret".into(), other);
    assert_eq!(case.codes(), ["volume-name-taken"]);
}

#[test]
fn a_crypto_card_must_be_there() {
    let mut case = layered();
    case.config.storage.luks[0].key_file = Resource::default();
    case.config.storage.luks[0].cex.enabled = Some(true);
    assert_eq!(case.codes(), ["crypto-card-missing"]);
    case.observed.card_queues = vec!["01.0004".into()];
    assert_eq!(case.codes(), Vec::<&str>::new());
}

#[test]
fn a_volume_with_a_torn_header_goes_only_where_it_is_this_configs_own_or_may() {
    let torn = || Facts {
        unreadable: Some("it is none".into()),
        ..Facts::default()
    };
    let mut case = made();
    case.observed.volumes.insert("secret".into(), torn());
    let conflicts = case.plan().unwrap_err();
    assert_eq!(conflicts[0].code, "volume-differs");
    assert!(
        conflicts[0].message.ends_with("cannot be read: it is none"),
        "{conflicts:?}"
    );
    case.config.storage.luks[0].wipe_volume = Some(true);
    assert!(names(&case.plan().unwrap()).contains(&"volume"));
    // A kill in the middle of luksFormat leaves it, on a partition that carries the mark of this config.
    let mut case = made();
    case.observed.volumes.insert("secret".into(), torn());
    case.disk().found = layered().interrupted().disk().found.clone();
    assert!(names(&case.plan().unwrap()).contains(&"volume"));
}

#[test]
fn other_flags_of_a_kept_volume_are_stored() {
    let mut case = made();
    case.config.storage.luks[0].open_options = vec!["--perf-same_cpu_crypt".into()];
    case.observed.volumes.insert("secret".into(), Facts::default());
    let text = show::show(&case.plan().unwrap());
    let call = "~ secret: cryptsetup refresh secret --key-file KEY --persistent --perf-same_cpu_crypt";
    assert!(text.contains(call), "{text}");
    let facts = Facts {
        flags: ["same-cpu-crypt".to_owned()].into(),
        ..Facts::default()
    };
    case.observed.volumes.insert("secret".into(), facts);
    assert_eq!(show::count(&case.plan().unwrap()).changes, 0);
}
