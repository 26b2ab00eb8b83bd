//! Every damaged table of `fixtures/disks/corrupt.txt`: what reading says, what a plan does with it, that `wipeTable`
//! is always a way out, and that no entry of a table that is taken as good changes by a bit.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixture should panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use kindling::gpt::{self, CopyState, Found, Side, Table};
use kindling::identity::Seed;
use kindling::inventory::disks::{Content, Disk, parse_blkid};
use kindling::plan::Conflict;
use kindling::plan::disks::{Known, plan_layout};
use kindling::plan::partitions::{InUse, SlotStep, TableChange};
use kindling_config_spec::order::{OrderedMap, OrderedSet};
use kindling_config_spec::types::{Config, Disk as WantedDisk, Partition};
use kindling_config_spec::units::{Bytes, MIB, SectorSize};

/// By the name of the disk: what reading says (the primary, the backup and sector 0, in this order); what becomes of a
/// config that names a partition of the table as it is; what becomes of one that wants one more.
const ROWS: &str = "
# One copy or both with a wrong checksum, overwritten or gone.
primary-header-512 | from the backup: Corrupt(HeaderChecksum), Good, Protective | repaired | written
primary-header-4096 | from the backup: Corrupt(HeaderChecksum), Good, Protective | repaired | written
primary-entries-512 | from the backup: Corrupt(EntriesChecksum), Good, Protective | repaired | written
primary-entries-4096 | from the backup: Corrupt(EntriesChecksum), Good, Protective | repaired | written
backup-header-512 | from the primary: Good, Corrupt(HeaderChecksum), Protective | nothing | written
backup-header-4096 | from the primary: Good, Corrupt(HeaderChecksum), Protective | nothing | written
backup-entries-512 | from the primary: Good, Corrupt(EntriesChecksum), Protective | nothing | written
backup-entries-4096 | from the primary: Good, Corrupt(EntriesChecksum), Protective | nothing | written
both-headers-512 | damaged: Corrupt(HeaderChecksum), Corrupt(HeaderChecksum) | table-damaged | table-damaged
both-headers-4096 | damaged: Corrupt(HeaderChecksum), Corrupt(HeaderChecksum) | table-damaged | table-damaged
both-entries-512 | damaged: Corrupt(EntriesChecksum), Corrupt(EntriesChecksum) | table-damaged | table-damaged
both-entries-4096 | damaged: Corrupt(EntriesChecksum), Corrupt(EntriesChecksum) | table-damaged | table-damaged
primary-header-backup-entries-512 | damaged: Corrupt(HeaderChecksum), Corrupt(EntriesChecksum) | table-damaged | table-damaged
primary-header-backup-entries-4096 | damaged: Corrupt(HeaderChecksum), Corrupt(EntriesChecksum) | table-damaged | table-damaged
both-overwritten-512 | damaged: Missing, Missing | table-damaged | table-damaged
both-overwritten-4096 | damaged: Missing, Missing | table-damaged | table-damaged
primary-zeroed-512 | from the backup: Missing, Good, Protective | repaired | written
backup-zeroed-512 | from the primary: Good, Missing, Protective | nothing | written

# The place of the primary's entries is known from its own header alone.
moved-primary-header | from the backup: Corrupt(HeaderChecksum), Good, Protective | repaired | written
moved-primary-zeroed | from the backup: Missing, Good, Protective | repaired | written
moved-primary-overwritten | damaged: Missing, Corrupt(EntriesPlace(Lba(2))) | table-damaged | table-damaged

# The disk has another size than the table.
grown-512 | from the primary: Good, Misplaced(Lba(131071)), WrongSize | nothing | written
grown-4096 | from the primary: Good, Misplaced(Lba(16383)), WrongSize | nothing | written
grown-primary-entries-512 | from the backup: Corrupt(EntriesChecksum), Misplaced(Lba(131071)), WrongSize | repaired | written
grown-primary-entries-4096 | from the backup: Corrupt(EntriesChecksum), Misplaced(Lba(16383)), WrongSize | repaired | written
grown-primary-header-512 | damaged: Corrupt(HeaderChecksum), Missing | table-damaged | table-damaged
grown-primary-header-4096 | damaged: Corrupt(HeaderChecksum), Missing | table-damaged | table-damaged
shrunk-512 | damaged: Corrupt(Usable { first: Lba(34), last: Lba(131038) }), Missing | table-damaged | table-damaged
shrunk-4096 | damaged: Corrupt(Usable { first: Lba(6), last: Lba(16378) }), Missing | table-damaged | table-damaged
shrunk-by-20-512 | damaged: Corrupt(Outside(7)), Missing | table-damaged | table-damaged

