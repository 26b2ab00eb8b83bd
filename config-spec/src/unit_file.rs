//! The unit-file syntax, as far as the reference checks it.

/// How many bytes the reference reads at once.
const WINDOW: usize = 4096;

/// The reference's limit for a line, in bytes. It looks no further than its window, so that some longer lines pass;
/// [`Lexer::line_fits`] does the same, since rejecting them would refuse configs that work.
const MAX_LINE: usize = 2048;

/// Why a unit cannot be read. The messages quote nothing of it, since units may carry secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    /// An opening bracket without a closing one.
    #[error("a section header has no closing bracket, on line {0}")]
    Header(usize),
    /// Text behind a section header.
    #[error("text behind a section header, on line {0}")]
    AfterHeader(usize),
    /// A line of a section that is neither option nor comment.
    #[error("an option without an equals sign, on line {0}")]
    Option(usize),
    /// A line that is too long.
    #[error("a line of more than 2048 bytes, on line {0}")]
    LineTooLong(usize),
}

/// What rules want to know of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Whether any option stands in a section named exactly `Install`.
    pub(crate) has_install: bool,
}

/// Reads a unit or drop-in.
///
/// # Errors
/// [`UnitError`] with the line, counted from 1.
pub(crate) fn parse(text: &str) -> Result<Summary, UnitError> {
    let mut lexer = Lexer {
        text,
        at: 0,
        window_end: 0,
    };
    let mut summary = Summary { has_install: false };
    let mut section: Option<&str> = None;
    loop {
        lexer.line_fits()?;
        match (lexer.next_of_step(section.is_some()), section) {
            (None, _) => return Ok(summary),
            (Some(b'['), _) => section = Some(lexer.header()?),
            (Some(b'#' | b';'), _) => lexer.comment()?,
            (Some(_), name) => {
                lexer.at -= 1;
                lexer.option()?;
                summary.has_install |= name == Some("Install");
            }
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Where the bytes end that the reference has read so far.
    window_end: usize,
}

impl<'a> Lexer<'a> {
    /// Called where the reference's lexer starts a step.
    fn line_fits(&self) -> Result<(), UnitError> {
        if self.window_end < self.at + MAX_LINE {
            return Ok(());
        }
        let ahead = self
            .text
            .as_bytes()
            .get(self.at..self.at + MAX_LINE)
            .unwrap_or_default();
        let breaks = ahead.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
        if breaks {
            Ok(())
        } else {
            Err(UnitError::LineTooLong(self.line_of(self.at)))
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied()?;
        if self.at >= self.window_end {
            self.window_end = (self.at + WINDOW).min(self.text.len());
        }
        self.at += 1;
        Some(byte)
    }

    /// The next byte that is not skipped: whitespace, and before the first section anything that starts neither a
    /// section nor a comment.
    fn next_of_step(&mut self, in_section: bool) -> Option<u8> {
        loop {
            let byte = self.next()?;
            let is_mark = matches!(byte, b'[' | b'#' | b';');
            if is_mark || (in_section && !byte.is_ascii_whitespace()) {
                return Some(byte);
            }
        }
    }

    /// The rest of the line without its end, and whether there was an end.
    fn rest_of_line(&mut self) -> (&'a str, bool) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let (line, ended) = match rest.find('\n') {
            Some(end) => (rest.get(..end).unwrap_or_default(), true),
            None => (rest, false),
        };
        let end = self.at + line.len() + usize::from(ended);
        // The reference slides its window to the start of a line that leaves it, then reads on window by window.
        if end > self.window_end {
            let windows = (end - self.at).div_ceil(WINDOW);
            self.window_end = (self.at + windows * WINDOW).min(self.text.len());
        }
        self.at = end;
        (line, ended)
    }

    fn header(&mut self) -> Result<&'a str, UnitError> {
        self.line_fits()?;
        let start = self.at;
        loop {
            match self.next() {
                Some(b']') => break,
                Some(_) => {}
                None => return Err(UnitError::Header(self.line_of(start))),
            }
        }
        let name = self.text.get(start..self.at - 1).unwrap_or_default();
        self.line_fits()?;
        let end = self.at;
        let (rest, _) = self.rest_of_line();
        if rest.trim().is_empty() {
            Ok(name)
        } else {
            Err(UnitError::AfterHeader(self.line_of(end)))
        }
    }

    /// A backslash at the end, also with one space behind it, continues a comment on the next line.
    fn comment(&mut self) -> Result<(), UnitError> {
        loop {
            self.line_fits()?;
            let (line, ended) = self.rest_of_line();
            let continued = line.ends_with('\\') || line.ends_with("\\ ");
            if !ended || !continued {
                return Ok(());
            }
        }
    }

    fn option(&mut self) -> Result<(), UnitError> {
        self.line_fits()?;
        let start = self.at;
        loop {
            match self.next() {
                Some(b'=') => break,
                Some(b'\r' | b'\n') | None => return Err(UnitError::Option(self.line_of(start))),
                Some(_) => {}
            }
        }
        loop {
            self.line_fits()?;
            let (value, ended) = self.rest_of_line();
            if !ended || !value.ends_with('\\') {
                return Ok(());
            }
        }
    }

    /// The line of a byte, counted only when there is an error to tell.
    fn line_of(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installs(text: &str) -> Result<bool, UnitError> {
        parse(text).map(|summary| summary.has_install)
    }

    #[test]
    fn units_are_read_leniently() {
        for (text, has_install) in [
            ("", false),
            ("stray text\n", false),
            ("[Unit]\nDescription=x\n[Install]\nWantedBy=a.target\n", true),
            ("stray [Install]\nA=b", true),
            ("[Install]\n", false),
            ("[Install]\n# only a comment \\\nA=b\n", false),
            ("[Install]\n; c \\ \nA=b\n", false),
            ("[Install]\n; c\nA=b\n", true),
            ("[ Install ]\nA=b\n", false),
            ("[Service]\nExecStart=a \\\n[Install]\nA=b", false),
            ("[Service]\nExecStart=a \\\nX\\\n[Install]\n", false),
            ("[Service]\nExecStart=a \\\r\n[Install]\nA=b", true),
            ("[Service]\n=empty name\n  A = b\n", false),
            ("[a\nb]\nX=y\n", false),
            ("[]\n[x]  \t\n", false),
        ] {
            assert_eq!(installs(text), Ok(has_install), "{text:?}");
        }
    }

    #[test]
    fn what_systemd_cannot_read_is_refused() {
        for (text, error) in [
            ("[Unit", UnitError::Header(1)),
            ("\n\n[Unit\nA=b\n", UnitError::Header(3)),
            ("[Unit] x\n", UnitError::AfterHeader(1)),
            ("[Service]\nExecStart\n", UnitError::Option(2)),
            ("[Service]\nExecStart\r\n", UnitError::Option(2)),
            ("[Service]\nA=b\nExecStart", UnitError::Option(3)),
        ] {
            assert_eq!(installs(text), Err(error), "{text:?}");
        }
    }

    /// A line of 2,502 bytes that starts at `offset`, as the reference was observed with.
    fn long_line_at(offset: usize) -> String {
        let mut text = String::from("[S]\n");
        while text.len() + 4 < offset {
            text.push_str("A=b\n");
        }
        while text.len() < offset {
            text.insert(4, '\n');
        }
        text + "A=" + &"x".repeat(2500) + "\nB=c\n"
    }

    #[test]
    fn long_lines_fail_where_the_reference_fails() {
        for (offset, passes) in [
            (100, false),
            (2000, false),
            (2100, true),
            (3000, true),
            (4094, true),
            (4095, false),
            (4096, false),
            (4097, false),
        ] {
            assert_eq!(installs(&long_line_at(offset)).is_ok(), passes, "{offset}");
        }
        assert_eq!(installs(&format!("[S]\nA={}\n", "x".repeat(2040))), Ok(false));
    }
}
