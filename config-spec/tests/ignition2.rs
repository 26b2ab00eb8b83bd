//! Documents of Ignition 2 and 1 of `fixtures/ignition2`, beside what they are in Ignition 3.
#![expect(clippy::disallowed_methods, reason = "tests read fixtures")]

use std::fs;
use std::path::{Path, PathBuf};

use kindling_config_spec::convert::convert;
use kindling_config_spec::diagnostic::Lines;
use kindling_config_spec::version::Version;
use kindling_config_spec::{Dialect, check, check_merged, explain};
use serde_json::Value;

/// The pair with an address that only distributions with an OEM partition know: it is refused.
const REFUSED: &str = "28-oem-url";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ignition2")
}

/// Name, document of the old language, document of the new one.
fn pairs() -> Vec<(String, String, String)> {
    let read =
        |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut pairs = Vec::new();
    for entry in fs::read_dir(fixtures()).expect("the pairs are there") {
        let path = entry.expect("a directory can be read").path();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some(name) = file.strip_suffix(".v2.json") {
            let new = path.with_file_name(format!("{name}.v3.json"));
            pairs.push((name.to_owned(), read(&path), read(&new)));
        }
    }
    pairs.sort();
    assert_eq!(pairs.len(), 28);
    pairs
}

/// The pairs that are taken.
fn taken() -> impl Iterator<Item = (String, String, String)> {
    pairs().into_iter().filter(|(name, _, _)| name != REFUSED)
}

/// Takes out what says nothing.
fn pruned(value: &mut Value) {
    if let Value::Object(members) = value {
        members.values_mut().for_each(pruned);
        members.retain(|_, member| {
            !matches!(member, Value::Null) && *member != Value::Object(serde_json::Map::new())
        });
    }
    if let Value::Array(elements) = value {
        elements.iter_mut().for_each(pruned);
    }
}

fn value(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).expect("it is JSON");
    pruned(&mut value);
    value
}

#[test]
fn every_pair_means_the_same() {
    for (name, old, new) in taken() {
        let old = check(&old).unwrap_or_else(|rejected| panic!("{name}: {:#?}", rejected.diagnostics()));
        let new = check(&new).unwrap_or_else(|rejected| panic!("{name}: {rejected}"));
        assert_eq!(old.config(), new.config(), "{name}");
        assert!(matches!(old.dialect(), Dialect::Ignition2(_)), "{name}");
        assert_eq!(old.version(), Version::V3_4_0);
        let errors = check_merged(old.config());
        let errors: Vec<_> = errors
            .iter()
            .filter(|finding| finding.rule.as_str().starts_with("v2-"))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn every_pair_is_written_like_its_partner() {
    for (name, old, new) in taken() {
        let old = check(&old).unwrap_or_else(|rejected| panic!("{name}: {rejected}"));
        let written =
            convert(&old, Version::V3_4_0).unwrap_or_else(|obstacles| panic!("{name}: {obstacles:?}"));
        assert_eq!(value(&written), value(&new), "{name}");
    }
}

#[test]
fn the_oem_address_is_refused_with_its_reason() {
    let (_, old, _) = pairs()
        .into_iter()
        .find(|(name, _, _)| name == REFUSED)
        .expect("it is there");
    let rejected = check(&old).expect_err("nothing can fetch it");
    let findings = rejected.diagnostics();
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (finding.at.to_string(), finding.rule.as_str()))
        .collect();
    assert_eq!(
        told,
        [("/storage/files/0/contents/source".to_owned(), "v2-inexpressible")]
    );
    assert!(findings[0].message.contains("OEM") && findings[0].help.is_some());
}

/// What each pair is told, and at which line.
#[test]
fn the_pairs_are_told_what_changes() {
    let mut told = String::new();
    for (name, old, _) in pairs() {
        let findings = match check(&old) {
            Ok(checked) => checked.warnings().to_vec(),
            Err(rejected) => rejected.diagnostics().into_owned(),
        };
        let lines = Lines::new(&old);
        for finding in findings {
            let line = finding.span.map_or(0, |span| lines.position(span.start).line);
            told += &format!("{name} {} {} {line}\n", finding.severity, finding.rule);
        }
    }
    let file = fixtures().join("told.txt");
    if std::env::var_os("KINDLING_RENEW").is_some() {
        fs::write(&file, &told).expect("the table can be written");
    }
    assert_eq!(told, fs::read_to_string(file).unwrap_or_default());
}

#[test]
fn an_explanation_says_each_kind_once_with_its_form() {
    for (name, old, _) in taken() {
        let notes = explain(&old);
        assert!(!notes.is_empty(), "{name}");
        for (index, note) in notes.iter().enumerate() {
            assert_eq!(note.rule.as_str(), "v2-form");
            assert!(note.span.is_some() && note.help.is_some(), "{name}: {note:?}");
            let start = |message: &str| message.split(" (and").next().unwrap_or_default().to_owned();
            let same = notes
                .iter()
                .position(|other| start(&other.message) == start(&note.message));
            assert_eq!(same, Some(index), "{name}: {}", note.message);
        }
    }
    for (_, _, new) in taken() {
        assert!(explain(&new).is_empty());
    }
}