# Sector 0.
mbr-zeroed-512 | from the primary: Good, Good, Missing | repaired | written
mbr-zeroed-4096 | from the primary: Good, Good, Missing | repaired | written
mbr-zeroed-primary-header-512 | from the backup: Corrupt(HeaderChecksum), Good, Missing | repaired | written
mbr-zeroed-both-headers-512 | damaged: Corrupt(HeaderChecksum), Corrupt(HeaderChecksum) | table-damaged | table-damaged
mbr-zeroed-primary-zeroed-512 | from the backup: Missing, Good, Missing | repaired | written
mbr-without-records-512 | from the primary: Good, Good, BootSector | disk-has-data | disk-has-data
protective-in-second-slot-512 | from the primary: Good, Good, Protective | nothing | written
protective-of-another-size-512 | from the primary: Good, Good, WrongSize | nothing | written
protective-of-any-size-512 | from the primary: Good, Good, Protective | nothing | written
protective-not-from-sector-1-512 | from the primary: Good, Good, WrongStart | repaired | written
hybrid-table | from the primary: Good, Good, Hybrid | nothing | table-hybrid
hybrid-table-primary-header | from the backup: Corrupt(HeaderChecksum), Good, Hybrid | table-hybrid | table-hybrid
hybrid-not-from-sector-1 | MBR | table-not-gpt | table-not-gpt
mbr-with-partitions-512 | MBR | table-not-gpt | table-not-gpt
mbr-alone | MBR | table-not-gpt | table-not-gpt

# Something was made on the disk as a whole; what was left of the table is not its business.
fat-boot-sector-512 | from the primary: Good, Good, BootSector | disk-has-data | disk-has-data
fat-over-table-512 | from the backup: Missing, Good, BootSector | disk-has-data | disk-has-data
swap-over-table-512 | from the backup: Corrupt(EntriesChecksum), Good, Protective | disk-has-data | disk-has-data

# Headers whose checksum is right.
header-of-a-sector-512 | from the primary: Good, Good, Protective | nothing | written
primary-header-of-513-bytes-512 | from the backup: Corrupt(HeaderSize(513)), Good, Protective | repaired | written
both-headers-of-91-bytes-512 | damaged: Corrupt(HeaderSize(91)), Corrupt(HeaderSize(91)) | table-damaged | table-damaged
primary-of-another-place-512 | from the backup: Corrupt(Address { at: Lba(1), says: Lba(2) }), Good, Protective | repaired | written
backup-copied-to-the-front-512 | from the backup: Corrupt(Address { at: Lba(1), says: Lba(131071) }), Good, Protective | repaired | written
alternate-outside-512 | from the primary: Good, Good, Protective | nothing | written
alternate-among-partitions-512 | from the primary: Good, Good, Protective | nothing | written
primary-usable-from-its-entries-512 | from the backup: Corrupt(EntriesPlace(Lba(2))), Good, Protective | repaired | written
both-usable-from-the-entries-512 | damaged: Corrupt(EntriesPlace(Lba(2))), Corrupt(EntriesPlace(Lba(2))) | table-damaged | table-damaged
usable-beyond-the-disk-512 | damaged: Corrupt(Usable { first: Lba(34), last: Lba(131072) }), Corrupt(EntriesPlace(Lba(131039))) | table-damaged | table-damaged
usable-reversed-512 | damaged: Corrupt(Usable { first: Lba(34), last: Lba(33) }), Corrupt(Usable { first: Lba(34), last: Lba(33) }) | table-damaged | table-damaged
entries-none-512 | damaged: Corrupt(EntryCount(0)), Corrupt(EntryCount(0)) | table-damaged | table-damaged
entries-most-512 | damaged: Corrupt(EntryCount(4294967295)), Corrupt(EntryCount(4294967295)) | table-damaged | table-damaged
entries-more-than-fit-512 | damaged: Corrupt(EntriesPlace(Lba(2))), Corrupt(EntriesPlace(Lba(131039))) | table-damaged | table-damaged
entries-more-than-read-512 | damaged: Corrupt(EntryCount(4097)), Corrupt(EntryCount(4097)) | table-damaged | table-damaged
entry-size-0-512 | damaged: Corrupt(EntrySize(0)), Corrupt(EntrySize(0)) | table-damaged | table-damaged
entry-size-64-512 | damaged: Corrupt(EntrySize(64)), Corrupt(EntrySize(64)) | table-damaged | table-damaged
entry-size-192-512 | damaged: Corrupt(EntrySize(192)), Corrupt(EntrySize(192)) | table-damaged | table-damaged
entry-size-2147483648-512 | damaged: Corrupt(EntrySize(2147483648)), Corrupt(EntrySize(2147483648)) | table-damaged | table-damaged
entry-size-256-512 | from the primary: Good, Good, Protective | table-entry-size | table-entry-size
entry-size-256-4096 | from the primary: Good, Good, Protective | table-entry-size | table-entry-size

