//! Where findings point, and the notes.

use super::*;

#[test]
fn an_explanation_has_the_form_to_write() {
    let members = r#""ignition":{"config":{"append":[{"source":"http://h/a"},{"source":"http://h/b"}]}},
        "storage":{"disks":[{"device":"/a","wipeTable":true,"partitions":[{"size":4096}]}],
            "filesystems":[{"name":"d","mount":{"device":"/d","format":"xfs","create":{"force":true}}}],
            "files":[{"filesystem":"root","path":"/a","mode":420},{"filesystem":"root","path":"/a","mode":420},{"filesystem":"d","path":"/b","append":true}]},
        "systemd":{"units":[{"name":"a.service","enable":true}]},
        "networkd":{"units":[{"name":"a.network","contents":"[a]\n"}]},
        "passwd":{"users":[{"name":"a","create":{}}]}"#;
    let text = document("2.3.0", members);
    let notes = explain(&text);
    let told: Vec<(&str, &str)> = notes
        .iter()
        .map(|note| {
            (
                &text[note.span.clone().unwrap()],
                note.help.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    for expected in [
        ("\"version\"", "\"version\": \"3.4.0\" or later"),
        ("\"append\"", "\"merge\": [{\"source\": \"…\"}]"),
        ("\"size\"", "\"sizeMiB\": 2"),
        ("{\"size\":4096}", "\"number\": 1"),
        ("\"name\"", "\"path\": \"/tmp/d-ign1\""),
        ("\"mount\"", "{\"device\": \"…\", \"format\": \"…\"}"),
        ("\"create\"", "\"wipeFilesystem\": true, \"options\": […]"),
        ("\"filesystem\"", "leave \"filesystem\" out"),
        (
            "\"append\"",
            "\"overwrite\": false, \"append\": [{\"source\": \"…\"}]",
        ),
        ("\"enable\"", "\"enabled\": true"),
        ("\"create\"", "\"uid\": …, \"homeDir\": \"…\""),
        ("\"path\"", "write one entry, as `kindling convert` does"),
        (
            "{\"name\":\"a.network\",\"contents\":\"[a]\\n\"}",
            "\"path\": \"/etc/systemd/network/a.network\", \"overwrite\": true, \"mode\": 420",
        ),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not in {told:#?}");
    }
    let overwrite = notes
        .iter()
        .find(|note| note.help.as_deref() == Some("\"overwrite\": true"));
    assert!(
        overwrite.is_some_and(|note| note.message.ends_with("(and 1 more)")),
        "{overwrite:?}"
    );
    assert!(
        explain("{}").is_empty()
            && explain("").is_empty()
            && explain("{\"ignition\":{\"version\":\"2.3.0\"},\"storage\":5}").is_empty()
    );
}

/// What the rules say of the made document is said of the author's, and no value that may be secret is.
#[test]
fn findings_point_at_what_somebody_wrote() {
    let text = "{\n  \"ignition\": {\"version\": \"2.2.0\"},\n  \"systemd\": {\"units\": [\n    {\"name\": \"a.service\"},\n    {\"name\": \"a.service\",\n     \"contents\": \"[planted\"}\n  ]},\n  \"networkd\": {\"units\": [{\"name\": \"x.network\",\n    \"contents\": \"[planted\"}]}\n}\n";
    let told = findings(text);
    let lines = crate::diagnostic::Lines::new(text);
    let told: Vec<_> = told
        .iter()
        .map(|finding| {
            (
                finding.at.to_string(),
                lines.position(finding.span.clone().unwrap().start).line,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("/systemd/units/1/contents".to_owned(), 6),
            ("/networkd/units/0/contents".to_owned(), 9)
        ]
    );
}

/// What has no form in Ignition 3, or is refused by its rules: the line that is told, and why.
#[test]
fn refusals_name_their_line_and_reason() {
    let storage = |members: &str| {
        format!("{{\n\"ignition\": {{\"version\": \"2.3.0\"}},\n\"storage\": {{\n{members}\n}}\n}}")
    };
    let disk = |partitions: &str| {
        storage(&format!(
            "\"disks\": [{{\"device\": \"/dev/vda\", \"partitions\": [\n{partitions}\n]}}]"
        ))
    };
    let file = |rest: &str| format!("{{\"filesystem\": \"root\", \"path\": \"/a\", \"mode\": 420{rest}}}");
    for (text, line, why) in [
        (disk("{\"number\": 1},\n{\"sizeMiB\": 5}"), 6, "neither number nor label"),
        (disk("{\"number\": 1,\n\"size\": 100}"), 6, "the size of partition 1 is no whole number of MiB"),
        (
            storage(&format!("\"files\": [{},\n{}]", file(""), file(", \"overwrite\": false"))),
            5,
            "is made by an entry before this one",
        ),
        (
            storage(&format!("\"files\": [{}],\n\"links\": [{}]", file(""), r#"{"filesystem": "root", "path": "/a", "target": "/b"}"#)),
            5,
            "a file and a link are to be at one path",
        ),
        (
            storage(&format!(
                "\"files\": [\n{}],\n\"links\": [{}]",
                file("").replace("/a", "/l/a"),
                r#"{"filesystem": "root", "path": "/l", "target": "/b"}"#
            )),
            5,
            "a file would be written through the link \"/l\"",
        ),
        (
            storage("\"filesystems\": [{\"mount\": {\"device\": \"/d\", \"format\": \"xfs\",\n\"create\": {}}}]"),
            5,
            "create without force fails when the device holds anything",
        ),
        (
            storage("\"filesystems\": [{\"name\": \"x\",\n\"path\": \"/run/x\"}]"),
            5,
            "\"/run/x\" is a directory of the initramfs",
        ),
        (
            storage("\"raid\": [\n{\"name\": \"d\", \"level\": \"raid1\"}]"),
            5,
            "an array has no members",
        ),
        (
            "{\"ignition\": {\"version\": \"2.3.0\", \"config\": {\"append\": [\n{}]}}}".to_owned(),
            2,
            "an entry of a list of things to fetch has no source",
        ),
        (
            "{\"ignition\": {\"version\": \"2.3.0\"},\n\"passwd\": {\"groups\": [{\"name\": \"a\"},\n{\"name\": \"a\", \"gid\": 5}]}}".to_owned(),
            3,
            "the group is given otherwise before",
        ),
        (
            disk("{\"number\": 2},\n{\"number\": 2}"),
            6,
            "number 2 is that of $.storage.disks.0.partitions.0",
        ),
    ] {
        let told = findings(&text);
        let lines = crate::diagnostic::Lines::new(&text);
        let errors = told.iter().filter(|finding| finding.severity == crate::diagnostic::Severity::Error);
        let first = errors.clone().next().unwrap_or_else(|| panic!("{text} is taken"));
        assert!(first.message.contains(why), "{first}\n{text}");
        assert_eq!(lines.position(first.span.clone().unwrap().start).line, line, "{first}\n{text}");
    }
}

/// Messages of the rules name places too: the second entry's label is the made document's third partition.
#[test]
fn places_in_messages_are_the_authors() {
    let disk = |partitions: &str| format!(r#"{{"device":"/dev/vda","partitions":[{partitions}]}}"#);
    let members = format!(
        r#""storage":{{"disks":[{},{}]}}"#,
        disk(r#"{"number":1},{"number":2}"#),
        disk(r#"{"number":3},{"number":3}"#)
    );
    let told = findings(&document("2.3.0", &members));
    assert_eq!(told[0].at.to_string(), "/storage/disks/1/partitions/1");
    assert_eq!(
        told[0].message,
        "number 3 is that of $.storage.disks.1.partitions.0"
    );
}
