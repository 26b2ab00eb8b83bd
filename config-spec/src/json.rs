//! JSON by one kind of reader and one kind of writer: the code of each type is compiled for each kind.

use std::io;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

mod records;

use records::Records;

/// Writes a value's JSON, without white space.
///
/// # Errors
/// Those of `to`, and of a value that is no plain data.
pub fn write(to: &mut dyn io::Write, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
    serde_json::to_writer(to, value)
}

/// A value's JSON, without white space.
///
/// # Panics
/// When the value is no plain data.
#[must_use]
pub fn text(value: &(impl Serialize + ?Sized)) -> String {
    let mut text = Vec::new();
    write(&mut text, value).expect("plain data serialises, and memory takes it");
    String::from_utf8(text).expect("JSON is text")
}

/// A value's JSON as people read it, with two spaces to a level.
///
/// # Panics
/// When the value is no plain data.
#[must_use]
pub fn pretty(value: &(impl Serialize + ?Sized)) -> String {
    spread(&text(value))
}

/// What `text` is: no list where an object is meant.
///
/// # Errors
/// When it is not JSON, or not of this type.
pub fn parse<'de, T: Deserialize<'de>>(text: &'de str) -> serde_json::Result<T> {
    let mut from = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Records(&mut from))?;
    from.end()?;
    Ok(value)
}

/// What `bytes` are; `None` for what is not UTF-8, not JSON, or not of this type.
#[must_use]
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    parse(std::str::from_utf8(bytes).ok()?).ok()
}

/// JSON without white space as people read it: in the form of serde_json's `PrettyFormatter`.
#[must_use]
pub fn spread(compact: &str) -> String {
    let mut spread = String::with_capacity(compact.len() * 2);
    let (mut depth, mut in_text, mut is_escaped) = (0, false, false);
    let mut letters = compact.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        if in_text {
            spread.push(letter);
            in_text = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
        } else {
            let is_end = matches!(letter, '}' | ']');
            let is_filled = !matches!(before, '{' | '[');
            if is_end && is_filled {
                depth -= 1;
                new_line(&mut spread, depth);
            }
            spread.push(letter);
            match letter {
                '"' => in_text = true,
                ':' => spread.push(' '),
                ',' => new_line(&mut spread, depth),
                '{' | '[' if !matches!(letters.peek(), Some('}' | ']')) => {
                    depth += 1;
                    new_line(&mut spread, depth);
                }
                _ => {}
            }
        }
        before = letter;
    }
    spread
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    for _ in 0..depth {
        text.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            r#"[\\"{}\[\],: a]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec((r#"[\\"{}\[\],: a]{0,4}"#, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_forms_are_those_of_serde_json(value in any_value()) {
            prop_assert_eq!(text(&value), serde_json::to_string(&value).unwrap());
            prop_assert_eq!(pretty(&value), serde_json::to_string_pretty(&value).unwrap());
        }
    }

    #[test]
    fn what_is_no_text_or_of_another_type_is_nothing() {
        assert_eq!(read::<Value>(br#"{"a":1}"#), Some(json!({"a": 1})));
        assert_eq!(read::<Vec<u8>>(br#"{"a":1}"#), None);
        assert_eq!(read::<Value>(b"\"\xff\""), None);
    }
}
