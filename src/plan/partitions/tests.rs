//! The decision table, placement as sgdisk does it, second runs, and everything that must stop a plan.

mod placement;
mod tables;

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::Partition;
use kindling_config_spec::units::{Lba, MIB};

use super::*;
use crate::gpt::{CopyState, Damage, Flaw, Health, Label, MbrChange, Side};

/// 2048 sectors of 512 bytes.
const MIB_SECTORS: u64 = 2048;

/// A disk of the test's, and what the config asks of it.
struct Case {
    disk: Disk,
    found: Found,
    size: Bytes,
    sector: SectorSize,
    in_use: InUse,
    unfinished: Vec<u32>,
}

impl Case {
    fn new(found: Found, partitions: Vec<Partition>) -> Self {
        Self {
            disk: Disk {
                device: "/dev/vda".into(),
                partitions,
                wipe_table: None,
            },
            found,
            size: Bytes(64 * MIB),
            sector: SectorSize::S512,
            in_use: InUse::default(),
            unfinished: Vec::new(),
        }
    }

    fn wiped(mut self) -> Self {
        self.disk.wipe_table = Some(true);
        self
    }

    fn plan(&self) -> Result<TableChange, Vec<Conflict>> {
        let plan = plan_partitions(&Request {
            disk: &self.disk,
            pointer: "/storage/disks/0".into(),
            found: &self.found,
            size: self.size,
            sector: self.sector,
            in_use: &self.in_use,
            fresh_disk_guid: Guid::from_random([7; 16]),
            derive_guid: &derive,
            unfinished: &|number| self.unfinished.contains(&number),
        });
        if let Err(conflicts) = &plan {
            assert!(!conflicts.is_empty(), "a refusal without a reason");
            assert!(
                conflicts
                    .iter()
                    .all(|conflict| conflict.pointer.starts_with("/storage/disks/0"))
            );
        }
        plan
    }

    fn codes(&self) -> Vec<&'static str> {
        self.plan().map_or_else(
            |conflicts| conflicts.iter().map(|conflict| conflict.code).collect(),
            |_| vec![],
        )
    }

    /// The case after `change` was applied.
    fn after(&self, change: &TableChange) -> Self {
        let found = match &change.table {
            Some(table) if change.write => sound(Table {
                mbr: MbrChange::Keep,
                source: Side::Primary,
                ..table.clone()
            }),
            None if change.wiped => Found::Blank,
            _ => self.found.clone(),
        };
        Self {
            disk: Disk {
                wipe_table: None,
                ..self.disk.clone()
            },
            found,
            in_use: self.in_use.clone(),
            unfinished: Vec::new(),
            ..*self
        }
    }
}

fn derive(pointer: &str) -> Guid {
    let mut bytes = [0xd0_u8; 16];
    for (at, byte) in pointer.bytes().enumerate() {
        bytes[at % 16] = bytes[at % 16].rotate_left(3) ^ byte;
    }
    Guid::from_random(bytes)
}

fn sound(table: Table) -> Found {
    let health = Health {
        primary: CopyState::Good,
        backup: CopyState::Good,
        mbr: MbrState::Protective,
    };
    Found::Gpt { table, health }
}

fn old_guid(number: u32) -> Guid {
    Guid::from_random([u8::try_from(number).unwrap(); 16])
}

fn entry(number: u32, first: u64, last: u64) -> Entry {
    Entry {
        type_guid: Guid::LINUX_FILESYSTEM,
        guid: old_guid(number),
        first: Lba(first),
        last: Lba(last),
        attributes: 1 << 59,
        label: format!("old{number}").parse().unwrap(),
        extra: vec![],
    }
}

fn table_of(size: Bytes, sector: SectorSize, entries: &[(u32, u64, u64)]) -> Table {
    let mut table = Table::new(Guid::from_random([1; 16]), size, sector).unwrap();
    table.mbr = MbrChange::Keep;
    table.entries = entries
        .iter()
        .map(|&(number, first, last)| (number, entry(number, first, last)))
        .collect();
    table.check().unwrap();
    table
}

