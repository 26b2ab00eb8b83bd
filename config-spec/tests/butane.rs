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
use kindling_config_spec::butane::files::{Entry, EntryKind, LocalFiles, NoFiles};
use kindling_config_spec::butane::{Output, Stage, butane, versions};
use kindling_config_spec::diagnostic::{Diagnostic, Lines, Pointer, Severity};
use kindling_config_spec::{check, data_url, json, places};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
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
    let row = |finding: &Diagnostic| {
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

/// Errors and warnings with their places, as `rule place line:column`.
fn told(text: &str) -> Vec<String> {
    let output = butane(text, &NoFiles, false);
    let lines = Lines::new(text);
    let line = |finding: &Diagnostic| {
        let at = lines.position(finding.span.clone().unwrap().start);
        format!(
            "{} {} {}:{}",
            finding.rule,
            finding.at.dollar(),
            at.line,
            at.column
        )
    };
    output.findings.iter().map(line).collect()
}

const HEAD: &str = "variant: fcos\nversion: 1.7.0\n";

#[test]
fn variants_and_versions_are_known_by_their_whole_names() {
    for (text, place) in [
        ("version: 1.7.0\n", "$.variant 1:1"),
        ("variant:\nversion: 1.7.0\n", "$.variant 1:1"),
        ("variant: FCOS\nversion: 1.7.0\n", "$.variant 1:10"),
        ("variant: rhcos\nversion: 0.1.0\n", "$.variant 1:10"),
        ("variant: [fcos]\nversion: 1.7.0\n", "$.variant 1:10"),
        ("variant: fcos\n", "$.version 1:1"),
        ("variant: fcos\nversion: 1.7\n", "$.version 2:10"),
        ("variant: fcos\nversion: v1.7.0\n", "$.version 2:10"),
        ("variant: fcos\nversion: 1.8.0\n", "$.version 2:10"),
        ("variant: flatcar\nversion: 1.7.0\n", "$.version 2:10"),
    ] {
        assert_eq!(told(text), [format!("butane-version {place}")], "{text}");
        assert_eq!(butane(text, &NoFiles, false).failed, Some(Stage::Parse));
    }
    let unknown = butane("variant: fiot\nversion: '9'\n", &NoFiles, false).findings;
    assert_eq!(
        unknown[0].help.as_deref(),
        Some("fiot has the versions 1.0.0, 1.1.0-experimental")
    );
    for (name, version, spec) in versions() {
        let mut text = format!("variant: {name}\nversion: {version}\n");
        if name == "openshift" {
            text.push_str("metadata: {name: a, labels: {machineconfiguration.openshift.io/role: b}}\n");
        }
        let output = butane(&text, &NoFiles, true);
        let expected = format!("{{\"ignition\":{{\"version\":\"{spec}\"}}}}");
        assert_eq!(output.json, Some(expected), "{name} {version}");
        assert_eq!(output.version, Some(spec));
        assert_eq!(check(&text).unwrap().version(), spec);
    }
}

#[test]
fn members_are_told_that_the_variant_does_not_have() {
    for (head, body, expected) in [
        (
            HEAD,
            "storage: {filez: []}",
            "$.storage.filez 3:11 did you mean \"files\"?",
        ),
        (HEAD, "kernelArguments: {}", "$.kernelArguments 3:1 "),
        (
            HEAD,
            "passwd: {users: [{name: a, sshAuthorizedKeys: []}]}",
            "$.passwd.users.0.sshAuthorizedKeys 3:28 ",
        ),
        (HEAD, "ignition: {version: 3.6.0}", "$.ignition.version 3:12 "),
        (
            HEAD,
            "systemd: {quadlets: [{nonsense: 1}]}",
            "$.systemd.quadlets 3:11 it came with fcos 1.8.0-experimental",
        ),
        (
            "variant: fcos\nversion: 1.2.0\n",
            "boot_device: {}",
            "$.boot_device 3:1 it came with fcos 1.3.0",
        ),
        (
            "variant: fcos\nversion: 1.3.0\n",
            "kernel_arguments: {}",
            "$.kernel_arguments 3:1 it came with fcos 1.4.0",
        ),
        (
            "variant: fcos\nversion: 1.0.0\n",
            "storage: {files: [{path: /a, contents: {local: x}}]}",
            "$.storage.files.0.contents.local 3:41 it came with fcos 1.1.0",
        ),
        (
            "variant: fcos\nversion: 1.0.0\n",
            "ignition: {config: {replace: {inline: x}}}",
            "$.ignition.config.replace.inline 3:31 it came with fcos 1.1.0",
        ),
        (
            "variant: flatcar\nversion: 1.1.0\n",
            "boot_device: {}",
            "$.boot_device 3:1 ",
        ),
        (
            "variant: fcos\nversion: 1.7.0\n",
            "metadata: {name: a}",
            "$.metadata 3:1 ",
        ),
        (
            "variant: fcos\nversion: 1.6.0\n",
            "storage: {trees: [{local: a, file_mode: 1}]}",
            "$.storage.trees.0.file_mode 3:30 it came with fcos 1.7.0",
        ),
    ] {
        let text = format!("{head}{body}\n");
        let output = butane(&text, &NoFiles, false);
        let finding = output.findings.first().unwrap_or_else(|| panic!("{text}"));
        let at = Lines::new(&text).position(finding.span.clone().unwrap().start);
        let help = finding.help.clone().unwrap_or_default();
        // What has only another writing of it is suggested, which goes by other tests.
        let help = if expected.ends_with(' ') { "" } else { &help };
        let found = format!("{} {}:{} {help}", finding.at.dollar(), at.line, at.column);
        assert_eq!(found, expected, "{text}");
        assert_eq!(finding.rule.as_str(), "key-unknown");
    }
}

#[test]
fn values_of_other_types_are_told_all_at_once() {
    let text = format!(
        "{HEAD}passwd:\n  users:\n    - name: [a]\n      uid: \"7\"\n      system: 1\n      groups: wheel\n\
         storage:\n  files: {{path: /a}}\n  disks:\n    - 7\nsystemd: x\n"
    );
    let expected = [
        "$.passwd.users.0.name 5:13",
        "$.passwd.users.0.uid 6:12",
        "$.passwd.users.0.system 7:15",
        "$.passwd.users.0.groups 8:15",
        "$.storage.files 10:10",
        "$.storage.disks.0 12:7",
        "$.systemd 13:10",
    ];
    assert_eq!(told(&text), expected.map(|at| format!("type-mismatch {at}")));
    assert_eq!(butane(&text, &NoFiles, false).failed, Some(Stage::Parse));
}

#[test]
fn null_is_absence_and_the_elements_behind_it_keep_their_places() {
    let text = format!(
        "{HEAD}storage:\n  directories:\n  files:\n    - ~\n    - path: etc\n      mode: ~\n      user:\n"
    );
    assert_eq!(
        told(&text),
        [
            "path-relative $.storage.files.1.path 7:13",
            "object-null $.storage.files.1.user 9:12"
        ]
    );
}

#[test]
fn the_extension_is_written_in_snake_case_too() {
    let text = format!(
        "{HEAD}kindling:\n  version: 1.0.0\n  node:\n    kubelet:\n      node_ip: 10.0.0.1\n      labels:\n        \
         example.com/aB_c: yes\n      config:\n        maxPods: 0x10\n        failSwapOn: false\n        snake_case: [1.50, ~, 'x']\n  \
         files:\n    /etc/a: {{expand: yes}}\nstorage:\n  files:\n    - path: /etc/a\n      contents: {{inline: x}}\n"
    );
    let output = butane(&text, &NoFiles, false);
    assert_eq!(output.findings, [], "{text}");
    let document = document(output.json.as_deref().unwrap());
    let expected = serde_json::json!({
        "version": "1.0.0",
        "node": {"kubelet": {
            "nodeIp": "10.0.0.1",
            "labels": {"example.com/aB_c": "yes"},
            "config": {"maxPods": 16, "failSwapOn": false, "snake_case": [1.5, null, "x"]},
        }},
        "files": {"/etc/a": {"expand": true}},
    });
    assert_eq!(document["kindling"], expected);
    assert_eq!(
        told(&format!(
            "{HEAD}kindling: {{version: 1.0.0, node: {{kubelet: {{nodeIp: x}}}}}}\n"
        )),
        ["extension-key-unknown $.kindling.node.kubelet.nodeIp 3:45"]
    );
    // Rules about the made document speak of what the author wrote.
    assert_eq!(
        told(&format!(
            "{HEAD}kindling: {{version: 1.0.0, on_failure: {{delay_seconds: -1}}}}\n"
        )),
        ["extension-value-unfit $.kindling.on_failure.delay_seconds 3:56"]
    );
}

#[test]
fn a_machine_takes_the_config_and_has_no_local_files() {
    let mut taken = 0;
    for (name, text) in configs("") {
        let expected = read(&fixtures().join(&name).with_extension("ign"));
        let needs_files = ["local:", "trees:"].iter().any(|word| text.contains(word));
        match check(&text) {
            Ok(checked) => {
                assert!(!needs_files, "{name}");
                let same = check(&expected).unwrap();
                assert_eq!(checked.version(), same.version(), "{name}");
                let [one, other] = [checked, same]
                    .map(|checked| document(&serde_json::to_string(checked.config()).unwrap()));
                assert_eq!(one, other, "{name}");
                taken += 1;
            }
            Err(rejected) => {
                assert!(needs_files, "{name}: {rejected}");
                for finding in rejected.diagnostics().iter() {
                    let is_right =
                        finding.rule.as_str() == "butane-local" || finding.severity < Severity::Error;
                    assert!(is_right && finding.span.is_some(), "{name}: {finding}");
                }
            }
        }
    }
    assert!(taken >= 30, "{taken}");
}

#[test]
fn what_is_found_later_is_found_in_the_authors_text() {
    let text =
        format!("{HEAD}storage:\n  files:\n    - path: /etc/a\n      contents:\n        inline: planted\n");
    let at = Pointer::of("/storage/files/0/contents/source");
    let found = places(&text, &[&at]);
    let (place, found) = found.first().unwrap();
    assert_eq!(place.dollar(), "$.storage.files.0.contents.inline");
    assert_eq!(&text[found.clone().unwrap().value], "planted");
    assert_eq!(check(&text).unwrap().dialect().to_string(), "Butane fcos 1.7.0");
}

#[test]
fn json_is_butane_as_well_and_other_yaml_is_not() {
    let json =
        r#"{"variant": "fcos", "version": "1.7.0", "storage": {"files": [{"path": "/a", "mode": 420}]}}"#;
    assert_eq!(check(json).unwrap().config().storage.files[0].mode, Some(420));
    let crlf = "\u{feff}# x\r\nvariant: fcos\r\nversion: 1.7.0\r\nstorage:\r\n  files:\r\n    - path: /a\r\n";
    assert_eq!(check(crlf).unwrap().config().storage.files[0].path, "/a");
    for other in [
        "a: 1\n",
        "spec:\n  variant: fcos\n",
        "- variant: fcos\n",
        "\"variant\"",
        "{\"a\": \"variant\"}",
    ] {
        let rejected = check(other).unwrap_err();
        let findings = rejected.diagnostics();
        assert!(
            findings
                .iter()
                .all(|finding| !finding.rule.as_str().starts_with("butane")),
            "{other}"
        );
    }
    // A damaged one is told so, and not that it is no JSON.
    let rejected = check("variant: fcos\nversion: 1.7.0\nstorage: [\n").unwrap_err();
    assert_eq!(rejected.diagnostics()[0].rule.as_str(), "yaml-syntax");
}

/// A directory of one's own making: what a walk gives, whatever it is asked for.
struct Made(Vec<Entry>);

impl LocalFiles for Made {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "bytes" => Ok(vec![b'a', 0x80]),
            "empty" => Ok(Vec::new()),
            _ => Err("no such file".to_owned()),
        }
    }

    fn walk(&self, _: &str) -> Result<Vec<Entry>, String> {
        Ok(self.0.clone())
    }
}