# Entries whose checksum is right.
overlap-512 | damaged: Corrupt(Overlap(1, 4)), Corrupt(Overlap(1, 4)) | table-damaged | table-damaged
overlap-4096 | damaged: Corrupt(Overlap(1, 4)), Corrupt(Overlap(1, 4)) | table-damaged | table-damaged
overlap-in-primary-512 | damaged: Corrupt(Overlap(1, 4)), Stale | table-damaged | table-damaged
beyond-usable-512 | damaged: Corrupt(Outside(7)), Corrupt(Outside(7)) | table-damaged | table-damaged
beyond-the-disk-512 | damaged: Corrupt(Outside(7)), Corrupt(Outside(7)) | table-damaged | table-damaged
ends-before-it-starts-512 | damaged: Corrupt(Reversed(4)), Corrupt(Reversed(4)) | table-damaged | table-damaged
same-guid-twice-512 | from the primary: Good, Good, Protective | nothing | written
label-without-end-512 | from the primary: Good, Good, Protective | nothing | written

# Two copies of which each is right, and that do not belong together.
backup-of-another-disk-512 | from the primary: Good, Stale, Protective | nothing | written
backup-of-another-disk-primary-entries-512 | damaged: Corrupt(EntriesChecksum), Stale | table-damaged | table-damaged
backup-of-another-disk-primary-overlap-512 | damaged: Corrupt(Overlap(1, 4)), Stale | table-damaged | table-damaged
backup-of-another-disk-primary-header-512 | damaged: Corrupt(HeaderChecksum), Stale | table-damaged | table-damaged
image-on-a-used-disk-512 | from the primary: Good, Misplaced(Lba(131071)), WrongSize | nothing | written
image-on-a-used-disk-primary-entries-512 | from the backup: Corrupt(EntriesChecksum), Misplaced(Lba(131071)), WrongSize | repaired | written
backup-newer-512 | from the primary: Good, Stale, Protective | nothing | written
backup-newer-primary-entries-512 | from the backup: Corrupt(EntriesChecksum), Good, Protective | repaired | written

# Tables written through an adapter that shows sectors of another size.
written-for-512 | damaged: Corrupt(SectorSize(512)), Corrupt(SectorSize(512)) | table-damaged | table-damaged
written-for-4096 | damaged: Corrupt(SectorSize(4096)), Corrupt(SectorSize(4096)) | table-damaged | table-damaged
written-for-512-mbr-zeroed | damaged: Corrupt(SectorSize(512)), Corrupt(SectorSize(512)) | table-damaged | table-damaged
written-for-4096-mbr-zeroed | damaged: Corrupt(SectorSize(4096)), Corrupt(SectorSize(4096)) | table-damaged | table-damaged
";

