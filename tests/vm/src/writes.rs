//! Writes to a disk, in the order the disk took them, and the states that a power cut can have left it in.
//!
//! The log is in the format of the kernel's device-mapper target `log-writes`
//! (`Documentation/admin-guide/device-mapper/log-writes.rst`; the structures are those of `drivers/md/dm-log-writes.c`,
//! version 1), which QEMU's block driver `blklogwrites` writes too. All numbers are little-endian, all positions are in
//! sectors of the log. Sector 0 holds magic, version, number of entries (64 bits each) and bytes of a sector (32 bits).
//! An entry is one sector with the sector written to, the number of sectors, flags and the length of a mark's text (64 bits
//! each), and behind it, unless it is a discard or a mark, the sectors that were written.
//!
//! What a disk holds after a power cut: each write that a flush came after, each write forced to the medium (FUA), and
//! any of the others, each wholly, in part, by sectors, or not at all. QEMU logs a write when it is complete, so a write
//! that was complete when a flush was logged counts as flushed, also when it became so while the flush was under way.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;

const FLUSH: u64 = 1;
const FUA: u64 = 1 << 1;
const DISCARD: u64 = 1 << 2;
const MARK: u64 = 1 << 3;
const METADATA: u64 = 1 << 4;

/// Bytes of the largest log that is read: a longer one is none of ours.
const LIMIT: u64 = 1 << 30;

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file could not be read, or ends before its last entry does.
    #[error("the log of writes ends early or cannot be read, in {what}")]
    Read {
        /// Where in the log.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// It does not start as such a log does.
    #[error("not a log of writes: magic {magic:#x}, version {version}")]
    NotALog {
        /// What stands in the magic's place.
        magic: u64,
        /// What stands in the version's place.
        version: u64,
    },
    /// A sector has a size that is no power of two of at least 512 bytes.
    #[error("the log of writes has sectors of {0} bytes")]
    SectorBytes(u32),
    /// An entry says what this reader does not know, or is too long.
    #[error("entry {entry} of the log of writes has flags {flags:#x} and {sectors} sectors")]
    Entry {
        /// Number of the entry, from 0.
        entry: u64,
        /// Its flags.
        flags: u64,
        /// Its sectors.
        sectors: u64,
    },
}

/// What an entry did.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// What was written, as places in [`Log::texts`]; none for a flush alone.
    Write(Vec<usize>),
    /// The sectors were given back. They read as zeros: so does the disk that was recorded.
    Discard,
    /// A word of whoever made the log.
    Mark,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    sector: u64,
    sectors: u64,
    flags: u64,
    kind: Kind,
}

impl Entry {
    fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    /// Whether it changes the disk.
    fn changes(&self) -> bool {
        self.kind != Kind::Mark && self.sectors > 0
    }
}

/// A log of writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    sector_bytes: usize,
    entries: Vec<Entry>,
    /// What is in the sectors that were written, each text once. The first is zeros.
    texts: Vec<Vec<u8>>,
    /// Number of the boundary from which on its moments count.
    start: usize,
}

/// How much of one entry a disk holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Nothing,
    All,
    /// One flag for each sector.
    Sectors(Vec<bool>),
}

impl Kept {
    fn holds(&self, sector: usize) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Sectors(flags) => flags.get(sector) == Some(&true),
        }
    }
}

/// Where zeros stand in [`Log::texts`].
const ZEROS: usize = 0;

/// Sectors as they are read, each text once.
struct Texts {
    places: HashMap<Vec<u8>, usize>,
    in_order: Vec<Vec<u8>>,
    sector: Vec<u8>,
}

impl Texts {
    fn new(sector_bytes: usize) -> Self {
        let zeros = vec![0; sector_bytes];
        Self {
            places: HashMap::from([(zeros.clone(), ZEROS)]),
            in_order: vec![zeros.clone()],
            sector: zeros,
        }
    }

    /// Reads one sector and tells its place.
    fn read(&mut self, from: &mut impl Read) -> io::Result<usize> {
        from.read_exact(&mut self.sector)?;
        if let Some(place) = self.places.get(&self.sector) {
            return Ok(*place);
        }
        let place = self.in_order.len();
        self.places.insert(self.sector.clone(), place);
        self.in_order.push(self.sector.clone());
        Ok(place)
    }
}

/// A moment at which the power can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Right after the boundary with this number; what was not flushed then is lost.
    Boundary(usize),
    /// Between the boundary with this number and the next: the seed says what is left of the writes between.
    Torn {
        /// Number of the boundary before it.
        after: usize,
        /// What decides.
        seed: u64,
    },
}

impl std::fmt::Display for Moment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boundary(number) => write!(out, "boundary {number}"),
            Self::Torn { after, seed } => write!(out, "torn after boundary {after}, seed {seed}"),
        }
    }
}

/// What a disk holds: the sectors that are not zeros, as places in [`Log::texts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents(BTreeMap<u64, usize>);

