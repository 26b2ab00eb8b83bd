//! Findings: what is wrong, where in the document, and what to write instead.

mod pointer;
mod redact;
mod render;

pub use pointer::Pointer;
pub use render::{Colours, LineColumn, Lines, render, render_around, render_lines};

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::rules::catalog;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// The document is usable, but hardly what its author meant.
    Warning,
    /// The document is refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// The stable name of a rule, for example `partition-overlap`; all of them are in [`crate::rules::catalog::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RuleId(pub(crate) &'static str);

impl RuleId {
    /// The name itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The reference's identifier for the same rule, for example `ErrPartitionsOverlap`, where it has one.
    #[must_use]
    pub fn reference(self) -> Option<&'static str> {
        catalog::ALL
            .iter()
            .find(|rule| rule.id == self)
            .and_then(|rule| rule.reference)
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How much it weighs.
    pub severity: Severity,
    /// The rule that made it.
    pub rule: RuleId,
    /// The place in the document; for a syntax error the whole document.
    pub at: Pointer,
    /// The same place as bytes of the text; absent when the finding is about a merged config, which has no text.
    pub span: Option<Range<usize>>,
    /// What is wrong. Never a secret: values are quoted only where they are names or paths.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Whether it is about the grammar of the text: what is a key there and what a value, nobody knows.
    fn is_of_grammar(&self) -> bool {
        [
            catalog::JSON_SYNTAX.id,
            catalog::YAML_SYNTAX.id,
            catalog::YAML_KEY_DUPLICATE.id,
            catalog::USER_DATA_FOREIGN.id,
        ]
        .contains(&self.rule)
    }

    /// Where the reference's reports show this finding, which is not always its first byte: inside the bracket of an
    /// object or a list, and behind what cannot be read. `None` where they show line 0, column 0.
    #[must_use]
    pub fn reference_position(&self, lines: &Lines<'_>) -> Option<LineColumn> {
        let text = lines.text();
        let span = self.span.as_ref()?;
        let first = text.as_bytes().get(span.start).copied();
        let is_open = matches!(first, Some(b'{' | b'['));
        let is_unread = [catalog::JSON_SYNTAX.id, catalog::USER_DATA_FOREIGN.id].contains(&self.rule);
        let at = if is_unread || is_open {
            span.start.checked_add(1)?
        } else if self.rule == catalog::TYPE_MISMATCH.id {
            span.end
        } else {
            span.start
        };
        (at < text.len()).then(|| lines.position(at))
    }
}

impl fmt::Display for Diagnostic {
    /// One line without the text's position: `error at $.storage.files.0.path: path is relative`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at {}: {}", self.severity, self.at.dollar(), self.message)
    }
}