/// A disk image of which only what was written is kept, by blocks; the rest is zeros.
#[derive(Clone, PartialEq)]
struct Image {
    size: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

const BLOCK: u64 = 64 << 10;

impl Image {
    /// Calls `each` with every part of a range: the block's number, where in the block, and where in the range.
    fn parts(offset: u64, length: usize, mut each: impl FnMut(u64, usize, Range<usize>)) {
        let mut at = 0;
        while at < length {
            let place = offset + u64::try_from(at).unwrap();
            let within = usize::try_from(place % BLOCK).unwrap();
            let step = (length - at).min(usize::try_from(BLOCK).unwrap() - within);
            each(place / BLOCK, within, at..at + step);
            at += step;
        }
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) {
        assert!(offset + u64::try_from(bytes.len()).unwrap() <= self.size);
        Self::parts(offset, bytes.len(), |block, within, range| {
            let empty = || vec![0; usize::try_from(BLOCK).unwrap()];
            let block = self.blocks.entry(block).or_insert_with(empty);
            block[within..within + range.len()].copy_from_slice(&bytes[range]);
        });
    }

    fn get(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        Self::parts(offset, length, |block, within, range| {
            if let Some(block) = self.blocks.get(&block) {
                bytes[range.clone()].copy_from_slice(&block[within..within + range.len()]);
            }
        });
        bytes
    }

    fn number(&self, offset: u64, length: usize) -> u64 {
        let mut field = [0; 8];
        field[..length].copy_from_slice(&self.get(offset, length));
        u64::from_le_bytes(field)
    }

    /// Cuts off what lies behind `size`, or adds zeros.
    fn resize(&mut self, size: u64) {
        let cut = self.size.saturating_sub(size);
        self.put(self.size - cut, &vec![0; usize::try_from(cut).unwrap()]);
        self.size = size;
    }

    /// Where headers of a table stand, for any sector size.
    fn headers(&self) -> Vec<u64> {
        let places = self
            .blocks
            .keys()
            .flat_map(|block| (0..BLOCK / 512).map(move |at| block * BLOCK + at * 512));
        places.filter(|&at| self.get(at, 8) == b"EFI PART").collect()
    }
}

/// Reads an image and counts: whatever a header claims, no more than the usual places.
struct Reader<'a> {
    image: &'a Image,
    at: u64,
    read: usize,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.image.size.saturating_sub(self.at)).unwrap();
        let length = buffer.len().min(left);
        buffer[..length].copy_from_slice(&self.image.get(self.at, length));
        self.at += u64::try_from(length).unwrap();
        self.read += buffer.len();
        Ok(length)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else { panic!("{to:?}") };
        self.at = at;
        Ok(at)
    }
}

fn read(image: &Image, sector: SectorSize) -> Found {
    let mut reader = Reader {
        image,
        at: 0,
        read: 0,
    };
    let found = gpt::read(&mut reader, Bytes(image.size), sector).unwrap();
    assert!(reader.read <= 256 << 10, "{} bytes were read", reader.read);
    found
}

/// A disk of the fixtures.
struct Fixture {
    name: String,
    sector: SectorSize,
    image: Image,
    /// What blkid(8) answered.
    blkid: (i32, String),
    /// Partitions that Linux shows.
    linux: BTreeSet<u32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/disks")
}

fn fixtures() -> Vec<Fixture> {
    let text = fs::read_to_string(folder().join("corrupt.txt")).unwrap();
    text.split("\n\n").skip(1).map(Fixture::parse).collect()
}

