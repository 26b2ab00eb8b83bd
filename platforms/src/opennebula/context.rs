//! `context.sh`: assignments in the syntax of a POSIX shell, of which quotes and backslashes are all that is used.

use std::collections::BTreeMap;

/// The values by name. Lines that are no assignment are passed over, and what a shell would expand or run stays as it is.
///
/// # Errors
/// In words, when the text ends before a quote does.
pub(super) fn parse(script: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut values = BTreeMap::new();
    let mut rest = script;
    while !rest.is_empty() {
        let start = rest.trim_ascii_start();
        let Some((name, value)) = name_of(start) else {
            rest = start.get(line_length(start)..).unwrap_or_default();
            continue;
        };
        let Some((value, after)) = word(value) else {
            let before = script.len().saturating_sub(start.len());
            let lines = script.iter().take(before).filter(|byte| **byte == b'\n').count();
            return Err(format!("context.sh ends within a value, in line {}", lines + 1));
        };
        values.insert(name, value);
        rest = after;
    }
    Ok(values)
}

/// The longest name, in bytes.
const LONGEST_NAME: usize = 256;

/// The name before `=`, and what follows it.
fn name_of(line: &[u8]) -> Option<(String, &[u8])> {
    let line = line.strip_prefix(b"export ").unwrap_or(line);
    // Names are short: the rest of the script is not looked through for each line.
    let start = line.get(..LONGEST_NAME.min(line.len()))?;
    let length = start.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (line.get(..length)?, line.get(length + 1..)?);
    let is_name = name.first().is_some_and(|first| !first.is_ascii_digit())
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    is_name.then(|| (String::from_utf8_lossy(name).into_owned(), value))
}

/// The length of the first line, its end included.
fn line_length(text: &[u8]) -> usize {
    text.iter()
        .position(|byte| *byte == b'\n')
        .map_or(text.len(), |end| end + 1)
}

/// One word without its quotes, and what follows it; `None` when the text ends within quotes.
fn word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'\'' => {
                let end = after.iter().position(|byte| *byte == b'\'')?;
                word.extend(after.get(..end)?);
                after.get(end + 1..)?
            }
            b'"' => double_quoted(after, &mut word)?,
            b'\\' => {
                // A backslash at the end of a line joins it with the next.
                let (next, after) = after.split_first()?;
                word.extend(Some(*next).filter(|next| *next != b'\n'));
                after
            }
            b'\n' | b'\r' | b' ' | b'\t' | b';' => return Some((word, after)),
            byte => {
                word.push(*byte);
                after
            }
        };
    }
    Some((word, rest))
}

/// Adds what stands up to the closing quote to `word`, and returns what follows that. A backslash counts only before the
/// four characters that mean something there.
fn double_quoted<'a>(text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        let (first, after) = rest.split_first()?;
        rest = after;
        match (first, after.first()) {
            (b'"', _) => return Some(after),
            (b'\\', Some(next @ (b'"' | b'\\' | b'$' | b'`'))) => {
                word.push(*next);
                rest = after.get(1..)?;
            }
            (b'\\', Some(b'\n')) => rest = after.get(1..)?,
            (byte, _) => word.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_mean_what_they_mean_to_a_shell() {
        for (assigned, value) in [
            ("A=plain", "plain"),
            ("A=", ""),
            ("A='one\ntwo'", "one\ntwo"),
            ("A='it'\\''s'", "it's"),
            ("A=\"say \\\"yes\\\" \\\\ \\n\"", "say \"yes\" \\ \\n"),
            ("A=\"$(touch /run/x) `id` $HOME\"", "$(touch /run/x) `id` $HOME"),
            ("A=a\\ b", "a b"),
            ("A='a'\"b\"c", "abc"),
            ("export A='b'", "b"),
            ("  A=b # comment", "b"),
            ("A=old\nA=new", "new"),
            ("# A=comment\necho B=no\n=x\nA=b", "b"),
        ] {
            let values = parse(assigned.as_bytes()).unwrap();
            assert_eq!(
                values.get("A").map(Vec::as_slice),
                Some(value.as_bytes()),
                "{assigned}"
            );
            assert!(!values.contains_key("B"), "{assigned}");
        }
    }

    #[test]
    fn an_open_quote_is_told_with_its_line() {
        for broken in ["B=1\nA='", "B=1\nA=\"x\\\"", "B=1\nA=x\\"] {
            assert_eq!(
                parse(broken.as_bytes()),
                Err("context.sh ends within a value, in line 2".to_owned()),
                "{broken}"
            );
        }
    }
}
