//! Findings with the lines around them, and as one line each: the two forms of Butane's reports. Columns count characters
//! there.

use std::fmt::Write as _;
use std::ops::Range;

use super::{Excerpt, Lines, Mark, STRIDE, Source, printable, window_start};
use crate::diagnostic::{Diagnostic, LineColumn, Severity};
use crate::reference_report::Entry;

/// How many lines before and behind a finding are shown.
const AROUND: usize = 2;

/// Whether a report has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// For terminals.
    Ansi,
    /// For everything else.
    None,
}

impl Colours {
    fn paint(self, severity: Severity, text: &str) -> String {
        let code = match severity {
            Severity::Error => 31,
            Severity::Warning => 33,
            Severity::Info => 36,
        };
        match self {
            Self::Ansi => format!("\x1b[1;{code}m{text}\x1b[0m"),
            Self::None => text.to_owned(),
        }
    }
}

/// Positions of which the column counts characters, found without counting from the start each time.
struct Letters<'a> {
    lines: Lines<'a>,
    /// How many characters there are before each [`STRIDE`] of bytes.
    marks: Vec<usize>,
}

impl<'a> Letters<'a> {
    fn new(text: &'a str) -> Self {
        let (mut letters, mut marks) = (0, Vec::new());
        for bytes in text.as_bytes().chunks(STRIDE) {
            marks.push(letters);
            letters += count(bytes);
        }
        marks.push(letters);
        Self {
            lines: Lines::new(text),
            marks,
        }
    }

    /// The position of byte `at`; behind the end of the text, that of the end.
    fn position(&self, at: usize) -> LineColumn {
        let at = at.min(self.lines.text.len());
        let Mark { line, start } = self.lines.line_of(at);
        LineColumn {
            line,
            column: 1 + self.before(at) - self.before(start),
        }
    }

    /// How many characters there are before byte `at`.
    fn before(&self, at: usize) -> usize {
        let bytes = self.lines.text.as_bytes().get(at - at % STRIDE..at);
        let mark = self.marks.get(at / STRIDE).copied();
        mark.unwrap_or_default() + count(bytes.unwrap_or_default())
    }

    /// A finding as one line.
    fn line(&self, finding: &Diagnostic) -> String {
        let at = finding.span.as_ref().map_or(0, |span| span.start);
        let entry = Entry {
            severity: finding.severity,
            at: Some(finding.at.dollar()),
            position: Some(self.position(at)),
            message: finding.message.clone(),
        };
        printable(&entry.to_string())
    }
}

/// How many characters start in these bytes of a text.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// A line of a report for each of `findings` about `text`.
#[must_use]
pub fn render_lines(text: &str, findings: &[Diagnostic]) -> String {
    let letters = Letters::new(text);
    let mut out = String::new();
    for finding in findings {
        out.push_str(&letters.line(finding));
        out.push('\n');
    }
    out
}

/// Shows `findings` about `text`, which people know as `name`, each with its line and those around it. Secrets in them are
/// replaced by an ellipsis. Of a text whose grammar is broken nothing is shown: there keys and values cannot be told apart.
#[must_use]
pub fn render_around(name: &str, text: &str, findings: &[Diagnostic], colours: Colours) -> String {
    if findings.iter().any(Diagnostic::is_of_grammar) {
        return render_lines(text, findings);
    }
    let letters = Letters::new(text);
    let mut windows = windows(&letters.lines, findings);
    let source = Source::windowed(Lines::new(text), &mut windows);
    let mut out = String::new();
    for (number, finding) in findings.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let span = finding.span.as_ref();
        match span.and_then(|span| Some((span.start, source.excerpt(span, false)?))) {
            Some((at, excerpt)) => {
                let place = Place {
                    name,
                    at,
                    position: letters.position(at),
                };
                source.show(&mut out, finding, &place, &excerpt, colours);
            }
            None => {
                out.push_str(&letters.line(finding));
                out.push('\n');
            }
        }
        if let Some(help) = &finding.help {
            let _ = writeln!(out, "  help: {}", printable(help));
        }
    }
    out
}