impl Fixture {
    fn parse(block: &str) -> Self {
        let mut fixture = Self {
            name: String::new(),
            sector: SectorSize::S512,
            image: base_image("blank"),
            blkid: (0, String::new()),
            linux: BTreeSet::new(),
        };
        for line in block.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["disk", name, base, sector, sectors] => {
                    fixture.name = name.to_owned();
                    fixture.sector = SectorSize::new(sector.parse().unwrap()).unwrap();
                    fixture.image = base_image(base);
                    let sectors: u64 = sectors.parse().unwrap();
                    fixture.image.resize(sectors * fixture.sector.bytes());
                }
                ["put", offset, ..] => fixture.put(offset.parse().unwrap(), &words[2..]),
                ["blkid", status, ..] => fixture.blkid = (status.parse().unwrap(), words[2..].join("\n")),
                ["linux", ..] => {
                    fixture.linux = words[1..].iter().map(|word| word.parse().unwrap()).collect()
                }
                _ => panic!("{line}"),
            }
        }
        fixture
    }

    fn put(&mut self, offset: i64, words: &[&str]) {
        let mut bytes = Vec::new();
        for word in words {
            let (byte, count) = word.split_once('*').unwrap_or((word, "1"));
            let byte = u8::from_str_radix(byte, 16).unwrap();
            bytes.resize(bytes.len() + count.parse::<usize>().unwrap(), byte);
        }
        let from = if offset < 0 { self.image.size } else { 0 };
        self.image.put(from.checked_add_signed(offset).unwrap(), &bytes);
    }

    fn last_sector(&self) -> u64 {
        self.image.size / self.sector.bytes() - 1
    }

    /// The disk as the stage would see it.
    fn disk(&self, found: Found) -> Disk {
        let mut disk = Disk {
            mapped: None,
            node: "/dev/vdb".into(),
            aliases: OrderedSet::new(),
            sector: self.sector,
            size: Bytes(self.image.size),
            found,
            in_use: InUse::default(),
            content: Content::Blank,
            assumed: false,
        };
        if disk.may_hide_content() {
            disk.content = parse_blkid(self.blkid.0, &self.blkid.1).unwrap();
        }
        disk
    }
}

/// 64 MiB with a table that a tool of the field made.
fn base_image(base: &str) -> Image {
    let mut image = Image {
        size: 64 * MIB,
        blocks: BTreeMap::new(),
    };
    if base != "blank" {
        let part = |end: &str| fs::read(folder().join(format!("{base}.{end}.bin"))).unwrap();
        let back = part("back");
        image.put(0, &part("front"));
        image.put(image.size - u64::try_from(back.len()).unwrap(), &back);
    }
    image
}

fn in_words(found: &Found) -> String {
    match found {
        Found::Blank => "blank".to_owned(),
        Found::Mbr => "MBR".to_owned(),
        Found::Damaged(damage) => format!("damaged: {:?}, {:?}", damage.primary, damage.backup),
        Found::Gpt { table, health } => {
            let source = match table.source {
                Side::Primary => "primary",
                Side::Backup => "backup",
            };
            format!(
                "from the {source}: {:?}, {:?}, {:?}",
                health.primary, health.backup, health.mbr
            )
        }
    }
}

/// What the config asks of the disk.
struct Asked {
    wipe_table: bool,
    partitions: Vec<Partition>,
}

fn plan(disk: &Disk, asked: &Asked) -> Result<TableChange, Vec<Conflict>> {
    let device = "/dev/disk/by-id/virtio-data";
    let mut config = Config::default();
    config.storage.disks.push(WantedDisk {
        device: device.into(),
        partitions: asked.partitions.clone(),
        wipe_table: asked.wipe_table.then_some(true),
    });
    let known = Known {
        disks: &OrderedMap::from([(device.to_owned(), disk.clone())]),
        seed: &Seed::new("machine", "config"),
        fresh: [7; 16],
    };
    plan_layout(&config, &known).map(|mut layout| layout.tables.remove(device).unwrap())
}

/// The disk after a change, as `host::devices` makes it.
fn applied(image: &Image, change: &TableChange) -> Image {
    let mut image = image.clone();
    for extent in &change.erase {
        image.put(
            extent.offset.0,
            &vec![0; usize::try_from(extent.length.0).unwrap()],
        );
    }
    let table = change.table.as_ref().filter(|_| change.write);
    for region in table.iter().flat_map(|table| table.regions().unwrap()) {
        image.put(region.offset.0, &region.bytes);
    }
    image
}

fn outcome(change: &Result<TableChange, Vec<Conflict>>) -> String {
    match change {
        Err(conflicts) => {
            let codes: Vec<&str> = conflicts.iter().map(|conflict| conflict.code).collect();
            codes.join(" ")
        }
        Ok(change) if change.is_noop() => "nothing".to_owned(),
        Ok(change) if change.slots.iter().all(|slot| slot.step == SlotStep::Keep) => "repaired".to_owned(),
        Ok(_) => "written".to_owned(),
    }
}