fn entry(path: &str, kind: EntryKind) -> Entry {
    Entry {
        path: path.to_owned(),
        kind,
    }
}

fn file(contents: &str) -> EntryKind {
    EntryKind::File {
        contents: Ok(contents.as_bytes().to_vec()),
        is_executable: false,
    }
}

#[test]
fn trees_bring_what_a_directory_holds() {
    let tree = |members: &str| format!("{HEAD}storage:\n  trees:\n    - {{local: d, {members}}}\n");
    let root = || entry("", EntryKind::Directory);
    for (members, entries, expected) in [
        // The root of the target is a destination like any other.
        (
            "",
            vec![root(), entry("a", file("x"))],
            r#"{"files":[{"path":"/a"}]}"#,
        ),
        (
            "dir_mode: 0700",
            vec![root()],
            r#"{"directories":[{"path":"/","mode":448}]}"#,
        ),
        ("user: {}", vec![root()], "null"),
        (
            "path: //opt/../srv/",
            vec![root(), entry("a/b", file("x"))],
            r#"{"files":[{"path":"/srv/a/b"}]}"#,
        ),
        // A link to a directory is a link.
        (
            "path: /opt/d",
            vec![entry("", EntryKind::Link("/x".to_owned()))],
            r#"{"links":[{"path":"/opt/d","target":"/x"}]}"#,
        ),
    ] {
        let output = butane(&tree(members), &Made(entries), true);
        let document = document(
            output
                .json
                .as_deref()
                .unwrap_or_else(|| panic!("{:?}", output.findings)),
        );
        let mut storage = document["storage"].clone();
        if let Some(files) = storage.get_mut("files") {
            for file in files.as_array_mut().unwrap() {
                file.as_object_mut().unwrap().retain(|name, _| name == "path");
            }
        }
        assert_eq!(
            storage.to_string(),
            serde_json::from_str::<Value>(expected).unwrap().to_string(),
            "{members}"
        );
    }
    for entries in [
        vec![entry("", file("x"))],
        vec![root(), entry("socket", EntryKind::Other)],
        vec![
            root(),
            entry(
                "a",
                EntryKind::File {
                    contents: Err("denied".to_owned()),
                    is_executable: false,
                },
            ),
        ],
        vec![root(), entry("a", file("x")), entry("./a", file("y"))],
    ] {
        let output = butane(&tree(""), &Made(entries), true);
        let at: Vec<_> = output
            .findings
            .iter()
            .map(|finding| finding.at.dollar())
            .collect();
        assert_eq!(at, ["$.storage.trees.0"]);
        assert_eq!(output.failed, Some(Stage::Source));
    }
}

