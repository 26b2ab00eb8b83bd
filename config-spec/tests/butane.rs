//! The Butane configs below `fixtures/butane`, held against what the reference was seen to make of them.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that reads fixtures"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use kindling_config_spec::butane::files::{Entry, EntryKind, LocalFiles};
use kindling_config_spec::butane::{Output, Stage, butane};
use kindling_config_spec::diagnostic::{Lines, Severity};
use kindling_config_spec::{data_url, json};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/butane")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The directory `files` of the fixtures.
struct Directory(PathBuf);

impl Directory {
    fn at(&self, path: &str) -> Result<PathBuf, String> {
        let mut inside = PathBuf::new();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => inside.push(name),
                Component::ParentDir if !inside.pop() => return Err("outside of the directory".to_owned()),
                _ => {}
            }
        }
        Ok(self.0.join(inside))
    }

    fn collect(&self, path: &Path, below: &str, found: &mut Vec<Entry>) -> Result<(), String> {
        let metadata = fs::symlink_metadata(path).map_err(|error| error.kind().to_string())?;
        let is_directory = metadata.is_dir();
        let kind = if is_directory {
            EntryKind::Directory
        } else if metadata.is_symlink() {
            EntryKind::Link(fs::read_link(path).unwrap().to_string_lossy().into_owned())
        } else {
            EntryKind::File {
                contents: fs::read(path).map_err(|error| error.to_string()),
                is_executable: metadata.permissions().mode() & 0o111 != 0,
            }
        };
        found.push(Entry {
            path: below.to_owned(),
            kind,
        });
        if is_directory {
            let mut names: Vec<_> = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            for name in names {
                let below = format!("{below}/{name}");
                self.collect(&path.join(&name), below.trim_start_matches('/'), found)?;
            }
        }
        Ok(())
    }
}

impl LocalFiles for Directory {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.at(path)?).map_err(|error| error.kind().to_string())
    }

    fn walk(&self, path: &str) -> Result<Vec<Entry>, String> {
        let mut found = Vec::new();
        self.collect(&self.at(path)?, "", &mut found)?;
        Ok(found)
    }
}

fn files() -> Directory {
    Directory(fixtures().join("files"))
}

/// The configs of a folder of the fixtures by their names, in order.
fn configs(folder: &str) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(fixtures().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "bu"))
        .map(|path| {
            let name = path
                .strip_prefix(fixtures())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            (name, read(&path))
        })
        .collect();
    found.sort();
    found
}

/// The same document with contents in the place of data URLs, whichever way those are written.
fn opened(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(opened),
        Value::Object(members) => {
            let source = members.get("source").and_then(Value::as_str).unwrap_or_default();
            // What a config says of compression that it did itself is the translator's choice.
            if let Ok(bytes) = data_url::decode(source)
                && members.get("compression").and_then(Value::as_str) == Some("gzip")
            {
                let mut contents = Vec::new();
                std::io::copy(&mut GzDecoder::new(&*bytes), &mut contents).unwrap();
                members["source"] = format!("{contents:?}").into();
                members["compression"] = "".into();
            } else if let Ok(bytes) = data_url::decode(source) {
                members["source"] = format!("{bytes:?}").into();
            }
            members.values_mut().for_each(opened);
        }
        _ => {}
    }
}

fn document(json: &str) -> Value {
    let mut document = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    opened(&mut document);
    document
}

#[test]
fn configs_become_what_the_reference_makes_of_them() {
    let mut pairs = 0;
    let mut differing = Vec::new();
    for (name, text) in configs("") {
        let expected = read(&fixtures().join(&name).with_extension("ign"));
        let output = butane(&text, &files(), true);
        let Some(json) = &output.json else {
            differing.push(format!("{name} is refused: {:?}", output.findings));
            continue;
        };
        if document(json) != document(&expected) {
            differing.push(format!("{name}:\n{}\n{expected}", json::pretty(&document(json))));
        }
        // Compression is another program's, all else is the same down to the order of members.
        if !expected.contains("\"gzip\"") && json::spread(json) + "\n" != expected {
            differing.push(format!("{name}, as text:\n{}", json::spread(json)));
        }
        pairs += 1;
    }
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
    assert_eq!(pairs, 47);
}

/// A row of `diagnostics.tsv`, or what ours would be: severity, path, line and column.
type Row = [String; 4];

/// What the table says of a config in a mode: the stage that refuses it, and its rows.
fn expected(name: &str, mode: &str) -> (String, Vec<Row>) {
    let table = read(&fixtures().join("diagnostics.tsv"));
    let mut stage = "-".to_owned();
    let mut rows = Vec::new();
    for line in table.lines().skip(1) {
        let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [file, of, _, at, row @ ..] = &*cells else {
            panic!("{line}")
        };
        if file == name && of == mode {
            stage = at.clone();
            rows.push(row.to_vec().try_into().unwrap());
        }
    }
    (stage, rows)
}

