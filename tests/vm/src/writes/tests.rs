use std::io::Cursor;

use super::*;

/// A log with sectors of 512 bytes, laid out by hand. An entry is sector, sectors, flags and the byte it writes.
fn log_of(entries: &[(u64, u64, u64, u8)]) -> Vec<u8> {
    let mut log = Vec::new();
    for value in [MAGIC, VERSION, entries.len() as u64] {
        log.extend(value.to_le_bytes());
    }
    log.extend(512_u32.to_le_bytes());
    log.resize(512, 0);
    for (sector, sectors, flags, byte) in entries {
        let end = log.len() + 512;
        for value in [*sector, *sectors, *flags, 0] {
            log.extend(value.to_le_bytes());
        }
        log.resize(end, 0);
        if flags & (DISCARD | MARK) == 0 {
            log.extend(std::iter::repeat_n(
                *byte,
                usize::try_from(*sectors).unwrap() * 512,
            ));
        }
    }
    log
}

fn read(entries: &[(u64, u64, u64, u8)]) -> Log {
    Log::read(&mut log_of(entries).as_slice()).unwrap()
}

/// The first byte of each of the first eight sectors.
fn image(log: &Log, moment: Moment) -> [u8; 8] {
    let mut image = Cursor::new(vec![0; 4096]);
    log.write(&log.contents(moment), &mut image).unwrap();
    let image = image.into_inner();
    std::array::from_fn(|sector| {
        let sector = &image[sector * 512..(sector + 1) * 512];
        assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is whole");
        sector[0]
    })
}

#[test]
fn a_boundary_holds_what_was_flushed_and_nothing_else() {
    let log = read(&[
        (0, 2, 0, 1),
        (4, 1, 0, 2),
        (0, 0, FLUSH, 0),
        (1, 1, 0, 3),
        (5, 1, 0, 4),
        (0, 0, FLUSH, 0),
        (6, 1, 0, 5),
    ]);
    assert_eq!(log.boundaries(), [0, 1, 2].map(Moment::Boundary));
    assert_eq!(image(&log, Moment::Boundary(0)), [0; 8]);
    assert_eq!(image(&log, Moment::Boundary(1)), [1, 1, 0, 0, 2, 0, 0, 0]);
    assert_eq!(image(&log, Moment::Boundary(2)), [1, 3, 0, 0, 2, 4, 0, 0]);
}

#[test]
fn a_forced_write_is_there_and_those_before_it_are_not() {
    let log = read(&[
        (0, 1, 0, 1),
        (1, 1, FUA, 2),
        // The flush is for what came before it; its own data is forced only where it says so too.
        (2, 1, FLUSH, 3),
        (3, 1, FLUSH | FUA, 4),
    ]);
    assert_eq!(log.boundaries(), [0, 1, 2, 3].map(Moment::Boundary));
    assert_eq!(image(&log, Moment::Boundary(1)), [0, 2, 0, 0, 0, 0, 0, 0]);
    assert_eq!(image(&log, Moment::Boundary(2)), [1, 2, 0, 0, 0, 0, 0, 0]);
    assert_eq!(image(&log, Moment::Boundary(3)), [1, 2, 3, 4, 0, 0, 0, 0]);
}

#[test]
fn of_writes_to_one_place_the_last_one_stands() {
    let log = read(&[
        (0, 1, 0, 1),
        (0, 1, FUA, 2),
        (0, 1, 0, 3),
        (0, 0, FLUSH, 0),
        (0, 1, 0, 0),
        (0, 0, FLUSH, 0),
    ]);
    let first = |number| image(&log, Moment::Boundary(number))[0];
    assert_eq!([0, 1, 2, 3].map(first), [0, 2, 3, 0]);
}

#[test]
fn a_discard_has_no_data_and_gives_sectors_back_and_a_mark_does_nothing() {
    let log = read(&[
        (0, 8, 0, 1),
        (0, 0, FLUSH, 0),
        (2, 4, DISCARD, 0),
        (3, 1, 0, 2),
        (0, 0, MARK, 0),
        (0, 0, FLUSH, 0),
    ]);
    assert_eq!(image(&log, Moment::Boundary(2)), [1, 1, 0, 2, 0, 0, 1, 1]);
}

#[test]
fn a_flush_after_nothing_new_is_no_boundary_of_its_own() {
    let log = read(&[
        (0, 0, FLUSH, 0),
        (0, 1, 0, 1),
        (0, 0, FLUSH, 0),
        (0, 1, 0, 1),
        (1, 4, 0, 0),
        (0, 0, FLUSH, 0),
    ]);
    let (two, three) = (Moment::Boundary(2), Moment::Boundary(3));
    // Who wrote it does not matter.
    assert_eq!(log.contents(two), log.contents(three));
    assert_eq!(log.boundaries(), [Moment::Boundary(0), two]);
}

