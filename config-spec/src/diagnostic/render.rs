//! Findings as people read them: the line they are about, underlined.

mod around;

use std::fmt::Write as _;
use std::ops::Range;

pub use around::{Colours, render_around, render_lines};

use super::{Diagnostic, redact};
use crate::order;
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

/// A text and marks along it, so that positions are found without counting from its start each time. The marks cost
/// a fraction of the text, however many lines it has.
pub struct Lines<'a> {
    text: &'a str,
    marks: Vec<Mark>,
}

/// How many bytes there are between two marks.
const STRIDE: usize = 4096;

/// The line that a mark is in.
#[derive(Clone, Copy)]
struct Mark {
    /// Its number, from 1.
    line: usize,
    /// Where it starts.
    start: usize,
}

impl Mark {
    /// The line `bytes` further, which follow the mark and stand at `at`.
    fn after(self, bytes: &[u8], at: usize) -> Self {
        let newlines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let last = bytes.iter().rposition(|byte| *byte == b'\n');
        Self {
            line: self.line + newlines,
            start: last.map_or(self.start, |last| at + last + 1),
        }
    }
}

impl<'a> Lines<'a> {
    /// Finds the lines of `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let mut mark = Mark { line: 1, start: 0 };
        let mut marks = vec![mark];
        for (nth, bytes) in text.as_bytes().chunks(STRIDE).enumerate() {
            mark = mark.after(bytes, nth * STRIDE);
            marks.push(mark);
        }
        Self { text, marks }
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
        let Mark { line, start } = self.line_of(at);
        LineColumn {
            line,
            column: 1 + at - start,
        }
    }

    /// The line of byte `at`.
    fn line_of(&self, at: usize) -> Mark {
        let from = at - at % STRIDE;
        let mark = self.marks.get(at / STRIDE).copied();
        let bytes = self.text.as_bytes().get(from..at).unwrap_or_default();
        mark.unwrap_or(Mark { line: 1, start: 0 }).after(bytes, from)
    }
}

/// Shows `findings` about `text`, which people know as `name`.
///
/// Secrets in the shown lines are replaced by an ellipsis, and nothing behind a breach of the grammar is shown,
/// since there keys and values cannot be told apart.
#[must_use]
pub fn render(name: &str, text: &str, findings: &[Diagnostic]) -> String {
    let source = Source::new(text, findings);
    let mut out = String::new();
    for finding in findings {
        let _ = writeln!(
            out,
            "{}[{}]: {}",
            finding.severity,
            finding.rule,
            printable(&finding.message)
        );
        let pointer = shortened(finding.at.as_str());
        match finding
            .span
            .as_ref()
            .and_then(|span| source.excerpt(span, finding.rule == rule::JSON_SYNTAX.id))
        {
            Some(excerpt) => {
                let LineColumn { line, column } = excerpt.at;
                let comma = if pointer.is_empty() { "" } else { ", " };
                let _ = writeln!(out, "  {name}:{line}:{column}{comma}{pointer}");
                // Whose secrets what looks like, is known of configs only.
                if finding.rule != rule::USER_DATA_FOREIGN.id {
                    excerpt.write(&mut out);
                }
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
    /// What is not shown; without them, nothing is.
    secrets: Option<Vec<Range<usize>>>,
}

/// A line, or a part of one, with what to underline.
struct Excerpt {
    at: LineColumn,
    /// Only the position is told.
    is_hidden: bool,
    shown: String,
    underline: String,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, findings: &[Diagnostic]) -> Self {
        let lines = Lines::new(text);
        let spans = findings.iter().filter_map(|finding| finding.span.as_ref());
        let mut windows: Vec<usize> = spans.map(|span| window_start(&lines, span.start)).collect();
        Self::windowed(lines, &mut windows)
    }

    /// A text of which only what stands behind `windows` is shown.
    fn windowed(lines: Lines<'a>, windows: &mut [usize]) -> Self {
        order::sort(windows);
        Self {
            secrets: redact::secrets(lines.text, windows, MAX_COLUMNS),
            lines,
        }
    }

    /// The part of the text to show for `span`; `None` when the span is not one of this text.
    fn excerpt(&self, span: &Range<usize>, ends_there: bool) -> Option<Excerpt> {
        let text = self.lines.text;
        let about = text.get(span.clone())?;
        let line = self.lines.line_of(span.start);
        let end = if ends_there { span.end } else { text.len() };
        // Of an object or a list, its start is enough.
        let is_open = text.get(span.start..)?.starts_with(['{', '[']);
        let marked = span.start..if is_open {
            span.start + 1
        } else {
            span.end.max(span.start + 1)
        };
        let from = window_start(&self.lines, span.start);
        let mut excerpt = Excerpt {
            at: self.lines.position(span.start),
            is_hidden: self.secrets.is_none(),
            shown: String::new(),
            underline: String::new(),
        };
        if from > line.start {
            excerpt.push('…', false);
        }
        self.fill(&mut excerpt, from..end, &marked);
        if ends_there && !about.contains('\n') && text.get(span.end..).is_some_and(has_text) {
            excerpt.push('…', false);
        }
        if !excerpt.underline.contains('^') {
            excerpt.underline.push('^');
        }
        Some(excerpt)
    }

    fn fill(&self, excerpt: &mut Excerpt, range: Range<usize>, marked: &Range<usize>) {
        let mut at = range.start;
        let mut columns = 0;
        let secrets = self.secrets.as_deref().unwrap_or_default();
        if excerpt.is_hidden {
            return;
        }
        while let Some(letter) = self
            .lines
            .text
            .get(at..range.end)
            .and_then(|rest| rest.chars().next())
        {
            if letter == '\n' {
                return;
            }
            if columns == MAX_COLUMNS {
                excerpt.push('…', false);
                return;
            }
            columns += 1;
            if let Some(secret) = secret_at(secrets, at) {
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
}

fn secret_at(secrets: &[Range<usize>], at: usize) -> Option<&Range<usize>> {
    let next = secrets.partition_point(|secret| secret.end <= at);
    secrets.get(next).filter(|secret| secret.contains(&at))
}

impl Excerpt {
    fn push(&mut self, letter: char, marked: bool) {
        self.shown.push(letter);
        self.underline.push(if marked { '^' } else { ' ' });
    }

    fn write(&self, out: &mut String) {
        if self.is_hidden {
            return;
        }
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

/// Whether there is more than white space before the line ends.
fn has_text(rest: &str) -> bool {
    let mut letters = rest.chars().take_while(|letter| *letter != '\n');
    letters.any(|letter| !letter.is_whitespace())
}

/// Where to start showing the line of byte `at`, so that the byte is in sight.
fn window_start(lines: &Lines<'_>, at: usize) -> usize {
    let start = lines.line_of(at.min(lines.text.len())).start;
    let line = lines.text.get(start..).unwrap_or_default().chars();
    if line
        .take_while(|letter| *letter != '\n')
        .take(MAX_COLUMNS + 1)
        .count()
        <= MAX_COLUMNS
    {
        return start;
    }
    let before = lines.text.get(start..at).unwrap_or_default();
    let first = before.char_indices().rev().take(COLUMNS_BEFORE).last();
    first.map_or(at, |(offset, _)| start + offset)
}

/// Text without what could steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(printable_letter).collect()
}

fn printable_letter(letter: char) -> char {
    if letter.is_control() {
        char::REPLACEMENT_CHARACTER
    } else {
        letter
    }
}

/// As [`printable`], and no longer than a line.
fn shortened(text: &str) -> String {
    let mut letters = text.chars().map(printable_letter);
    let mut short: String = letters.by_ref().take(MAX_COLUMNS).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
