//! Whole tables: made by sgdisk, read by crate `gpt`, torn, grown and hostile.

use std::io::Cursor;

use super::*;
use kindling_config_spec::units::{Bytes, Lba, MIB, SectorSize};

/// A disk image in memory.
type Image = Vec<u8>;

/// The start and the end of a 64 MiB disk as sgdisk left them (`tables.gen.sh`), and nothing between.
fn fixture(front: &[u8], back: &[u8]) -> Image {
    let mut image = vec![0; 64 << 20];
    image[..front.len()].copy_from_slice(front);
    let behind = image.len() - back.len();
    image[behind..].copy_from_slice(back);
    image
}

macro_rules! fixture {
    ($name:literal) => {
        fixture(
            include_bytes!(concat!("../../fixtures/disks/", $name, ".front.bin")),
            include_bytes!(concat!("../../fixtures/disks/", $name, ".back.bin")),
        )
    };
}

fn look(image: &[u8], sector: SectorSize) -> Found {
    let size = Bytes(u64::try_from(image.len()).unwrap());
    read(&mut Cursor::new(image), size, sector).unwrap()
}

fn gpt_of(found: Found) -> (Table, Health) {
    match found {
        Found::Gpt { table, health } => (table, health),
        other => panic!("no table: {other:?}"),
    }
}

#[test]
fn attributes_change_alone_and_a_cut_leaves_the_old_ones_or_the_new_ones() {
    const MARK: u64 = 1 << 61 | 0x123 << 48;
    for (name, before, sector) in [
        ("gaps-512", fixture!("gaps-512"), SectorSize::S512),
        ("gaps-4096", fixture!("gaps-4096"), SectorSize::S4096),
        ("moved-512", fixture!("moved-512"), SectorSize::S512),
        ("hybrid-512", fixture!("hybrid-512"), SectorSize::S512),
    ] {
        let (old, _) = gpt_of(look(&before, sector));
        let mut new = old.clone();
        new.entries.values_mut().next().unwrap().attributes |= MARK;
        let regions = new.regions().unwrap();
        let mut image = before.clone();
        for written in 0..=regions.len() {
            if let Some(region) = written.checked_sub(1).and_then(|last| regions.get(last)) {
                write(&mut image, std::slice::from_ref(region));
            }
            let (found, _) = gpt_of(look(&image, sector));
            // Which copy is the better one is not the table's.
            let found = (found.disk_guid, found.entries);
            let either = [&old, &new].map(|table| (table.disk_guid, table.entries.clone()));
            assert!(either.contains(&found), "{name}: {written} regions");
        }
        assert_eq!(gpt_of(look(&image, sector)).0.entries, new.entries, "{name}");
        // 8 bytes of attributes, the checksums of the entries and of the header, in either copy.
        let differ = before.iter().zip(&image).filter(|(old, new)| old != new);
        assert!(differ.count() <= 2 * (8 + 4 + 4), "{name}");
    }
}

fn good() -> Health {
    Health {
        primary: CopyState::Good,
        backup: CopyState::Good,
        mbr: MbrState::Protective,
    }
}

fn write(image: &mut [u8], regions: &[Region]) {
    for region in regions {
        let start = usize::try_from(region.offset.0).unwrap();
        image[start..start + region.bytes.len()].copy_from_slice(&region.bytes);
    }
}

fn entry(first: u64, last: u64, label: &str) -> Entry {
    Entry {
        type_guid: Guid::LINUX_FILESYSTEM,
        guid: Guid::from_random([u8::try_from(first % 251).unwrap(); 16]),
        first: Lba(first),
        last: Lba(last),
        attributes: 1 << 60 | 4,
        label: label.parse().unwrap(),
        extra: Vec::new(),
    }
}

fn small_table(sector: SectorSize, size: Bytes) -> Table {
    let mut table = Table::new(Guid::from_random([9; 16]), size, sector).unwrap();
    let mib = MIB / sector.bytes();
    table.entries.insert(1, entry(mib, 2 * mib - 1, "one"));
    table.entries.insert(4, entry(2 * mib, 3 * mib - 1, "four"));
    table.entries.insert(7, entry(3 * mib, 3 * mib + 4, "seven"));
    table
}

