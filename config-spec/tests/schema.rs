//! The schemas below `schema`, held against their generator and against the documents below `fixtures/configs`.
//!
//! With `KINDLING_RENEW` in the environment the files are written instead of compared (`make language`).
#![expect(
    clippy::disallowed_methods,
    reason = "tests read fixtures, and renew files when asked to"
)]

use std::fs;
use std::path::Path;

use kindling_config_spec::version::Version;
use kindling_config_spec::{Language, Rejected, check, schema};

fn own(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_files_are_what_the_table_gives() {
    for language in Language::all() {
        let path = own("schema").join(format!("{language}.json"));
        let made = serde_json::to_string_pretty(&schema(language)).expect("plain data serialises") + "\n";
        if std::env::var_os("KINDLING_RENEW").is_some() {
            fs::write(&path, &made).expect("the folder is there");
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{} is not of this table: run `make language`",
            path.display()
        );
    }
    let files = fs::read_dir(own("schema")).expect("the folder is there").count();
    assert_eq!(files, Language::all().count(), "a schema of no language");
}

#[test]
fn documents_are_judged_as_by_the_rules() {
    let mut judged = 0;
    for entry in fs::read_dir(own("../fixtures/configs/examples")).expect("the examples are there") {
        let path = entry.expect("a directory can be read").path();
        let text = fs::read_to_string(&path).expect("an example can be read");
        let Ok(document) = serde_json::from_str::<serde_json::Value>(&text) else {
            continue;
        };
        let Ok(version) = Version::parse(document["ignition"]["version"].as_str().unwrap_or_default()) else {
            continue;
        };
        let is_valid = jsonschema::is_valid(&schema(Language::Spec(version)), &document);
        let findings = match check(&text) {
            Ok(checked) => checked.warnings().to_vec(),
            Err(Rejected::Invalid(findings)) => findings,
            Err(rejected) => rejected.diagnostics().into_owned(),
        };
        assert!(
            is_valid || !findings.is_empty(),
            "{}: only the schema refuses it",
            path.display()
        );
        let is_typed = !findings
            .iter()
            .any(|finding| matches!(finding.rule.as_str(), "type-mismatch" | "key-unknown"));
        assert!(
            !is_valid || is_typed,
            "{}: the schema takes {findings:?}",
            path.display()
        );
        judged += 1;
    }
    assert!(judged >= 45, "{judged}");
}
