//! `kindling validate`, `kindling convert` and `ignition-validate` as a person or a pipeline runs them: the real binary on
//! files, its exit status and what it prints.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot run the binary should panic"
)]

#[path = "support/server.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use server::{Reply, Server};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/configs")
}

/// Exit status, standard output, standard error.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn run_as(program: &Path, arguments: &[&str]) -> Ran {
    let ran = Command::new(program).args(arguments).output().unwrap();
    Ran {
        status: ran.status.code().unwrap(),
        stdout: String::from_utf8(ran.stdout).unwrap(),
        stderr: String::from_utf8(ran.stderr).unwrap(),
    }
}

fn kindling(arguments: &[&str]) -> Ran {
    run_as(Path::new(env!("CARGO_BIN_EXE_kindling")), arguments)
}

fn file(dir: &TempDir, name: &str, text: &str) -> String {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn findings(json: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(json).unwrap();
    let configs = report["configs"].as_array().unwrap();
    configs
        .iter()
        .flat_map(|config| config["findings"].as_array().unwrap().clone())
        .collect()
}

/// Every mistake that people make and that no validator told them of, with its line and a remedy.
#[test]
fn every_known_mistake_is_caught_with_line_and_remedy() {
    let table = fs::read_to_string(fixtures().join("mistakes.txt")).unwrap();
    let mut expected: BTreeMap<&str, (&str, &str, &str)> = BTreeMap::new();
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let [name, severity, rule, line] = row.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        expected.insert(name, (severity, rule, line));
    }
    let facts = fixtures().join("target.facts.json").display().to_string();
    let mut names = Vec::new();
    for entry in fs::read_dir(fixtures().join("mistakes")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let platform = if name == "user-data-too-large" {
            "virtualbox"
        } else {
            "qemu"
        };
        let path = path.display().to_string();
        let arguments = [
            "validate",
            "--format",
            "json",
            "--target",
            &facts,
            "--disk",
            "/dev/vda=10GiB",
        ];
        let ran = kindling(&[&arguments[..], &["--platform", platform, &path]].concat());
        let told = findings(&ran.stdout);
        let shown: Vec<_> = told
            .iter()
            .map(|finding| {
                assert!(finding["help"].is_string(), "{name}: {finding}");
                (
                    finding["severity"].as_str().unwrap().to_owned(),
                    finding["rule"].as_str().unwrap().to_owned(),
                    finding["line"].to_string(),
                )
            })
            .collect();
        let (severity, rule, line) = expected
            .remove(name.as_str())
            .unwrap_or_else(|| panic!("{name} has no row"));
        assert_eq!(
            shown,
            [(severity.to_owned(), rule.to_owned(), line.to_owned())],
            "{name}"
        );
        assert_eq!(ran.status, i32::from(severity == "error"), "{name}");
        names.push(name);
    }
    assert!(expected.is_empty(), "no such mistakes: {expected:?}");
    assert!(names.len() >= 30);
}

#[test]
fn a_clean_config_ends_with_status_0_and_says_what_was_not_checked() {
    let dir = TempDir::new().unwrap();
    let config = file(&dir, "a.ign", "{\"ignition\":{\"version\":\"3.6.0\"}}");
    let ran = kindling(&["validate", &config]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.last(), Some(&&*format!("{config}: 0 errors, 0 warnings")));
    assert!(
        ran.stdout.contains("not checked without --target FACTS: "),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("not checked without --disk DEVICE=SIZE: partitions-too-large\n")
    );
}

