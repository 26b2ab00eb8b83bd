//! The way through a text of YAML: where it is, in which line and column, and what is no content.

use super::failure::{self, Failure, Why};
use super::{Properties, Read, Tag};

/// A place in a text. Columns count bytes: indentation is made of spaces.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// Where the line starts.
    line: usize,
}

/// The end of a text: a byte that no text has.
const END: u8 = 0;

impl<'a> Cursor<'a> {
    /// At the start of `text`, behind its byte-order mark.
    pub(super) fn new(text: &'a str) -> Read<Self> {
        let bytes = text.as_bytes();
        let is_wrong = |at: usize, byte: u8| match byte {
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            b'\t' | b'\n' => false,
            byte => byte < b' ' || byte == 0x7f,
        };
        if let Some(at) = (0..).zip(bytes).position(|(at, byte)| is_wrong(at, *byte)) {
            return Err(Failure::new(at..at + 1, failure::CONTROL));
        }
        let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Ok(Self {
            text,
            at: start,
            line: start,
        })
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn column(&self) -> usize {
        self.at - self.line
    }

    /// How far byte `at` of this line stands from its start.
    pub(super) fn column_of(&self, at: usize) -> usize {
        at.saturating_sub(self.line)
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// What is left of the text.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The byte `further` on, or [`END`].
    pub(super) fn peek(&self, further: usize) -> u8 {
        self.text
            .as_bytes()
            .get(self.at + further)
            .copied()
            .unwrap_or(END)
    }

    pub(super) fn is_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Whether white space stands `further` on, or the text ends there.
    pub(super) fn is_blank(&self, further: usize) -> bool {
        matches!(self.peek(further), b' ' | b'\t' | b'\r' | b'\n' | END)
    }

    /// Whether the sign `byte` stands here by itself.
    pub(super) fn is_sign(&self, byte: u8) -> bool {
        self.peek(0) == byte && self.is_blank(1)
    }

    /// Whether one of the signs stands `further` on that end what has no quotes in a list in brackets.
    pub(super) fn is_flow_sign(&self, further: usize) -> bool {
        matches!(self.peek(further), b',' | b'[' | b']' | b'{' | b'}')
    }

    /// Whether a list in brackets or a mapping in braces starts here.
    pub(super) fn opens_flow(&self) -> bool {
        matches!(self.peek(0), b'[' | b'{')
    }

    /// Whether the line is over here.
    pub(super) fn is_line_end(&self) -> bool {
        matches!(self.peek(0), b'\r' | b'\n' | END)
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Goes back, or on, to byte `at` of this line.
    pub(super) fn go(&mut self, at: usize) {
        self.at = at;
    }

    /// Goes to the next line from the end of this one.
    pub(super) fn next_line(&mut self) {
        self.at += usize::from(self.peek(0) == b'\r');
        self.at += usize::from(self.peek(0) == b'\n');
        self.line = self.at;
    }

    /// Goes to the end of the line.
    pub(super) fn to_line_end(&mut self) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        self.at += line.strip_suffix('\r').map_or(length, str::len);
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.peek(0) == b' ' {
            self.at += 1;
        }
    }

    /// Goes over spaces and tabs.
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(0), b' ' | b'\t') {
            self.at += 1;
        }
    }

    /// Where the blanks start that stand before this.
    pub(super) fn before_blanks(&self) -> usize {
        self.slice(0, self.at).trim_end_matches([' ', '\t']).len()
    }

    /// Whether a comment starts here: at the start of a line, or behind white space.
    pub(super) fn is_comment(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        self.peek(0) == b'#' && (self.at == self.line || matches!(before, Some(b' ' | b'\t')))
    }

    /// Goes to the next thing that is content, which is in a further line if this gives true.
    ///
    /// # Errors
    /// A tab where a line of a block is indented.
    pub(super) fn skip(&mut self, is_flow: bool) -> Read<bool> {
        let mut has_crossed = false;
        loop {
            let start = self.at;
            self.skip_spaces();
            let spaces = self.at;
            self.skip_blanks();
            if self.is_comment() {
                self.to_line_end();
            }
            if self.is_line_end() {
                if self.is_end() {
                    return Ok(has_crossed);
                }
                self.next_line();
                has_crossed = true;
                continue;
            }
            if !is_flow && start == self.line && self.at > spaces {
                self.at = spaces;
                return Err(self.fail(failure::TAB));
            }
            return Ok(has_crossed);
        }
    }

    /// Sees that no tab stands before the cursor in its line.
    pub(super) fn check_indentation(&self) -> Read<()> {
        match self.slice(self.line, self.at).find('\t') {
            Some(at) => Err(Failure::new(self.line + at..self.line + at + 1, failure::TAB)),
            None => Ok(()),
        }
    }

    /// Goes to the end of the line behind a value.
    ///
    /// # Errors
    /// There is more than a comment.
    pub(super) fn finish_line(&mut self) -> Read<()> {
        self.skip_blanks();
        if self.is_comment() {
            self.to_line_end();
        }
        if self.is_line_end() {
            Ok(())
        } else {
            Err(self.fail(failure::TRAILING))
        }
    }

    /// Goes over what may stand before a document's start.
    pub(super) fn skip_directives(&mut self) -> Read<()> {
        self.skip(false)?;
        while self.column() == 0 && self.peek(0) == b'%' {
            self.to_line_end();
            self.skip(false)?;
        }
        Ok(())
    }

    /// Whether a line starts here that separates documents.
    pub(super) fn is_marker(&self) -> bool {
        self.column() == 0 && self.is_blank(3) && matches!(self.slice(self.at, self.at + 3), "---" | "...")
    }

    /// Goes over `marker`, if it stands here.
    pub(super) fn take_marker(&mut self, marker: &str) -> bool {
        let is_there = self.is_marker() && self.rest().starts_with(marker);
        self.at += if is_there { marker.len() } else { 0 };
        is_there
    }

    /// A name behind `&` or `*`, or a tag: up to white space, and what separates entries.
    pub(super) fn word(&mut self) -> &'a str {
        let start = self.at;
        while !(self.is_blank(0) || self.is_flow_sign(0) || self.is_sign(b':')) {
            self.at += 1;
        }
        self.slice(start, self.at)
    }

    /// An anchor and a tag, as far as they stand in this line, and the blanks behind them.
    pub(super) fn properties(&mut self) -> Read<Properties<'a>> {
        let mut properties = Properties::default();
        loop {
            let start = self.at;
            match self.peek(0) {
                b'&' => {
                    let anchor = self.word().get(1..).unwrap_or_default();
                    if anchor.is_empty() || properties.anchor.replace(anchor).is_some() {
                        self.at = start;
                        return Err(self.fail(failure::ANCHOR));
                    }
                }
                b'!' => {
                    let tag = Tag::of(self.word());
                    if properties.tag != Tag::None {
                        self.at = start;
                        return Err(self.fail(failure::ANCHOR));
                    }
                    properties.tag = tag;
                }
                _ => return Ok(properties),
            }
            properties.start = properties.start.or(Some(start));
            self.skip_blanks();
        }
    }

    /// What is wrong here.
    pub(super) fn fail(&self, why: Why) -> Failure {
        let letter = self.rest().chars().next().map_or(0, char::len_utf8);
        Failure::new(self.at..self.at + letter, why)
    }
}