/// A sound 64 MiB disk with these partitions: number, start and size in MiB.
fn disk_with(entries: &[(u32, u64, u64)]) -> Found {
    let entries: Vec<_> = entries
        .iter()
        .map(|&(number, start, size)| (number, start * MIB_SECTORS, (start + size) * MIB_SECTORS - 1))
        .collect();
    sound(table_of(Bytes(64 * MIB), SectorSize::S512, &entries))
}

fn numbered(number: i64) -> Partition {
    Partition {
        number,
        ..Partition::default()
    }
}

fn sized(number: i64, start: i64, size: i64) -> Partition {
    Partition {
        start_mib: Some(start),
        size_mib: Some(size),
        ..numbered(number)
    }
}

fn absent(number: i64) -> Partition {
    Partition {
        should_exist: Some(false),
        ..numbered(number)
    }
}

fn wipeable(partition: Partition) -> Partition {
    Partition {
        wipe_partition_entry: Some(true),
        ..partition
    }
}

fn resizable(partition: Partition) -> Partition {
    Partition {
        resize: Some(true),
        ..partition
    }
}

fn labelled(partition: Partition, label: &str) -> Partition {
    Partition {
        label: Some(label.into()),
        ..partition
    }
}

#[test]
fn decision_table() {
    let here = || disk_with(&[(1, 1, 10)]);
    let none = || disk_with(&[]);
    let same = || sized(1, 1, 10);
    let larger = || sized(1, 1, 20);
    let moved = || sized(1, 2, 10);
    for (row, found, partition, expected) in [
        ("absent, unwanted", none(), absent(1), Ok(SlotStep::Nothing)),
        (
            "absent, unwanted, wipe",
            none(),
            wipeable(absent(1)),
            Ok(SlotStep::Nothing),
        ),
        ("absent, wanted", none(), same(), Ok(SlotStep::Create)),
        (
            "absent, wanted, wipe",
            none(),
            wipeable(same()),
            Ok(SlotStep::Create),
        ),
        (
            "absent, wanted, resize",
            none(),
            resizable(same()),
            Ok(SlotStep::Create),
        ),
        ("there, unwanted", here(), absent(1), Err("partition-unwanted")),
        (
            "there, unwanted, resize",
            here(),
            resizable(absent(1)),
            Err("partition-unwanted"),
        ),
        (
            "there, unwanted, wipe",
            here(),
            wipeable(absent(1)),
            Ok(SlotStep::Delete),
        ),
        ("same", here(), same(), Ok(SlotStep::Keep)),
        ("same, wipe", here(), wipeable(same()), Ok(SlotStep::Keep)),
        ("same, resize", here(), resizable(same()), Ok(SlotStep::Keep)),
        ("nothing asked", here(), numbered(1), Ok(SlotStep::Keep)),
        (
            "nothing asked, wipe counts as open",
            here(),
            wipeable(numbered(1)),
            Ok(SlotStep::Replace),
        ),
        ("other size", here(), larger(), Err("partition-differs")),
        (
            "other size, resize",
            here(),
            resizable(larger()),
            Ok(SlotStep::Resize),
        ),
        (
            "smaller, resize",
            here(),
            resizable(sized(1, 1, 5)),
            Ok(SlotStep::Resize),
        ),
        (
            "open size, resize",
            here(),
            resizable(sized(1, 1, 0)),
            Ok(SlotStep::Resize),
        ),
        (
            "other size, wipe",
            here(),
            wipeable(larger()),
            Ok(SlotStep::Replace),
        ),
        (
            "other size, both",
            here(),
            wipeable(resizable(larger())),
            Ok(SlotStep::Replace),
        ),
        ("moved", here(), moved(), Err("partition-differs")),
        (
            "moved, resize",
            here(),
            resizable(moved()),
            Err("partition-differs"),
        ),
        ("moved, wipe", here(), wipeable(moved()), Ok(SlotStep::Replace)),
        ("same label", here(), labelled(same(), "old1"), Ok(SlotStep::Keep)),
        (
            "other label",
            here(),
            labelled(same(), "new"),
            Err("partition-differs"),
        ),
        (
            "empty label",
            here(),
            labelled(same(), ""),
            Err("partition-differs"),
        ),
        (
            "other label, resize",
            here(),
            resizable(labelled(larger(), "new")),
            Err("partition-differs"),
        ),
        (
            "other label, wipe",
            here(),
            wipeable(labelled(same(), "new")),
            Ok(SlotStep::Replace),
        ),
    ] {
        let step = Case::new(found, vec![partition]).plan().map(|change| {
            let noop = matches!(change.slots[0].step, SlotStep::Nothing | SlotStep::Keep);
            assert_eq!(
                (change.is_noop(), change.kernel.is_empty()),
                (noop, noop),
                "{row}"
            );
            change.slots[0].step
        });
        assert_eq!(step.map_err(|conflicts| conflicts[0].code), expected, "{row}");
    }
}