/// The bytes of each entry of one copy that is in use, by number. Goes by nothing but the numbers in the header.
fn entries(image: &Image, sector: SectorSize, header: u64) -> BTreeMap<u32, Vec<u8>> {
    let at = header * sector.bytes();
    let array = image.number(at + 72, 8) * sector.bytes();
    let (count, size) = (image.number(at + 80, 4), image.number(at + 84, 4));
    let slot = |number: u64| image.get(array + number * size, usize::try_from(size).unwrap());
    (1..)
        .zip((0..count).map(slot))
        .filter(|(_, slot)| slot[..16].iter().any(|&byte| byte != 0))
        .collect()
}

/// Both copies are good, in their places, and Linux will see the table.
fn sound(name: &str, image: &Image, sector: SectorSize) -> Table {
    let found = read(image, sector);
    assert_eq!(
        in_words(&found),
        "from the primary: Good, Good, Protective",
        "{name}"
    );
    assert!(found.seen_by_linux(), "{name}");
    match found {
        Found::Gpt { table, .. } => table,
        _ => unreachable!(),
    }
}

/// What was written without `wipeTable` has every entry that was there, bit for bit, and no partition's data changed.
fn assert_kept(fixture: &Fixture, found: &Found, change: &TableChange) {
    let (name, sector, last) = (&fixture.name, fixture.sector, fixture.last_sector());
    let Found::Gpt { table, health } = found else {
        panic!("{name}: written over what is no table")
    };
    let source = match (table.source, &health.backup) {
        (Side::Primary, _) => 1,
        (Side::Backup, CopyState::Misplaced(at)) => at.0,
        (Side::Backup, _) => last,
    };
    let before = entries(&fixture.image, sector, source);
    assert!(!before.is_empty(), "{name}");
    let after = applied(&fixture.image, change);
    let written = sound(name, &after, sector);
    if !matches!(health.backup, CopyState::Misplaced(_)) {
        let last_usable = fixture.image.number(source * sector.bytes() + 48, 8);
        assert_eq!(
            written.last_usable.0, last_usable,
            "{name}: sectors that were nobody's"
        );
    }
    for header in [1, last] {
        let mut now = entries(&after, sector, header);
        for slot in change.slots.iter().filter(|slot| slot.step == SlotStep::Create) {
            assert!(now.remove(&slot.number).is_some(), "{name}");
        }
        assert!(now == before, "{name}: entries in the copy at {header} differ");
    }
    for entry in written.entries.values() {
        let data = |image: &Image| {
            let length = usize::try_from(entry.size().to_bytes(sector).0).unwrap();
            image.get(entry.first.to_bytes(sector).0, length)
        };
        assert!(data(&after) == data(&fixture.image), "{name}: data changed");
    }
}

/// Whatever is there, `wipeTable` makes a table with the one partition, or none at all, and nothing of the old one is left.
fn assert_wipeable(fixture: &Fixture, found: &Found) {
    let (name, sector) = (&fixture.name, fixture.sector);
    let wiped = |found: &Found, partitions: Vec<Partition>| {
        let asked = Asked {
            wipe_table: true,
            partitions,
        };
        let change = plan(&fixture.disk(found.clone()), &asked);
        applied(
            &fixture.image,
            &change.unwrap_or_else(|conflicts| panic!("{name}: {conflicts:?}")),
        )
    };
    let fresh = vec![wanted(1, Some("fresh"), Some(4))];
    let after = wiped(found, fresh.clone());
    let table = sound(name, &after, sector);
    assert_eq!(table.entries.keys().collect::<Vec<_>>(), [&1], "{name}");
    assert_eq!(
        table.entries[&1].size().to_bytes(sector),
        Bytes(4 * MIB),
        "{name}"
    );
    for header in [1, fixture.last_sector()] {
        assert_eq!(entries(&after, sector, header).len(), 1, "{name}");
    }
    // No other header is left where anybody looks for one, whatever the size of the sectors.
    let looked_at = |&at: &u64| at < MIB || at >= fixture.image.size - MIB;
    let headers: Vec<u64> = after.headers().into_iter().filter(looked_at).collect();
    let expected = [1, fixture.last_sector()].map(|at| at * sector.bytes());
    assert_eq!(headers, expected, "{name}");
    // Nor the marks of what was made on the disk as a whole.
    let rest = after.get(512, usize::try_from(sector.bytes()).unwrap() - 512);
    assert!(rest.iter().all(|&byte| byte == 0), "{name}: the rest of sector 0");
    // Nothing of this depends on what was made of the old table.
    assert_eq!(sound(name, &wiped(&Found::Mbr, fresh), sector), table, "{name}");

    let after = wiped(found, Vec::new());
    assert_eq!(in_words(&read(&after, sector)), "blank", "{name}");
    let headers: Vec<u64> = after.headers().into_iter().filter(looked_at).collect();
    assert!(headers.is_empty(), "{name}: {headers:?}");
}

