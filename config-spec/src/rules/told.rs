//! For tests: what a document is told.

use crate::{Rejected, check};

/// The findings of a document of `version` whose other members are `members`, as `place rule` with the place's common
/// start left out; warnings are marked.
pub(super) fn told(version: &str, start: &str, members: &str) -> Vec<String> {
    let comma = if members.is_empty() { "" } else { "," };
    let text = if members.starts_with("\"ignition\"") {
        format!("{{{members}}}").replacen(
            "{\"ignition\":{",
            &format!("{{\"ignition\":{{\"version\":\"{version}\","),
            1,
        )
    } else {
        format!("{{\"ignition\":{{\"version\":\"{version}\"}}{comma}{members}}}")
    };
    let findings = match check(&text) {
        Ok(checked) => checked.warnings().to_vec(),
        Err(Rejected::Invalid(findings)) => findings,
        Err(rejected) => panic!("{text}: {rejected}"),
    };
    findings
        .iter()
        .map(|finding| {
            let at = finding.at.dollar();
            let mark = if finding.severity == crate::diagnostic::Severity::Warning {
                "warning "
            } else {
                ""
            };
            format!("{mark}{} {}", at.strip_prefix(start).unwrap_or(&at), finding.rule)
        })
        .collect()
}

/// Holds each row (version, members, findings) against [`told`].
pub(super) fn expect(start: &str, wrap: impl Fn(&str) -> String, rows: &[(&str, &str, &[&str])]) {
    for (version, members, expected) in rows {
        assert_eq!(
            told(version, start, &wrap(members)),
            *expected,
            "{version} {members}"
        );
    }
}
