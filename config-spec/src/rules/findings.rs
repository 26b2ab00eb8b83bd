//! Where rules put what they find.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Pointer, Severity};
use crate::rules::catalog::Rule;

/// How many errors are listed, and how many warnings. Nobody reads more, and a finding takes far more memory than what
/// it is about.
const LISTED: usize = 10_000;

/// Findings in the order they were made.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
    errors: Kept,
    warnings: Kept,
    /// Stands for the finding that is too many, so that its maker need not know.
    surplus: Option<Diagnostic>,
}

/// What is listed of one severity.
#[derive(Clone, Copy, Default)]
struct Kept {
    count: usize,
    /// Where the last one is in the list.
    last: usize,
    has_more: bool,
}

/// A finding that was just added, open for what more there is to say.
pub(crate) struct Report<'a>(&'a mut Diagnostic);

impl Findings {
    /// Adds a breach of `rule` at `at`.
    pub(crate) fn report(&mut self, rule: Rule, at: Pointer, message: impl Into<String>) -> Report<'_> {
        let finding = Diagnostic {
            severity: rule.severity,
            rule: rule.id,
            at,
            span: None,
            message: message.into(),
            help: None,
        };
        let kept = if rule.severity == Severity::Error {
            &mut self.errors
        } else {
            &mut self.warnings
        };
        if kept.count == LISTED {
            kept.has_more = true;
            return Report(self.surplus.insert(finding));
        }
        kept.count += 1;
        kept.last = self.list.len();
        Report(self.list.push_mut(finding))
    }

    /// Whether further findings of this severity would not be listed, so that it is no use to look for them.
    pub(crate) fn is_full(&self, severity: Severity) -> bool {
        match severity {
            Severity::Error => self.errors.has_more,
            Severity::Warning | Severity::Info => self.warnings.has_more,
        }
    }

    /// The findings; the last of too many says so.
    pub(crate) fn into_inner(mut self) -> Vec<Diagnostic> {
        for kept in [self.errors, self.warnings] {
            if kept.has_more
                && let Some(last) = self.list.get_mut(kept.last)
            {
                last.message
                    .push_str(" (there are more of these, which are not listed)");
            }
        }
        self.list
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::catalog;

    #[test]
    fn a_crowd_of_findings_is_cut_and_says_so() {
        let mut findings = Findings::default();
        for index in 0..LISTED + 5 {
            assert_eq!(findings.is_full(Severity::Warning), index > LISTED);
            assert_eq!(findings.is_full(Severity::Error), index > LISTED);
            findings
                .report(catalog::KEY_UNKNOWN, Pointer::root().index(index), "unknown")
                .help("remove it");
            findings.report(catalog::PATH_RELATIVE, Pointer::root().index(index), "relative");
        }
        let list = findings.into_inner();
        assert_eq!(list.len(), 2 * LISTED);
        let cut: Vec<_> = list
            .iter()
            .filter(|finding| finding.message.contains("there are more of these"))
            .map(|finding| (finding.rule, finding.at.to_string()))
            .collect();
        let last = format!("/{}", LISTED - 1);
        let expected = [catalog::KEY_UNKNOWN, catalog::PATH_RELATIVE].map(|rule| (rule.id, last.clone()));
        assert_eq!(cut, expected);
    }

    #[test]
    fn an_ordinary_number_of_findings_is_whole() {
        let mut findings = Findings::default();
        for _ in 0..LISTED {
            findings.report(catalog::PATH_RELATIVE, Pointer::root(), "x");
        }
        assert!(findings.into_inner().iter().all(|finding| finding.message == "x"));
    }
}
