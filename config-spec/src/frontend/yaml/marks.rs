//! Where things stand in a text of YAML: in bytes, while the parser counts characters.

use std::ops::Range;

use saphyr_parser::Marker;

/// The way from characters to bytes. Who asks goes forward nearly always, so the last answer is where the next one starts.
pub(super) struct Marks<'a> {
    text: &'a str,
    /// The first byte that the parser was given.
    start: usize,
    is_ascii: bool,
    characters: usize,
    bytes: usize,
}

impl<'a> Marks<'a> {
    /// For a parser that was given `text` from byte `start` on.
    pub(super) fn new(text: &'a str, start: usize) -> Self {
        Self {
            text,
            start,
            is_ascii: text.is_ascii(),
            characters: 0,
            bytes: start,
        }
    }

    /// The byte of the character that `mark` counts to.
    pub(super) fn byte(&mut self, mark: &Marker) -> usize {
        if self.is_ascii {
            return (self.start + mark.index()).min(self.text.len());
        }
        while self.characters < mark.index() && self.bytes < self.text.len() {
            self.bytes = self.text.ceil_char_boundary(self.bytes + 1);
            self.characters += 1;
        }
        while self.characters > mark.index() && self.bytes > self.start {
            self.bytes = self.text.floor_char_boundary(self.bytes - 1);
            self.characters -= 1;
        }
        self.bytes
    }

    fn at(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(b'\n')
    }

    /// Whether one of `bytes` stands at `at`.
    pub(super) fn is_at(&self, at: usize, bytes: &[u8]) -> bool {
        at < self.text.len() && bytes.contains(&self.at(at))
    }

    /// Whether what starts at `at` starts with one of `bytes`, behind its anchor and tag if it may have these.
    pub(super) fn starts_with(&self, at: usize, bytes: &[u8], may_have_properties: bool) -> bool {
        self.is_at(self.content(at, may_have_properties), bytes)
    }

    /// The word at `at`, up to white space or the end of the text.
    pub(super) fn word(&self, at: usize) -> Range<usize> {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| b" \t\r\n,]}".contains(byte));
        at..at + length.unwrap_or(rest.len())
    }

    /// The start of the first word at or behind `at`, over white space and comments.
    fn next_word(&self, mut at: usize) -> usize {
        while at < self.text.len() {
            match self.at(at) {
                b' ' | b'\t' | b'\r' | b'\n' => at += 1,
                b'#' => at = self.line_end(at),
                _ => break,
            }
        }
        at
    }

    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        at + length.unwrap_or(rest.len())
    }

    /// Where a value starts whose anchor and tag, if it has any, start at `at`.
    pub(super) fn content(&self, mut at: usize, may_have_properties: bool) -> usize {
        while may_have_properties && self.is_at(at, b"&!") {
            at = self.next_word(self.word(at).end);
        }
        at
    }

    /// The first word from `from` on, and before `limit`, that starts with one of `bytes`; `limit` if there is none.
    pub(super) fn find(&self, from: usize, limit: usize, bytes: &[u8]) -> usize {
        let mut at = self.next_word(from);
        while at < limit {
            if self.is_at(at, bytes) {
                return at;
            }
            at = self.next_word(self.word(at).end.max(at + 1));
        }
        limit
    }

    /// The place of a value that is not there, which the parser notes at `at`: behind the colon.
    pub(super) fn nothing(&self, at: usize) -> Range<usize> {
        let at = if self.is_at(at, b":") { at + 1 } else { at };
        at..at
    }

    /// Behind the quote that closes the one at `open`.
    pub(super) fn closing_quote(&self, open: usize) -> usize {
        let quote = self.at(open);
        let mut at = open + 1;
        while at < self.text.len() {
            let byte = self.at(at);
            if byte == b'\\' && quote == b'"' || byte == quote && quote == b'\'' && self.is_at(at + 1, b"'") {
                at += 2;
            } else if byte == quote {
                return at + 1;
            } else {
                at += 1;
            }
        }
        self.text.len()
    }

    /// The end of the last line before `end` that is not blank.
    pub(super) fn trimmed(&self, end: usize) -> usize {
        self.text.get(..end).unwrap_or_default().trim_ascii_end().len()
    }
}