#[test]
fn warnings_fail_only_when_that_is_wished_and_unknown_members_unless_it_is_not() {
    let dir = TempDir::new().unwrap();
    let doubtful = file(
        &dir,
        "doubtful.ign",
        "{\"ignition\":{\"version\":\"3.6.0\"},\"storage\":{\"files\":[{\"path\":\"/run/a\"}]}}",
    );
    let unknown = file(
        &dir,
        "unknown.ign",
        "{\"ignition\":{\"version\":\"3.6.0\"},\"storge\":{}}",
    );
    for (arguments, status) in [
        (vec!["validate", &doubtful], 0),
        (vec!["validate", "--strict", &doubtful], 1),
        (vec!["validate", &unknown], 1),
        (vec!["validate", "--lenient", &unknown], 0),
        (vec!["validate", "--lenient", "--strict", &unknown], 1),
        (vec!["validate", &doubtful, &unknown], 1),
        (vec!["validate"], 2),
        (vec!["validate", "/nowhere/a.ign"], 2),
        (vec!["validate", "--disk", "nonsense", &doubtful], 2),
        (vec!["validate", "--target", &doubtful, &doubtful], 2),
    ] {
        let ran = kindling(&arguments);
        assert_eq!(ran.status, status, "{arguments:?}\n{}{}", ran.stdout, ran.stderr);
    }
}

/// The wrong file where a record belongs: what it holds is nobody's business.
#[test]
fn a_wrong_record_is_refused_without_a_word_of_its_content() {
    let dir = TempDir::new().unwrap();
    let config = file(&dir, "a.ign", "{\"ignition\":{\"version\":\"3.6.0\"}}");
    for (content, why) in [
        (
            "{\"version\":\"hunter2\"}",
            "it is not as kindling writes it, at line 1, column 20",
        ),
        (
            "{\"hunter2\":1}",
            "it is not as kindling writes it, at line 1, column 10",
        ),
        ("{\"version\":1", "it ends too early"),
    ] {
        let wrong = file(&dir, "wrong.json", content);
        for arguments in [["validate", "--target"], ["plan", "--inventory"]] {
            let ran = kindling(&[&arguments[..], &[wrong.as_str(), config.as_str()]].concat());
            assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{content}");
            assert!(ran.stderr.contains(why), "{content}: {}", ran.stderr);
            assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
        }
    }
}

/// Nobody wants to correct one finding to be told the next.
#[test]
fn a_document_that_breaks_rules_is_linted_all_the_same() {
    let dir = TempDir::new().unwrap();
    let text = "{\"ignition\":{\"version\":\"3.6.0\"},\"storage\":{\"files\":[{\"path\":\"a\"},{\"path\":\"/run/b\",\"mode\":644}]}}";
    let ran = kindling(&["validate", "--format", "json", &file(&dir, "a.ign", text)]);
    let told: Vec<String> = findings(&ran.stdout)
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["path-relative", "path-lost", "mode-decimal"]);
    assert_eq!(ran.status, 1);
}

/// A finding about the sum of documents stands at the line of the one that brought it about.
#[test]
fn the_sum_of_all_documents_is_judged_and_findings_go_back_to_their_document() {
    let dir = TempDir::new().unwrap();
    let child = "{\n \"ignition\": {\"version\": \"3.4.0\"},\n \"storage\": {\"files\": [{\"path\": \"/etc/a\",\n  \"user\": {\"name\": \"root\"}}]}\n}\n";
    let server = Server::always(Reply::ok(child));
    let parent = format!(
        "{{\"ignition\":{{\"version\":\"3.6.0\",\"config\":{{\"merge\":[{{\"source\":\"{}\"}}]}}}},\n\
         \"storage\":{{\"files\":[{{\"path\":\"/etc/a\",\"user\":{{\"id\":1}}}}]}}}}",
        server.url("/child")
    );
    let config = file(&dir, "parent.ign", &parent);
    let alone = kindling(&["validate", "--format", "json", &config]);
    let rules = |json: &str| -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let of = |finding: &Value| {
            (
                text(&finding["rule"]),
                text(&finding["document"]),
                text(&finding["line"]),
            )
        };
        findings(json).iter().map(of).collect()
    };
    assert!(
        rules(&alone.stdout)
            .iter()
            .all(|(rule, ..)| rule == "resource-unverified")
    );
    assert!(alone.stdout.contains(&format!(
        "\"notFetched\": [\n        \"{}\"",
        server.url("/child")
    )));
    let whole = kindling(&["validate", "--fetch", "--format", "json", &config]);
    let owner = rules(&whole.stdout)
        .into_iter()
        .find(|(rule, ..)| rule == "owner-ambiguous");
    assert_eq!(
        owner,
        Some(("owner-ambiguous".to_owned(), server.url("/child"), "4".to_owned()))
    );
    assert_eq!(whole.status, 1);
}

