//! The reference's flag grammar (engine.md 1.2): `-x` and `--x` are the same, values follow behind `=` or as the
//! next word, and the first word that is no flag ends the flags.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use kindling_config_spec::order::OrderedMap;

/// Flags with their values.
pub(super) type Flags = OrderedMap<&'static str, OsString>;

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A value.
    Value,
    /// Nothing, or `=true` and the like.
    Boolean,
    /// Nothing, which is this value, or one behind `=`.
    Optional(&'static str),
}

impl Takes {
    /// The value of a flag that stands alone; `None` where one has to follow.
    fn alone(self) -> Option<&'static str> {
        match self {
            Self::Value => None,
            Self::Boolean => Some("true"),
            Self::Optional(value) => Some(value),
        }
    }
}

/// What every parser knows.
type Known = [(&'static str, Takes)];

/// Parses `arguments`; returns what stands behind the flags too, without the `--` that ends them.
///
/// # Errors
/// A message that names the flag.
pub(super) fn parse<'a>(arguments: &'a [OsString], known: &Known) -> Result<(Flags, &'a [OsString]), String> {
    let mut flags = Flags::new();
    let mut rest = arguments;
    while let Some((name, value, behind)) = take(rest, known)? {
        flags.insert(name, value);
        rest = behind;
    }
    let behind = rest.split_first().filter(|(first, _)| *first == "--");
    Ok((flags, behind.map_or(rest, |(_, behind)| behind)))
}

/// Letters behind one dash, and the flags that they are short for.
pub(super) type Letters = [(u8, &'static str)];

/// The same by the other grammar that the reference has: flags begin with two dashes, or are `letters` behind one, and words
/// may stand between them.
///
/// # Errors
/// A message that names the flag.
pub(super) fn parse_mixed(
    arguments: &[OsString],
    known: &Known,
    letters: &Letters,
) -> Result<(Flags, Vec<OsString>), String> {
    let (mut flags, mut words) = (Flags::new(), Vec::new());
    let mut rest = arguments;
    while let Some((first, behind)) = rest.split_first() {
        let bytes = first.as_bytes();
        rest = match bytes {
            b"--" => {
                words.extend_from_slice(behind);
                break;
            }
            [b'-', b'-', ..] => match take(rest, known)? {
                Some((name, value, behind)) => {
                    flags.insert(name, value);
                    behind
                }
                None => behind,
            },
            [b'-', cluster @ ..] if !cluster.is_empty() => {
                take_letters(cluster, behind, known, letters, &mut flags)?
            }
            _ => {
                words.push(first.clone());
                behind
            }
        };
    }
    Ok((flags, words))
}

/// The flags that letters behind one dash are; the last may have a value, in the same word or the next. Returns what follows.
fn take_letters<'a>(
    cluster: &[u8],
    behind: &'a [OsString],
    known: &Known,
    letters: &Letters,
    flags: &mut Flags,
) -> Result<&'a [OsString], String> {
    let mut left = cluster;
    while let Some((letter, after)) = left.split_first() {
        let name = letters.iter().find(|(short, _)| short == letter);
        let found = name.and_then(|(_, name)| known.iter().find(|(known, _)| known == name));
        let Some((name, takes)) = found else {
            return Err(format!(
                "unknown shorthand flag: -{}",
                String::from_utf8_lossy(cluster)
            ));
        };
        let value = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        match (after, takes.alone(), behind.split_first()) {
            ([b'=', given @ ..], ..) if !given.is_empty() => {
                flags.insert(name, value(given));
                return Ok(behind);
            }
            (_, Some(alone), _) => drop(flags.insert(name, alone.into())),
            ([], None, Some((next, behind))) => {
                flags.insert(name, next.clone());
                return Ok(behind);
            }
            ([], None, None) => {
                return Err(format!(
                    "flag needs an argument: -{}",
                    String::from_utf8_lossy(cluster)
                ));
            }
            (given, None, _) => {
                flags.insert(name, value(given));
                return Ok(behind);
            }
        }
        left = after;
    }
    Ok(behind)
}

/// A flag with its value, and what follows it.
type Taken<'a> = (&'static str, OsString, &'a [OsString]);

/// The flag that is next; `None` where a word is, or the end of the flags.
fn take<'a>(arguments: &'a [OsString], known: &Known) -> Result<Option<Taken<'a>>, String> {
    let Some((first, behind)) = arguments.split_first() else {
        return Ok(None);
    };
    let bytes = first.as_bytes();
    let Some(word) = bytes.strip_prefix(b"--").or_else(|| bytes.strip_prefix(b"-")) else {
        return Ok(None);
    };
    if word.is_empty() {
        return Ok(None);
    }
    let mut parts = word.splitn(2, |byte| *byte == b'=');
    let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let given = parts.next().map(|value| OsString::from_vec(value.to_vec()));
    let Some((name, takes)) = known.iter().find(|(known, _)| *known == name) else {
        return Err(format!("flag provided but not defined: -{name}"));
    };
    match (given, takes.alone(), behind.split_first()) {
        (Some(value), _, _) => Ok(Some((name, value, behind))),
        (None, Some(alone), _) => Ok(Some((name, alone.into(), behind))),
        (None, None, Some((value, behind))) => Ok(Some((name, value.clone(), behind))),
        (None, None, None) => Err(format!("flag needs an argument: -{name}")),
    }
}

