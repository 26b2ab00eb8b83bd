//! Documents of the old language, row by row: what is told of them and where, and what becomes of them.

mod accounts;
mod disks;
mod filesystems;
mod made_up;
mod nodes;
mod one;
mod places;
mod sections;
mod shape;
mod units;

use serde_json::{Value, json};

use super::*;
use crate::convert::convert;
use crate::{Rejected, check, check_merged, explain, merge};

/// A document of `version` with those members; `"ignition"` among them is joined with the version.
fn document(version: &str, members: &str) -> String {
    if let Some(rest) = members.strip_prefix("\"ignition\":{").filter(|_| version != "1") {
        return format!("{{\"ignition\":{{\"version\":\"{version}\",{rest}}}");
    }
    let comma = if members.is_empty() { "" } else { "," };
    match version {
        "1" => format!("{{\"ignitionVersion\":1{comma}{members}}}"),
        version => format!("{{\"ignition\":{{\"version\":\"{version}\"}}{comma}{members}}}"),
    }
}

fn findings(text: &str) -> Vec<Diagnostic> {
    let findings = match check(text) {
        Ok(checked) => checked.warnings().to_vec(),
        Err(rejected) => rejected.diagnostics().into_owned(),
    };
    for finding in &findings {
        let span = finding
            .span
            .clone()
            .unwrap_or_else(|| panic!("{text}: {finding} has no place"));
        assert!(text.get(span).is_some());
        assert!(!finding.message.contains("planted"), "{finding}");
    }
    findings
}

/// What is told, as `severity pointer rule`, the severity only of warnings.
fn told(version: &str, members: &str) -> Vec<String> {
    let text = document(version, members);
    let line = |finding: Diagnostic| {
        let mark = match finding.severity {
            crate::diagnostic::Severity::Error => "",
            _ => "warning ",
        };
        format!("{mark}{} {}", finding.at, finding.rule)
    };
    findings(&text).into_iter().map(line).collect()
}

fn expect(rows: &[(&str, &str, &[&str])]) {
    for (version, members, expected) in rows {
        assert_eq!(told(version, members), *expected, "{version} {members}");
    }
}

/// The document of 3.4.0 that comes of it, without its own section.
fn becomes(version: &str, members: &str) -> Value {
    let text = document(version, members);
    let checked = check(&text).unwrap_or_else(|rejected| panic!("{text}: {:?}", rejected.diagnostics()));
    let written = convert(&checked, Version::V3_4_0).unwrap_or_else(|refused| panic!("{text}: {refused:?}"));
    let mut value: Value = serde_json::from_str(&written).unwrap();
    let ignition = value["ignition"].as_object_mut().unwrap();
    ignition.remove("version");
    if ignition.is_empty() {
        value.as_object_mut().unwrap().remove("ignition");
    }
    value
}

fn expect_made(rows: &[(&str, &str, Value)]) {
    for (version, members, expected) in rows {
        assert_eq!(becomes(version, members), *expected, "{version} {members}");
    }
}

#[test]
fn the_version_decides_who_reads() {
    let dialect = |text: &str| check(text).map(|checked| checked.dialect().to_string());
    for version in Edition::SECOND {
        assert_eq!(dialect(&document(version, "")), Ok(format!("Ignition {version}")));
    }
    assert_eq!(dialect(&document("02.03.0", "")), Ok("Ignition 2.3.0".to_owned()));
    for first in [
        r#"{"ignitionVersion":1}"#,
        r#" {"ignitionversion": 1, "ignition": {}}"#,
        r#"{"ignitionVersion":1,"ignition":{"version":""}}"#,
        r#"{"ignitionVersion":1,"ignition":{"version":null}}"#,
    ] {
        assert_eq!(dialect(first), Ok("Ignition 1".to_owned()), "{first}");
    }
    for (text, reference) in [
        (r#"{"ignition":{"version":"2.5.0"}}"#, "ErrUnknownVersion"),
        (
            r#"{"ignition":{"version":"2.1.0-experimental"}}"#,
            "ErrUnknownVersion",
        ),
        (r#"{"ignition":{"version":"2.3.1"}}"#, "ErrUnknownVersion"),
        (r#"{"ignition":{"version":"2.3"}}"#, "ErrInvalidVersion"),
        (r#"{"ignition":{"version":"4.0.0"}}"#, "ErrUnknownVersion"),
        (r#"{"ignition":{"version":"1.0.0"}}"#, "ErrUnknownVersion"),
        (r#"{"ignition":{"version":2}}"#, "ErrInvalid"),
        (r#"{"ignitionVersion":2}"#, "ErrInvalidVersion"),
        (r#"{"ignitionVersion":"1"}"#, "ErrInvalidVersion"),
        (r#"{"ignition":{"version":"2.3.0"}} x"#, "ErrInvalid"),
        (r#"{"ignition":{"version":"2.3.0"}"#, "ErrInvalid"),
        ("ignition:\n  version: 2.3.0\n", "ErrInvalid"),
    ] {
        assert_eq!(
            check(text).map_err(|rejected| rejected.reference()).err(),
            Some(reference),
            "{text}"
        );
    }
}

#[test]
fn an_unknown_version_of_ignition_2_names_those_that_there_are() {
    for (version, help) in [
        (
            "2.5.0",
            "of Ignition 2, there are 2.0.0, 2.1.0, 2.2.0, 2.3.0, 2.4.0",
        ),
        ("2.3.0-experimental", "2.3.0 is stable: write \"2.3.0\""),
        (
            "2.5.0-experimental",
            "of Ignition 2, there are 2.0.0, 2.1.0, 2.2.0, 2.3.0, 2.4.0",
        ),
    ] {
        let rejected = check(&document(version, "")).unwrap_err();
        assert!(matches!(rejected, Rejected::UnknownVersion { .. }));
        assert_eq!(rejected.diagnostics()[0].help.as_deref(), Some(help));
    }
}

/// `entries` of one list, each in the root file system.
fn nodes(list: &str, entries: &[&str]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|entry| format!(r#"{{"filesystem":"root",{entry}}}"#))
        .collect();
    format!(r#""{list}":[{}]"#, entries.join(","))
}

fn storage(lists: &[String]) -> String {
    format!(r#""storage":{{{}}}"#, lists.join(","))
}

/// Cluster API's templates leave every object in, be it empty.
#[test]
fn empty_objects_are_nothing() {
    let members = r#""ignition":{"config":{},"security":{"tls":{}},"timeouts":{},"proxy":{}},"networkd":{},"passwd":{},"storage":{},"systemd":{}"#;
    assert!(told("2.4.0", members).is_empty());
    assert_eq!(becomes("2.4.0", members), json!({}));
}
