//! Which table a disk starts from, held against the page.

use super::*;
use crate::gpt::Damage;

fn table() -> Table {
    Table::new(Guid::from_random([3; 16]), Bytes(256 * MIB), SectorSize::S512).unwrap()
}

fn gpt(change: impl FnOnce(&mut Table)) -> Found {
    let mut table = table();
    change(&mut table);
    Found::Gpt {
        table,
        health: good(),
    }
}

/// What the disk may hold, in the words of the page, with what it holds as a whole.
fn disks() -> Vec<(&'static str, Found, Content)> {
    let damaged = Damage {
        primary: CopyState::Missing,
        backup: CopyState::Missing,
    };
    vec![
        ("nothing", Found::Blank, Content::Blank),
        (
            "no table, but a file system or a member as a whole",
            Found::Blank,
            known("ext4"),
        ),
        (
            "a GPT, its primary good, or its backup good and of the same table",
            gpt(|_| ()),
            Content::Blank,
        ),
        (
            "an MBR, or a boot sector such as FAT's",
            Found::Mbr,
            Content::Blank,
        ),
        (
            "a GPT without a copy that can be relied on",
            Found::Damaged(damaged),
            Content::Blank,
        ),
        (
            "a GPT with entries of other than 128 bytes",
            gpt(|table| table.entry_size = 256),
            Content::Blank,
        ),
    ]
}

fn outcome(case: &Case) -> String {
    let known = Known {
        disks: &case.disks,
        seed: &case.seed,
        fresh: [7; 16],
    };
    let layout = match plan_layout(&case.config, &known) {
        Ok(layout) => layout,
        Err(conflicts) => return format!("refused: `{}`", conflicts[0].code),
    };
    let change = &layout.tables[DISK];
    let old = table().disk_guid;
    match (&change.table, change.wiped) {
        (Some(table), true) if table.disk_guid != old => "a new table, with a new disk GUID",
        (None, true) => "every table is erased; the disk has none afterwards",
        (Some(table), false) if table.disk_guid == old => {
            "that table is the start; what the config does not name stays"
        }
        (Some(_), false) if change.write => "a new table",
        (None, false) if change.is_noop() => "nothing",
        other => panic!("{other:?}"),
    }
    .to_owned()
}

#[test]
fn the_page_chooses_the_table_as_the_code_does() {
    let rows = crate::plan::page::table("### Which table a disk starts from");
    let absent = || Partition {
        should_exist: Some(false),
        ..partition(1, "gone")
    };
    for (holds, found, content) in disks() {
        for wipe in [false, true] {
            for asked in ["some that shall exist", "only absent ones", "none"] {
                let partitions = match asked {
                    "some that shall exist" => vec![partition(1, "data")],
                    "only absent ones" => vec![absent()],
                    _ => vec![],
                };
                let mut case = Case::new(partitions, vec![]);
                case.disk().found = found.clone();
                case.disk().content = content.clone();
                case.config.storage.disks[0].wipe_table = Some(wipe);
                let covers = |row: &&Vec<&str>| {
                    let damaged = [
                        "an MBR, or a boot sector such as FAT's",
                        "a GPT without a copy that can be relied on",
                    ];
                    let is_it = match row[0] {
                        "anything" => true,
                        "an MBR or a damaged GPT" => damaged.contains(&holds),
                        "nothing, or no table" => found == Found::Blank,
                        other => other == holds,
                    };
                    let is_asked = match row[2] {
                        "any" => true,
                        "some" => asked != "none",
                        "none that shall exist" | "only absent ones, or none" => {
                            asked != "some that shall exist"
                        }
                        other => other == asked,
                    };
                    is_it && row[1] == wipe.to_string() && is_asked
                };
                let matching: Vec<_> = rows.iter().filter(covers).collect();
                let [row] = matching[..] else {
                    panic!("{holds}, {wipe}, {asked} is covered by {} rows", matching.len());
                };
                assert_eq!(outcome(&case), row[3], "{holds}, {wipe}, {asked}");
            }
        }
    }
}