/// A boolean value.
///
/// # Errors
/// A message that names the flag.
pub(super) fn boolean(flags: &Flags, name: &str) -> Result<bool, String> {
    match flags
        .get(name)
        .map(|value| value.to_string_lossy().into_owned())
        .as_deref()
    {
        None | Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
        Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
        Some(other) => Err(format!("invalid boolean value {other:?} for -{name}")),
    }
}

/// A duration such as `2m0s`, `90s`, `1h`, `1500ms`, cut to whole seconds as the reference does. A bare number is
/// refused.
///
/// # Errors
/// A message that quotes the value.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("invalid duration {text:?}: write it like 90s or 2m0s");
    let mut rest = text;
    let mut nanoseconds: u128 = 0;
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale: u128 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(invalid()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || whole.len() > 12 || fraction.len() > 12 {
            return Err(invalid());
        }
        let parsed = |digits: &str| {
            if digits.is_empty() {
                Ok(0)
            } else {
                digits.parse::<u128>().map_err(|_| invalid())
            }
        };
        nanoseconds += parsed(whole)? * scale;
        nanoseconds += parsed(fraction)? * scale / 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        rest = tail;
    }
    u64::try_from(nanoseconds / 1_000_000_000)
        .map(Duration::from_secs)
        .map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[(&str, Takes)] = &[("root", Takes::Value), ("version", Takes::Boolean)];

    fn parsed(words: &[&str]) -> Result<Vec<(String, String)>, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let (flags, _) = parse(&words, KNOWN)?;
        Ok(flags
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_string_lossy().into_owned()))
            .collect())
    }

    #[test]
    fn flag_grammar() {
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for (words, expected) in [
            (vec!["-root", "/x"], Ok(pair("root", "/x"))),
            (vec!["--root=/x"], Ok(pair("root", "/x"))),
            (vec!["-root="], Ok(pair("root", ""))),
            (vec!["-version", ""], Ok(pair("version", "true"))),
            (vec!["", "-root", "/x"], Ok(vec![])),
            (vec!["--", "-root", "/x"], Ok(vec![])),
            (vec!["-root"], Err("flag needs an argument: -root".to_owned())),
            (
                vec!["-nope"],
                Err("flag provided but not defined: -nope".to_owned()),
            ),
        ] {
            assert_eq!(parsed(&words), expected, "{words:?}");
        }
    }

    #[test]
    fn words_may_stand_between_flags_of_two_dashes() {
        for (words, expected) in [
            (vec!["a", "--root=/x", "b"], Ok(("/x", vec!["a", "b"]))),
            (vec!["--root", "-x", "--version"], Ok(("-x", vec![]))),
            (
                vec!["--root=/x", "-", "--", "--root=/y"],
                Ok(("/x", vec!["-", "--root=/y"])),
            ),
            (vec!["-root=/x"], Err("unknown shorthand flag: -root=/x")),
            (vec!["--nope"], Err("flag provided but not defined: -nope")),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let found = parse_mixed(&words, KNOWN, &[]).map(|(flags, words)| (flags["root"].clone(), words));
            let expected = expected
                .map(|(root, words)| (OsString::from(root), words.iter().map(OsString::from).collect()))
                .map_err(str::to_owned);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn letters_stand_for_flags() {
        const KNOWN: &[(&str, Takes)] = &[
            ("root", Takes::Value),
            ("version", Takes::Boolean),
            ("pretty", Takes::Boolean),
            ("color", Takes::Optional("always")),
        ];
        const LETTERS: &Letters = &[
            (b'r', "root"),
            (b'V', "version"),
            (b'p', "pretty"),
            (b'C', "color"),
        ];
        for (words, expected) in [
            (vec!["-r", "/x", "w"], Ok("root=/x w")),
            (vec!["-r/x", "w"], Ok("root=/x w")),
            (vec!["-r=/x", "w"], Ok("root=/x w")),
            (vec!["-Vpr", "-x"], Ok("pretty=true root=-x version=true")),
            (vec!["-Vp=false"], Ok("pretty=false version=true")),
            (vec!["-C", "never"], Ok("color=always never")),
            (vec!["--color", "-C=never"], Ok("color=never")),
            (vec!["--color=auto"], Ok("color=auto")),
            (vec!["-", "--", "-V"], Ok("- -V")),
            (vec!["-r"], Err("flag needs an argument: -r")),
            (vec!["-Vr"], Err("flag needs an argument: -Vr")),
            (vec!["-Vx"], Err("unknown shorthand flag: -Vx")),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let found = parse_mixed(&words, KNOWN, LETTERS).map(|(flags, words)| {
                let flags = flags
                    .into_iter()
                    .map(|(name, value)| format!("{name}={}", value.display()));
                let words = words.iter().map(|word| word.display().to_string());
                flags.chain(words).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
        }
    }

    #[test]
    fn what_stands_behind_the_flags_is_kept() {
        for (words, expected) in [
            (vec!["-version", "a", "-b"], vec!["a", "-b"]),
            (vec!["--", "-version"], vec!["-version"]),
            (vec!["-"], vec!["-"]),
            (vec!["-root", "/x"], vec![]),
            (vec![], vec![]),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let (_, behind) = parse(&words, KNOWN).unwrap();
            assert_eq!(behind, expected, "{words:?}");
        }
    }

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("2m0s", 120),
            ("90s", 90),
            ("1h", 3600),
            ("1.5s", 1),
            ("900ms", 0),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "90", "s", "-1s", "1d", ".s", "9999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
