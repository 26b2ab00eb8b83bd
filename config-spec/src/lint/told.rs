//! For tests: what a config is told.

use super::{Setting, lint};
use crate::check;
use crate::diagnostic::{Diagnostic, Severity};

/// The findings of a document of the newest stable version with these members.
fn findings(members: &str, setting: &Setting<'_>) -> Vec<Diagnostic> {
    let text = format!("{{\"ignition\":{{\"version\":\"3.6.0\"}},{members}}}");
    let checked = check(&text).unwrap_or_else(|rejected| panic!("{text}: {rejected}"));
    lint(checked.config(), setting)
}

/// The findings as `place rule`; warnings are marked.
pub(super) fn told(members: &str, setting: &Setting<'_>) -> Vec<String> {
    findings(members, setting)
        .iter()
        .map(|finding| {
            let mark = if finding.severity == Severity::Warning {
                "warning "
            } else {
                ""
            };
            format!("{mark}{} {}", finding.at.dollar(), finding.rule)
        })
        .collect()
}

/// What the findings say: message and help.
pub(super) fn said(members: &str, setting: &Setting<'_>) -> Vec<(String, String)> {
    findings(members, setting)
        .into_iter()
        .map(|finding| (finding.message, finding.help.unwrap_or_default()))
        .collect()
}

/// Holds each row (members, findings) against [`told`].
pub(super) fn expect(setting: &Setting<'_>, rows: &[(&str, &[&str])]) {
    for (members, expected) in rows {
        assert_eq!(told(members, setting), *expected, "{members}");
    }
}