#[test]
fn guids_are_compared_whatever_their_case_and_empty_ones_not_at_all() {
    let guid = |own: &str, kind: &str| Partition {
        guid: Some(own.into()),
        type_guid: Some(kind.into()),
        ..numbered(1)
    };
    let own = old_guid(1).to_string();
    let linux = Guid::LINUX_FILESYSTEM.to_string();
    for (row, partition, codes) in [
        ("upper", guid(&own, &linux), vec![]),
        ("lower", guid(&own.to_lowercase(), &linux.to_lowercase()), vec![]),
        ("empty", guid("", ""), vec![]),
        ("other guid", guid(&linux, ""), vec!["partition-differs"]),
        ("other type", guid("", &own), vec!["partition-differs"]),
        (
            "no guid",
            guid("x", "00000000-0000-0000-0000-000000000000"),
            vec!["partition-type-invalid", "partition-guid-invalid"],
        ),
    ] {
        assert_eq!(
            Case::new(disk_with(&[(1, 1, 10)]), vec![partition]).codes(),
            codes,
            "{row}"
        );
    }
}

#[test]
fn resize_keeps_everything_but_the_size() {
    let case = Case::new(
        disk_with(&[(4, 1, 10), (5, 40, 4)]),
        vec![resizable(Partition {
            size_mib: Some(0),
            ..numbered(4)
        })],
    );
    let change = case.plan().unwrap();
    let grown = &change.table.as_ref().unwrap().entries[&4];
    assert_eq!(*grown, entry(4, MIB_SECTORS, 40 * MIB_SECTORS - 1));
    let resize = KernelChange::Resize {
        number: 4,
        start: Bytes(MIB),
        size: Bytes(39 * MIB),
    };
    assert_eq!(change.kernel, [resize]);
}

#[test]
fn kept_partitions_keep_every_byte_and_created_ones_have_defaults() {
    let case = Case::new(disk_with(&[(2, 1, 10)]), vec![numbered(2), sized(1, 0, 4)]);
    let change = case.plan().unwrap();
    let table = change.table.unwrap();
    assert_eq!(table.entries[&2], entry(2, MIB_SECTORS, 11 * MIB_SECTORS - 1));
    assert_eq!(
        table.entries[&1],
        Entry {
            type_guid: Guid::LINUX_FILESYSTEM,
            guid: derive("/storage/disks/0/partitions/1"),
            first: Lba(11 * MIB_SECTORS),
            last: Lba(15 * MIB_SECTORS - 1),
            attributes: 0,
            label: Label::EMPTY,
            extra: vec![],
        }
    );
    let add = KernelChange::Add {
        number: 1,
        start: Bytes(11 * MIB),
        size: Bytes(4 * MIB),
    };
    assert_eq!(change.kernel, [add]);
}

#[test]
fn a_new_partition_listed_first_may_be_in_the_way_of_one_that_exists() {
    // As with the reference engine: all that is listed is placed anew, in the order of the list.
    let case = Case::new(disk_with(&[(2, 1, 10)]), vec![sized(1, 0, 4), numbered(2)]);
    assert_eq!(case.codes(), ["partition-overlap"]);
}

#[test]
fn number_zero_takes_the_next_free_one_and_is_decided_last() {
    let open = |label: &str| labelled(sized(0, 0, 1), label);
    let case = Case::new(
        disk_with(&[(1, 1, 1), (3, 2, 1)]),
        vec![open("a"), open("b"), sized(2, 0, 1), open("c")],
    );
    let change = case.plan().unwrap();
    let numbers: Vec<u32> = change.slots.iter().map(|slot| slot.number).collect();
    assert_eq!(numbers, [4, 5, 2, 6]);
    let starts: Vec<u64> = change
        .slots
        .iter()
        .map(|slot| slot.after.as_ref().unwrap().first.0 / MIB_SECTORS)
        .collect();
    assert_eq!(starts, [4, 5, 3, 6]);
    assert!(case.after(&change).plan().unwrap().is_noop());
}