impl Log {
    /// Reads a log.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn read(from: &mut impl Read) -> Result<Self, LogError> {
        let head: [u8; 28] = bytes(from, || "its head".to_owned())?;
        let (magic, version, count) = (number(&head, 0), number(&head, 8), number(&head, 16));
        if (magic, version) != (MAGIC, VERSION) {
            return Err(LogError::NotALog { magic, version });
        }
        let [.., a, b, c, d] = head;
        let sector_bytes = u32::from_le_bytes([a, b, c, d]);
        if !sector_bytes.is_power_of_two() || !(512..1 << 24).contains(&sector_bytes) {
            return Err(LogError::SectorBytes(sector_bytes));
        }
        let size = u64::from(sector_bytes);
        skip(from, size - 28, || "its head".to_owned())?;
        let sector_bytes = usize::try_from(sector_bytes).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        let mut texts = Texts::new(sector_bytes);
        let mut held = 0;
        for entry in 0..count {
            let place = || format!("entry {entry} of {count}");
            let head: [u8; 32] = bytes(from, place)?;
            skip(from, size - 32, place)?;
            let (sector, sectors, flags) = (number(&head, 0), number(&head, 8), number(&head, 16));
            let is_known = flags & !(FLUSH | FUA | DISCARD | MARK | METADATA) == 0;
            let kind = if flags & DISCARD != 0 {
                Kind::Discard
            } else if flags & MARK != 0 {
                Kind::Mark
            } else {
                held += sectors.checked_mul(size).unwrap_or(LIMIT).min(LIMIT);
                if held >= LIMIT {
                    return Err(LogError::Entry {
                        entry,
                        flags,
                        sectors,
                    });
                }
                let written = (0..sectors).map(|_| texts.read(from));
                let written: io::Result<Vec<usize>> = written.collect();
                Kind::Write(written.map_err(|source| LogError::Read {
                    what: place(),
                    source,
                })?)
            };
            if !is_known || sector.checked_add(sectors).is_none() {
                return Err(LogError::Entry {
                    entry,
                    flags,
                    sectors,
                });
            }
            entries.push(Entry {
                sector,
                sectors,
                flags,
                kind,
            });
        }
        Ok(Self {
            sector_bytes,
            entries,
            texts: texts.in_order,
            start: 0,
        })
    }

    /// The same log, of which only the moments count that come after a sector that starts with `text` was written and
    /// flushed: what comes before prepared the disk. Nothing where no such sector was written.
    #[must_use]
    pub fn after(self, text: &[u8]) -> Option<Self> {
        let holds = |entry: &Entry| match &entry.kind {
            Kind::Write(written) => written.iter().any(|place| self.texts[*place].starts_with(text)),
            Kind::Discard | Kind::Mark => false,
        };
        let written = self.entries.iter().position(holds)?;
        let end = self.ends().iter().position(|end| *end >= written)?;
        Some(Self {
            start: end + 1,
            ..self
        })
    }

    /// Every moment at which something that was written had reached the medium for certain, each with other contents:
    /// the disk before everything, then those after a flush or a forced write.
    #[must_use]
    pub fn boundaries(&self) -> Vec<Moment> {
        let mut seen = HashSet::new();
        let (mut settled, mut count) = (Contents::default(), 0);
        let mut is_new = |number: usize| {
            let next = self.settled(number);
            self.apply(&mut settled, count..next, |_| &Kept::All);
            count = next;
            let mut contents = settled.clone();
            let kept = self.kept_for_certain(number);
            self.apply(&mut contents, count..kept.len(), |index| &kept[index]);
            seen.insert(fingerprint(&contents))
        };
        (self.start..=self.ends().len())
            .filter(|number| is_new(*number))
            .map(Moment::Boundary)
            .collect()
    }

    /// Up to `count` moments between the boundary and the next, seeds from `seed` on. Less than `count` where there are
    /// not so many: all have other contents, which neither boundary has.
    #[must_use]
    pub fn torn(&self, after: usize, seed: u64, count: usize) -> Vec<Moment> {
        // With so few writes in between that most seeds give the same, some are tried in vain.
        let tries = u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(4);
        let first = self.settled(after);
        let mut settled = Contents::default();
        self.apply(&mut settled, 0..first, |_| &Kept::All);
        let print = |kept: &[Kept]| {
            let mut contents = settled.clone();
            self.apply(&mut contents, first..kept.len(), |index| &kept[index]);
            fingerprint(&contents)
        };
        let mut seen: HashSet<u64> = [after, after + 1]
            .map(|number| print(&self.kept_for_certain(number)))
            .into();
        let mut found = Vec::new();
        for seed in seed..seed.saturating_add(tries) {
            if found.len() < count && seen.insert(print(&self.kept_by_chance(after, seed))) {
                found.push(Moment::Torn { after, seed });
            }
        }
        found
    }

    /// What the disk holds at that moment.
    #[must_use]
    pub fn contents(&self, moment: Moment) -> Contents {
        let kept = match moment {
            Moment::Boundary(number) => self.kept_for_certain(number),
            Moment::Torn { after, seed } => self.kept_by_chance(after, seed),
        };
        let mut contents = Contents::default();
        self.apply(&mut contents, 0..kept.len(), |index| &kept[index]);
        contents
    }

    /// Adds to the contents what is kept of these entries.
    fn apply<'a>(
        &self,
        Contents(contents): &mut Contents,
        range: Range<usize>,
        kept: impl Fn(usize) -> &'a Kept,
    ) {
        for (index, entry) in range.clone().zip(&self.entries[range]) {
            let kept = kept(index);
            if *kept == Kept::Nothing || !entry.changes() {
                continue;
            }
            match &entry.kind {
                Kind::Mark => {}
                Kind::Discard => {
                    let given_back = contents.range(entry.sector..entry.sector + entry.sectors);
                    let given_back: Vec<u64> = given_back.map(|(sector, _)| *sector).collect();
                    for sector in given_back {
                        contents.remove(&sector);
                    }
                }
                Kind::Write(written) => {
                    let places = (entry.sector..).zip(written).enumerate();
                    for (_, (place, text)) in places.filter(|(at, _)| kept.holds(*at)) {
                        if *text == ZEROS {
                            contents.remove(&place);
                        } else {
                            contents.insert(place, *text);
                        }
                    }
                }
            }
        }
    }

    /// Writes the contents into an image that holds zeros.
    ///
    /// # Errors
    /// When the image cannot be written.
    pub fn write(&self, contents: &Contents, image: &mut (impl Write + Seek)) -> io::Result<()> {
        let mut expected = None;
        for (place, text) in &contents.0 {
            if expected != Some(*place) {
                image.seek(SeekFrom::Start(place * self.sector_bytes as u64))?;
            }
            image.write_all(&self.texts[*text])?;
            expected = Some(place + 1);
        }
        image.flush()
    }

    /// The entry that each boundary but the first comes with.
    fn ends(&self) -> Vec<usize> {
        let entries = self.entries.iter().enumerate();
        entries
            .filter(|(_, entry)| entry.has(FLUSH) || entry.has(FUA) && entry.changes())
            .map(|(index, _)| index)
            .collect()
    }

    /// How many entries there are up to a boundary, the one it comes with included; all of them for one that is not there.
    fn count_up_to(&self, boundary: usize) -> usize {
        match boundary {
            0 => 0,
            number => self
                .ends()
                .get(number - 1)
                .map_or(self.entries.len(), |end| end + 1),
        }
    }

    /// How many entries from the first on are all on the medium for certain at a boundary: those before its last flush.
    fn settled(&self, boundary: usize) -> usize {
        let entries = &self.entries[..self.count_up_to(boundary)];
        entries
            .iter()
            .rposition(|entry| entry.has(FLUSH))
            .unwrap_or_default()
    }

    /// What is on the medium for certain at a boundary. A flush with data comes before its data.
    fn kept_for_certain(&self, boundary: usize) -> Vec<Kept> {
        let mut kept = vec![Kept::Nothing; self.entries.len()];
        let count = self.count_up_to(boundary);
        for (index, entry) in self.entries[..count].iter().enumerate() {
            if entry.has(FLUSH) {
                kept[..index].fill(Kept::All);
            }
            if entry.has(FUA) {
                kept[index] = Kept::All;
            }
        }
        kept
    }

    /// What is on the medium for certain at the boundary, and a part of what was written before the next.
    fn kept_by_chance(&self, after: usize, seed: u64) -> Vec<Kept> {
        let mut kept = self.kept_for_certain(after);
        let mut chance = Chance(seed);
        // Neither always a half: some disks keep nearly all, some nearly nothing.
        let of_eight = 1 + chance.below(7);
        for (index, entry) in self.entries[..self.count_up_to(after + 1)].iter().enumerate() {
            if kept[index] == Kept::All || !entry.changes() {
                continue;
            }
            let is_kept = chance.below(8) < of_eight;
            let is_torn = entry.sectors > 1 && entry.kind != Kind::Discard && chance.below(4) == 0;
            kept[index] = match (is_torn, is_kept) {
                (true, _) => Kept::Sectors((0..entry.sectors).map(|_| chance.below(8) < of_eight).collect()),
                (false, true) => Kept::All,
                (false, false) => Kept::Nothing,
            };
        }
        kept
    }
}

/// Numbers that look drawn and are the same for the same seed: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub struct Chance(pub u64);

impl Chance {
    /// A number from 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// The same for the same contents, and another for others.
fn fingerprint(contents: &Contents) -> u64 {
    let mut sum = DefaultHasher::new();
    contents.0.hash(&mut sum);
    sum.finish()
}

fn bytes<const N: usize>(from: &mut impl Read, what: impl Fn() -> String) -> Result<[u8; N], LogError> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)
        .map_err(|source| LogError::Read { what: what(), source })?;
    Ok(bytes)
}

fn skip(from: &mut impl Read, count: u64, what: impl Fn() -> String) -> Result<(), LogError> {
    let failed = |source| LogError::Read { what: what(), source };
    let skipped = io::copy(&mut from.take(count), &mut io::sink()).map_err(failed)?;
    if skipped == count {
        Ok(())
    } else {
        Err(failed(io::ErrorKind::UnexpectedEof.into()))
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests;