fn small_image(sector: SectorSize) -> (Table, Image) {
    let mut image = vec![0; 4 << 20];
    let table = small_table(sector, Bytes(4 << 20));
    write(&mut image, &table.regions().unwrap());
    (table, image)
}

/// Sets bytes of the header at `at` and makes its checksum right again.
fn forge(image: &mut [u8], at: usize, offset: usize, bytes: &[u8]) {
    image[at + offset..at + offset + bytes.len()].copy_from_slice(bytes);
    image[at + 16..at + 20].fill(0);
    let crc = crc32fast::hash(&image[at..at + 92]);
    image[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn tables_of_sgdisk_are_unchanged_after_a_rewrite() {
    for (name, image, sector, numbers) in [
        ("gaps-512", fixture!("gaps-512"), SectorSize::S512, vec![1, 4, 7]),
        (
            "gaps-4096",
            fixture!("gaps-4096"),
            SectorSize::S4096,
            vec![1, 4, 7],
        ),
        ("moved-512", fixture!("moved-512"), SectorSize::S512, vec![200]),
    ] {
        let (table, health) = gpt_of(look(&image, sector));
        assert_eq!(health, good(), "{name}");
        assert_eq!(
            table.entries.keys().copied().collect::<Vec<_>>(),
            numbers,
            "{name}"
        );
        let mut rewritten = image.clone();
        // What is not written again must not be what makes the images equal.
        for region in table.regions().unwrap() {
            let start = usize::try_from(region.offset.0).unwrap();
            rewritten[start..start + region.bytes.len()].fill(0xaa);
        }
        write(&mut rewritten, &table.regions().unwrap());
        assert!(rewritten == image, "{name}: bytes differ");
    }
}

#[test]
fn fields_are_those_sgdisk_was_asked_for() {
    let (table, _) = gpt_of(look(&fixture!("gaps-512"), SectorSize::S512));
    assert_eq!(
        table.disk_guid.to_string(),
        "11111111-2222-4333-8444-555555555555"
    );
    assert_eq!((table.first_usable, table.last_usable), (Lba(34), Lba(131_038)));
    let four = &table.entries[&4];
    assert_eq!((four.first, four.last), (Lba(8192), Lba(24_575)));
    assert_eq!(four.label.to_string(), "rööt");
    assert_eq!(four.attributes, 1 << 59 | 1 << 60);
    assert_eq!(four.type_guid.to_string(), "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709");
    assert_eq!(table.entries[&7].first, Lba(25_001));
    let (moved, _) = gpt_of(look(&fixture!("moved-512"), SectorSize::S512));
    assert_eq!((moved.entries_lba, moved.entry_count), (Lba(256), 256));
}

#[test]
fn hybrid_table_is_recognised() {
    let (_, health) = gpt_of(look(&fixture!("hybrid-512"), SectorSize::S512));
    assert_eq!(
        health,
        Health {
            mbr: MbrState::Hybrid,
            ..good()
        }
    );
}

#[test]
fn what_is_written_reads_back() {
    for sector in [SectorSize::S512, SectorSize::S4096] {
        let (table, image) = small_image(sector);
        let (again, health) = gpt_of(look(&image, sector));
        assert_eq!(health, good());
        assert_eq!(
            again,
            Table {
                mbr: MbrChange::Keep,
                ..table
            }
        );
        let json = serde_json::to_string(&again).unwrap();
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), again);
    }
}