#[test]
fn local_contents_of_units_are_text() {
    let unit = |local: &str| {
        format!("{HEAD}systemd:\n  units:\n    - {{name: a.service, contents_local: {local}}}\n")
    };
    let contents = |local: &str| {
        let json = butane(&unit(local), &Made(Vec::new()), true).json.unwrap();
        document(&json)["systemd"]["units"][0].get("contents").cloned()
    };
    assert_eq!(contents("bytes"), Some("a\u{fffd}".into()));
    assert_eq!(contents("empty"), Some("".into()));
    assert_eq!(contents("''"), None);
    assert_eq!(contents("~"), None);
    let output = butane(&unit("other"), &Made(Vec::new()), true);
    assert_eq!(output.findings[0].rule.as_str(), "butane-local");
    assert!(
        output.findings[0]
            .message
            .contains("\"other\" cannot be had: no such file")
    );
}

#[test]
fn bytes_are_contents_and_texts_elsewhere() {
    let text = format!(
        "{HEAD}storage:\n  files:\n    - path: /a\n      contents: {{inline: !!binary gA==}}\npasswd:\n  users:\n    \
         - {{name: a, gecos: !!binary gA==}}\n"
    );
    let json = butane(&text, &NoFiles, true).json.unwrap();
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["storage"]["files"][0]["contents"]["source"], "data:,%80");
    assert_eq!(document["passwd"]["users"][0]["gecos"], "\u{fffd}");
}

