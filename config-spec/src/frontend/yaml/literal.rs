//! Scalars behind `|` and `>`, which are lines of their own.

use std::borrow::Cow;

use super::failure;
use super::scalar::lean;
use super::{Read, Reader, Scalar, Style};

/// What becomes of the line ends behind the last line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomp {
    Strip,
    Clip,
    Keep,
}

impl<'a> Reader<'a> {
    /// The scalar whose header is here; its lines are indented by `min` columns at least.
    pub(super) fn block_scalar(&mut self, min: usize) -> Read<Scalar<'a>> {
        let start = self.cursor.at();
        let is_folded = self.cursor.peek(0) == b'>';
        self.cursor.advance(1);
        let mut chomp = None;
        let mut indent = None;
        loop {
            match self.cursor.peek(0) {
                b'-' if chomp.is_none() => chomp = Some(Chomp::Strip),
                b'+' if chomp.is_none() => chomp = Some(Chomp::Keep),
                digit @ b'1'..=b'9' if indent.is_none() => {
                    indent = Some(min.saturating_sub(1) + usize::from(digit - b'0'));
                }
                _ => break,
            }
            self.cursor.advance(1);
        }
        let header = self.cursor.at();
        if self.cursor.finish_line().is_err() {
            return Err(self.cursor.fail(failure::BLOCK));
        }
        self.cursor.next_line();
        let indent = match indent {
            Some(indent) => indent,
            None => self.first_indent().max(min),
        };
        let (text, end) = self.block_lines(indent, is_folded, chomp.unwrap_or(Chomp::Clip));
        let end = end.unwrap_or(header);
        Ok(Scalar {
            text,
            at: start..end,
            style: Style::Marked,
            is_one_line: false,
        })
    }

    /// The indentation of the next line that is not blank, or that of a blank one before it that has more.
    fn first_indent(&self) -> usize {
        let mut ahead = self.cursor;
        let mut indent = 0;
        loop {
            ahead.skip_spaces();
            indent = indent.max(ahead.column());
            if !ahead.is_line_end() || ahead.is_end() {
                return indent;
            }
            ahead.next_line();
        }
    }

    /// The text, and where its last line ends if it has any.
    fn block_lines(&mut self, indent: usize, is_folded: bool, chomp: Chomp) -> (Cow<'a, str>, Option<usize>) {
        let first = self.cursor.at();
        let mut text = String::new();
        let mut end = None;
        // Line ends that wait for a further line, and whether the last line is one that is not folded.
        let mut breaks = 0;
        let mut was_deep = false;
        while !self.cursor.is_end() {
            let before = self.cursor;
            while self.cursor.column() < indent && self.cursor.peek(0) == b' ' {
                self.cursor.advance(1);
            }
            if self.cursor.is_line_end() {
                if self.cursor.is_end() {
                    break;
                }
                self.cursor.next_line();
                breaks += 1;
                continue;
            }
            let is_short = self.cursor.column() < indent;
            if is_short || self.cursor.is_marker() {
                self.cursor = before;
                break;
            }
            let start = self.cursor.at();
            let is_deep = matches!(self.cursor.peek(0), b' ' | b'\t');
            self.cursor.to_line_end();
            if is_folded && end.is_some() && !was_deep && !is_deep && breaks > 0 {
                if breaks == 1 {
                    text.push(' ');
                }
                breaks -= 1;
            }
            text.extend(std::iter::repeat_n('\n', breaks));
            text.push_str(self.cursor.slice(start, self.cursor.at()));
            end = Some(self.cursor.at());
            breaks = usize::from(!self.cursor.is_end());
            was_deep = is_deep;
            self.cursor.next_line();
        }
        let kept = match chomp {
            Chomp::Strip => 0,
            Chomp::Clip => usize::from(end.is_some() && breaks > 0),
            Chomp::Keep => breaks,
        };
        text.extend(std::iter::repeat_n('\n', kept));
        (self.same(first + indent, text), end)
    }

    /// `text` out of the document, if it stands at `at`: as one line does.
    fn same(&self, at: usize, text: String) -> Cow<'a, str> {
        let written = self.cursor.slice(at, at + text.len());
        if written == text {
            Cow::Borrowed(written)
        } else {
            lean(Cow::Owned(text))
        }
    }
}
