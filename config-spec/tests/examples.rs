//! The documents below `fixtures/configs`, held against what the reference was seen to make of them.
#![expect(clippy::disallowed_methods, reason = "tests read fixtures")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kindling_config_spec::diagnostic::{Diagnostic, Lines, Severity, render};
use kindling_config_spec::types::Config;
use kindling_config_spec::{Rejected, check, check_merged, merge};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/configs")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A finding in the words of `examples.txt`.
fn line(finding: &Diagnostic, kind: &str) -> String {
    let name = match finding.rule.reference() {
        Some("ErrInvalid") | None => finding.rule.as_str(),
        Some(reference) => reference,
    };
    format!("{kind} {} {name}", finding.at.dollar())
}

fn findings_of(text: &str) -> (Vec<Diagnostic>, Vec<String>) {
    let mut lines = Vec::new();
    let findings = match check(text) {
        Ok(checked) => {
            if checked.warnings().is_empty() {
                lines.push("valid".to_owned());
            }
            let merged = check_merged(checked.config());
            let errors = merged
                .iter()
                .filter(|finding| finding.severity == Severity::Error);
            let errors: Vec<_> = errors.map(|finding| line(finding, "merged")).collect();
            let findings = checked.warnings().to_vec();
            lines.extend(
                findings
                    .iter()
                    .map(|finding| line(finding, &finding.severity.to_string())),
            );
            lines.extend(errors);
            findings
        }
        Err(Rejected::Invalid(findings)) => {
            lines.extend(
                findings
                    .iter()
                    .map(|finding| line(finding, &finding.severity.to_string())),
            );
            findings
        }
        Err(rejected) => {
            lines.push(format!("refused {}", rejected.reference()));
            rejected.diagnostics().into_owned()
        }
    };
    (findings, lines)
}

#[test]
fn documents_are_judged_as_by_the_reference() {
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in read(&fixtures().join("examples.txt"))
        .lines()
        .filter(|row| !row.starts_with('#'))
    {
        let (document, outcome) = row.split_once(' ').expect("a row has a document and an outcome");
        expected
            .entry(document.to_owned())
            .or_default()
            .push(outcome.to_owned());
    }
    let mut documents = 0;
    for entry in fs::read_dir(fixtures().join("examples")).expect("the examples are there") {
        let path = entry.expect("a directory can be read").path();
        let document = path
            .file_stem()
            .expect("files have names")
            .to_string_lossy()
            .into_owned();
        let text = read(&path);
        let (findings, mut lines) = findings_of(&text);
        let mut expected = expected
            .remove(&document)
            .unwrap_or_else(|| panic!("{document} has no outcome"));
        if expected.iter().any(|outcome| outcome.starts_with("at ")) {
            let at = findings
                .first()
                .and_then(|finding| finding.reference_position(&Lines::new(&text)));
            let (line, column) = at.map_or((0, 0), |at| (at.line, at.column));
            lines.push(format!("at {line}:{column}"));
        }
        if expected.iter().all(|outcome| !outcome.starts_with("valid")) {
            lines.retain(|line| line != "valid");
        }
        expected.sort();
        lines.sort();
        assert_eq!(lines, expected, "document {document}");
        documents += 1;
    }
    assert!(expected.is_empty(), "no such documents: {expected:?}");
    assert!(documents >= 51);
}

#[test]
fn findings_in_a_text_have_a_span_and_render() {
    for entry in fs::read_dir(fixtures().join("examples")).expect("the examples are there") {
        let path = entry.expect("a directory can be read").path();
        let text = read(&path);
        let (findings, _) = findings_of(&text);
        assert!(
            findings.iter().all(|finding| finding.span.is_some()),
            "{}",
            path.display()
        );
        let shown = render("config.json", &text, &findings);
        assert!(shown.matches(" | ").count() >= 2 * findings.len(), "{shown}");
    }
}

#[test]
fn checked_configs_survive_the_cache() {
    for entry in fs::read_dir(fixtures().join("examples")).expect("the examples are there") {
        let text = read(&entry.expect("a directory can be read").path());
        let Ok(checked) = check(&text) else { continue };
        let cache = serde_json::to_string(checked.config()).expect("plain data serialises");
        assert_eq!(
            &serde_json::from_str::<Config>(&cache).expect("the cache reads"),
            checked.config()
        );
        // What the newest version says must be readable as a document of that version.
        let again = check(&cache);
        if !check_merged(checked.config())
            .iter()
            .any(|finding| finding.severity == Severity::Error)
        {
            assert_eq!(
                again.map(|again| again.into_config()).as_ref(),
                Ok(checked.config()),
                "{cache}"
            );
        }
    }
}

fn config(path: &Path) -> Config {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn configs_merge_as_by_the_reference() {
    let mut cases = 0;
    for entry in fs::read_dir(fixtures().join("merge")).expect("the cases are there") {
        let merged = entry.expect("a directory can be read").path();
        let Some(case) = merged
            .to_string_lossy()
            .strip_suffix(".merged.json")
            .map(str::to_owned)
        else {
            continue;
        };
        let parent = config(Path::new(&format!("{case}.parent.json")));
        let child = config(Path::new(&format!("{case}.child.json")));
        assert_eq!(merge(parent, child), config(&merged), "{case}");
        cases += 1;
    }
    assert!(cases >= 11);
}

#[test]
fn partitions_known_by_different_keys_stay_apart_and_are_told() {
    let merged = config(&fixtures().join("merge/7-partitions.merged.json"));
    let told: Vec<_> = check_merged(&merged)
        .iter()
        .filter_map(|finding| finding.rule.reference())
        .collect();
    assert_eq!(told, ["ErrDuplicateLabels"]);
}

#[test]
fn nested_merges_keep_the_order_of_the_walk() {
    let unit = |argument: &str, text: &str| -> Config {
        let unit = match text {
            "" => serde_json::json!([]),
            text => serde_json::json!([{"name": "u.service", "contents": text}]),
        };
        let config = serde_json::json!({
            "kernelArguments": {"shouldExist": [argument]}, "systemd": {"units": unit}
        });
        serde_json::from_value(config).expect("the case reads")
    };
    let first_child = merge(unit("c1", "of c1"), unit("c1a", "of c1a"));
    let all = merge(merge(unit("p", "of p"), first_child), unit("c2", ""));
    assert_eq!(all.kernel_arguments.should_exist, ["p", "c1", "c1a", "c2"]);
    assert_eq!(all.systemd.units[0].contents.as_deref(), Some("of c1a"));
}
