//! What there is to say of an author's document, before its place is a pointer.

use super::super::tree::{Place, Places};
use crate::diagnostic::Diagnostic;
use crate::rules::catalog::Rule;

/// A finding at a place of the author's document.
#[derive(Debug)]
pub(super) struct Remark {
    pub(super) rule: Rule,
    pub(super) at: Place,
    /// What is meant is not there: the way to it from `at`, as the author would name it, with a slash between steps; else
    /// empty.
    pub(super) below: &'static str,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// Takes remarks.
pub(super) type Tell<'t> = dyn FnMut(Remark) + 't;

impl Remark {
    /// About what stands at `at`.
    pub(super) fn new(rule: Rule, at: Place, message: impl Into<String>, help: &'static str) -> Self {
        Self {
            rule,
            at,
            below: "",
            message: message.into(),
            help,
        }
    }

    /// The same about what is missing below the place.
    pub(super) fn below(self, below: &'static str) -> Self {
        Self { below, ..self }
    }

    /// The finding; its bytes are those of what is there.
    pub(super) fn finding(self, places: &Places<'_>) -> Diagnostic {
        let start = places.pointer(self.at);
        let steps = self.below.split('/').filter(|step| !step.is_empty());
        Diagnostic {
            severity: self.rule.severity,
            rule: self.rule.id,
            at: steps.fold(start, |pointer, step| pointer.key(step)),
            span: Some(places.value(self.at)),
            message: self.message,
            help: Some(self.help.to_owned()),
        }
    }
}