#[test]
fn another_implementation_reads_what_we_write() {
    for (sector, size) in [
        (SectorSize::S512, ::gpt::disk::LogicalBlockSize::Lb512),
        (SectorSize::S4096, ::gpt::disk::LogicalBlockSize::Lb4096),
    ] {
        let (table, mut image) = small_image(sector);
        let mbr =
            ::gpt::mbr::ProtectiveMBR::from_bytes(&image[..usize::try_from(sector.bytes()).unwrap()], size)
                .unwrap();
        assert_eq!(
            mbr.partition(0).unwrap().lb_size,
            u32::try_from(table.disk_size.0 - 1).unwrap()
        );
        for only_backup in [false, true] {
            if only_backup {
                let sector = usize::try_from(sector.bytes()).unwrap();
                image[sector..2 * sector].fill(0);
            }
            let config = ::gpt::GptConfig::new()
                .writable(false)
                .logical_block_size(size)
                .only_valid_headers(false);
            let disk = config.open_from_device(Cursor::new(&mut image[..])).unwrap();
            assert_eq!(
                disk.guid().to_string().to_uppercase(),
                table.disk_guid.to_string()
            );
            assert_eq!(disk.partitions().len(), 3);
            for (number, theirs) in disk.partitions() {
                let ours = &table.entries[number];
                assert_eq!((theirs.first_lba, theirs.last_lba), (ours.first.0, ours.last.0));
                assert_eq!(theirs.part_guid.to_string().to_uppercase(), ours.guid.to_string());
                assert_eq!(
                    (theirs.name.as_str(), theirs.flags),
                    (&*ours.label.to_string(), ours.attributes)
                );
            }
        }
    }
}

#[test]
fn wide_entries_keep_the_bytes_we_do_not_know() {
    let mut image = vec![0; 4 << 20];
    let mut table = small_table(SectorSize::S512, Bytes(4 << 20));
    (table.entry_size, table.entry_count) = (512, 16);
    for (number, entry) in &mut table.entries {
        entry.extra = vec![u8::try_from(*number).unwrap(); 384];
    }
    write(&mut image, &table.regions().unwrap());
    let (again, health) = gpt_of(look(&image, SectorSize::S512));
    assert_eq!(
        (health, &again.entries, again.entry_size),
        (good(), &table.entries, 512)
    );
    let before = image.clone();
    write(&mut image, &again.regions().unwrap());
    assert!(image == before);
}