#[test]
fn number_zero_takes_over_a_slot_deleted_in_the_same_config() {
    let case = Case::new(
        disk_with(&[(1, 1, 10), (2, 11, 10)]),
        vec![labelled(sized(0, 0, 0), "new"), wipeable(absent(1)), numbered(2)],
    );
    let change = case.plan().unwrap();
    let steps: Vec<_> = change.slots.iter().map(|slot| (slot.number, slot.step)).collect();
    assert_eq!(
        steps,
        [(1, SlotStep::Create), (1, SlotStep::Delete), (2, SlotStep::Keep)]
    );
    assert_eq!(
        change.table.as_ref().unwrap().entries[&1].label.to_string(),
        "new"
    );
    assert!(matches!(
        change.kernel[..],
        [
            KernelChange::Delete { number: 1 },
            KernelChange::Add { number: 1, .. }
        ]
    ));
    let second = case.after(&change).plan().unwrap();
    let steps: Vec<_> = second.slots.iter().map(|slot| (slot.number, slot.step)).collect();
    assert_eq!(
        steps,
        [(1, SlotStep::Keep), (1, SlotStep::Nothing), (2, SlotStep::Keep)]
    );
    assert!(second.is_noop());
}

#[test]
fn unfinished_partition_may_be_replaced_but_not_deleted() {
    let mut case = Case::new(disk_with(&[(1, 1, 10)]), vec![sized(1, 2, 10)]);
    case.unfinished = vec![1];
    assert_eq!(case.plan().unwrap().slots[0].step, SlotStep::Replace);
    case.disk.partitions = vec![absent(1)];
    assert_eq!(case.codes(), ["partition-unwanted"]);
}

#[test]
fn blank_disk_gets_a_table_only_for_a_partition() {
    let change = Case::new(Found::Blank, vec![sized(1, 0, 0)]).plan().unwrap();
    assert!(change.write && !change.wiped && change.erase.is_empty());
    let table = change.table.unwrap();
    assert_eq!(
        (table.disk_guid, table.mbr),
        (Guid::from_random([7; 16]), MbrChange::Records)
    );
    for partitions in [vec![], vec![absent(1)]] {
        let change = Case::new(Found::Blank, partitions.clone()).plan().unwrap();
        assert!(change.is_noop() && change.table.is_none());
        assert_eq!(change.slots.len(), partitions.len());
    }
}

#[test]
fn all_conflicts_are_told_at_once() {
    let mut case = Case::new(
        disk_with(&[(1, 1, 10), (2, 11, 10), (3, 30, 10)]),
        vec![
            absent(1),
            sized(2, 11, 20),
            sized(5, 62, 4),
            sized(200, 0, 0),
            sized(6, 35, 2),
        ],
    );
    case.disk.partitions[0].wipe_partition_entry = Some(false);
    assert_eq!(
        case.codes(),
        [
            "partition-number-too-large",
            "partition-unwanted",
            "partition-overlap",
            "partition-too-large",
            "partition-overlap",
        ]
    );
    let conflicts = case.plan().unwrap_err();
    assert_eq!(
        conflicts[2].message,
        "partition 2 of /dev/vda would overlap partition 3"
    );
    assert_eq!(
        conflicts[3].message,
        "partition 5 does not fit on /dev/vda: 1.9 MiB are available there"
    );
    assert_eq!(conflicts[3].pointer, "/storage/disks/0/partitions/2/sizeMiB");
}