/// Where a finding is.
struct Place<'a> {
    name: &'a str,
    /// The byte.
    at: usize,
    /// The same as people count.
    position: LineColumn,
}

/// Where the lines start that are shown.
fn windows(lines: &Lines<'_>, findings: &[Diagnostic]) -> Vec<usize> {
    let mut windows = Vec::new();
    for span in findings.iter().filter_map(|finding| finding.span.as_ref()) {
        windows.push(window_start(lines, span.start));
        let around = before(lines, span.start).chain(behind(lines.text, span.start));
        windows.extend(around.map(|line| line.start));
    }
    windows
}

/// The lines before the one of byte `at`, the nearest first.
fn before<'a>(lines: &'a Lines<'_>, at: usize) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut start = lines.line_of(at).start;
    std::iter::from_fn(move || {
        let end = start.checked_sub(1)?;
        start = lines.line_of(end).start;
        Some(start..end)
    })
    .take(AROUND)
}

/// The lines behind the one of byte `at`; none where the end of a line is further than anybody reads.
fn behind(text: &str, at: usize) -> impl Iterator<Item = Range<usize>> {
    let end_of = |at: usize| {
        let bytes = text.as_bytes().get(at..).unwrap_or_default();
        let near = bytes.iter().take(STRIDE);
        let found = near.clone().position(|byte| *byte == b'\n');
        let is_last = bytes.len() <= STRIDE;
        found.or(is_last.then_some(bytes.len())).map(|length| at + length)
    };
    let mut end = end_of(at);
    std::iter::from_fn(move || {
        let start = end? + 1;
        end = end_of(start);
        // Behind the last line end there is no line.
        (start < text.len()).then(|| start..end.unwrap_or(text.len()))
    })
    .take(AROUND)
}

