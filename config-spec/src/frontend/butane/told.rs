//! What was said of a config so far, and whether that refuses it.

use super::remark::Remark;
use crate::diagnostic::{Diagnostic, Severity};
use crate::frontend::tree::{Place, Places};
use crate::rules::Findings;
use crate::rules::catalog::Rule;

/// Findings about one config.
pub(super) struct Told<'p, 'a> {
    pub(super) places: &'p Places<'a>,
    findings: Findings,
    is_refused: bool,
    /// What weighs less is nothing to whoever asks.
    least: Severity,
}

impl<'p, 'a> Told<'p, 'a> {
    pub(super) fn new(places: &'p Places<'a>, least: Severity) -> Self {
        Self {
            places,
            least,
            findings: Findings::default(),
            is_refused: false,
        }
    }

    /// Whether one of them is an error.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Whether further ones of this weight would not be listed.
    pub(super) fn is_full(&self, severity: Severity) -> bool {
        self.findings.is_full(severity)
    }

    pub(super) fn remark(&mut self, remark: Remark) {
        if !self.counts(remark.rule) {
            return;
        }
        let start = self.places.pointer(remark.at);
        let steps = remark.below.split('/').filter(|step| !step.is_empty());
        let at = steps.fold(start, |pointer, step| pointer.key(step));
        let report = self.findings.report(remark.rule, at, remark.message);
        let report = report.span(self.places.value(remark.at));
        if !remark.help.is_empty() {
            report.help(remark.help);
        }
    }

    /// About the name of the member at `place`.
    pub(super) fn name(&mut self, rule: Rule, place: Place, message: String, help: Option<String>) {
        if !self.counts(rule) {
            return;
        }
        let report = self.findings.report(rule, self.places.pointer(place), message);
        let report = report.span(self.places.key(place));
        if let Some(help) = help {
            report.help(help);
        }
    }

    fn counts(&mut self, rule: Rule) -> bool {
        self.is_refused |= rule.severity == Severity::Error;
        rule.severity >= self.least
    }

    pub(super) fn into_inner(self) -> Vec<Diagnostic> {
        self.findings.into_inner()
    }
}
