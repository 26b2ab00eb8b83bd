//! What the reference's validator reports of a document: its entries, in its order, with its positions.
//!
//! The findings are those of [`crate::check()`]; what only we tell is left out, and what the reference tells in another
//! way (of values of a wrong type only the first, without a place) is told in that way. Message texts are ours.
//!
//! Source: config-spec.md 5.4 and engine.md 1.5 of the project's reference facts.

use std::fmt;

use crate::diagnostic::{Diagnostic, LineColumn, Lines, Severity};
use crate::rules::catalog as rule;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Error or warning.
    pub severity: Severity,
    /// The place in the reference's notation; absent for what cannot be read.
    pub at: Option<String>,
    /// Where in the text; `None` stands behind its end, which the reference calls line 0, column 0.
    pub position: Option<LineColumn>,
    /// What is wrong, in our words.
    pub message: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LineColumn { line, column } = self.position.unwrap_or(LineColumn { line: 0, column: 0 });
        write!(out, "{} at ", self.severity)?;
        if let Some(at) = &self.at {
            write!(out, "{at}, ")?;
        }
        write!(out, "line {line} col {column}: {}", self.message)
    }
}

/// The report on `text` from its findings, which [`crate::check()`] made.
#[must_use]
pub fn report(text: &str, findings: &[Diagnostic]) -> Vec<Entry> {
    let lines = Lines::new(text);
    let is_unreadable = [
        rule::JSON_SYNTAX.id,
        rule::TYPE_MISMATCH.id,
        rule::USER_DATA_FOREIGN.id,
    ];
    let unreadable = findings
        .iter()
        .find(|finding| is_unreadable.contains(&finding.rule));
    if let Some(finding) = unreadable {
        // Whatever else there is to tell, the reference did not get as far.
        return vec![Entry {
            at: None,
            ..entry(&lines, finding)
        }];
    }
    let told = findings
        .iter()
        .filter(|finding| finding.rule != rule::KEY_DUPLICATE.id);
    told.map(|finding| entry(&lines, finding)).collect()
}

fn entry(lines: &Lines<'_>, finding: &Diagnostic) -> Entry {
    Entry {
        severity: finding.severity,
        at: Some(finding.at.dollar()),
        position: finding.reference_position(lines),
        message: finding.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rejected, check};

    fn told(text: &str) -> Vec<String> {
        let findings = match check(text) {
            Ok(checked) => checked.warnings().to_vec(),
            Err(Rejected::Invalid(findings)) => findings,
            Err(rejected) => panic!("{text}: {rejected}"),
        };
        let start = |entry: &Entry| entry.to_string().split(": ").next().unwrap().to_owned();
        report(text, &findings).iter().map(start).collect()
    }

    #[test]
    fn entries_are_those_of_the_reference() {
        for (text, expected) in [
            (
                "{\"ignition\":{\"version\":\"3.6.0\"},\n \"storage\":{\"files\":[{\"path\":\"a\"},{\"path\":\"/b\",\"x\":1}]}}",
                vec![
                    "error at $.storage.files.0.path, line 2 col 30",
                    "warning at $.storage.files.1.x, line 2 col 48",
                ],
            ),
            // Of several wrong types the first, and nothing beside it.
            (
                "{\"ignition\":{\"version\":\"3.6.0\"},\"passwd\":{\"users\":[{\"uid\":\"7\",\"gecos\":[],\"name\":\"\",\"x\":1}]}}",
                vec!["error at line 1 col 62"],
            ),
            ("{\"ignition\":", vec!["error at line 0 col 0"]),
            ("#cloud-config\n", vec!["error at line 1 col 2"]),
            // A name given twice is told by us alone.
            (
                "{\"ignition\":{\"version\":\"3.6.0\"},\"systemd\":{},\"systemd\":{}}",
                vec![],
            ),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