impl Source<'_> {
    fn show(
        &self,
        out: &mut String,
        finding: &Diagnostic,
        place: &Place<'_>,
        excerpt: &Excerpt,
        colours: Colours,
    ) {
        let severity = finding.severity;
        let LineColumn { line, column } = place.position;
        let width = (line + AROUND).to_string().len();
        let head = format!("{severity}[{}]:", printable(&finding.at.dollar()));
        let _ = writeln!(out, "{}", colours.paint(severity, &head));
        let _ = writeln!(out, "{:width$}--> {}:{line}:{column}", "", printable(place.name));
        let _ = writeln!(out, "{:width$} |", "");
        let mut earlier: Vec<_> = before(&self.lines, place.at).collect();
        earlier.reverse();
        for (number, range) in (line - earlier.len()..).zip(earlier) {
            self.show_beside(out, width, number, range);
        }
        let _ = writeln!(out, "{line:width$} | {}", excerpt.shown);
        // Carets go as far as the first white space of what is marked.
        let start = excerpt.underline.find('^').unwrap_or_default();
        let letters = excerpt.shown.chars().skip(start);
        let marked = letters.zip(excerpt.underline.chars().skip(start));
        let count = marked.take_while(|(letter, mark)| *mark == '^' && !letter.is_whitespace());
        let carets = "^".repeat(count.count().max(1));
        let note = colours.paint(severity, &format!("{carets} {}", printable(&finding.message)));
        let _ = writeln!(out, "{:width$} | {:start$}{note}", "", "");
        for (number, range) in (line + 1..).zip(behind(self.lines.text, place.at)) {
            self.show_beside(out, width, number, range);
        }
    }

    /// A line that nothing is said about.
    fn show_beside(&self, out: &mut String, width: usize, number: usize, range: Range<usize>) {
        let mut shown = Excerpt {
            at: LineColumn { line: 0, column: 0 },
            is_hidden: self.secrets.is_none(),
            shown: String::new(),
            underline: String::new(),
        };
        self.fill(&mut shown, range, &(0..0));
        let _ = writeln!(out, "{}", format!("{number:width$} | {}", shown.shown).trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Pointer;
    use crate::rules::catalog as rule;

    fn finding(text: &str, about: &str, at: &str) -> Diagnostic {
        let start = text.find(about).unwrap();
        Diagnostic {
            severity: Severity::Warning,
            rule: rule::KEY_UNKNOWN.id,
            at: Pointer::of(at),
            span: Some(start..start + about.len()),
            message: "why".to_owned(),
            help: None,
        }
    }

    #[test]
    fn the_lines_around_are_shown_as_far_as_there_are_any() {
        let text = "one: 1\ntwo: 2 2\n\nfour: ä 4\nfive: 5\n";
        for (about, at, expected) in [
            (
                "1",
                "/one",
                "warning[$.one]:\n --> f:1:6\n  |\n1 | one: 1\n  |      ^ why\n2 | two: 2 2\n3 |\n",
            ),
            (
                "2 2",
                "/two",
                "warning[$.two]:\n --> f:2:6\n  |\n1 | one: 1\n2 | two: 2 2\n  |      ^ why\n3 |\n4 | four: ä 4\n",
            ),
            (
                "4",
                "/four",
                "warning[$.four]:\n --> f:4:9\n  |\n2 | two: 2 2\n3 |\n4 | four: ä 4\n  |         ^ why\n5 | five: 5\n",
            ),
            (
                "5",
                "/five",
                "warning[$.five]:\n --> f:5:7\n  |\n3 |\n4 | four: ä 4\n5 | five: 5\n  |       ^ why\n",
            ),
        ] {
            let shown = render_around("f", text, &[finding(text, about, at)], Colours::None);
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn columns_count_characters_however_far_they_are() {
        let text = format!("{}x: 1\nü: 2\n", "ä".repeat(STRIDE));
        let findings = [finding(&text, "x", "/x"), finding(&text, "2", "/u")];
        assert_eq!(
            render_lines(&text, &findings),
            "warning at $.x, line 1 col 4097: why\nwarning at $.u, line 2 col 4: why\n"
        );
    }

    #[test]
    fn a_text_of_one_line_with_many_findings_is_shown_in_time() {
        let text = "x".repeat(1 << 24);
        let one = finding(&text, "x", "/x");
        let at = |at: usize| Diagnostic {
            span: Some(at..at + 1),
            ..one.clone()
        };
        let findings: Vec<_> = (0..2_000).map(|number| at((1 << 24) - 1 - number)).collect();
        let shown = render_around("f", &text, &findings, Colours::None);
        assert_eq!(shown.matches("^ why").count(), 2_000);
        assert!(shown.lines().all(|line| line.chars().count() < 140));
    }

    #[test]
    fn entries_are_apart_and_numbers_in_line() {
        let before: String = (1..10).map(|line| format!("a{line}: b\n")).collect();
        let text = before + "c: d\n";
        let mut findings = [finding(&text, "c", "/c"), finding(&text, "c", "/d")];
        findings[1].help = Some("help".to_owned());
        let shown = render_around("f", &text, &findings, Colours::Ansi);
        let expected = "\x1b[1;33mwarning[$.c]:\x1b[0m\n  --> f:10:1\n   |\n 8 | a8: b\n 9 | a9: b\n10 | c: d\n   | \x1b[1;33m^ why\x1b[0m\n";
        assert!(shown.starts_with(&format!("{expected}\n")), "{shown}");
        assert!(shown.ends_with("why\x1b[0m\n  help: help\n"), "{shown}");
        assert_eq!(
            render_lines(&text, &findings),
            "warning at $.c, line 10 col 1: why\nwarning at $.d, line 10 col 1: why\n"
        );
    }

    #[test]
    fn what_stands_outside_is_one_line_and_of_broken_grammar_nothing_is_shown() {
        let text = "password_hash: planted\n";
        let mut outside = finding(text, "planted", "/a");
        outside.span = Some(90..99);
        let shown = render_around("f", text, &[outside], Colours::None);
        assert_eq!(shown, "warning at $.a, line 2 col 1: why\n");
        let mut broken = finding(text, "planted", "");
        broken.rule = rule::YAML_SYNTAX.id;
        let shown = render_around("f", text, &[broken], Colours::None);
        assert_eq!(shown, "warning at $, line 1 col 16: why\n");
    }
}