#[test]
fn configs_within_configs_are_looked_at_where_they_are_of_the_same_version() {
    for (reference, expected) in [
        (r#"{inline: '{"ignition": {"version": "3.6.0"}}'}"#, ""),
        (
            r#"{inline: '{"ignition": {"version": "3.1.0"}, "x": 1}'}"#,
            "butane-child-version $.ignition.config.replace.version",
        ),
        (
            r#"{inline: '{"ignition": {"version": "2.3.0"}}'}"#,
            "butane-child-version $.ignition.config.replace.version",
        ),
        (
            r#"{inline: '{"ignition": {"version": "3"}}'}"#,
            "butane-child-invalid $.ignition.config.replace.inline",
        ),
        (
            r#"{inline: '{"ignition": {}}'}"#,
            "butane-child-invalid $.ignition.config.replace.inline",
        ),
        (
            r#"{inline: '{"ignition": {"version": 3}}'}"#,
            "butane-child-invalid $.ignition.config.replace.inline",
        ),
        (
            "{inline: 'variant: fcos'}",
            "butane-child-invalid $.ignition.config.replace.inline",
        ),
        (
            r#"{inline: '{"ignition": {"version": "3.6.0"}, "x": 1}'}"#,
            "butane-child-suspect $.ignition.config.replace.inline",
        ),
        ("{inline: H4sI, compression: gzip}", ""),
        ("{source: 'data:,x'}", ""),
    ] {
        let text = format!("{HEAD}ignition: {{config: {{replace: {reference}}}}}\n");
        let found: Vec<_> = butane(&text, &NoFiles, true)
            .findings
            .iter()
            .map(|finding| format!("{} {}", finding.rule, finding.at.dollar()))
            .collect();
        assert_eq!(found.join(" "), expected, "{reference}");
    }
}

#[test]
fn secrets_are_in_no_message() {
    let text = format!(
        "{HEAD}passwd: {{users: [{{name: a, password_hash: [planted]}}]}}\nstorage: {{files: [{{path: planted-no, \
         mode: planted, contents: {{inline: {{planted: 1}}}}}}]}}\nignition: {{config: {{replace: {{inline: planted}}}}}}\n"
    );
    let findings = butane(&text, &NoFiles, true).findings;
    assert_eq!(findings.len(), 3);
    let one = format!("{HEAD}ignition: {{config: {{replace: {{inline: '{{\"planted'}}}}}}\n");
    for finding in findings.iter().chain(&butane(&one, &NoFiles, true).findings) {
        let said = format!("{} {:?}", finding.message, finding.help);
        assert!(!said.contains("planted"), "{said}");
    }
}

#[test]
fn letters_that_mean_something_in_html_are_escaped() {
    let text = format!("{HEAD}kernel_arguments: {{should_exist: [\"a<b>&\u{2028}é\"]}}\n");
    let json = butane(&text, &NoFiles, true).json.unwrap();
    assert!(json.contains(r"a\u003cb\u003e\u0026\u2028é"), "{json}");
}

#[test]
fn the_page_has_the_variants_and_their_versions() {
    let page = read(&fixtures().join("../../docs/butane.md"));
    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, version, spec) in versions() {
        let becomes = format!("{version} → {spec}");
        match rows.last_mut() {
            Some((last, list)) if *last == name => list.push(becomes),
            _ => rows.push((name, vec![becomes])),
        }
    }
    assert_eq!(rows.len(), 5);
    for (name, list) in rows {
        let row = format!("\n| `{name}` | {} |\n", list.join(", "));
        assert!(page.contains(&row), "the page lacks {row}");
    }
}

