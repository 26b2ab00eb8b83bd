//! Disks of device mapper, whose partitions are mappings.

use std::path::Path;

use super::*;
use crate::inventory::mapped::{Mapped, MappedPartition};
use crate::plan::partitions::KernelChange;

const MAPPED: &str = "/dev/mapper/mpatha";
const LINK: &str = "/dev/disk/by-id/dm-uuid-part1-mpath-36000";

/// A case whose disk is multipath, with one partition; a file system on `device`.
fn multipath(device: &str, there: &[(u32, &str, &str)]) -> Case {
    let mut case = Case::new(vec![], vec![ext4(device)]);
    case.config.storage.disks.clear();
    case.disks.clear();
    case.add(MAPPED, vec![partition(1, "data")]);
    let partitions = there.iter().map(|(number, name, uuid)| {
        let partition = MappedPartition {
            name: (*name).into(),
            uuid: (*uuid).into(),
            node: format!("/dev/dm-{number}").into(),
        };
        (*number, partition)
    });
    let disk = case.disks.get_mut(MAPPED).unwrap();
    disk.node = "/dev/dm-0".into();
    disk.aliases = [
        MAPPED,
        "/dev/disk/by-id/dm-name-mpatha",
        "/dev/disk/by-id/dm-uuid-mpath-36000",
        "/dev/disk/by-id/wwn-0x6000",
    ]
    .map(PathBuf::from)
    .into();
    disk.mapped = Some(Mapped {
        name: "mpatha".into(),
        uuid: "mpath-36000".into(),
        partitions: partitions.collect(),
    });
    case
}

/// Name of the first partition's mapping, and the node of the file system.
fn mapping_and_node(case: &Case) -> (String, PathBuf) {
    let plan = case.plan().unwrap();
    let mut names = None;
    let mut at = None;
    for planned in &plan.steps {
        match &planned.step {
            Step::WriteTable { write, .. } => names = write.view.mappings.clone(),
            Step::KeepTable { view, .. } => names = view.mappings.clone(),
            Step::MakeFilesystem { node, .. } => at = Some(node.clone()),
            _ => {}
        }
    }
    (names.unwrap()[&1].clone(), at.unwrap())
}

#[test]
fn partitions_of_a_device_mapper_disk_are_named_as_they_are_or_as_asked() {
    let ours = "part1-mpath-36000";
    for (row, device, there, name) in [
        ("by label", "/dev/disk/by-partlabel/data", vec![], "mpathap1"),
        ("our way", "/dev/mapper/mpathap1", vec![], "mpathap1"),
        (
            "by its link",
            "/dev/disk/by-id/dm-name-mpathap1",
            vec![],
            "mpathap1",
        ),
        ("Debian's way", "/dev/mapper/mpatha-part1", vec![], "mpatha-part1"),
        ("Fedora's way", "/dev/mapper/mpatha1", vec![], "mpatha1"),
        ("by UUID", LINK, vec![], "mpathap1"),
        (
            "by a link to the disk",
            "/dev/disk/by-id/wwn-0x6000-part1",
            vec![],
            "mpathap1",
        ),
        (
            "as it is called",
            "/dev/disk/by-partlabel/data",
            vec![(1, "mpatha-part1", ours)],
            "mpatha-part1",
        ),
        (
            "as the others are called",
            "/dev/disk/by-partlabel/data",
            vec![(2, "mpatha2", "part2-mpath-36000")],
            "mpatha1",
        ),
    ] {
        let case = multipath(device, &there);
        assert_eq!(mapping_and_node(&case), (name.into(), LINK.into()), "{row}");
    }
    let mut case = multipath("/dev/mapper/mpatha-part2", &[]);
    case.config.storage.disks[0]
        .partitions
        .push(partition(2, "second"));
    assert_eq!(
        mapping_and_node(&case).0,
        "mpatha-part1",
        "as the config writes another"
    );
    // A name that is not the mapping's is the name of nothing.
    for (device, there) in [
        ("/dev/mapper/mpathap1", vec![(1, "mpatha1", ours)]),
        ("/dev/disk/by-id/dm-uuid-mpath-36000-part1", vec![]),
        ("/dev/dm-0p1", vec![]),
        ("/dev/mapper/mpatha01", vec![]),
    ] {
        let case = multipath(device, &there);
        assert_eq!(mapping_and_node(&case).1, Path::new(device));
    }
}