fn wanted(number: i64, label: Option<&str>, size_mib: Option<i64>) -> Partition {
    Partition {
        number,
        label: label.map(str::to_owned),
        size_mib,
        ..Partition::default()
    }
}

/// The first partition of each table that the fixtures are made of.
fn first_number(found: &Found) -> i64 {
    match found {
        Found::Gpt { table, .. } => table.entries.keys().copied().next().unwrap_or(1).into(),
        _ => 1,
    }
}

#[test]
fn every_damaged_table_is_read_planned_and_wiped() {
    let rows: BTreeMap<&str, Vec<&str>> = ROWS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(" | ").collect::<Vec<_>>())
        .map(|cells| (cells[0], cells[1..].to_vec()))
        .collect();
    let fixtures = fixtures();
    let names: BTreeSet<&str> = fixtures.iter().map(|fixture| &*fixture.name).collect();
    assert_eq!(names.len(), fixtures.len(), "a name stands twice");
    assert_eq!(rows.keys().copied().collect::<BTreeSet<_>>(), names);
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        let found = read(&fixture.image, fixture.sector);
        let disk = fixture.disk(found.clone());
        let mut said = vec![in_words(&found)];
        for partition in [
            wanted(first_number(&found), None, None),
            wanted(9, Some("more"), Some(1)),
        ] {
            let asked = Asked {
                wipe_table: false,
                partitions: vec![partition],
            };
            let change = plan(&disk, &asked);
            said.push(outcome(&change));
            if let Some(change) = change.ok().filter(|change| change.write) {
                assert_kept(fixture, &found, &change);
            }
        }
        let expected = &rows[&*fixture.name];
        if said != *expected {
            wrong.push(format!(
                "{}: {}, not {}",
                fixture.name,
                said.join(" | "),
                expected.join(" | ")
            ));
        }
        assert_wipeable(fixture, &found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_entries_made_room_for_stays() {
    let moved = |fixture: &Fixture| fixture.name.starts_with("moved-");
    for fixture in fixtures().into_iter().filter(moved) {
        let found = read(&fixture.image, fixture.sector);
        let Found::Gpt { mut table, .. } = found else {
            continue;
        };
        table.entries.clear();
        let mut after = fixture.image.clone();
        for region in table.regions().unwrap() {
            after.put(region.offset.0, &region.bytes);
        }
        assert_eq!(after.get(1024, 4096), vec![0xa5; 4096], "{}", fixture.name);
    }
}

/// The tables that Linux goes by although we cannot: they are repaired for nothing.
const NOT_UNDERSTOOD: &[&str] = &["primary-usable-from-its-entries-512"];

#[test]
fn linux_is_said_to_see_what_it_sees() {
    for fixture in fixtures() {
        let found = read(&fixture.image, fixture.sector);
        let Found::Gpt { table, .. } = &found else {
            continue;
        };
        let is_seen = found.seen_by_linux() || NOT_UNDERSTOOD.contains(&&*fixture.name);
        let shown: BTreeSet<u32> = table.entries.keys().copied().filter(|_| is_seen).collect();
        assert_eq!(shown, fixture.linux, "{}", fixture.name);
    }
}