#[test]
fn a_torn_moment_holds_what_was_flushed_and_a_part_of_the_rest() {
    let log = read(&[
        (0, 1, 0, 1),
        (0, 0, FLUSH, 0),
        (1, 2, 0, 2),
        (4, 1, 0, 3),
        (5, 3, 0, 4),
        (0, 0, FLUSH, 0),
        (0, 1, 0, 9),
    ]);
    let torn = log.torn(1, 7, 30);
    assert!(torn.len() > 10, "{torn:?}");
    assert_eq!(torn, log.torn(1, 7, 30), "the same for the same seed");
    let full = [1, 2, 2, 0, 3, 4, 4, 4];
    let images: Vec<[u8; 8]> = torn.iter().map(|moment| image(&log, *moment)).collect();
    for image in &images {
        assert_eq!(image[0], 1, "{image:?}: what was flushed is there");
        let is_part = image
            .iter()
            .zip(&full)
            .all(|(part, full)| part == full || *part == 0);
        assert!(is_part, "{image:?}");
        assert!(*image != full && *image != [1, 0, 0, 0, 0, 0, 0, 0], "{image:?}");
    }
    let distinct: std::collections::BTreeSet<_> = images.iter().collect();
    assert_eq!(distinct.len(), images.len());
    // A later write without an earlier one, and a write of which one sector is there.
    assert!(images.iter().any(|image| image[1] == 0 && image[4] == 3));
    assert!(images.iter().any(|image| image[1] != image[2]));
    // What was never flushed can be there after the last boundary.
    assert_eq!(image(&log, log.torn(2, 1, 9)[0])[0], 9);
}

#[test]
fn what_prepared_the_disk_is_no_moment_of_its_own() {
    let log = read(&[
        (0, 1, 0, 1),
        (0, 0, FLUSH, 0),
        (1, 1, 0, b'p'),
        (2, 1, 0, 1),
        (0, 0, FLUSH, 0),
        (3, 1, 0, 1),
        (0, 0, FLUSH, 0),
    ]);
    assert_eq!(log.clone().after(b"q"), None);
    let log = log.after(b"ppp").unwrap();
    assert_eq!(log.boundaries(), [2, 3].map(Moment::Boundary));
    assert_eq!(image(&log, Moment::Boundary(2)), [1, b'p', 1, 0, 0, 0, 0, 0]);
}

#[test]
fn one_sector_is_there_or_it_is_not() {
    let log = read(&[(0, 1, 0, 1), (0, 0, FLUSH, 0)]);
    assert_eq!(log.torn(0, 1, 50), []);
}

#[test]
fn other_files_and_cut_ones_are_refused() {
    let sound = log_of(&[(0, 1, 0, 1), (0, 0, FLUSH, 0)]);
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut log = sound.clone();
        change(&mut log);
        Log::read(&mut log.as_slice()).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&|log| log[0] = 0),
        "not a log of writes: magic 0x6a736677736800, version 1"
    );
    assert_eq!(
        refused(&|log| log[8] = 2),
        "not a log of writes: magic 0x6a736677736872, version 2"
    );
    assert_eq!(
        refused(&|log| log[24] = 1),
        "the log of writes has sectors of 513 bytes"
    );
    assert_eq!(
        refused(&|log| log[512 + 16] = 0x20),
        "entry 0 of the log of writes has flags 0x20 and 1 sectors"
    );
    assert_eq!(
        refused(&|log| log[512 + 15] = 1),
        "entry 0 of the log of writes has flags 0x0 and 72057594037927937 sectors"
    );
    assert!(refused(&|log| log.truncate(512 + 512 + 100)).contains("entry 0 of 2"));
    assert!(refused(&|log| log.truncate(600)).contains("entry 0 of 2"));
    assert!(refused(&|log| log.truncate(27)).contains("its head"));
    // Less than the number of entries is there; more may follow, written after the last flush.
    assert!(refused(&|log| log[16] = 3).contains("entry 2 of 3"));
}

#[test]
fn sectors_of_a_log_may_be_larger() {
    let mut log = Vec::new();
    for value in [MAGIC, VERSION, 2] {
        log.extend(value.to_le_bytes());
    }
    log.extend(4096_u32.to_le_bytes());
    log.resize(4096, 0);
    for (sectors, flags, until) in [(1_u64, 0, 8192), (0, FLUSH, 16384)] {
        for value in [1, sectors, flags, 0] {
            log.extend(value.to_le_bytes());
        }
        log.resize(until, 0);
        log.resize(log.len() + usize::try_from(sectors).unwrap() * 4096, 5);
    }
    let log = Log::read(&mut log.as_slice()).unwrap();
    let mut image = Cursor::new(vec![0; 16384]);
    log.write(&log.contents(Moment::Boundary(1)), &mut image).unwrap();
    let image = image.into_inner();
    assert!(image[4096..8192].iter().all(|byte| *byte == 5));
    assert!(image[..4096].iter().chain(&image[8192..]).all(|byte| *byte == 0));
}
