//! Where rules put what they find.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Pointer};
use crate::rules::catalog::Rule;

/// Findings in the order they were made.
#[derive(Default)]
pub(crate) struct Findings(Vec<Diagnostic>);

/// A finding that was just added, open for what more there is to say.
pub(crate) struct Report<'a>(&'a mut Diagnostic);

impl Findings {
    /// Adds a breach of `rule` at `at`.
    pub(crate) fn report(&mut self, rule: Rule, at: Pointer, message: impl Into<String>) -> Report<'_> {
        Report(self.0.push_mut(Diagnostic {
            severity: rule.severity,
            rule: rule.id,
            at,
            span: None,
            message: message.into(),
            help: None,
        }))
    }

    pub(crate) fn into_inner(self) -> Vec<Diagnostic> {
        self.0
    }
}

impl Report<'_> {
    /// Says what to write instead.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Says which bytes of the text are meant, where the caller knows them already.
    pub(crate) fn span(self, span: Range<usize>) -> Self {
        self.0.span = Some(span);
        self
    }
}
