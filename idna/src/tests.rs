//! The answers are those of ICU, for every character; and the tables are made of its data:
//! `KINDLING_RENEW=1 cargo nextest run -p idna_adapter what_icu_says`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use icu_normalizer::uts46::Uts46MapperBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{BidiClass, GeneralCategory, JoiningType};
use proptest::prelude::*;

use crate::Adapter;
use crate::tables::FLAGS;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tables.bin");

/// Combining class, bidirectional class, joining type, flags.
type Kind = [u8; 4];

/// A character, its parts, and whether they compose to it.
type Entry = (u32, Vec<u32>, bool);

struct Icu {
    mapper: Uts46MapperBorrowed<'static>,
    decomposing: DecomposingNormalizerBorrowed<'static>,
    combining: CanonicalCombiningClassMapBorrowed<'static>,
}

impl Icu {
    fn new() -> Self {
        Self {
            mapper: Uts46MapperBorrowed::new(),
            decomposing: DecomposingNormalizerBorrowed::new_nfd(),
            combining: CanonicalCombiningClassMapBorrowed::new(),
        }
    }

    fn mapped(&self, text: &str) -> String {
        self.mapper.map_normalize(text.chars()).collect()
    }

    fn validated(&self, text: &str) -> String {
        self.mapper.normalize_validate(text.chars()).collect()
    }

    #[expect(deprecated, reason = "the numbers are what the tables are made of")]
    fn kind(&self, c: char, is_allowed: bool) -> Kind {
        let category = CodePointMapData::<GeneralCategory>::new().get(c);
        let is_mark = matches!(
            category,
            GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark | GeneralCategory::EnclosingMark
        );
        [
            self.combining.get_u8(c),
            CodePointMapData::<BidiClass>::new().get(c).to_icu4c_value(),
            CodePointMapData::<JoiningType>::new().get(c).to_icu4c_value(),
            u8::from(is_allowed) * FLAGS[0] + u8::from(is_mark) * FLAGS[1],
        ]
    }
}

fn all() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

fn number(into: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        into.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    into.push(u8::try_from(number).unwrap());
}

fn difference(into: &mut Vec<u8>, from: &mut i64, to: i64) {
    let by = to - *from;
    *from = to;
    number(
        into,
        u32::try_from(by.unsigned_abs() * 2).unwrap() + u32::from(by < 0),
    );
}

/// The tables as `tables.rs` describes them.
fn made(icu: &Icu) -> Vec<u8> {
    let (mut runs, mut entries): (Vec<(u32, Kind)>, Vec<Entry>) = (Vec::new(), Vec::new());
    let mut from = 0;
    for c in all() {
        let mapped = icu.mapped(&c.to_string());
        let is_itself = mapped.chars().eq([c]) && c != char::REPLACEMENT_CHARACTER;
        let parts: Vec<u32> = icu
            .decomposing
            .normalize(&mapped)
            .chars()
            .map(u32::from)
            .collect();
        let is_forbidden = mapped == "\u{fffd}";
        let is_syllable = ('\u{ac00}'..='\u{d7a3}').contains(&c);
        if !is_forbidden && parts != [u32::from(c)] && !is_syllable {
            entries.push((u32::from(c), parts, is_itself));
        }
        let kind = match (is_itself, is_forbidden) {
            (true, _) => icu.kind(c, true),
            (_, true) => [0, crate::OTHER_NEUTRAL, 0, 0],
            // Nobody asks what a mapped character is, so it lengthens the run that it lies in.
            (false, false) => continue,
        };
        if runs.last().is_none_or(|(_, last)| *last != kind) {
            runs.push((from, kind));
        }
        from = u32::from(c) + 1;
    }
    runs.push((from, [0, crate::OTHER_NEUTRAL, 0, 0]));
    written(&runs, &entries)
}

fn written(runs: &[(u32, Kind)], entries: &[Entry]) -> Vec<u8> {
    let count = |len: usize| u32::try_from(len).unwrap();
    let mut bytes = Vec::new();
    let mut kinds: Vec<Kind> = Vec::new();
    number(&mut bytes, count(runs.len()));
    let ends = runs.iter().skip(1).map(|(from, _)| *from).chain([0x11_0000]);
    for ((from, _), end) in runs.iter().zip(ends) {
        number(&mut bytes, end - from);
    }
    for (_, kind) in runs {
        let place = kinds.iter().position(|other| other == kind).unwrap_or_else(|| {
            kinds.push(*kind);
            kinds.len() - 1
        });
        bytes.push(u8::try_from(place).unwrap());
    }
    number(&mut bytes, count(kinds.len()));
    bytes.extend(kinds.iter().flatten());

    number(&mut bytes, count(entries.len()));
    let mut next = 0;
    for (of, ..) in entries {
        number(&mut bytes, of - next);
        next = of + 1;
    }
    for (_, parts, composes) in entries {
        bytes.push(u8::try_from(parts.len() * 2).unwrap() + u8::from(*composes));
    }
    let mut last = 0;
    for (of, parts, _) in entries.iter().filter(|(_, parts, _)| parts.len() == 1) {
        difference(&mut bytes, &mut last, i64::from(parts[0]) - i64::from(*of));
    }
    for (from, to) in [(0, 1), (1, 2), (2, usize::MAX)] {
        let mut last = 0;
        for (_, parts, _) in entries.iter().filter(|(_, parts, _)| parts.len() > 1) {
            for part in parts.iter().take(to).skip(from) {
                difference(&mut bytes, &mut last, i64::from(*part));
            }
        }
    }
    bytes
}

