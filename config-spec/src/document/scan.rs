//! The grammar of JSON, read forward and without recursion, so that no input can exhaust the stack.

use std::borrow::Cow;
use std::ops::Range;

/// How deep arrays and objects may nest, as in the reference's decoder.
pub const MAX_DEPTH: usize = 10_000;

/// A breach of the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SyntaxError {
    /// Offset in bytes of the first byte that cannot belong to the document; the length of the text when it ends
    /// too early.
    pub at: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

/// Checks that `text` is one JSON value with nothing but white space around it.
///
/// # Errors
/// [`SyntaxError`] at the first offending byte, also where nesting exceeds [`MAX_DEPTH`].
pub fn syntax(text: &str) -> Result<(), SyntaxError> {
    let mut cursor = Cursor::new(text, 0);
    if text.starts_with('\u{feff}') {
        return cursor.fail("the document starts with a byte-order mark");
    }
    cursor.skip_value()?;
    cursor.skip_space();
    if cursor.peek().is_some() {
        cursor.fail("text after the end of the document")
    } else {
        Ok(())
    }
}

/// A position in JSON text.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The text of `range`, empty if it is not one of the text's.
    pub(crate) fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    // Called for every byte that is not inside a string, several times.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn fail<T>(&self, problem: &'static str) -> Result<T, SyntaxError> {
        let problem = if self.at < self.text.len() {
            problem
        } else {
            "the document ends too early"
        };
        Err(SyntaxError { at: self.at, problem })
    }

    pub(crate) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Moves past one byte.
    pub(crate) fn advance(&mut self) {
        self.at += 1;
    }

    /// Skips white space and returns the first byte of the value there.
    pub(crate) fn value_start(&mut self) -> Option<u8> {
        self.skip_space();
        self.peek()
    }

    /// Moves past `byte` and white space before it.
    pub(crate) fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), SyntaxError> {
        self.skip_space();
        if self.peek() != Some(byte) {
            return self.fail(problem);
        }
        self.at += 1;
        Ok(())
    }

    /// Inside an object: moves to the value of the next member and returns the range of its key, quotes included;
    /// `None` past the closing brace. `first` is true before the first member.
    pub(crate) fn next_member(&mut self, first: bool) -> Result<Option<Range<usize>>, SyntaxError> {
        self.skip_space();
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
                if self.peek() == Some(b'}') {
                    return self.fail("a comma before the closing brace");
                }
            }
            _ if first => {}
            _ => return self.fail("expected a comma or a closing brace"),
        }
        if self.peek() != Some(b'"') {
            return self.fail("expected a member name in double quotes");
        }
        let key = self.string()?;
        self.expect(b':', "expected a colon after the member name")?;
        Ok(Some(key))
    }

    /// Inside a list: moves to the next element; false past the closing bracket.
    pub(crate) fn next_element(&mut self, first: bool) -> Result<bool, SyntaxError> {
        self.skip_space();
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
                if self.peek() == Some(b']') {
                    return self.fail("a comma before the closing bracket");
                }
                Ok(true)
            }
            _ if first => Ok(true),
            _ => self.fail("expected a comma or a closing bracket"),
        }
    }

    /// Moves past one value of any kind and returns its range.
    pub(crate) fn skip_value(&mut self) -> Result<Range<usize>, SyntaxError> {
        self.skip_space();
        let start = self.at;
        // One entry per open array or object: whether it is an object.
        let mut open: Vec<bool> = Vec::new();
        loop {
            let entered = self.open_or_scalar(&mut open)?;
            let mut first = entered;
            loop {
                let more = match open.last() {
                    None => return Ok(start..self.at),
                    Some(true) => self.next_member(first)?.is_some(),
                    Some(false) => self.next_element(first)?,
                };
                if more {
                    break;
                }
                open.pop();
                first = false;
            }
        }
    }

    /// Moves past a scalar, or into an array or object, which it notes in `open`; true in the second case.
    fn open_or_scalar(&mut self, open: &mut Vec<bool>) -> Result<bool, SyntaxError> {
        self.skip_space();
        match self.peek() {
            Some(bracket @ (b'{' | b'[')) => {
                if open.len() >= MAX_DEPTH {
                    return self.fail("arrays and objects nest more than 10000 levels deep");
                }
                open.push(bracket == b'{');
                self.at += 1;
                Ok(true)
            }
            _ => self.scalar().map(|()| false),
        }
    }

    fn scalar(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.fail("expected a value"),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), SyntaxError> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                return self.fail("expected a value");
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.fail("a number starts with a superfluous zero");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.fail("expected a digit");
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    /// Moves past a string and returns its range, quotes included.
    pub(crate) fn string(&mut self) -> Result<Range<usize>, SyntaxError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.fail("expected a string");
        }
        self.at += 1;
        loop {
            self.at += plain_length(self.text.as_bytes().get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(start..self.at);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(_) => return self.fail("a control character in a string; write it as an escape"),
                None => return self.fail("a string without end"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.fail("\\u needs four hexadecimal digits");
                    }
                    self.at += 1;
                }
            }
            _ => return self.fail("an unknown escape in a string"),
        }
        Ok(())
    }
}