/// Values with members of the language in places where they belong or do not, in JSON, which is YAML.
fn any_value() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &[
        "storage",
        "files",
        "directories",
        "links",
        "trees",
        "filesystems",
        "luks",
        "disks",
        "partitions",
        "raid",
        "path",
        "mode",
        "contents",
        "append",
        "inline",
        "local",
        "source",
        "compression",
        "user",
        "name",
        "id",
        "file_mode",
        "dir_mode",
        "device",
        "format",
        "with_mount_unit",
        "mount_options",
        "clevis",
        "tang",
        "cex",
        "enabled",
        "systemd",
        "units",
        "dropins",
        "contents_local",
        "quadlets",
        "rootful",
        "passwd",
        "users",
        "ssh_authorized_keys_local",
        "password_hash",
        "ignition",
        "config",
        "merge",
        "replace",
        "boot_device",
        "layout",
        "mirror",
        "devices",
        "grub",
        "metadata",
        "labels",
        "openshift",
        "fips",
        "kernel_type",
        "kindling",
        "node",
        "kubelet",
        "label",
        "number",
        "size_mib",
        "kernel_arguments",
        "should_exist",
        "<<",
        "é/~",
    ];
    const TEXTS: &[&str] = &[
        "",
        "/",
        "/etc/a",
        "x",
        "swap",
        "xfs",
        "root",
        "boot",
        "x86_64",
        "s390x-eckd",
        "/dev/dasda",
        "a.container",
        "a@b.pod",
        "gzip",
        "data:,x",
        "{\"ignition\":{\"version\":\"3.6.0\"}}",
        "core",
        "é\u{1f600}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_i64..5000).prop_map(Value::from),
        select(TEXTS).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(NAMES), inner), 0..6).prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_is_told_of_in_its_own_text(sections in vec(any_value(), 7), pick in any::<prop::sample::Index>()) {
        let all: Vec<_> = versions().collect();
        let (name, version, _) = all[pick.index(all.len())];
        let names = ["storage", "systemd", "passwd", "ignition", "boot_device", "grub", "kindling"];
        let mut document = serde_json::json!({"variant": name, "version": version});
        for (name, section) in names.into_iter().zip(sections) {
            document[name] = section;
        }
        let text = document.to_string();
        let entries = vec![entry("", EntryKind::Directory), entry("a", file("x"))];
        let output = butane(&text, &Made(entries), false);
        prop_assert_eq!(output.failed.is_none(), output.json.is_some());
        let at_boot = match check(&text) {
            Ok(checked) => checked.warnings().to_vec(),
            Err(rejected) => rejected.diagnostics().into_owned(),
        };
        for finding in output.findings.iter().chain(&at_boot) {
            let span = finding.span.clone().expect("it is about a text");
            prop_assert!(text.get(span).is_some(), "{}", finding);
        }
    }
}