#[test]
fn boot_code_stays_and_a_fresh_table_erases_it() {
    for sector in [SectorSize::S512, SectorSize::S4096] {
        let (table, mut image) = small_image(sector);
        let end = usize::try_from(sector.bytes()).unwrap();
        image[..4].copy_from_slice(b"BOOT");
        image[end - 1] = if end == 512 { 0xaa } else { 1 };
        image[450] = 0; // The protective record is gone.
        let found = look(&image, sector);
        assert!(!found.seen_by_linux());
        let (again, health) = gpt_of(found);
        assert_eq!(
            (health.mbr, again.mbr),
            (MbrState::BootSector, MbrChange::Records)
        );
        let last = image[end - 1];
        write(&mut image, &again.regions().unwrap());
        assert_eq!((&image[..4], image[end - 1]), (&b"BOOT"[..], last));
        assert_eq!(gpt_of(look(&image, sector)).1, good());
        write(&mut image, &table.regions().unwrap());
        assert_eq!(image[..446], [0; 446]);
        assert!(image[512..end].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn grown_disk_gets_its_backup_at_the_new_end() {
    // By less than a backup takes, by as much, and by more.
    for grown_by in [512, 512 * 20, 512 * 33, 1 << 20] {
        let (table, mut image) = small_image(SectorSize::S512);
        image.resize(image.len() + grown_by, 0);
        let (mut grown, health) = gpt_of(look(&image, SectorSize::S512));
        assert_eq!(health.backup, CopyState::Misplaced(table.last_sector()));
        assert_eq!(health.mbr, MbrState::WrongSize);
        assert_eq!(
            grown.last_usable.0,
            table.last_usable.0 + u64::try_from(grown_by / 512).unwrap()
        );
        grown.entries.insert(2, entry(7000, grown.last_usable.0, "two"));
        write(&mut image, &grown.regions().unwrap());
        let (again, health) = gpt_of(look(&image, SectorSize::S512));
        assert_eq!(
            (health, again),
            (
                good(),
                Table {
                    mbr: MbrChange::Keep,
                    ..grown
                }
            )
        );
    }
}

#[test]
fn corrupt_primary_is_replaced_from_the_backup() {
    for (torn, state) in [
        (512..1024, CopyState::Missing),
        (520..600, CopyState::Corrupt(Flaw::HeaderSize(0))),
        (600..604, CopyState::Corrupt(Flaw::HeaderChecksum)),
        (1024..2048, CopyState::Corrupt(Flaw::EntriesChecksum)),
    ] {
        let (table, mut image) = small_image(SectorSize::S512);
        let whole = image.clone();
        image[torn].fill(0);
        let (found, health) = gpt_of(look(&image, SectorSize::S512));
        assert_eq!(
            health,
            Health {
                primary: state,
                ..good()
            }
        );
        assert_eq!(
            found,
            Table {
                source: Side::Backup,
                mbr: MbrChange::Keep,
                ..table
            }
        );
        // The good copy is the one that is written last.
        assert!(found.regions().unwrap()[0].offset < Bytes(1 << 20));
        write(&mut image, &found.regions().unwrap());
        assert!(image == whole);
    }
}

#[test]
fn corrupt_backup_is_told_and_repaired() {
    let (_, mut image) = small_image(SectorSize::S512);
    let (whole, end) = (image.clone(), image.len());
    image[end - 512..].fill(0);
    let (table, health) = gpt_of(look(&image, SectorSize::S512));
    assert_eq!(
        health,
        Health {
            backup: CopyState::Missing,
            ..good()
        }
    );
    write(&mut image, &table.regions().unwrap());
    assert!(image == whole);
    image[end - 1024] ^= 1;
    assert_eq!(
        gpt_of(look(&image, SectorSize::S512)).1.backup,
        CopyState::Corrupt(Flaw::EntriesChecksum)
    );
}

/// Every state a power cut can leave: all regions before one, and a part of that one.
fn cuts(before: &[u8], regions: &[Region]) -> Vec<(String, Image)> {
    let mut states = Vec::new();
    let mut image = before.to_vec();
    for (index, region) in regions.iter().enumerate() {
        states.push((format!("before region {index}"), image.clone()));
        if region.bytes.len() > 512 {
            let mut torn = image.clone();
            let part = Region {
                offset: region.offset,
                bytes: region.bytes[..512].to_vec(),
            };
            write(&mut torn, &[part]);
            states.push((format!("within region {index}"), torn));
        }
        write(&mut image, std::slice::from_ref(region));
    }
    states.push(("after all".to_owned(), image));
    states
}

#[test]
fn power_cut_leaves_the_old_table_or_the_new_one() {
    let (old, image) = small_image(SectorSize::S512);
    let mut primary_torn = image.clone();
    primary_torn[512..1024].fill(0);
    let mut grown = image.clone();
    grown.resize(image.len() + 512 * 10, 0);
    for (name, image) in [("whole", image), ("primary torn", primary_torn), ("grown", grown)] {
        let (mut new, _) = gpt_of(look(&image, SectorSize::S512));
        new.entries.remove(&4);
        new.entries.insert(5, entry(4500, 5000, "five"));
        for (cut, state) in cuts(&image, &new.regions().unwrap()) {
            let (found, _) = gpt_of(look(&state, SectorSize::S512));
            assert!(
                found.entries == old.entries || found.entries == new.entries,
                "{name}, {cut}"
            );
            let mut state = state;
            let again = Table {
                entries: new.entries.clone(),
                ..found
            };
            write(&mut state, &again.regions().unwrap());
            let (done, health) = gpt_of(look(&state, SectorSize::S512));
            assert_eq!((&done.entries, health), (&new.entries, good()), "{name}, {cut}");
        }
    }
}

#[test]
fn entries_stay_in_their_place_when_only_the_backup_tells_of_the_table() {
    // Right behind the header with room to spare (as sfdisk makes tables), and right before the partitions (as sgdisk
    // moves them), with a boot loader in the room.
    for (entries_lba, boot_loader) in [(2, 100), (2016, 3), (2016, 16)] {
        let mut table = small_table(SectorSize::S512, Bytes(4 << 20));
        (table.entries_lba, table.first_usable) = (Lba(entries_lba), Lba(2048));
        let mut image = vec![0; 4 << 20];
        write(&mut image, &table.regions().unwrap());
        let boot_loader = boot_loader * 512..(boot_loader + 20) * 512;
        image[boot_loader.clone()].fill(0xeb);
        image[512..1024].fill(0);
        let (mut new, _) = gpt_of(look(&image, SectorSize::S512));
        new.entries.insert(5, entry(6500, 7000, "five"));
        for (cut, mut state) in cuts(&image, &new.regions().unwrap()) {
            let (found, _) = gpt_of(look(&state, SectorSize::S512));
            assert_eq!(found.entries_lba, table.entries_lba, "{entries_lba}, {cut}");
            write(&mut state, &found.regions().unwrap());
            assert!(
                state[boot_loader.clone()].iter().all(|&byte| byte == 0xeb),
                "{entries_lba}, {cut}"
            );
        }
        // Nobody can tell any more what may be written over.
        image[1024..2048 * 512].fill(0xeb);
        let damage = Damage {
            primary: CopyState::Missing,
            backup: CopyState::Corrupt(Flaw::EntriesPlace(Lba(2))),
        };
        assert_eq!(look(&image, SectorSize::S512), Found::Damaged(damage));
    }
}

#[test]
fn power_cut_on_a_blank_disk_leaves_it_blank_or_done() {
    let table = small_table(SectorSize::S512, Bytes(4 << 20));
    for (cut, state) in cuts(&vec![0; 4 << 20], &table.regions().unwrap()) {
        match look(&state, SectorSize::S512) {
            Found::Blank => {}
            Found::Gpt { table: found, .. } => assert_eq!(found.entries, table.entries, "{cut}"),
            other => panic!("{cut}: {other:?}"),
        }
    }
}

#[test]
fn disks_without_a_table_are_told_apart() {
    let blank = vec![0; 1 << 20];
    assert_eq!(look(&blank, SectorSize::S512), Found::Blank);
    assert_eq!(look(&[], SectorSize::S512), Found::Blank);
    assert_eq!(look(&[0; 700], SectorSize::S512), Found::Blank);
    let mut mbr = blank.clone();
    mbr[510..512].copy_from_slice(&[0x55, 0xaa]);
    assert_eq!(look(&mbr, SectorSize::S512), Found::Mbr);
    mbr[450] = 0x83;
    assert_eq!(look(&mbr, SectorSize::S512), Found::Mbr);
    mbr[450] = 0xee;
    let nothing = Damage {
        primary: CopyState::Missing,
        backup: CopyState::Missing,
    };
    assert_eq!(look(&mbr, SectorSize::S512), Found::Damaged(nothing));
}

#[test]
fn hostile_headers_are_refused_with_the_reason() {
    let far = u64::MAX.to_le_bytes();
    let usable = |first, last| Flaw::Usable {
        first: Lba(first),
        last: Lba(last),
    };
    for (offset, bytes, flaw) in [
        (12, &u32::MAX.to_le_bytes()[..], Flaw::HeaderSize(u32::MAX)),
        (12, &91_u32.to_le_bytes()[..], Flaw::HeaderSize(91)),
        (
            24,
            &2_u64.to_le_bytes()[..],
            Flaw::Address {
                at: Lba(1),
                says: Lba(2),
            },
        ),
        (40, &0_u64.to_le_bytes()[..], Flaw::EntriesPlace(Lba(2))),
        (40, &far[..], usable(u64::MAX, 8158)),
        (48, &far[..], usable(34, u64::MAX)),
        (48, &8192_u64.to_le_bytes()[..], usable(34, 8192)),
        (48, &33_u64.to_le_bytes()[..], usable(34, 33)),
        (72, &far[..], Flaw::EntriesPlace(Lba(u64::MAX))),
        (72, &1_u64.to_le_bytes()[..], Flaw::EntriesPlace(Lba(1))),
        (80, &u32::MAX.to_le_bytes()[..], Flaw::EntryCount(u32::MAX)),
        (80, &0_u32.to_le_bytes()[..], Flaw::EntryCount(0)),
        (84, &u32::MAX.to_le_bytes()[..], Flaw::EntrySize(u32::MAX)),
        (84, &192_u32.to_le_bytes()[..], Flaw::EntrySize(192)),
        (84, &8_u32.to_le_bytes()[..], Flaw::EntrySize(8)),
    ] {
        let (_, mut image) = small_image(SectorSize::S512);
        let end = image.len();
        image[end - 512..].fill(0);
        forge(&mut image, 512, offset, bytes);
        let damage = Damage {
            primary: CopyState::Corrupt(flaw.clone()),
            backup: CopyState::Missing,
        };
        assert_eq!(look(&image, SectorSize::S512), Found::Damaged(damage), "{flaw}");
    }
}

#[test]
fn contradicting_entries_are_refused_with_the_reason() {
    for (at, first, last, flaw) in [
        (1, 4096_u64, 2048_u64, Flaw::Reversed(1)),
        (1, 0, 2048, Flaw::Outside(1)),
        (1, 2048, u64::MAX, Flaw::Outside(1)),
        (4, 2050, 2050, Flaw::Overlap(1, 4)),
        (1, 4096, 4096, Flaw::Overlap(1, 4)),
    ] {
        let (_, mut image) = small_image(SectorSize::S512);
        let end = image.len();
        image[end - 512..].fill(0);
        let slot = 1024 + 128 * (at - 1);
        image[slot + 32..slot + 40].copy_from_slice(&first.to_le_bytes());
        image[slot + 40..slot + 48].copy_from_slice(&last.to_le_bytes());
        let crc = crc32fast::hash(&image[1024..1024 + 128 * 128]);
        forge(&mut image, 512, 88, &crc.to_le_bytes());
        let damage = Damage {
            primary: CopyState::Corrupt(flaw.clone()),
            backup: CopyState::Missing,
        };
        assert_eq!(look(&image, SectorSize::S512), Found::Damaged(damage), "{flaw}");
    }
}

#[test]
fn no_damage_to_the_tables_makes_reading_panic() {
    let (_, image) = small_image(SectorSize::S512);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2000 {
        let mut damaged = image[..16 * 1024].to_vec();
        for _ in 0..3 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let at = 440 + usize::try_from(seed % 1000).unwrap();
            damaged[at] = seed.to_le_bytes()[7];
        }
        forge(&mut damaged, 512, 88, &image[512 + 88..512 + 92]);
        let size = Bytes(u64::try_from(damaged.len()).unwrap());
        read(&mut Cursor::new(&damaged), size, SectorSize::S512).unwrap();
    }
}

#[test]
fn tables_that_contradict_themselves_are_not_written() {
    let table = small_table(SectorSize::S512, Bytes(4 << 20));
    let mut numbered = table.clone();
    numbered.entries.insert(129, entry(5000, 5001, ""));
    assert_eq!(numbered.regions(), Err(Flaw::Number(129)));
    let hostile = Table {
        entry_count: u32::MAX,
        entry_size: u32::MAX,
        ..table.clone()
    };
    assert_eq!(hostile.regions(), Err(Flaw::EntryCount(u32::MAX)));
    let shrunk = Table {
        disk_size: kindling_config_spec::units::Sectors(10),
        ..table
    };
    assert!(matches!(shrunk.regions(), Err(Flaw::Usable { .. })));
}

#[test]
fn disk_too_small_for_a_table_is_refused() {
    let guid = Guid::ZERO;
    for (size, sector, room) in [
        (67 * 512, SectorSize::S512, false),
        (68 * 512, SectorSize::S512, true),
        (11 * 4096, SectorSize::S4096, false),
        (12 * 4096, SectorSize::S4096, true),
        (0, SectorSize::S512, false),
    ] {
        assert_eq!(
            Table::new(guid, Bytes(size), sector).is_ok_and(|table| table.check().is_ok()),
            room,
            "{size}"
        );
    }
}

#[test]
fn erasing_covers_what_sgdisk_zaps() {
    let extents = erase(Bytes(8 << 20), SectorSize::S512);
    let sectors: Vec<(u64, u64)> = extents
        .iter()
        .map(|extent| (extent.offset.0 / 512, extent.length.0 / 512))
        .collect();
    assert_eq!(sectors, [(16_351, 33), (0, 34)]);
    assert_eq!(
        erase(Bytes(1024), SectorSize::S512)
            .iter()
            .map(|extent| extent.length.0)
            .sum::<u64>(),
        1024
    );
}
