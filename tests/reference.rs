//! What `ignition-validate` of the distribution's reference package says of thousands of documents, and what we say.
//!
//! The package is older than the reference facts: it knows 3.0.0 to 3.3.0, so documents are held to those. `make test`
//! unpacks it and names it in `KINDLING_REFERENCE`; without that there is nothing to compare with, and the test says so.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads its surroundings and runs the reference"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kindling_config_spec::diagnostic::Severity;
use kindling_config_spec::reference_report::report;
use kindling_config_spec::{Rejected, check};
use serde_json::{Map, Value, json};

const VERSIONS: [&str; 4] = ["3.0.0", "3.1.0", "3.2.0", "3.3.0"];
/// Documents that are made by changing an example in one to three places.
const CHANGED: usize = 1500;
/// Chosen once; another one makes other documents.
const SEED: u64 = 0x6b69_6e64_6c69_6e67;

/// What 2.14 does not tell yet, by our rules' names; 2.26 does, by the reference facts.
const NEWER: [&str; 5] = [
    "filesystem-on-partitioned-disk",
    "filesystem-wipe-implied",
    "hard-link-owner-ignored",
    "path-of-unit",
    "template-without-install",
];

/// A report: whether the document passes, and its entries without their message.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    passes: bool,
    entries: BTreeSet<String>,
}

fn reference(validator: &Path, text: &str) -> Verdict {
    let mut child = Command::new(validator)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&ran.stdout).into_owned();
    let told: BTreeSet<String> = stdout.lines().filter_map(head).collect();
    let entries: BTreeSet<String> = told.iter().filter(|entry| !is_older(entry)).cloned().collect();
    let only_older = entries.len() < told.len() && !entries.iter().any(|entry| entry.starts_with("error"));
    Verdict {
        passes: ran.status.success() || only_older,
        entries,
    }
}

/// What 2.26 gave up: an error at a disk's list of partitions for number 0 beside an entry that shall not exist.
fn is_older(entry: &str) -> bool {
    entry.starts_with("error at $.storage.disks.") && entry.contains(".partitions, ")
}

/// An entry up to its message; lines that only continue a message have none.
fn head(line: &str) -> Option<String> {
    let starts = ["error at ", "warning at ", "info at "];
    let is_entry = starts.iter().any(|start| line.starts_with(start));
    // Paths hold no colon followed by a space; the documents see to that.
    is_entry.then(|| line.split(": ").next().unwrap_or_default().to_owned())
}

fn ours(text: &str) -> Verdict {
    let (refused, mut findings) = match check(text) {
        Ok(checked) => (false, checked.warnings().to_vec()),
        Err(Rejected::Invalid(findings)) => (false, findings),
        Err(_) => (true, Vec::new()),
    };
    findings.retain(|finding| !NEWER.contains(&finding.rule.as_str()));
    let entries = report(text, &findings);
    Verdict {
        passes: !refused && entries.iter().all(|entry| entry.severity != Severity::Error),
        entries: entries
            .iter()
            .filter_map(|entry| head(&entry.to_string()))
            .collect(),
    }
}

/// A sequence of numbers that is the same in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// Pointers to every value below `value`.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, below)| places(below, &format!("{at}/{name}"), found)),
        Value::Array(entries) => entries
            .iter()
            .enumerate()
            .for_each(|(index, below)| places(below, &format!("{at}/{index}"), found)),
        _ => {}
    }
}

/// Something else than what stands there.
fn other(numbers: &mut Numbers) -> Value {
    let pool = [
        Value::Null,
        json!(""),
        json!("x"),
        json!("/a"),
        json!("/a/../b"),
        json!("relative/path"),
        json!("data:,x"),
        json!("data:;base64,eA="),
        json!("http://h/%zz"),
        json!("gs://b/o"),
        json!("s3://b/o?versionId="),
        json!("sha256-00"),
        json!("[Unit]\nA=b\n"),
        json!("[Unit\n"),
        json!("raid1"),
        json!("xfs"),
        json!("a label that is far too long for whatever it may be the label of"),
        json!(0),
        json!(-1),
        json!(4096),
        json!(1.5),
        json!(true),
        json!(false),
        json!([]),
        json!([""]),
        json!(["a", "a"]),
        json!({}),
        json!({"name": "a", "id": 1}),
        json!([{}, {}]),
    ];
    pool[numbers.below(pool.len())].clone()
}

/// One change somewhere in `document`, but not of its version.
fn change(document: &mut Value, numbers: &mut Numbers) {
    let mut all = Vec::new();
    places(document, "", &mut all);
    all.retain(|at| !at.is_empty() && at != "/ignition" && at != "/ignition/version");
    if all.is_empty() {
        return;
    }
    let at = &all[numbers.below(all.len())];
    let (parent, name) = at.rsplit_once('/').unwrap();
    match (numbers.below(4), document.pointer_mut(parent).unwrap()) {
        (0, Value::Object(members)) => drop(members.remove(name)),
        (1, Value::Object(members)) => rename(members, name, numbers),
        (0, Value::Array(entries)) => drop(entries.remove(name.parse::<usize>().unwrap())),
        (1, Value::Array(entries)) => {
            let again = entries[name.parse::<usize>().unwrap()].clone();
            entries.push(again);
        }
        _ => *document.pointer_mut(at).unwrap() = other(numbers),
    }
}

fn rename(members: &mut Map<String, Value>, name: &str, numbers: &mut Numbers) {
    let value = members.remove(name).unwrap();
    let renamed = match numbers.below(3) {
        0 => name.to_uppercase(),
        1 => format!("{name}s"),
        _ => name.chars().rev().collect(),
    };
    members.entry(renamed).or_insert(value);
}

fn examples() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/configs/examples");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| serde_json::from_str(&fs::read_to_string(path).unwrap()).ok();
    let documents = paths.iter().filter_map(read);
    documents
        .filter(|document: &Value| document.pointer("/ignition/version").is_some())
        .collect()
}

#[test]
fn documents_are_judged_as_by_the_reference_package() {
    let Some(root) = std::env::var_os("KINDLING_REFERENCE") else {
        println!("KINDLING_REFERENCE is not set: nothing to compare with (`make test` sets it)");
        return;
    };
    let validator = Path::new(&root).join("usr/bin/ignition-validate");
    let examples = examples();
    let mut documents = Vec::new();
    for example in &examples {
        documents.extend(VERSIONS.map(|version| {
            let mut document = example.clone();
            document["ignition"]["version"] = version.into();
            document
        }));
    }
    assert!(documents.len() > 150);
    let mut numbers = Numbers(SEED);
    for number in 0..CHANGED {
        let mut document = examples[numbers.below(examples.len())].clone();
        document["ignition"]["version"] = VERSIONS[number % VERSIONS.len()].into();
        for _ in 0..=numbers.below(3) {
            change(&mut document, &mut numbers);
        }
        documents.push(document);
    }
    let mut differences = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let text = if number % 2 == 0 {
            serde_json::to_string_pretty(document).unwrap()
        } else {
            document.to_string()
        };
        let (reference, ours) = (reference(&validator, &text), ours(&text));
        if reference != ours {
            differences.push(format!("{text}\nreference: {reference:?}\nours:      {ours:?}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} documents differ:\n{}",
        differences.len(),
        documents.len(),
        differences.join("\n\n")
    );
    println!("{} documents, judged the same", documents.len());
}
