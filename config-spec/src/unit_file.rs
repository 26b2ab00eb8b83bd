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

/// A section header, or an option of the section before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A section of this name.
    Section {
        /// What stands between the brackets.
        name: &'a str,
        /// Where in the text, in bytes.
        at: usize,
    },
    /// An option.
    Option(UnitOption<'a>),
}

/// An option of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitOption<'a> {
    /// The section it stands in.
    pub(crate) section: &'a str,
    /// What stands before the equals sign, without space around it.
    pub(crate) name: &'a str,
    /// What stands behind it, with all lines that continue it.
    raw: &'a str,
    /// Where in the text, in bytes.
    pub(crate) at: usize,
}

impl UnitOption<'_> {
    fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.raw
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
    }

    /// The value as systemd reads it: continued lines joined by a space, comments between them left out.
    pub(crate) fn value(&self) -> String {
        let mut value = String::new();
        for (index, line) in self.lines().enumerate() {
            if index == 0 || !is_comment(line) {
                value.push_str(line.strip_suffix('\\').unwrap_or(line).trim());
                value.push(' ');
            }
        }
        value.trim().to_owned()
    }

    /// Whether systemd reads on where the reference's lexer sees the end: behind a comment inside a value, and behind a
    /// backslash before CR LF.
    fn goes_on(&self) -> bool {
        let is_continued = self.raw.contains('\n');
        let last = self.lines().next_back();
        last.is_some_and(|line| line.ends_with('\\') || (is_continued && is_comment(line)))
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

/// Reads a unit or drop-in as the reference does.
///
/// # Errors
/// [`UnitError`] with the line, counted from 1.
pub(crate) fn parse(text: &str) -> Result<Summary, UnitError> {
    let mut reader = Reader::new(text);
    let mut summary = Summary { has_install: false };
    while let Some(item) = reader.next()? {
        summary.has_install |= matches!(item, Item::Option(option) if option.section == "Install");
    }
    Ok(summary)
}

/// The sections and options of a unit or drop-in as systemd reads it. Of what cannot be read, those before it.
pub(crate) fn items(text: &str) -> impl Iterator<Item = Item<'_>> {
    let mut reader = Reader::new(text);
    std::iter::from_fn(move || {
        let item = reader.next().ok().flatten()?;
        Some(match item {
            Item::Option(option) => Item::Option(reader.read_on(option)),
            section @ Item::Section { .. } => section,
        })
    })
}

/// The options of a unit or drop-in as systemd reads it.
pub(crate) fn options(text: &str) -> impl Iterator<Item = UnitOption<'_>> {
    items(text).filter_map(|item| match item {
        Item::Option(option) => Some(option),
        Item::Section { .. } => None,
    })
}

/// The line of a byte, counted from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    section: Option<&'a str>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let lexer = Lexer {
            text,
            at: 0,
            window_end: 0,
        };
        Self { lexer, section: None }
    }

    fn next(&mut self) -> Result<Option<Item<'a>>, UnitError> {
        let lexer = &mut self.lexer;
        loop {
            lexer.line_fits()?;
            match (lexer.next_of_step(self.section.is_some()), self.section) {
                (None, _) => return Ok(None),
                (Some(b'#' | b';'), _) => lexer.comment()?,
                (Some(b'['), _) => {
                    let at = lexer.at - 1;
                    let name = lexer.header()?;
                    self.section = Some(name);
                    return Ok(Some(Item::Section { name, at }));
                }
                (Some(_), section) => {
                    lexer.at -= 1;
                    let at = lexer.at;
                    let (name, raw) = lexer.option()?;
                    let section = section.unwrap_or_default();
                    return Ok(Some(Item::Option(UnitOption {
                        section,
                        name,
                        raw,
                        at,
                    })));
                }
            }
        }
    }

    /// Takes the lines that systemd counts among the option just read.
    fn read_on(&mut self, mut option: UnitOption<'a>) -> UnitOption<'a> {
        let text = self.lexer.text;
        while option.goes_on() && self.lexer.at < text.len() {
            let start = self.lexer.at;
            let (line, _) = self.lexer.rest_of_line();
            let end = start + line.len();
            // Lines follow each other in the text, so the longer value is a slice of it too.
            let raw_start = start - option.raw.len() - 1;
            option.raw = text.get(raw_start..end).unwrap_or(option.raw);
        }
        option
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
            Err(UnitError::LineTooLong(line_of(self.text, self.at)))
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
                None => return Err(UnitError::Header(line_of(self.text, start))),
            }
        }
        let name = self.text.get(start..self.at - 1).unwrap_or_default();
        self.line_fits()?;
        let end = self.at;
        let (rest, _) = self.rest_of_line();
        if rest.trim().is_empty() {
            Ok(name)
        } else {
            Err(UnitError::AfterHeader(line_of(self.text, end)))
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

    /// A name, and the text behind the equals sign, without its last line's end.
    fn option(&mut self) -> Result<(&'a str, &'a str), UnitError> {
        self.line_fits()?;
        let start = self.at;
        loop {
            match self.next() {
                Some(b'=') => break,
                Some(b'\r' | b'\n') | None => return Err(UnitError::Option(line_of(self.text, start))),
                Some(_) => {}
            }
        }
        let name = self.text.get(start..self.at - 1).unwrap_or_default().trim();
        let from = self.at;
        loop {
            self.line_fits()?;
            let (value, ended) = self.rest_of_line();
            if !ended || !value.ends_with('\\') {
                let end = self.at - usize::from(ended);
                return Ok((name, self.text.get(from..end).unwrap_or_default()));
            }
        }
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

    #[test]
    fn options_are_read_as_systemd_reads_them() {
        for (text, expected) in [
            (
                "[A]\nX = 1 \n Y=\n[B]\n=z\n",
                vec![("A", "X", "1"), ("A", "Y", ""), ("B", "", "z")],
            ),
            (
                "[A]\nX=a \\\n  b\\\n# no\\\nc\nY=d",
                vec![("A", "X", "a b c"), ("A", "Y", "d")],
            ),
            (
                "[A]\nX=a \\\n# no\n  -b=c\nY=d",
                vec![("A", "X", "a -b=c"), ("A", "Y", "d")],
            ),
            (
                "[A]\nX=a \\\n# no\n; no\nb=c \\\nd\n",
                vec![("A", "X", "a b=c d")],
            ),
            (
                "[A]\r\nX=a \\\r\nb=c\r\nY=#d\r\n",
                vec![("A", "X", "a b=c"), ("A", "Y", "#d")],
            ),
            ("[A]\nX=a\\", vec![("A", "X", "a")]),
            ("[A]\n#X=a \\\nb=c\n", vec![]),
        ] {
            let read: Vec<_> = options(text)
                .map(|option| (option.section, option.name, option.value()))
                .collect();
            let read: Vec<_> = read
                .iter()
                .map(|(section, name, value)| (*section, *name, value.as_str()))
                .collect();
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn items_know_their_line() {
        let text = "# c\n\n[A]\nX=a \\\nb\nY=c\n";
        let lines: Vec<usize> = items(text)
            .map(|item| match item {
                Item::Section { at, .. } => line_of(text, at),
                Item::Option(option) => line_of(text, option.at),
            })
            .collect();
        assert_eq!(lines, [3, 4, 6]);
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