#[test]
fn a_reference_that_leads_nowhere_is_told_at_its_line() {
    let dir = TempDir::new().unwrap();
    let gone = Server::always(Reply::status(404));
    let text = format!(
        "{{\"ignition\":{{\"version\":\"3.6.0\",\"config\":{{\"merge\":[\n{{\"source\":\"data:,\"}}]}}}}}}\n{}",
        ""
    );
    let empty = file(&dir, "empty.ign", &text);
    let ran = kindling(&["validate", &empty]);
    assert!(
        ran.stdout.contains("error[reference-unresolved]: "),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("empty.ign:2:1, /ignition/config/merge/0"),
        "{}",
        ran.stdout
    );
    let text = text.replace("data:,", &gone.url("/c"));
    let missing = file(&dir, "missing.ign", &text);
    let ran = kindling(&["validate", "--fetch", &missing]);
    assert!(
        ran.stdout.contains("error[reference-unresolved]: "),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("404"), "{}", ran.stdout);
    assert_eq!(ran.status, 1);
}

/// The members that code hosts need of a SARIF log.
#[test]
fn sarif_names_rules_and_places() {
    let config = fixtures().join("mistakes/mode-decimal.ign").display().to_string();
    let ran = kindling(&["validate", "--format", "sarif", &config]);
    let log: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(
        (&result["ruleId"], &result["level"]),
        (&"mode-decimal".into(), &"warning".into())
    );
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], config);
    assert_eq!(
        (&place["region"]["startLine"], &place["region"]["startColumn"]),
        (&5.into(), &41.into())
    );
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]));
}

/// engine.md 1.5, row by row.
#[test]
fn the_validator_of_the_reference_is_answered_to_by_name() {
    let dir = TempDir::new().unwrap();
    let validator = dir.path().join("ignition-validate");
    symlink(env!("CARGO_BIN_EXE_kindling"), &validator).unwrap();
    let at = |name: &str, text: &str| file(&dir, name, text);
    let valid = at("valid", "{\"ignition\":{\"version\":\"3.6.0\"}}");
    let doubtful = at("doubtful", "{\"ignition\":{\"version\":\"3.6.0\"},\"x\":1}");
    let invalid = at(
        "invalid",
        "{\"ignition\":{\"version\":\"3.6.0\"},\"storage\":{\"files\":[{\"path\":\"a\"}]}}",
    );
    let unknown = at("unknown", "{\"ignition\":{\"version\":\"9.9.9\"}}");
    let empty = at("empty", "");
    for (arguments, status, stdout, says_why) in [
        (vec![valid.as_str()], 0, "", false),
        (vec![&doubtful], 0, "warning at $.x, line 1 col 33: ", false),
        (
            vec![&invalid],
            1,
            "error at $.storage.files.0.path, line 1 col 61: ",
            false,
        ),
        (vec![&unknown], 1, "", true),
        (vec![&empty], 1, "", true),
        (vec!["/nowhere/config"], 1, "", true),
        (vec![], 1, "", true),
        (vec![&valid, &valid], 1, "", true),
        (vec!["-nonsense"], 2, "", true),
        (vec!["-h"], 0, "", true),
        (vec!["--version"], 0, "Ignition ", false),
    ] {
        let ran = run_as(&validator, &arguments);
        assert_eq!(ran.status, status, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.starts_with(stdout), "{arguments:?}: {}", ran.stdout);
        assert_eq!(
            ran.stdout.is_empty(),
            stdout.is_empty(),
            "{arguments:?}: {}",
            ran.stdout
        );
        assert_eq!(!ran.stderr.is_empty(), says_why, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn a_config_is_converted_or_what_stands_in_the_way_is_told_with_its_line() {
    let dir = TempDir::new().unwrap();
    let config = file(
        &dir,
        "a.ign",
        "{\"ignition\":{\"version\":\"3.6.0\"},\n\"kernelArguments\":{\"shouldExist\":[\"a\"]},\n\"storage\":{\"luks\":[{\"name\":\"v\",\"device\":\"/dev/a\"}]}}",
    );
    let minimal = kindling(&["convert", "--minimal", &config]);
    assert_eq!(minimal.status, 0, "{}", minimal.stderr);
    let written: Value = serde_json::from_str(&minimal.stdout).unwrap();
    assert_eq!(written["ignition"]["version"], "3.3.0");
    let refused = kindling(&["convert", "--to", "3.1.0", &config]);
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""));
    let lines: Vec<&str> = refused.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            format!("{config} cannot be written in 3.1.0:"),
            format!("  {config}:2:1, /kernelArguments: \"kernelArguments\" (needs 3.3.0 or later)"),
            format!("  {config}:3:12, /storage/luks: \"luks\" (needs 3.2.0 or later)"),
        ]
    );
    for (arguments, status) in [
        (vec!["convert", &config], 2),
        (vec!["convert", "--to", "3.4.1", &config], 2),
        (vec!["convert", "--to", "3.4.0", "--minimal", &config], 2),
    ] {
        assert_eq!(kindling(&arguments).status, status, "{arguments:?}");
    }
}

