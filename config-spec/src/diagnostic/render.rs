//! Findings as people read them: the line they are about, underlined.

use std::fmt::Write as _;
use std::ops::Range;

use super::{Diagnostic, redact};
use crate::rules::catalog as rule;

/// How much of a source line is shown.
const MAX_COLUMNS: usize = 120;

/// How much of it stands before the finding when the line is longer.
const COLUMNS_BEFORE: usize = 40;

/// A position as editors count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineColumn {
    /// The line, from 1. Only line feeds end lines.
    pub line: usize,
    /// The column in bytes, from 1.
    pub column: usize,
}

/// A text and where its lines start, so that positions are found without counting from its start each time.
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines of `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            text,
            starts: std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect(),
        }
    }

    /// The text itself.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The position of byte `at`; behind the end of the text, that of the end.
    #[must_use]
    pub fn position(&self, at: usize) -> LineColumn {
        let at = at.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= at);
        let (start, _) = self.range(line);
        LineColumn {
            line,
            column: 1 + at - start,
        }
    }

    /// Where line `line`, counted from 1, starts, and where it ends without its line feed.
    fn range(&self, line: usize) -> (usize, usize) {
        let start = line
            .checked_sub(1)
            .and_then(|index| self.starts.get(index))
            .copied()
            .unwrap_or_default();
        let end = self.starts.get(line).map_or(self.text.len(), |next| next - 1);
        (start, end)
    }
}

/// Shows `findings` about `text`, which people know as `name`.
///
/// Secrets in the shown lines are replaced by an ellipsis, and nothing behind a breach of the grammar is shown,
/// since there keys and values cannot be told apart.
#[must_use]
pub fn render(name: &str, text: &str, findings: &[Diagnostic]) -> String {
    let source = Source::new(text);
    let mut out = String::new();
    for finding in findings {
        let _ = writeln!(
            out,
            "{}[{}]: {}",
            finding.severity,
            finding.rule,
            printable(&finding.message)
        );
        let pointer = shortened(&printable(&finding.at.to_string()));
        match finding
            .span
            .as_ref()
            .and_then(|span| source.excerpt(span, finding.rule == rule::JSON_SYNTAX.id))
        {
            Some(excerpt) => {
                let LineColumn { line, column } = excerpt.at;
                let comma = if pointer.is_empty() { "" } else { ", " };
                let _ = writeln!(out, "  {name}:{line}:{column}{comma}{pointer}");
                excerpt.write(&mut out);
            }
            None if pointer.is_empty() => drop(writeln!(out, "  {name}")),
            None => drop(writeln!(out, "  {name}, {pointer}")),
        }
        if let Some(help) = &finding.help {
            let _ = writeln!(out, "  help: {}", printable(help));
        }
    }
    out
}

struct Source<'a> {
    lines: Lines<'a>,
    secrets: Vec<Range<usize>>,
}

/// A line, or a part of one, with what to underline.
struct Excerpt {
    at: LineColumn,
    shown: String,
    underline: String,
}

impl<'a> Source<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: Lines::new(text),
            secrets: redact::secrets(text),
        }
    }

    /// The part of the text to show for `span`; `None` when the span is not one of this text.
    fn excerpt(&self, span: &Range<usize>, ends_there: bool) -> Option<Excerpt> {
        let text = self.lines.text;
        text.get(span.clone())?;
        let at = self.lines.position(span.start);
        let (line_start, full_end) = self.lines.range(at.line);
        let line_end = if ends_there {
            full_end.min(span.end)
        } else {
            full_end
        };
        // Of an object or a list, its start is enough.
        let is_open = text.get(span.start..)?.starts_with(['{', '[']);
        let marked = span.start..if is_open {
            span.start + 1
        } else {
            span.end.max(span.start + 1)
        };
        let from = self.window_start(line_start, line_end, span.start);
        let mut excerpt = Excerpt {
            at,
            shown: String::new(),
            underline: String::new(),
        };
        if from > line_start {
            excerpt.push('…', false);
        }
        self.fill(&mut excerpt, from..line_end, &marked);
        if ends_there && !self.lines.text.get(line_end..full_end)?.trim_end().is_empty() {
            excerpt.push('…', false);
        }
        if !excerpt.underline.contains('^') {
            excerpt.underline.push('^');
        }
        Some(excerpt)
    }

    /// Where to start so that the finding is in sight.
    fn window_start(&self, line_start: usize, line_end: usize, span_start: usize) -> usize {
        let line = self.lines.text.get(line_start..line_end).unwrap_or_default();
        if line.chars().take(MAX_COLUMNS + 1).count() <= MAX_COLUMNS {
            return line_start;
        }
        let before = self.lines.text.get(line_start..span_start).unwrap_or_default();
        let first = before.char_indices().rev().take(COLUMNS_BEFORE).last();
        first.map_or(span_start, |(offset, _)| line_start + offset)
    }

    fn fill(&self, excerpt: &mut Excerpt, range: Range<usize>, marked: &Range<usize>) {
        let mut at = range.start;
        let mut columns = 0;
        while let Some(letter) = self
            .lines
            .text
            .get(at..range.end)
            .and_then(|rest| rest.chars().next())
        {
            if columns == MAX_COLUMNS {
                excerpt.push('…', false);
                return;
            }
            columns += 1;
            if let Some(secret) = self.secret_at(at) {
                excerpt.push('…', secret.start < marked.end && marked.start < secret.end);
                at = secret.end;
                continue;
            }
            let shown = match letter {
                '\r' => {
                    at += 1;
                    continue;
                }
                letter if letter.is_control() => ' ',
                letter => letter,
            };
            excerpt.push(shown, marked.contains(&at));
            at += letter.len_utf8();
        }
    }

    fn secret_at(&self, at: usize) -> Option<&Range<usize>> {
        let next = self.secrets.partition_point(|secret| secret.end <= at);
        self.secrets.get(next).filter(|secret| secret.contains(&at))
    }
}

impl Excerpt {
    fn push(&mut self, letter: char, marked: bool) {
        self.shown.push(letter);
        self.underline.push(if marked { '^' } else { ' ' });
    }

    fn write(&self, out: &mut String) {
        let number = self.at.line.to_string();
        let _ = writeln!(out, "  {number} | {}", self.shown);
        let _ = writeln!(
            out,
            "  {:width$} | {}",
            "",
            self.underline.trim_end(),
            width = number.len()
        );
    }
}

/// Text without what could steer a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                letter
            }
        })
        .collect()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_COLUMNS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
