//! Why a text is not read, and what its author might look for. The text is never quoted: it may hold secrets.

use std::ops::Range;

use saphyr_parser::ScanError;

use crate::diagnostic::{Diagnostic, Pointer};
use crate::rules::Findings;
use crate::rules::catalog::{self as rule, Rule};
use crate::suggest::quoted;

/// What is wrong, and where.
pub(super) struct Failure {
    rule: Rule,
    at: Range<usize>,
    message: String,
    help: &'static str,
}

impl Failure {
    fn new(at: Range<usize>, message: &str, help: &'static str) -> Self {
        Self {
            rule: rule::YAML_SYNTAX,
            at,
            message: message.to_owned(),
            help,
        }
    }

    /// Too much of something.
    pub(super) fn limit(at: Range<usize>, message: &str) -> Self {
        Self::new(
            at,
            message,
            "no config is like this: the document is damaged, or something else; ship large trees of files as one archive that a unit \
             unpacks",
        )
    }

    /// A character that no text of YAML has, at byte `at`. The parser takes it for the end of the text.
    pub(super) fn nul(at: usize) -> Self {
        Self::new(
            at..at + 1,
            "a NUL character stands here, which no YAML has",
            "save the file as UTF-8 without it; where a value needs it, write \\0 in double quotes",
        )
    }

    /// A breach of the grammar at byte `at`.
    pub(super) fn grammar(text: &str, at: usize, error: &ScanError) -> Self {
        let at = if error.info().contains("simple key") {
            last_line(text, at)
        } else {
            at
        };
        let (message, help) = explained(text, at, error.info());
        let letter = text.get(at..).and_then(|rest| rest.chars().next());
        Self::new(at..at + letter.map_or(0, char::len_utf8), message, help)
    }

    /// A value of which nobody knows where it stands.
    pub(super) fn misplaced(at: Range<usize>) -> Self {
        Self::new(
            at,
            "the place of a value cannot be told",
            "take away the lines before the document that start with a percent sign",
        )
    }

    /// A key that is a list or a mapping.
    pub(super) fn key(at: Range<usize>) -> Self {
        Self::new(
            at,
            "a key is a list or a mapping",
            "write a name before the colon; what starts with a bracket or a brace needs quotes to be one",
        )
    }

    /// A value of `<<` that has no members.
    pub(super) fn merge(at: Range<usize>) -> Self {
        Self::new(
            at,
            "what << takes over is no mapping",
            "write <<: *NAME, where &NAME stands before a mapping, or a list of such aliases",
        )
    }

    /// A value tagged `!!binary` that is no base64.
    pub(super) fn base64(at: Range<usize>) -> Self {
        Self::new(
            at,
            "a value with the tag !!binary is not base64",
            "write standard base64 with its padding, or take the tag away",
        )
    }

    /// The key `name` at `second`, which stands at byte `first` too.
    pub(super) fn repeated(text: &str, first: usize, second: Range<usize>, name: &str) -> Self {
        let before = text.as_bytes().get(..first).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Self {
            rule: rule::YAML_KEY_DUPLICATE,
            at: second,
            message: format!("{} is given in line {line} already", quoted(name)),
            help: "a mapping has each key once: put both values under one, or remove one",
        }
    }

    /// The same as a finding about `text`.
    pub(super) fn finding(self, text: &str) -> Diagnostic {
        let mut at = self.at.start.min(text.len())..self.at.end.min(text.len());
        at.start = text.floor_char_boundary(at.start);
        at.end = text.ceil_char_boundary(at.end).max(at.start);
        let mut findings = Findings::default();
        findings
            .report(self.rule, Pointer::root(), self.message)
            .span(at)
            .help(self.help);
        findings.into_inner().remove(0)
    }
}

/// Where the text of the last line starts that has any before byte `at`: which the parser found wrong behind it.
fn last_line(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default().trim_ascii_end();
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.get(start..).unwrap_or_default();
    before.len() - line.trim_ascii_start().len()
}

/// What is wrong at byte `at`, of which the parser says `info`; and what to look for.
fn explained(text: &str, at: usize, info: &str) -> (&'static str, &'static str) {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    let indent = text.get(line..).unwrap_or_default();
    let indent = indent.len() - indent.trim_start_matches([' ', '\t']).len();
    let has_tab = text.get(line..line + indent).unwrap_or_default().contains('\t');
    let first = text.as_bytes().get(at).copied();
    let says = |word| info.contains(word);
    if has_tab || says("tab") {
        ("a tab stands where the line is indented", "indent with spaces")
    } else if matches!(first, Some(b'@' | b'`' | b'%')) {
        (
            "a value starts with a sign that YAML keeps for itself",
            "put the value into quotes",
        )
    } else if says("escape") || says("hexadecimal") {
        (
            "a backslash in double quotes is followed by what it cannot be followed by",
            "write \\\\ for a backslash, or use single quotes, where it means itself",
        )
    } else if says("trailing content") {
        (
            "something follows a value in quotes",
            "write the value within one pair of quotes; inside, \\\" stands for a double quote and '' for a single one",
        )
    } else if says("quoted scalar") {
        (
            "a quote is opened here and not closed",
            "close it, or indent its further lines like the first",
        )
    } else if says("anchor") && says("unknown") {
        (
            "an alias refers to an anchor that does not stand before it",
            "write &NAME before the value that *NAME means; put a value that starts with * into quotes",
        )
    } else if says("block scalar") {
        (
            "the text behind | or > is not indented as it must be",
            "indent all its lines alike, further than the key, with spaces",
        )
    } else if says("flow") || says("bracket") || first.is_none() && text.contains(['[', '{']) {
        (
            "a list in brackets or a mapping in braces is not well formed",
            "see that each bracket and brace is closed, and that commas stand between the entries",
        )
    } else if says("simple key") {
        (
            "a line among the keys of a mapping is none",
            "write a colon and a space behind the key, or indent what belongs to the line before",
        )
    } else if says("mapping values") || says("':'") {
        (
            "a colon stands where none can",
            "indent the keys of one mapping alike; put a value with a colon and a space in it into quotes",
        )
    } else {
        (
            "the document is not YAML from here on",
            "see that this line is indented like those it belongs to, and that each key is followed by a colon and a space",
        )
    }
}
