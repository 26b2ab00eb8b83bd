//! Scalars that are written in the line, with quotes and without.

use std::borrow::Cow;

use super::failure;
use super::{Read, Reader, Scalar, Style};

/// What no scalar without quotes starts with.
const RESERVED: &[u8] = b",[]{}#&*!|>'\"%@`";

impl<'a> Reader<'a> {
    /// The scalar with quotes or without, or the alias, that starts here. One without quotes goes on in lines that are
    /// indented by `min` columns at least; without `min`, in none.
    pub(super) fn any_scalar(&mut self, min: Option<usize>) -> Read<Scalar<'a>> {
        match self.cursor.peek(0) {
            b'"' | b'\'' => self.quoted(),
            b'*' => self.alias_name(),
            _ => self.plain(min, false),
        }
    }

    /// The same within brackets or braces.
    pub(super) fn any_flow_scalar(&mut self) -> Read<Scalar<'a>> {
        match self.cursor.peek(0) {
            b'"' | b'\'' => self.quoted(),
            b'*' => self.alias_name(),
            b'-' if self.cursor.is_blank(1) => Err(self.cursor.fail(failure::FLOW)),
            _ => self.plain(Some(0), true),
        }
    }

    fn alias_name(&mut self) -> Read<Scalar<'a>> {
        let start = self.cursor.at();
        let text = self.cursor.word().get(1..).unwrap_or_default();
        Ok(Scalar {
            text: text.into(),
            at: start..self.cursor.at(),
            style: Style::Alias,
            is_one_line: true,
        })
    }

    fn plain(&mut self, min: Option<usize>, is_flow: bool) -> Read<Scalar<'a>> {
        let first = self.cursor.peek(0);
        let is_alone = matches!(first, b'-' | b'?' | b':') && self.cursor.is_blank(1);
        if RESERVED.contains(&first) || is_alone {
            return Err(self.cursor.fail(failure::RESERVED));
        }
        let start = self.cursor.at();
        let mut text = Cow::Borrowed(self.plain_line(is_flow));
        let mut end = self.cursor.at();
        let mut is_one_line = true;
        while let Some(min) = min {
            let before = self.cursor;
            let breaks = self.skip_lines();
            let is_out = !is_flow && self.cursor.column() < min;
            if breaks == 0 || is_out || self.cursor.is_end() || self.cursor.is_marker() {
                self.cursor = before;
                break;
            }
            if !is_flow && !self.cursor.is_comment() {
                self.cursor.check_indentation()?;
            }
            let line = self.plain_line(is_flow);
            if line.is_empty() {
                self.cursor = before;
                break;
            }
            fold(text.to_mut(), breaks);
            text.to_mut().push_str(line);
            end = self.cursor.at();
            is_one_line = false;
        }
        Ok(Scalar {
            text: lean(text),
            at: start..end,
            style: Style::Plain,
            is_one_line,
        })
    }

    /// What belongs to a scalar without quotes in this line.
    fn plain_line(&mut self, is_flow: bool) -> &'a str {
        let start = self.cursor.at();
        let mut end = start;
        loop {
            match self.cursor.peek(0) {
                b' ' | b'\t' => {
                    self.cursor.advance(1);
                    continue;
                }
                _ if self.cursor.is_line_end() || self.cursor.is_comment() => break,
                b':' if self.cursor.is_blank(1) || is_flow && self.cursor.is_flow_sign(1) => break,
                b',' | b'[' | b']' | b'{' | b'}' if is_flow => break,
                _ => self.cursor.advance(1),
            }
            end = self.cursor.at();
        }
        self.cursor.go(end);
        self.cursor.slice(start, end)
    }

    /// Goes to the next line that is not blank, and over its indentation; how many lines that is. None are skipped where
    /// this one has more.
    fn skip_lines(&mut self) -> usize {
        let mut breaks = 0;
        loop {
            self.cursor.skip_blanks();
            if !self.cursor.is_line_end() || self.cursor.is_end() {
                return breaks;
            }
            self.cursor.next_line();
            breaks += 1;
        }
    }

    fn quoted(&mut self) -> Read<Scalar<'a>> {
        let open = self.cursor;
        let quote = open.peek(0);
        self.cursor.advance(1);
        let start = self.cursor.at();
        let mut is_one_line = true;
        // What stands before is in the text already, or is the text so far where that is none.
        let mut copied: Option<String> = None;
        let mut from = start;
        let text = loop {
            let byte = self.cursor.peek(0);
            let here = self.cursor.at();
            if self.cursor.is_end() {
                return Err(open.fail(failure::QUOTE));
            }
            if byte == quote && !(quote == b'\'' && self.cursor.peek(1) == b'\'') {
                self.cursor.advance(1);
                let last = self.cursor.slice(from, here);
                break match copied {
                    None => Cow::Borrowed(last),
                    Some(mut text) => {
                        text.push_str(last);
                        Cow::Owned(text)
                    }
                };
            }
            if byte == quote {
                let text = copied.get_or_insert_default();
                text.push_str(self.cursor.slice(from, here + 1));
                self.cursor.advance(2);
            } else if byte == b'\\' && quote == b'"' {
                let text = copied.get_or_insert_default();
                text.push_str(self.cursor.slice(from, here));
                self.cursor.advance(1);
                if self.cursor.is_line_end() && !self.cursor.is_end() {
                    is_one_line = false;
                    let breaks = self.skip_lines();
                    text.extend(std::iter::repeat_n('\n', breaks.saturating_sub(1)));
                } else {
                    let letter = self.escape().ok_or_else(|| self.cursor.fail(failure::ESCAPE))?;
                    text.push(letter);
                }
            } else if matches!(byte, b'\r' | b'\n') {
                is_one_line = false;
                let text = copied.get_or_insert_default();
                text.push_str(self.cursor.slice(from, here).trim_end_matches([' ', '\t']));
                let breaks = self.skip_lines();
                if self.cursor.is_marker() {
                    return Err(open.fail(failure::QUOTE));
                }
                fold(text, breaks);
            } else {
                self.cursor.advance(1);
                continue;
            }
            from = self.cursor.at();
        };
        Ok(Scalar {
            text: lean(text),
            at: open.at()..self.cursor.at(),
            style: Style::Marked,
            is_one_line,
        })
    }

    /// The letter that is written behind a backslash.
    fn escape(&mut self) -> Option<char> {
        let sign = self.cursor.peek(0);
        let digits = match sign {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        let letter = match sign {
            b'0' => '\0',
            b'a' => '\u{7}',
            b'b' => '\u{8}',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\u{b}',
            b'f' => '\u{c}',
            b'r' => '\r',
            b'e' => '\u{1b}',
            b' ' | b'"' | b'/' | b'\\' => char::from(sign),
            b'N' => '\u{85}',
            b'_' => '\u{a0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            _ if digits > 0 => {
                let at = self.cursor.at() + 1;
                let number = self.cursor.slice(at, at + digits);
                let is_hexadecimal =
                    number.len() == digits && number.bytes().all(|digit| digit.is_ascii_hexdigit());
                let number = u32::from_str_radix(number, 16).ok().filter(|_| is_hexadecimal)?;
                char::from_u32(number)?
            }
            _ => return None,
        };
        self.cursor.advance(1 + digits);
        Some(letter)
    }
}

/// Joins lines: one break is a space, each further one a line.
fn fold(text: &mut String, breaks: usize) {
    if breaks == 1 {
        text.push(' ');
    } else {
        text.extend(std::iter::repeat_n('\n', breaks - 1));
    }
}

/// The same without memory that it does not need.
pub(super) fn lean(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Owned(mut text) => {
            text.shrink_to_fit();
            Cow::Owned(text)
        }
        text @ Cow::Borrowed(_) => text,
    }
}
