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

impl LineColumn {
    /// The position of byte `at` of `text`; behind its end, that of the end.
    #[must_use]
    pub fn of(text: &str, at: usize) -> Self {
        let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Self {
            line,
            column: 1 + before.len() - line_start,
        }
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
    text: &'a str,
    /// Where each line starts.
    lines: Vec<usize>,
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
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        Self {
            text,
            lines,
            secrets: redact::secrets(text),
        }
    }

    /// The part of the text to show for `span`; `None` when the span is not one of this text.
    fn excerpt(&self, span: &Range<usize>, ends_there: bool) -> Option<Excerpt> {
        self.text.get(span.clone())?;
        let line = self.lines.partition_point(|start| *start <= span.start);
        let line_start = self.lines.get(line.checked_sub(1)?).copied()?;
        // The table of lines, not a search: a document is often one line, with many findings.
        let full_end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        let line_end = if ends_there {
            full_end.min(span.end)
        } else {
            full_end
        };
        let at = LineColumn {
            line,
            column: 1 + span.start - line_start,
        };
        // Of an object or a list, its start is enough.
        let is_open = self.text.get(span.start..)?.starts_with(['{', '[']);
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
        if ends_there && !self.text.get(line_end..full_end)?.trim_end().is_empty() {
            excerpt.push('…', false);
        }
        if !excerpt.underline.contains('^') {
            excerpt.underline.push('^');
        }
        Some(excerpt)
    }

    /// Where to start so that the finding is in sight.
    fn window_start(&self, line_start: usize, line_end: usize, span_start: usize) -> usize {
        let line = self.text.get(line_start..line_end).unwrap_or_default();
        if line.chars().take(MAX_COLUMNS + 1).count() <= MAX_COLUMNS {
            return line_start;
        }
        let before = self.text.get(line_start..span_start).unwrap_or_default();
        let first = before.char_indices().rev().take(COLUMNS_BEFORE).last();
        first.map_or(span_start, |(offset, _)| line_start + offset)
    }

    fn fill(&self, excerpt: &mut Excerpt, range: Range<usize>, marked: &Range<usize>) {
        let mut at = range.start;
        let mut columns = 0;
        while let Some(letter) = self.text.get(at..range.end).and_then(|rest| rest.chars().next()) {
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