#[test]
fn a_name_that_fits_two_device_mapper_disks_is_ambiguous() {
    let mut case = multipath("/dev/mapper/mpathap1", &[]);
    case.add("/dev/mapper/mpathap", vec![partition(1, "other")]);
    let other = case.disks.get_mut("/dev/mapper/mpathap").unwrap();
    other.node = "/dev/dm-7".into();
    other.mapped = Mapped::named_by(Path::new("/dev/mapper/mpathap"));
    assert_eq!(case.codes(), ["device-ambiguous"]);
}

#[test]
fn a_partition_that_somebody_else_mapped_is_reached_by_its_node_while_it_stays() {
    let device = "/dev/disk/by-partlabel/data";
    let mut case = multipath(device, &[]);
    let table = case.written();
    case.disks.get_mut(MAPPED).unwrap().found = Found::Gpt {
        table,
        health: good(),
    };
    let foreign = MappedPartition {
        name: "mpatha1".into(),
        uuid: String::new(),
        node: "/dev/dm-4".into(),
    };
    let mapped = case.disks.get_mut(MAPPED).unwrap().mapped.as_mut().unwrap();
    mapped.partitions.insert(1, foreign);
    assert_eq!(mapping_and_node(&case), ("mpatha1".into(), "/dev/dm-4".into()));
    // A link to it that only the machine knows means the same partition.
    case.config
        .storage
        .filesystems
        .push(ext4("/dev/disk/by-uuid/5a0e"));
    case.links
        .insert("/dev/disk/by-uuid/5a0e".into(), "/dev/dm-4".into());
    assert_eq!(case.codes(), ["device-repeated"]);
    case.config.storage.filesystems.pop();
    // Made anew it is ours.
    case.config.storage.disks[0].partitions[0].size_mib = Some(32);
    case.config.storage.disks[0].partitions[0].wipe_partition_entry = Some(true);
    assert_eq!(mapping_and_node(&case), ("mpatha1".into(), LINK.into()));
}

#[test]
fn the_kernel_is_told_of_every_change_on_a_device_mapper_disk() {
    let mut case = multipath("/dev/disk/by-partlabel/data", &[]);
    let table = case.written();
    case.disks.get_mut(MAPPED).unwrap().found = Found::Gpt {
        table,
        health: good(),
    };
    let mapped = case.disks.get_mut(MAPPED).unwrap().mapped.as_mut().unwrap();
    let there = |name: &str, number| MappedPartition {
        name: name.into(),
        uuid: format!("part{number}-mpath-36000"),
        node: format!("/dev/dm-{number}").into(),
    };
    mapped.partitions.insert(1, there("mpatha-part1", 1));
    case.config.storage.filesystems.clear();
    let disk = &mut case.config.storage.disks[0];
    disk.partitions[0].should_exist = Some(false);
    disk.partitions[0].wipe_partition_entry = Some(true);
    disk.partitions.push(partition(2, "second"));
    let plan = case.plan().unwrap();
    let write = plan.steps.iter().find_map(|planned| match &planned.step {
        Step::WriteTable { write, .. } => Some(write.clone()),
        _ => None,
    });
    let write = write.unwrap();
    assert!(matches!(
        write.kernel[..],
        [
            KernelChange::Delete { number: 1 },
            KernelChange::Add { number: 2, .. }
        ]
    ));
    let shown = show::show(&plan);
    assert!(shown.contains("+ 2: \"second\""), "{shown}");
    assert!(shown.contains(", as /dev/mapper/mpatha-part2"), "{shown}");
    assert!(!shown.contains("mpatha-part1"), "{shown}");
    let names = [(1, "mpatha-part1"), (2, "mpatha-part2")];
    assert_eq!(
        write.view.mappings,
        Some(names.map(|(number, name)| (number, name.to_owned())).into())
    );
    assert_eq!(case.written().entries.keys().collect::<Vec<_>>(), [&2]);
    // A partition in use is not touched.
    let used = &mut case.disks.get_mut(MAPPED).unwrap().in_use;
    used.partitions.insert(1, "mounted at /data".into());
    assert_eq!(case.codes(), ["partition-in-use"]);
}