/// How many bytes at the start of `bytes` may stand in a string as they are: most of a document is such bytes, so they are
/// looked at eight at a time.
fn plain_length(bytes: &[u8]) -> usize {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let words = bytes.chunks_exact(8);
    let plain =
        words.take_while(|word| !has_special(u64::from_le_bytes((*word).try_into().unwrap_or_default())));
    let start = 8 * plain.count();
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Whether any of eight bytes is a quote, a backslash or a control character.
fn has_special(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES * 0x80;
    // The borrow of a byte below `limit` sets its highest bit, unless that was set before.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) != 0
}

/// The text a string literal (quotes included) stands for. Halves of surrogate pairs become U+FFFD, as in the
/// reference; the literal is one the scanner accepted, anything else gives an empty text.
pub(crate) fn decode(literal: &str) -> Cow<'_, str> {
    let Some(inner) = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed("");
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let (letter, after) = unescape(escaped);
        text.push(letter);
        rest = after;
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of the escape at the start of `escaped` (without its backslash), and what follows it.
fn unescape(escaped: &str) -> (char, &str) {
    let mut letters = escaped.chars();
    let letter = match letters.next() {
        Some('u') => return unescape_unit(letters.as_str()),
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some(other) => other,
        None => char::REPLACEMENT_CHARACTER,
    };
    (letter, letters.as_str())
}

fn unescape_unit(digits: &str) -> (char, &str) {
    let Some((high, after)) = unit(digits) else {
        return (char::REPLACEMENT_CHARACTER, digits);
    };
    if let Some(letter) = char::from_u32(high) {
        return (letter, after);
    }
    if let Some((low, end)) = after.strip_prefix("\\u").and_then(unit)
        && let Some(letter) = pair(high, low)
    {
        return (letter, end);
    }
    (char::REPLACEMENT_CHARACTER, after)
}

/// The value of four hexadecimal digits, and what follows them.
fn unit(digits: &str) -> Option<(u32, &str)> {
    let (four, after) = digits.split_at_checked(4)?;
    Some((u32::from_str_radix(four, 16).ok()?, after))
}

/// The character of a surrogate pair.
fn pair(high: u32, low: u32) -> Option<char> {
    if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

/// The ranges, relative to `literal`, of `\uXXXX` escapes that are halves of no pair. Other decoders refuse them.
pub(crate) fn lone_surrogates(literal: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(found) = literal.get(at..).and_then(|rest| rest.find('\\')) {
            let start = at + found;
            let escaped = literal.get(start + 1..).unwrap_or_default();
            let Some((high, after)) = escaped.strip_prefix('u').and_then(unit) else {
                at = start + 2;
                continue;
            };
            at = start + 6;
            if char::from_u32(high).is_some() {
                continue;
            }
            match after.strip_prefix("\\u").and_then(unit) {
                Some((low, _)) if pair(high, low).is_some() => at = start + 12,
                _ => return Some(start..at),
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_bytes_are_told_from_special_ones_at_every_place() {
        for length in 0..20 {
            assert_eq!(plain_length(&vec![b'x'; length]), length);
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'x'; length];
                    bytes[at] = byte;
                    let special = matches!(byte, b'"' | b'\\') || byte < 0x20;
                    let expected = if special { at } else { length };
                    assert_eq!(plain_length(&bytes), expected, "{byte:#x} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn the_grammar_is_strict() {
        for (text, at) in [
            ("", 0),
            (" \n", 2),
            ("{", 1),
            ("{\"a\":1,}", 7),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("{\"a\" 1}", 5),
            ("{a:1}", 1),
            ("01", 1),
            ("-", 1),
            ("1.", 2),
            ("1e+", 3),
            ("+1", 0),
            (".5", 0),
            ("nul", 3),
            ("nulL", 3),
            ("\"a\nb\"", 2),
            ("\"\0\"", 1),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 5),
            ("\"abc", 4),
            ("{} {}", 3),
            ("// c\n{}", 0),
            ("\u{feff}{}", 0),
            ("[1]\0", 3),
            ("'a'", 0),
        ] {
            assert_eq!(syntax(text).map_err(|error| error.at), Err(at), "{text:?}");
        }
        for text in [
            "{}",
            " [ ] ",
            "null",
            "-0",
            "1.5e-7",
            "\"\\ud800\"",
            "{\"\":{\"a\":[{},[],1,\"x\",true,false,null]}}\r\n",
        ] {
            assert_eq!(syntax(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn nesting_is_bounded_without_using_the_stack() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(syntax(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(
            syntax(&nested(MAX_DEPTH + 1)).map_err(|error| error.at),
            Err(MAX_DEPTH)
        );
        assert_eq!(
            syntax(&"{\"a\":".repeat(1_000_000)).map_err(|error| error.at),
            Err(5 * MAX_DEPTH)
        );
    }

    #[test]
    fn strings_decode_as_in_the_reference() {
        for (literal, text) in [
            (r#""plain""#, "plain"),
            (r#""a\n\t\"\\\/b""#, "a\n\t\"\\/b"),
            (r#""\u00e9\uD83D\ude00!""#, "é😀!"),
            (r#""\ud800x""#, "\u{fffd}x"),
            (r#""\ud800\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\udc00""#, "\u{fffd}"),
        ] {
            assert_eq!(decode(literal), text, "{literal}");
        }
    }

    #[test]
    fn lone_surrogates_are_found() {
        let lone = |literal: &'static str| lone_surrogates(literal).collect::<Vec<_>>();
        assert!(lone(r#""\ud83d\ude00""#).is_empty());
        assert!(lone(r#""\\ud800""#).is_empty());
        assert_eq!(lone(r#""a\ud800\udc""#).len(), 1);
        assert_eq!(lone(r#""\ud800\ud83d\ude00\udfff""#), [1..7, 19..25]);
    }
}