/// A document of Ignition 2: what is wrong with it, what changes, and what is written otherwise now.
#[test]
fn an_old_config_is_judged_explained_and_converted() {
    let dir = TempDir::new().unwrap();
    let text = "{\n  \"ignition\": {\"version\": \"2.3.0\"},\n  \"storage\": {\"files\": [\n    {\"filesystem\": \"root\", \
                \"path\": \"/etc/a\", \"mode\": 420, \"contents\": {\"source\": \"data:,a\"}}\n  ]}\n}\n";
    let config = file(&dir, "old.ign", text);
    let ran = kindling(&["validate", "--strict", &config]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("info[v2-form]: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("\"overwrite\": true"), "{}", ran.stdout);
    assert!(
        ran.stdout
            .ends_with(&format!("{config}: 0 errors, 0 warnings, 3 notes\n")),
        "{}",
        ran.stdout
    );
    let report: Value =
        serde_json::from_str(&kindling(&["validate", "--format", "json", &config]).stdout).unwrap();
    let judged = &report["configs"][0];
    assert_eq!(
        (&judged["errors"], &judged["warnings"], &judged["notes"]),
        (&0.into(), &0.into(), &3.into())
    );
    let told = |finding: &Value| (finding["severity"].clone(), finding["line"].clone());
    let notes: Vec<_> = judged["findings"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(notes, [2, 4, 4].map(|line| ("info".into(), line.into())));
    let log: Value =
        serde_json::from_str(&kindling(&["validate", "--format", "sarif", &config]).stdout).unwrap();
    assert_eq!(log["runs"][0]["results"][0]["level"], "note");

    let made = kindling(&["convert", "--minimal", &config]);
    assert_eq!((made.status, made.stderr.as_str()), (0, ""));
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(made["ignition"]["version"], "3.0.0");
    assert_eq!(made["storage"]["files"][0]["overwrite"], true);
    let newest = kindling(&["convert", "--to", "3.6.0", &config]);
    assert_eq!(
        serde_json::from_str::<Value>(&newest.stdout).unwrap()["ignition"]["version"],
        "3.6.0"
    );

    let validator = dir.path().join("ignition-validate");
    symlink(env!("CARGO_BIN_EXE_kindling"), &validator).unwrap();
    let ran = run_as(&validator, &[&config]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    let refused = file(&dir, "refused.ign", &text.replace("data:,a", "oem:///a"));
    let ran = run_as(&validator, &[&refused]);
    assert_eq!(ran.status, 1);
    let start = "error at $.storage.files.0.contents.source, line 4 col ";
    assert!(ran.stdout.starts_with(start), "{}", ran.stdout);
}