#[test]
fn the_tables_are_what_icu_says() {
    let made = made(&Icu::new());
    if std::env::var_os("KINDLING_RENEW").is_some() {
        std::fs::write(FILE, miniz_oxide::deflate::compress_to_vec(&made, 10)).unwrap();
    }
    let kept = std::fs::read(FILE).unwrap();
    assert!(made.len() < crate::tables::MAX_SIZE);
    assert!(
        miniz_oxide::inflate::decompress_to_vec(&kept).unwrap() == made,
        "renew them: KINDLING_RENEW=1 cargo nextest run -p idna_adapter what_icu_says"
    );
}

#[test]
fn every_character_alone_is_as_icu_has_it() {
    let (icu, ours) = (Icu::new(), Adapter::new());
    for c in all() {
        let text = c.to_string();
        let mapped = icu.mapped(&text);
        assert_eq!(
            ours.map_normalize([c].into_iter()).collect::<String>(),
            mapped,
            "{c:?}"
        );
        assert_eq!(
            ours.normalize_validate([c].into_iter()).collect::<String>(),
            icu.validated(&text),
            "{c:?}"
        );
        for c in mapped.chars() {
            let [_, bidi, joining, flags] = icu.kind(c, false);
            assert_eq!(ours.bidi_class(c).0, bidi, "{c:?}");
            assert_eq!(ours.joining_type(c).0, joining, "{c:?}");
            assert_eq!(ours.is_mark(c), flags != 0, "{c:?}");
            assert_eq!(ours.is_virama(c), icu.mapper.is_virama(c), "{c:?}");
        }
    }
}

/// Characters that do something to their neighbours more often than chance would bring them.
fn lively() -> impl Strategy<Value = char> {
    let icu = Icu::new();
    let mut marks = Vec::new();
    let mut others = Vec::new();
    for c in all() {
        let text = c.to_string();
        let decomposed = icu.decomposing.normalize(&text);
        if icu.combining.get_u8(c) != 0 {
            marks.push(c);
        } else if *decomposed != *text {
            others.extend(decomposed.chars().take(2));
            others.push(c);
        }
    }
    prop_oneof![
        4 => prop::sample::select(marks),
        4 => prop::sample::select(others),
        1 => any::<char>(),
        1 => prop::char::range('\u{1100}', '\u{11ff}'),
        1 => prop::char::range('a', 'z'),
        1 => prop::char::range('\u{1e00}', '\u{1eff}'),
    ]
}

#[test]
fn texts_are_normalized_as_icu_does() {
    let (icu, ours) = (Icu::new(), Adapter::new());
    let config = ProptestConfig::with_cases(20_000);
    proptest!(config, |(text in prop::collection::vec(lively(), 0..12))| {
        let text: String = text.into_iter().collect();
        prop_assert_eq!(ours.map_normalize(text.chars()).collect::<String>(), icu.mapped(&text));
        prop_assert_eq!(ours.normalize_validate(text.chars()).collect::<String>(), icu.validated(&text));
    });
}

#[test]
fn every_pair_composes_as_icu_has_it() {
    let (icu, ours) = (Icu::new(), Adapter::new());
    for c in all() {
        // Decomposed as far as it goes: what is composed of it is the same again, or not.
        let parts = icu.decomposing.normalize(&c.to_string()).into_owned();
        assert_eq!(
            ours.map_normalize(parts.chars()).collect::<String>(),
            icu.mapped(&parts),
            "{c:?}"
        );
    }
}

#[test]
fn many_marks_take_no_longer_each() {
    let text = "a".to_owned() + &"\u{301}\u{316}".repeat(200_000);
    let ours = Adapter::new();
    let normalized: String = ours.map_normalize(text.chars()).collect();
    assert!(normalized.starts_with("\u{e1}\u{316}"));
    assert_eq!(normalized.chars().count(), 400_000);
}
