//! What becomes of a whole table: erased, made, repaired, in use.

use super::*;

fn broken() -> [(&'static str, Found); 3] {
    let Found::Gpt { table, health } = disk_with(&[(1, 1, 10)]) else {
        panic!()
    };
    let corrupt = CopyState::Corrupt(Flaw::HeaderChecksum);
    [
        ("table-not-gpt", Found::Mbr),
        (
            "table-damaged",
            Found::Damaged(Damage {
                primary: corrupt,
                backup: CopyState::Missing,
            }),
        ),
        (
            "table-hybrid",
            Found::Gpt {
                table,
                health: Health {
                    mbr: MbrState::Hybrid,
                    ..health
                },
            },
        ),
    ]
}

#[test]
fn other_tables_are_refused_unless_they_may_be_erased() {
    for (code, found) in broken() {
        let case = Case::new(found.clone(), vec![sized(2, 0, 4)]);
        assert_eq!(case.codes(), [code]);
        assert!(
            Case::new(found.clone(), vec![]).plan().unwrap().is_noop(),
            "{code}: nothing was asked"
        );
        let change = case.wiped().plan().unwrap();
        assert!(change.write && change.wiped, "{code}");
        let numbers: Vec<u32> = change.table.unwrap().entries.into_keys().collect();
        assert_eq!(numbers, [2], "{code}");
    }
    let (_, hybrid) = broken()[2].clone();
    assert!(
        Case::new(hybrid, vec![sized(1, 1, 10)]).plan().unwrap().is_noop(),
        "a matching partition may stay"
    );
}

#[test]
fn erasing_without_partitions_leaves_no_table() {
    let change = Case::new(disk_with(&[(1, 1, 10), (3, 20, 1)]), vec![])
        .wiped()
        .plan()
        .unwrap();
    assert!(!change.write && change.wiped && !change.is_noop() && change.table.is_none());
    assert_eq!(change.erase.len(), 2);
    assert_eq!(
        change.kernel,
        [
            KernelChange::Delete { number: 1 },
            KernelChange::Delete { number: 3 }
        ]
    );
}

#[test]
fn erasing_a_grown_disk_erases_the_backup_left_behind() {
    let Found::Gpt { table, health } = disk_with(&[(1, 1, 10)]) else {
        panic!()
    };
    let found = Found::Gpt {
        table,
        health: Health {
            backup: CopyState::Misplaced(Lba(60_000)),
            ..health
        },
    };
    let change = Case::new(found, vec![sized(1, 0, 0)]).wiped().plan().unwrap();
    assert_eq!(
        change.erase,
        [Extent {
            offset: Bytes(60_000 * 512),
            length: Bytes(512)
        }]
    );
}

#[test]
fn table_that_linux_cannot_see_is_written_again() {
    let Found::Gpt { table, health } = disk_with(&[(1, 1, 10), (2, 11, 10)]) else {
        panic!()
    };
    let table = Table {
        source: Side::Backup,
        ..table
    };
    for (row, health, repaired) in [
        (
            "primary",
            Health {
                primary: CopyState::Missing,
                ..health.clone()
            },
            true,
        ),
        (
            "sector 0",
            Health {
                mbr: MbrState::Missing,
                ..health.clone()
            },
            true,
        ),
        (
            "backup",
            Health {
                backup: CopyState::Missing,
                ..health.clone()
            },
            false,
        ),
        (
            "grown",
            Health {
                backup: CopyState::Misplaced(Lba(9)),
                mbr: MbrState::WrongSize,
                ..health
            },
            false,
        ),
    ] {
        let case = Case::new(
            Found::Gpt {
                table: table.clone(),
                health,
            },
            vec![numbered(1)],
        );
        let change = case.plan().unwrap();
        assert_eq!(
            (change.write, change.kernel.len()),
            (repaired, if repaired { 2 } else { 0 }),
            "{row}"
        );
        let unasked = Case {
            disk: Disk {
                partitions: vec![],
                ..case.disk.clone()
            },
            ..case
        };
        assert!(unasked.plan().unwrap().is_noop(), "{row}");
    }
}

#[test]
fn partitions_in_use_are_not_changed_but_others_are() {
    let with = |partitions: Vec<Partition>, numbers: &[u32]| {
        let mut case = Case::new(disk_with(&[(1, 1, 10), (2, 11, 10)]), partitions);
        case.in_use.partitions = numbers
            .iter()
            .map(|&number| (number, User::from("/sysroot")))
            .collect();
        case
    };
    for (row, partitions, codes) in [
        ("kept", vec![sized(1, 1, 10), sized(3, 0, 0)], vec![]),
        ("deleted", vec![wipeable(absent(1))], vec!["partition-in-use"]),
        (
            "resized",
            vec![resizable(sized(1, 1, 5))],
            vec!["partition-in-use"],
        ),
        (
            "replaced",
            vec![wipeable(sized(1, 1, 5))],
            vec!["partition-in-use"],
        ),
        ("idle one replaced", vec![wipeable(sized(2, 11, 5))], vec![]),
    ] {
        assert_eq!(with(partitions, &[1]).codes(), codes, "{row}");
    }
    assert_eq!(
        with(vec![sized(1, 0, 0)], &[1, 2]).wiped().codes(),
        ["table-in-use"]
    );
    let mut whole = with(vec![sized(3, 0, 0)], &[]);
    whole.in_use.disk = Some("/dev/md0".into());
    assert_eq!(whole.codes(), ["disk-in-use"]);
    whole.in_use.partitions.insert(1, "/boot".into());
    assert_eq!(whole.codes(), Vec::<&str>::new());
}