fn rows(output: &Output, text: &str) -> (String, Vec<Row>) {
    let lines = Lines::new(text);
    let row = |finding: &kindling_config_spec::diagnostic::Diagnostic| {
        let at = lines.position(finding.span.clone().expect("it is about a text").start);
        [
            finding.severity.to_string(),
            finding.at.dollar(),
            at.line.to_string(),
            at.column.to_string(),
        ]
    };
    let stage = match output.failed {
        None => "-",
        Some(Stage::Parse) => "parse",
        Some(Stage::Source) => "source",
        Some(Stage::Generated) => "generated",
    };
    (stage.to_owned(), output.findings.iter().map(row).collect())
}

/// Where we differ on purpose: the config, what the reference says, what we say, and why.
const DIFFERENT: &[(&str, &str, &str, &str)] = &[
    (
        "51-yaml-anchors-warn.bu",
        "warning $.storage.files.2.user 13 13",
        "info $.storage.files.2.user 13 13",
        "an alias is used as it should be",
    ),
    (
        "51-yaml-anchors-warn.bu",
        "warning $.storage.files.3.<< 14 7",
        "info $.storage.files.3.<< 14 7",
        "a merge key takes effect",
    ),
    (
        "invalid/boot-tang-no-thumbprint.bu",
        "error $.storage.luks.0.clevis.tang.0.thumbprint 1 1",
        "error $.boot_device.luks.tang.0.thumbprint 6 9",
        "the place is what the author wrote",
    ),
    (
        "invalid/merge-inline-bad.bu",
        "error - 1 1",
        "",
        "one finding for one defect",
    ),
    (
        "invalid/merge-inline-bad.bu",
        "error $.storage.files.0.path 1 1",
        "error $.ignition.config.merge.1.inline 7 17",
        "a place in the document, not in a text within it",
    ),
    (
        "invalid/boot-luks-device-no-method.bu",
        "error $.boot_device.luks.luks 5 5",
        "error $.boot_device.luks 5 5",
        "there is no such member",
    ),
    (
        "invalid/openshift-semantic.bu",
        "error $.spec.config.passwd.users.0.name 1 1",
        "error $.passwd.users.0.name 9 13",
        "the place is what the author wrote, with --raw too",
    ),
    (
        "invalid/openshift-semantic.bu",
        "error $.spec.config.storage.files.0.contents.source 1 1",
        "error $.storage.files.0.contents.source 15 17",
        "the place is what the author wrote, with --raw too",
    ),
    (
        "invalid/openshift-semantic.bu",
        "error $.spec.config.storage.files.0.mode 1 1",
        "error $.storage.files.0.mode 13 13",
        "the place is what the author wrote, with --raw too",
    ),
    (
        "invalid/openshift-semantic.bu",
        "error $.spec.config.storage.filesystems.0.format 1 1",
        "error $.storage.filesystems.0.format 18 15",
        "the place is what the author wrote, with --raw too",
    ),
    (
        "invalid/openshift-semantic.bu",
        "error $.spec.config.storage.filesystems.1.format 1 1",
        "error $.storage.filesystems.1.format 20 15",
        "the place is what the author wrote, with --raw too",
    ),
];

#[test]
fn findings_are_where_the_reference_has_them() {
    let mut differing = Vec::new();
    let mut used = vec![false; DIFFERENT.len()];
    for (name, text) in configs("").into_iter().chain(configs("invalid")) {
        for (mode, raw) in [("default", false), ("raw", true)] {
            if raw && !text.contains("variant: openshift") {
                continue;
            }
            let (stage, mut expected) = expected(&name, mode);
            let output = butane(&text, &files(), raw);
            let (at, mut found) = rows(&output, &text);
            if stage == "parse" {
                assert_eq!(at, "parse", "{name}");
                assert!(!found.is_empty(), "{name} is refused, with a reason");
                continue;
            }
            for (known, (of, reference, ours, _)) in used.iter_mut().zip(DIFFERENT) {
                let place = expected.iter().position(|row| row.join(" ") == *reference);
                if *of == name
                    && let Some(place) = place
                {
                    *known = true;
                    expected.remove(place);
                    let ours: Vec<_> = ours.split(' ').map(str::to_owned).collect();
                    expected.extend(Row::try_from(ours).ok());
                }
            }
            for rows in [&mut expected, &mut found] {
                rows.sort();
                rows.dedup();
            }
            if (&stage, &expected) != (&at, &found) {
                differing.push(format!(
                    "{name} {mode}: {stage} {expected:#?}\nours: {at} {found:#?}"
                ));
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(
        used.iter().all(|used| *used),
        "differences that are none: {used:?}"
    );
}

#[test]
fn refused_configs_are_refused_and_hold_no_document() {
    let mut refused = 0;
    for (name, text) in configs("invalid") {
        let output = butane(&text, &files(), false);
        assert!(output.failed.is_some() && output.json.is_none(), "{name}");
        let worst = output.findings.iter().map(|finding| finding.severity).max();
        assert_eq!(worst, Some(Severity::Error), "{name}");
        refused += 1;
    }
    assert_eq!(refused, 36);
}
