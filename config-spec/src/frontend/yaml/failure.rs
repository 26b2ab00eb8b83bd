//! Why a text is not read, and what its author might look for. The text is never quoted: it may hold secrets.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Pointer};
use crate::rules::Findings;
use crate::rules::catalog::{self as rule, Rule};
use crate::suggest::quoted;

/// What is wrong, and what to write instead.
pub(super) type Why = (&'static str, &'static str);

pub(super) const CONTROL: Why = (
    "a control character stands in the document",
    "write it as \\x and two hexadecimal digits, in double quotes; lines end with a line feed, or with both a carriage return \
     and a line feed",
);
pub(super) const TAB: Why = ("a tab stands where a line is indented", "indent with spaces");
pub(super) const RESERVED: Why = (
    "a value starts with a sign that YAML keeps for itself",
    "put the value into quotes",
);
pub(super) const TRAILING: Why = (
    "something follows a value that is complete",
    "put a comma between two of them, a space before a comment, or all of it into one pair of quotes",
);
pub(super) const QUOTE: Why = (
    "a quote is opened here and not closed",
    "close it; within single quotes '' is a quote, within double ones \\\"",
);
pub(super) const ESCAPE: Why = (
    "what follows a backslash in double quotes means nothing",
    "write \\\\ for a backslash, or use single quotes, where it means itself",
);
pub(super) const ALIAS: Why = (
    "an alias refers to an anchor that does not stand before it",
    "write &NAME before the value that *NAME repeats; a value that starts with * needs quotes",
);
pub(super) const ANCHOR: Why = (
    "a value has two anchors or two tags, or one without a name",
    "write &NAME once before a value; a value that starts with & or ! needs quotes",
);
pub(super) const BLOCK: Why = (
    "something follows the | or > of a text",
    "start the text in the next line, indented further than its key",
);
pub(super) const FLOW: Why = (
    "an entry in brackets or braces does not end",
    "put a comma between entries; a value with a comma, a bracket or a brace in it needs quotes",
);
pub(super) const UNCLOSED: Why = (
    "a bracket or a brace is opened here and not closed",
    "close it; a value that starts with one needs quotes",
);
pub(super) const KEY: Why = (
    "a key is a list or a mapping",
    "write a name before the colon; one that starts with a bracket or a brace needs quotes",
);
pub(super) const NO_KEY: Why = (
    "a line among the keys of a mapping is none",
    "write a colon and a space behind the key, or indent the line if it belongs to the one before",
);
pub(super) const COLON: Why = (
    "a colon stands where none can",
    "indent the keys of one mapping alike; a value with a colon and a space in it needs quotes",
);
pub(super) const ENTRY: Why = (
    "an entry of a list stands where none can",
    "start the list in a line of its own, and indent its hyphens alike",
);
pub(super) const INDENT: Why = (
    "a line is indented like nothing before it",
    "indent it like the lines it belongs with",
);
pub(super) const BEHIND: Why = (
    "the document goes on behind its end",
    "indent this line like those it belongs with",
);
pub(super) const MERGE: Why = (
    "what << takes over is no mapping",
    "write <<: *NAME, where &NAME stands before a mapping, or a list of such aliases",
);
pub(super) const BASE64: Why = (
    "a value with the tag !!binary is not base64",
    "write standard base64 with its padding, or take the tag away",
);
/// What is wrong, and where.
pub(super) struct Failure {
    rule: Rule,
    at: Range<usize>,
    message: String,
    help: &'static str,
}

/// Stands for a place that is not known yet.
const UNKNOWN: usize = usize::MAX;

impl Failure {
    pub(super) fn new(at: Range<usize>, (message, help): Why) -> Self {
        Self {
            rule: rule::YAML_SYNTAX,
            at,
            message: message.to_owned(),
            help,
        }
    }

    /// Too much of something.
    pub(super) fn limit(at: Range<usize>, message: &'static str) -> Self {
        let help = "no config is like this: it is damaged, or something else; ship large trees of files as one archive that a \
                    unit unpacks";
        Self::new(at, (message, help))
    }

    /// The document ends within brackets or braces; whoever opened them says where.
    pub(super) fn unclosed() -> Self {
        Self::new(UNKNOWN..UNKNOWN, UNCLOSED)
    }

    /// The same at `open`, if it has no place yet.
    pub(super) fn or_unclosed(mut self, open: usize) -> Self {
        if self.at.start == UNKNOWN {
            self.at = open..open + 1;
        }
        self
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
        let end = text.ceil_char_boundary(self.at.end);
        let start = text.floor_char_boundary(self.at.start).min(end);
        let mut findings = Findings::default();
        findings
            .report(self.rule, Pointer::root(), self.message)
            .span(start..end)
            .help(self.help);
        findings.into_inner().remove(0)
    }
}
