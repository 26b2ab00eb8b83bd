//! The tables: made by `tests.rs` from those of ICU, deflated, and inflated once.
//!
//! All numbers are of seven bits a byte, the lowest first, the eighth bit for "more follows". Differences may be negative:
//! their lowest bit is the sign. In this order:
//!
//! 1. the number of runs; the length of each; the kind of each, one byte;
//! 2. the number of kinds; what each is, four bytes: combining class, bidirectional class, joining type, flags;
//! 3. the number of entries; how many characters lie between each and the one before it; for each a byte, twice the number
//!    of its parts, and one more if they compose to it again;
//! 4. the parts of entries with one, by how much further it is from its character than the one before is from its own;
//!    then the first parts of the other entries, then the second, then the third and all further ones, by their
//!    differences to those before.

use std::sync::OnceLock;

/// The flags of a kind.
const IS_ALLOWED: u8 = 1;
const IS_MARK: u8 = 2;

#[cfg(test)]
pub(crate) const FLAGS: [u8; 2] = [IS_ALLOWED, IS_MARK];

/// More than the tables are, inflated.
pub(crate) const MAX_SIZE: usize = 1 << 16;

/// What characters of one kind have in common.
#[derive(Clone, Copy)]
pub(crate) struct Properties {
    pub(crate) combining: u8,
    pub(crate) bidi: u8,
    pub(crate) joining: u8,
    pub(crate) is_mark: bool,
    is_allowed: bool,
}

/// As U+FFFD.
const FORBIDDEN: Properties = Properties {
    combining: 0,
    bidi: crate::OTHER_NEUTRAL,
    joining: 0,
    is_mark: false,
    is_allowed: false,
};

/// What becomes of a character.
pub(crate) enum Meaning<'a> {
    Itself,
    Forbidden,
    /// What it is mapped to, decomposed. None if it is ignored.
    Parts(&'a [char]),
}

/// A character that is mapped, ignored or composed.
struct Entry {
    of: u32,
    /// Where its parts begin.
    at: usize,
    count: usize,
}

/// What is known of all characters.
#[derive(Default)]
pub(crate) struct Tables {
    /// The first character of each run, and the place of its kind.
    runs: Vec<(u32, u8)>,
    kinds: Vec<Properties>,
    entries: Vec<Entry>,
    parts: Vec<char>,
    /// Two characters, and the one they compose to, in the order of the two.
    pairs: Vec<((char, char), char)>,
}

/// The tables, inflated by the first call.
pub(crate) fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let packed = include_bytes!("tables.bin");
        let bytes = miniz_oxide::inflate::decompress_to_vec_with_limit(packed, MAX_SIZE).unwrap_or_default();
        Reader(&bytes).tables()
    })
}

impl Tables {
    pub(crate) fn properties(&self, c: char) -> Properties {
        let after = self.runs.partition_point(|(first, _)| *first <= u32::from(c));
        after
            .checked_sub(1)
            .and_then(|at| self.runs.get(at))
            .and_then(|(_, kind)| self.kinds.get(usize::from(*kind)))
            .copied()
            .unwrap_or(FORBIDDEN)
    }

    pub(crate) fn meaning(&self, c: char) -> Meaning<'_> {
        let found = self.entries.binary_search_by_key(&u32::from(c), |entry| entry.of);
        match found.ok().and_then(|at| self.entries.get(at)) {
            Some(entry) => Meaning::Parts(self.parts_of(entry)),
            None if self.properties(c).is_allowed => Meaning::Itself,
            None => Meaning::Forbidden,
        }
    }

    fn parts_of(&self, entry: &Entry) -> &[char] {
        self.parts
            .get(entry.at..entry.at + entry.count)
            .unwrap_or_default()
    }

    /// The character that two compose to.
    pub(crate) fn pair(&self, first: char, second: char) -> Option<char> {
        let at = self
            .pairs
            .binary_search_by_key(&(first, second), |(two, _)| *two)
            .ok()?;
        self.pairs.get(at).map(|(_, both)| *both)
    }

    /// Makes a pair of an entry that its parts compose to: of its last part, and of what the others compose to. Entries of
    /// fewer parts come before those of more.
    fn add_pair(&mut self, entry: &Entry) -> Option<()> {
        let (last, others) = self.parts_of(entry).split_last()?;
        let (first, others) = others.split_first()?;
        let first = others
            .iter()
            .try_fold(*first, |before, c| self.pair(before, *c))?;
        let two = (first, *last);
        let at = self.pairs.partition_point(|(other, _)| *other < two);
        self.pairs.insert(at, (two, char::from_u32(entry.of)?));
        Some(())
    }
}

/// What is left to read. Reads zeros at the end.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u32 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    /// `from` and a difference.
    fn moved(&mut self, from: u32) -> u32 {
        let number = self.number();
        let by = number >> 1;
        if number & 1 == 0 {
            from.wrapping_add(by)
        } else {
            from.wrapping_sub(by)
        }
    }

    fn tables(mut self) -> Tables {
        let mut tables = Tables::default();
        let mut next = 0u32;
        for _ in 0..self.number() {
            tables.runs.push((next, 0));
            next = next.saturating_add(self.number());
        }
        for run in &mut tables.runs {
            run.1 = self.byte();
        }
        for _ in 0..self.number() {
            let (combining, bidi, joining, flags) = (self.byte(), self.byte(), self.byte(), self.byte());
            tables.kinds.push(Properties {
                combining,
                bidi,
                joining,
                is_mark: flags & IS_MARK != 0,
                is_allowed: flags & IS_ALLOWED != 0,
            });
        }
        let composing = self.entries(&mut tables);
        self.parts(&mut tables);
        // Taken out, so that the pairs can be written meanwhile.
        let entries = std::mem::take(&mut tables.entries);
        for count in 2..=MOST_COMPOSED {
            for (entry, composes) in entries.iter().zip(&composing) {
                if *composes && entry.count == count {
                    tables.add_pair(entry);
                }
            }
        }
        tables.entries = entries;
        tables
    }

    /// The entries, whose parts are still to be read; and for each whether they compose to it.
    fn entries(&mut self, tables: &mut Tables) -> Vec<bool> {
        let mut next = 0u32;
        for _ in 0..self.number() {
            let of = next.saturating_add(self.number());
            tables.entries.push(Entry { of, at: 0, count: 0 });
            next = of.saturating_add(1);
        }
        let mut at = 0;
        let mut composing = Vec::new();
        for entry in &mut tables.entries {
            let byte = self.byte();
            entry.at = at;
            entry.count = usize::from(byte >> 1);
            at += entry.count;
            composing.push(byte & 1 != 0);
        }
        tables.parts = vec![char::REPLACEMENT_CHARACTER; at];
        composing
    }

    fn parts(&mut self, tables: &mut Tables) {
        let mut put = |at: usize, part: u32| {
            if let (Some(place), Some(c)) = (tables.parts.get_mut(at), char::from_u32(part)) {
                *place = c;
            }
        };
        let mut distance = 0;
        for entry in tables.entries.iter().filter(|entry| entry.count == 1) {
            distance = self.moved(distance);
            put(entry.at, entry.of.wrapping_add(distance));
        }
        for (from, to) in [(0, 1), (1, 2), (2, usize::MAX)] {
            let mut part = 0;
            for entry in tables.entries.iter().filter(|entry| entry.count > 1) {
                for place in from..to.min(entry.count) {
                    part = self.moved(part);
                    put(entry.at + place, part);
                }
            }
        }
    }
}

/// The most parts of a character that they compose to.
const MOST_COMPOSED: usize = 4;
