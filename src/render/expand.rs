//! Placeholders for facts of one machine, in the contents of files that ask for it (`kindling.files.PATH.expand`).
//!
//! A closed set of names ([`NAMES`]), no conditions, no defaults, no nesting: what cannot be said with a name is not said.
//! `${HOME}` and every other `${…}` stays as it is, and `$${machine.uuid}` is the text `${machine.uuid}`.

use std::ops::Range;

/// Every name there is, in the order of docs/placeholders.md. The part behind `platform.` is a
/// [`kindling_platforms::Fact`] or `id`.
pub const NAMES: [&str; 14] = [
    "platform.id",
    "platform.instance-id",
    "platform.instance-type",
    "platform.hostname",
    "platform.zone",
    "platform.region",
    "platform.ipv4",
    "platform.public-ipv4",
    "platform.ipv6",
    "machine.uuid",
    "machine.serial",
    "machine.mac",
    "machine.hostname",
    "machine.architecture",
];

/// Why contents cannot be expanded. The texts name the line, and nothing of what else stands there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError<E> {
    /// A name of `platform.` or `machine.` that there is not, or that has no end on its line.
    #[error("line {line} has a placeholder that there is not: {name}")]
    Unknown {
        /// Counted from 1.
        line: usize,
        /// `${NAME}`, or as much of it as reads like a name.
        name: String,
    },
    /// This machine has no such value.
    #[error("line {line} asks for ${{{name}}}, and this machine has no such value")]
    Missing {
        /// Counted from 1.
        line: usize,
        /// As it is written.
        name: &'static str,
    },
    /// The value could not be looked up.
    #[error("line {line} asks for ${{{name}}}")]
    Lookup {
        /// Counted from 1.
        line: usize,
        /// As it is written.
        name: &'static str,
        /// Why.
        source: E,
    },
}

/// A placeholder that was found.
enum Found {
    /// What stands for itself once the first `$` is taken away.
    Escaped,
    /// A name.
    Name(Range<usize>),
}

/// `text` with the value of each placeholder in its place. `value` is asked once for each.
///
/// # Errors
/// See [`ExpandError`]; the first one ends it.
pub fn expand<E>(
    text: &[u8],
    value: &mut dyn FnMut(&'static str) -> Result<Option<String>, E>,
) -> Result<Vec<u8>, ExpandError<E>> {
    let mut expanded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some((start, found)) = next(text, at) {
        expanded.extend_from_slice(&text[at..start]);
        match found {
            Found::Escaped => {
                // What follows is text, whatever it looks like.
                expanded.extend_from_slice(b"${");
                at = start + 3;
            }
            Found::Name(range) => {
                let line = line_of(text, start);
                let written = String::from_utf8_lossy(&text[range.clone()]);
                let is_closed = text.get(range.end) == Some(&b'}');
                let known = NAMES.into_iter().find(|name| *name == written);
                let Some(name) = known.filter(|_| is_closed) else {
                    return Err(ExpandError::Unknown {
                        line,
                        name: shown(&written, is_closed),
                    });
                };
                let found = value(name).map_err(|source| ExpandError::Lookup { line, name, source })?;
                let found = found.ok_or(ExpandError::Missing { line, name })?;
                expanded.extend_from_slice(found.as_bytes());
                at = range.end + 1;
            }
        }
    }
    expanded.extend_from_slice(&text[at..]);
    Ok(expanded)
}

/// The first placeholder from `from` on: where it begins, and what it is.
fn next(text: &[u8], from: usize) -> Option<(usize, Found)> {
    let mut at = from;
    while let Some(offset) = text.get(at..)?.iter().position(|byte| *byte == b'$') {
        let start = at + offset;
        if text[start..].starts_with(b"$$") && name_at(text, start + 1).is_some() {
            return Some((start, Found::Escaped));
        }
        if let Some(range) = name_at(text, start) {
            return Some((start, Found::Name(range)));
        }
        at = start + 1;
    }
    None
}

/// As much of a name as reads like one: what follows may be a secret.
fn shown(written: &str, is_closed: bool) -> String {
    let is_of_name = |at: &char| at.is_ascii_lowercase() || at.is_ascii_digit() || ".-".contains(*at);
    let name: String = written.chars().take_while(is_of_name).take(32).collect();
    if name == written && is_closed {
        format!("${{{name}}}")
    } else {
        format!("${{{name}…")
    }
}

/// The name of a placeholder of ours that begins at `start`. One that does not end on its line has a name to its end.
fn name_at(text: &[u8], start: usize) -> Option<Range<usize>> {
    let inside = text.get(start..)?.strip_prefix(b"${")?;
    let ours = inside.starts_with(b"platform.") || inside.starts_with(b"machine.");
    let end = inside.iter().position(|byte| *byte == b'}' || *byte == b'\n');
    ours.then(|| start + 2..start + 2 + end.unwrap_or(inside.len()))
}

fn line_of(text: &[u8], at: usize) -> usize {
    1 + text[..at].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn expanded(text: &str) -> Result<String, ExpandError<Infallible>> {
        let mut value = |name: &'static str| {
            Ok(match name {
                "platform.instance-id" => Some("i-0abc".to_owned()),
                // A value is no text to be looked into.
                "machine.serial" => Some("${machine.uuid}".to_owned()),
                "machine.uuid" => Some("u-1".to_owned()),
                _ => None,
            })
        };
        expand(text.as_bytes(), &mut value).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn names_of_ours_are_replaced_and_nothing_else() {
        for (text, result) in [
            ("", ""),
            ("a", "a"),
            ("${platform.instance-id}", "i-0abc"),
            ("id=${platform.instance-id};${machine.uuid}\n", "id=i-0abc;u-1\n"),
            (
                "${HOME} $1 $$ ${ ${} ${platform}",
                "${HOME} $1 $$ ${ ${} ${platform}",
            ),
            ("$${machine.uuid} ${machine.uuid}", "${machine.uuid} u-1"),
            ("$$${machine.uuid}", "$${machine.uuid}"),
            ("${machine.serial}", "${machine.uuid}"),
            ("$", "$"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_told_with_its_line() {
        let unknown = |line, name: &str| ExpandError::Unknown {
            line,
            name: name.to_owned(),
        };
        for (text, error) in [
            (
                "\n\n${platform.zone}",
                ExpandError::Missing {
                    line: 3,
                    name: "platform.zone",
                },
            ),
            ("a\n${platform.password}", unknown(2, "${platform.password}")),
            ("${machine.uuid", unknown(1, "${machine.uuid…")),
            ("${machine.uuid\n}", unknown(1, "${machine.uuid…")),
            ("${machine. uuid}", unknown(1, "${machine.…")),
            ("${machine.uuid;password=planted", unknown(1, "${machine.uuid…")),
            ("${machine.uuid:-planted}", unknown(1, "${machine.uuid…")),
            ("${machine.\n}", unknown(1, "${machine.…")),
        ] {
            assert_eq!(expanded(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_page_has_every_name_in_this_order() {
        let rows = include_str!("../../docs/placeholders.md").lines();
        let names = rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`'));
        assert_eq!(names.map(|(name, _)| name).collect::<Vec<_>>(), NAMES);
    }

    #[test]
    fn every_fact_of_a_platform_has_its_name() {
        for fact in kindling_platforms::Fact::ALL {
            let name = format!("platform.{}", fact.name());
            assert!(NAMES.contains(&name.as_str()), "{name}");
        }
    }
}
