//! What stands on devices that may be wiped.

use super::layers::{layered, made, names, pair, running, volume};
use super::*;
use crate::inventory::stack::{StackKind, Stacked, User};

/// An array that nobody uses, with a volume on it that nobody uses.
fn idle() -> User {
    let stacked = |node: &str, kind, name: &str| Stacked {
        node: node.into(),
        kind,
        name: name.into(),
    };
    User {
        by: "held by md127".into(),
        stack: vec![
            stacked("/dev/dm-0", StackKind::Mapping, "secret"),
            stacked("/dev/md127", StackKind::Array, "md127"),
        ],
    }
}

#[test]
fn a_file_system_may_take_the_place_of_a_member_that_goes() {
    let mut case = made();
    case.config.storage.raid.clear();
    case.config.storage.luks.clear();
    case.config.storage.disks[0].partitions = vec![partition(1, "new")];
    let entry = &mut case.config.storage.disks[0].partitions[0];
    (entry.wipe_partition_entry, entry.start_mib) = (Some(true), Some(1));
    case.config.storage.filesystems = vec![ext4("/dev/vdb1")];
    case.contents
        .insert("/dev/vdb1".into(), held(known("linux_raid_member")));
    // Not of an array that runs: whatever it was, nobody said that it may go.
    assert_eq!(case.codes(), ["filesystem-differs"]);
    case.disk().in_use.partitions = [(1, idle()), (2, idle())].into();
    let plan = case.plan().unwrap();
    assert_eq!(
        names(&plan),
        ["take-down", "table", "mkfs", "finish-table", "settle"]
    );
    // On a partition that stays, leave for the file system is leave for what stands in its way.
    let mut case = made();
    case.config.storage.raid.clear();
    case.config.storage.luks.clear();
    case.config.storage.filesystems = vec![ext4("/dev/vdb2")];
    case.contents
        .insert("/dev/vdb2".into(), held(known("linux_raid_member")));
    case.disk().in_use.partitions = [(1, idle()), (2, idle())].into();
    assert_eq!(case.codes(), ["filesystem-differs"]);
    case.config.storage.filesystems[0].wipe_filesystem = Some(true);
    assert_eq!(
        names(&case.plan().unwrap()),
        ["take-down", "keep-table", "wipe", "mkfs", "settle"]
    );
}

#[test]
fn members_that_may_go_are_erased_with_what_stands_on_them() {
    let mut case = made();
    case.config.storage.disks[0].wipe_table = Some(true);
    case.disk().in_use.partitions = [(1, idle()), (2, idle())].into();
    let plan = case.plan().unwrap();
    assert_eq!(
        names(&plan),
        [
            "take-down",
            "table",
            "array",
            "volume",
            "mkfs",
            "finish-volume",
            "finish-table",
            "settle"
        ]
    );
    let text = show::show(&plan);
    assert!(
        text.contains("- secret: remove the mapping\n  - /dev/md127: stop the array\n"),
        "{text}"
    );
    assert!(
        text.contains("! /dev/vdb1: erase its signatures, so that this does not come back"),
        "{text}"
    );
    // Something that is mounted is not taken down.
    case.disk().in_use.partitions = [(2, "held by md127".into())].into();
    assert_eq!(case.codes(), ["table-in-use"]);
}

#[test]
fn what_the_config_uses_is_not_taken_down() {
    let mut case = made();
    case.config.storage.raid.clear();
    case.config.storage.luks.clear();
    case.config.storage.filesystems = vec![ext4("/dev/md/data")];
    case.links.insert("/dev/md/data".into(), "/dev/md127".into());
    case.contents.insert("/dev/md/data".into(), held(known("ext4")));
    case.disk().in_use.partitions = [(1, idle()), (2, idle())].into();
    assert_eq!(case.codes(), Vec::<&str>::new());
    case.config.storage.disks[0].partitions[1].wipe_partition_entry = Some(true);
    assert_eq!(case.codes(), Vec::<&str>::new());
    case.config.storage.disks[0].partitions[1].label = Some("new".into());
    assert_eq!(case.codes(), ["device-taken-down"]);
}

#[test]
fn only_the_signature_of_what_is_erased_goes_with_the_stack() {
    // The second partition is a member that goes; the new one begins with the first and ends with the second.
    let mut case = made();
    case.config.storage.raid.clear();
    case.config.storage.luks.clear();
    case.config.storage.disks[0].wipe_table = Some(true);
    let mut joined = partition(1, "joined");
    joined.size_mib = Some(32);
    case.config.storage.disks[0].partitions = vec![joined];
    case.config.storage.filesystems = vec![ext4("/dev/vdb1")];
    for (used, found, codes) in [
        (vec![2], "crypto_LUKS", vec!["filesystem-differs"]),
        (vec![2], "linux_raid_member", vec!["filesystem-differs"]),
        (vec![1, 2], "linux_raid_member", vec![]),
    ] {
        case.disk().in_use.partitions = used.iter().map(|number| (*number, idle())).collect();
        case.contents.insert("/dev/vdb1".into(), held(known(found)));
        assert_eq!(case.codes(), codes, "{used:?} {found}");
    }
    // Nothing began there: what shows is what lies at the end of the member.
    let Found::Gpt { table, .. } = &mut case.disk().found else {
        panic!()
    };
    table.entries.remove(&1);
    case.disk().in_use.partitions = [(2, idle())].into();
    assert_eq!(case.codes(), Vec::<&str>::new());
    case.contents
        .insert("/dev/vdb1".into(), held(known("crypto_LUKS")));
    assert_eq!(case.codes(), ["filesystem-differs"]);
}

#[test]
fn an_array_is_not_made_beside_another_one_of_its_name() {
    let mut case = layered();
    case.observed.named.insert("data".into(), "/dev/md100".into());
    assert_eq!(case.codes(), ["array-name-taken"]);
    // It may be the one that goes.
    let mut case = made();
    case.observed.named.insert("data".into(), "/dev/md127".into());
    assert_eq!(case.codes(), Vec::<&str>::new());
    case.config.storage.disks[0].wipe_table = Some(true);
    assert_eq!(case.codes(), ["array-name-taken"]);
    case.disk().in_use.partitions = [(1, idle()), (2, idle())].into();
    assert_eq!(case.codes(), Vec::<&str>::new());
}

#[test]
fn nothing_is_kept_on_a_disk_that_is_wiped() {
    let whole = || {
        let mut case = Case::new(vec![], vec![]);
        case.config.storage.disks[0].wipe_table = Some(true);
        case
    };
    let plan = |mut case: Case, content: &str| {
        case.disk().content = known(content);
        case.contents.insert(DISK.into(), held(known(content)));
        names(&case.plan().unwrap())
    };
    let mut filesystem = whole();
    filesystem.config.storage.filesystems = vec![ext4(DISK)];
    assert_eq!(plan(filesystem, "ext4"), ["table", "wipe", "mkfs", "settle"]);
    let mut encrypted = whole();
    encrypted.config.storage.luks = vec![volume("secret", DISK)];
    assert_eq!(
        plan(encrypted, "crypto_LUKS"),
        ["table", "volume", "finish-volume", "settle"]
    );
    let mut array = whole();
    let mut raid = pair();
    raid.devices = vec![DISK.into(), "/dev/vdc".into()];
    array.config.storage.raid = vec![raid];
    array.observed.arrays.insert("data".into(), running());
    let array_of_disks = array.observed.arrays.get_mut("data").unwrap();
    array_of_disks.active = [DISK, "/dev/vdc"].map(PathBuf::from).into();
    assert_eq!(plan(array, "linux_raid_member"), ["table", "array", "settle"]);
}
