//! Mapping and normalization form C, by the tables.

use std::vec::IntoIter;

use crate::tables::{Meaning, Tables};

/// Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12): the first of leading consonants,
/// vowels, trailing consonants and syllables, and how many there are of each.
const LEADING: (u32, u32) = (0x1100, 19);
const VOWEL: (u32, u32) = (0x1161, 21);
/// The first place stands for none.
const TRAILING: (u32, u32) = (0x11a7, 28);
const SYLLABLE: (u32, u32) = (0xac00, LEADING.1 * VOWEL.1 * TRAILING.1);

/// `text` mapped and composed. What is ignored becomes `ignored`.
pub(crate) fn normalized(tables: &Tables, text: Vec<char>, ignored: Option<char>) -> IntoIter<char> {
    let mut parts = Vec::with_capacity(text.len());
    for c in text {
        match tables.meaning(c) {
            Meaning::Itself => parts.push(c),
            Meaning::Forbidden => parts.push(char::REPLACEMENT_CHARACTER),
            Meaning::Parts([]) => parts.extend(ignored),
            Meaning::Parts(several) => parts.extend_from_slice(several),
        }
    }
    composed(tables, ordered(tables, &parts)).into_iter()
}

/// Marks behind a character in the order of their combining classes, and those of one class as they came.
fn ordered(tables: &Tables, parts: &[char]) -> Vec<(char, u8)> {
    let mut ordered = Vec::with_capacity(parts.len());
    let mut marks: Vec<(char, u8)> = Vec::new();
    let settle = |marks: &mut Vec<(char, u8)>, ordered: &mut Vec<(char, u8)>| {
        if marks.is_sorted_by_key(|(_, class)| *class) {
            ordered.append(marks);
            return;
        }
        // Linear, however many marks somebody piles up.
        for class in 1..=u8::MAX {
            ordered.extend(marks.iter().filter(|(_, own)| *own == class));
        }
        marks.clear();
    };
    for &c in parts {
        let class = tables.properties(c).combining;
        if class == 0 {
            settle(&mut marks, &mut ordered);
            ordered.push((c, 0));
        } else {
            marks.push((c, class));
        }
    }
    settle(&mut marks, &mut ordered);
    ordered
}

/// Each mark joins the character before it, where there is a character for both and nothing of its class or above stands
/// between.
fn composed(tables: &Tables, parts: Vec<(char, u8)>) -> Vec<char> {
    let mut composed: Vec<char> = Vec::with_capacity(parts.len());
    let mut starter = None;
    let mut last = 0;
    for (c, class) in parts {
        let is_next = starter.is_some_and(|at: usize| at + 1 == composed.len());
        if let Some(before) = starter.and_then(|at| composed.get_mut(at))
            && (is_next || last < class)
            && let Some(both) = hangul(*before, c).or_else(|| tables.pair(*before, c))
        {
            *before = both;
            continue;
        }
        if class == 0 {
            starter = Some(composed.len());
        }
        last = class;
        composed.push(c);
    }
    composed
}

fn hangul(before: char, c: char) -> Option<char> {
    let place = |c: char, of: (u32, u32)| u32::from(c).checked_sub(of.0).filter(|place| *place < of.1);
    if let (Some(leading), Some(vowel)) = (place(before, LEADING), place(c, VOWEL)) {
        return char::from_u32(SYLLABLE.0 + (leading * VOWEL.1 + vowel) * TRAILING.1);
    }
    place(before, SYLLABLE).filter(|place| place.is_multiple_of(TRAILING.1))?;
    let trailing = place(c, TRAILING).filter(|place| *place > 0)?;
    char::from_u32(u32::from(before) + trailing)
}