#[test]
fn numbers_no_disk_can_have_are_refused() {
    for (partition, codes) in [
        (numbered(-1), vec!["partition-number-invalid"]),
        (numbered(i64::MAX), vec!["partition-number-invalid"]),
        (numbered(129), vec!["partition-number-too-large"]),
        (
            sized(1, -1, i64::MIN),
            vec!["partition-start-invalid", "partition-size-invalid"],
        ),
        (sized(1, i64::MAX, 0), vec!["partition-start-invalid"]),
        (sized(1, 1 << 43, 0), vec!["partition-start-outside"]),
        (sized(1, 1, (1 << 44) - 1), vec!["partition-too-large"]),
        (
            sized(1, (1 << 44) - 1, (1 << 44) - 1),
            vec!["partition-start-outside"],
        ),
        (sized(1, 0, (1 << 44) - 1), vec!["partition-too-large"]),
        (
            labelled(numbered(1), &"x".repeat(37)),
            vec!["partition-label-invalid"],
        ),
        (labelled(numbered(1), "a\0"), vec!["partition-label-invalid"]),
        (numbered(0), vec![]),
    ] {
        for found in [disk_with(&[]), Found::Blank] {
            assert_eq!(
                Case::new(found, vec![partition.clone()]).codes(),
                codes,
                "{partition:?}"
            );
        }
    }
    let twice = Case::new(Found::Blank, vec![sized(1, 0, 1), sized(1, 0, 1)]);
    assert_eq!(twice.codes(), ["partition-number-repeated"]);
    let tiny = Case {
        size: Bytes(4096),
        ..Case::new(Found::Blank, vec![sized(1, 0, 0)])
    };
    assert_eq!(tiny.codes(), ["disk-too-small"]);
    let Found::Gpt { mut table, health } = disk_with(&[]) else {
        panic!()
    };
    table
        .entries
        .insert(1, entry(1, table.first_usable.0, table.last_usable.0));
    let full = Case {
        found: Found::Gpt { table, health },
        ..Case::new(Found::Blank, vec![sized(2, 0, 0)])
    };
    assert_eq!(full.codes(), ["disk-full"]);
}

#[test]
fn table_without_a_free_number_is_refused() {
    let entries: Vec<_> = (1..=128)
        .map(|number| (number, 2047 + u64::from(number), 2047 + u64::from(number)))
        .collect();
    let found = sound(table_of(Bytes(64 * MIB), SectorSize::S512, &entries));
    assert_eq!(
        Case::new(found, vec![labelled(numbered(0), "x")]).codes(),
        ["table-full"]
    );
}
/// Whether a cell of the page covers a value.
fn covers(cell: &str, value: &str) -> bool {
    cell == "any" || cell == value || (cell == "a partition" && value != "nothing")
}

#[test]
fn the_page_decides_one_partition_as_the_code_does() {
    let rows = crate::plan::page::table("### One partition");
    assert_eq!(rows.len(), 10);
    for (holds, found) in [
        ("nothing", None),
        ("a partition that matches", Some(Agreement::Full)),
        ("one that differs in size only", Some(Agreement::ButSize)),
        ("one that differs otherwise", Some(Agreement::None)),
    ] {
        for (exists, wipe, resize) in (0..8).map(|bits| (bits & 1 == 1, bits & 2 == 2, bits & 4 == 4)) {
            let yes = |is: bool| if is { "yes" } else { "no" };
            let values = [
                holds,
                if exists { "true" } else { "false" },
                yes(wipe),
                yes(resize),
            ];
            let matching: Vec<_> = rows
                .iter()
                .filter(|row| row.iter().zip(values).all(|(cell, value)| covers(cell, value)))
                .collect();
            let [row] = matching[..] else {
                panic!("{values:?} is covered by {} rows", matching.len());
            };
            let may = Permissions {
                may_delete: wipe,
                may_replace: wipe,
                may_resize: resize,
            };
            let expected = match decide(found, exists, may) {
                Ok(SlotStep::Nothing) => "nothing",
                Ok(SlotStep::Keep) => "kept, every byte",
                Ok(SlotStep::Create) => "created",
                Ok(SlotStep::Resize) => "resized: GUID, type, label, start, attributes stay",
                Ok(SlotStep::Replace) => "deleted and created",
                Ok(SlotStep::Delete) => "deleted",
                Err(Refusal::Unwanted) => "refused: `partition-unwanted`",
                Err(Refusal::Differs) => "refused: `partition-differs`",
            };
            assert_eq!(row.last(), Some(&expected), "{values:?}");
        }
    }
}
