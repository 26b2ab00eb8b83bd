//! Another reader of YAML has the same opinion of documents that are put together at random.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::shown;
use crate::frontend::yaml::read;

/// What documents are put together of.
const PIECES: [&str; 48] = [
    "a", "b: ", "c:", "- ", "-", "? ", ": ", ":", "\n", "\n", "\n", "\n  ", "\n  ", "\n    ", " ", "  ", "[",
    "]", "{", "}", ", ", ",", "'x'", "\"y\"", "'", "\"", "|", ">", "|-", ">+", "|2", "#", " # c", "&n ",
    "*n", "!!str ", "!t ", "1", "é", "\t", "---", "...", "\\n", "\\", "a b", "\r\n", "\n\n", "k: v",
];

/// The next of a row of numbers that look like chance.
fn next(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

/// The first document as the other reader has it, in the form of [`shown`]; nothing where it refuses, or where a key repeats or is
/// no scalar.
fn other(text: &str) -> Option<String> {
    let mut parser = Parser::new_from_str(text);
    let mut out = String::new();
    loop {
        match parser.next_event()?.ok()?.0 {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Some("\"<>\"".to_owned()),
            event => {
                value(&mut parser, event, &mut out)?;
                break;
            }
        }
    }
    parser.next_event()?.ok()?;
    Some(out)
}

type Other<'a> = Parser<'a, saphyr_parser::StrInput<'a>>;

fn value(parser: &mut Other<'_>, event: Event<'_>, out: &mut String) -> Option<()> {
    match event {
        Event::Scalar(text, style, _, tag) => {
            let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema());
            let is_plain = style == ScalarStyle::Plain && !is_text;
            let text = if is_plain {
                format!("<{text}>")
            } else {
                text.into_owned()
            };
            out.push_str(&crate::json::text(&text));
        }
        Event::SequenceStart(..) => {
            out.push('[');
            loop {
                match parser.next_event()?.ok()?.0 {
                    Event::SequenceEnd => break,
                    event => value(parser, event, out)?,
                }
                out.push(',');
            }
            close(out, ']');
        }
        Event::MappingStart(..) => {
            let mut keys = Vec::new();
            out.push('{');
            loop {
                match parser.next_event()?.ok()?.0 {
                    Event::MappingEnd => break,
                    Event::Scalar(text, ..) if !keys.contains(&text.clone().into_owned()) => {
                        out.push_str(&crate::json::text(&text));
                        keys.push(text.into_owned());
                    }
                    _ => return None,
                }
                out.push(':');
                let event = parser.next_event()?.ok()?.0;
                value(parser, event, out)?;
                out.push(',');
            }
            close(out, '}');
        }
        _ => return None,
    }
    Some(())
}

fn close(out: &mut String, sign: char) {
    if out.ends_with(',') {
        out.pop();
    }
    out.push(sign);
}

/// Tabs, which this reader refuses as indentation in more places, and empty keys are left out; and a last line without an end,
/// which only the other one gives to a block.
#[test]
fn documents_of_any_pieces_are_the_same_to_both() {
    let mut state = 1;
    let (mut both, mut one) = (0, 0);
    for _ in 0..60_000 {
        let count = 2 + next(&mut state) % 9;
        let pieces: String = (0..count)
            .map(|_| PIECES[next(&mut state) % PIECES.len()])
            .collect();
        let text = pieces + "\n";
        let has_no_key = text.lines().any(|line| {
            let line = line.trim_start_matches([' ', '-']);
            line.starts_with(':') || line.contains(": :") || line.contains("? ") || line.contains("!t :")
        });
        if text.contains(['\t', '*']) || has_no_key {
            continue;
        }
        let ours = read(&text).ok().map(|_| shown(&text));
        match (ours, other(&text)) {
            (None, None) => {}
            (Some(ours), Some(theirs)) => {
                assert_eq!(ours, theirs, "{text:?}");
                both += 1;
            }
            _ => one += 1,
        }
    }
    assert!(both > 10_000 && one < both / 200, "{both} {one}");
}
