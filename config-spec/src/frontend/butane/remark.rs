//! What there is to say of an author's document, before its place is a pointer.

use crate::frontend::tree::Place;
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
}
