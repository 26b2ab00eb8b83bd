//! Which members a version has, and of what type.

use super::*;
use crate::frontend::ignition2::members;
use crate::frontend::ignition2::shape::{Field, Shape};

#[test]
fn members_are_those_of_the_version() {
    expect(&[
        ("2.3.0", r#""stroage":{}"#, &["warning /stroage key-unknown"]),
        ("2.3.0", r#""Storage":{}"#, &["warning /Storage key-unknown"]),
        (
            "2.3.0",
            r#""storage":{},"storage":{}"#,
            &["warning /storage key-duplicate"],
        ),
        (
            "2.0.0",
            r#""storage":{"directories":[]}"#,
            &["warning /storage/directories key-unknown"],
        ),
        ("2.1.0", r#""storage":{"directories":[]}"#, &[]),
        (
            "2.1.0",
            r#""storage":{"files":[{"filesystem":"root","path":"/a","mode":420,"append":true}]}"#,
            &["warning /storage/files/0/append key-unknown"],
        ),
        (
            "2.3.0",
            r#""storage":{"files":[{"filesystem":"root","path":"/a","mode":420,"contents":{"httpHeaders":[]}}]}"#,
            &["warning /storage/files/0/contents/httpHeaders key-unknown"],
        ),
        (
            "2.3.0",
            r#""ignition":{"proxy":{}}"#,
            &["warning /ignition/proxy key-unknown"],
        ),
        ("2.3.0", r#""ignition":{"security":{"tls":{}}}"#, &[]),
        (
            "2.0.0",
            r#""ignition":{"timeouts":{}}"#,
            &["warning /ignition/timeouts key-unknown"],
        ),
        ("1", r#""ignition":{}"#, &["warning /ignition key-unknown"]),
        (
            "2.3.0",
            r#""storage":null,"systemd":{"units":null},"passwd":{"users":[null]}"#,
            &[],
        ),
    ]);
    let text = document("2.1.0", r#""passwd":{"users":[{"Name":"a","shel":"x"}]}"#);
    let helps: Vec<_> = findings(&text)
        .into_iter()
        .filter_map(|finding| finding.help)
        .collect();
    assert_eq!(helps, ["write \"name\"", "did you mean \"shell\"?"]);
    let newer = findings(&document(
        "2.2.0",
        r#""storage":{"disks":[{"device":"/d","partitions":[{"number":1,"sizeMiB":1}]}]}"#,
    ));
    assert_eq!(newer[0].message, "\"sizeMiB\" is not a member of version 2.2.0");
    assert_eq!(
        newer[0].help.as_deref(),
        Some("set ignition.version to 2.3.0 or later, or remove it")
    );
}

#[test]
fn a_member_in_other_case_and_a_twin_count() {
    expect_made(&[(
        "2.3.0",
        r#""Passwd":{"users":[{"name":"a","NAME":"b"}]}"#,
        json!({"passwd":{"users":[{"name":"b"}]}}),
    )]);
}

#[test]
fn a_wrong_type_is_told_with_its_place() {
    for (members, at, literal, help) in [
        (
            r#""storage":{"files":[{"mode":"0644"}]}"#,
            "/storage/files/0/mode",
            "\"0644\"",
            Some("write a decimal number without quotes; octal has no form in JSON (0644 is 420)"),
        ),
        (
            r#""storage":{"files":[{"mode":4.5}]}"#,
            "/storage/files/0/mode",
            "4.5",
            None,
        ),
        (
            r#""storage":{"files":[{"mode":99999999999999999999}]}"#,
            "/storage/files/0/mode",
            "99999999999999999999",
            None,
        ),
        (
            r#""passwd":{"users":{"name":"core"}}"#,
            "/passwd/users",
            r#"{"name":"core"}"#,
            None,
        ),
        (
            r#""systemd":{"units":[{"name":"a.service","enable":"true"}]}"#,
            "/systemd/units/0/enable",
            "\"true\"",
            Some("write it without quotes"),
        ),
        (
            r#""passwd":{"users":[{"sshAuthorizedKeys":"planted"}]}"#,
            "/passwd/users/0/sshAuthorizedKeys",
            "\"planted\"",
            Some("put the string in square brackets"),
        ),
        (r#""storage":[]"#, "/storage", "[]", None),
    ] {
        let text = document("2.3.0", members);
        let told = findings(&text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            (told[0].rule.as_str(), told[0].at.to_string().as_str()),
            ("type-mismatch", at)
        );
        assert_eq!(text.get(told[0].span.clone().unwrap()), Some(literal));
        assert_eq!(told[0].help.as_deref(), help, "{members}");
    }
}

#[test]
fn too_much_is_refused_at_its_list() {
    let many = format!("\"storage\":{{\"files\":[{}{{}}]}}", "{},".repeat(1 << 17));
    assert_eq!(told("2.3.0", &many), ["/storage/files json-syntax"]);
    let values = format!("\"x\":[{}0]", "0,".repeat(1 << 19));
    assert_eq!(told("2.3.0", &values), [" json-syntax"]);
}

/// The members of `fields` and below that came with a minor version, in the notation of the page.
fn came(with: u8, fields: &[Field], above: &str, found: &mut Vec<String>) {
    for field in fields {
        let at = format!("{above}{}", field.name);
        let (below, mark) = match &field.shape {
            Shape::Objects(below) => (*below, "[]"),
            Shape::Object(below) => (*below, ""),
            Shape::Is(_) => (&[][..], ""),
        };
        if field.since == with {
            found.push(format!("`{at}{mark}`"));
        } else if field.since < with {
            came(with, below, &format!("{at}{mark}."), found);
        }
    }
}

#[test]
fn the_page_names_what_came_with_each_version() {
    let page = include_str!("../../../../../docs/ignition-2.md");
    for (minor, version) in (1_u8..).zip(Edition::SECOND.into_iter().skip(1)) {
        let Shape::Object(fields) = members::document(Edition::of_version(version).unwrap()) else {
            unreachable!()
        };
        let mut found = Vec::new();
        came(minor, fields, "", &mut found);
        let row = format!("| {version} | {} |", found.join(", "));
        assert!(page.contains(&row), "docs/ignition-2.md lacks this row:\n{row}");
    }
}

#[test]
fn the_extension_has_its_file() {
    for (version, members, help) in [
        (
            "2.3.0",
            r#""kindling":{"version":1}"#,
            Some(
                "write the section as JSON to the file \"/etc/kindling/config.json\" of storage.files, in \"root\" and as a \
                 data: URL",
            ),
        ),
        (
            "1",
            r#""kindling":{"version":1}"#,
            Some("write the config in version 3, which has it: files of version 1 cannot hold it"),
        ),
        (
            "2.3.0",
            r#""storage":{"kindling":{}}"#,
            Some("version 2.3.0 has no such member: remove it"),
        ),
    ] {
        let told = findings(&document(version, members));
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].rule, crate::rules::catalog::KEY_UNKNOWN.id);
        assert_eq!(told[0].help.as_deref(), help, "{version} {members}");
        let is_named = told[0].message.contains("the extension");
        assert_eq!(
            is_named,
            told[0].at.to_string() == "/kindling",
            "{}",
            told[0].message
        );
    }
    let file = r#""storage":{"files":[{"filesystem":"root","path":"/etc/kindling/config.json","mode":384,
        "contents":{"source":"data:,%7B%22version%22%3A%221.0.0%22%2C%22onFailure%22%3A%7B%22action%22%3A%22reboot%22%7D%7D"}}]}"#;
    let checked = check(&document("2.3.0", file)).unwrap();
    assert_ne!(
        checked.config().kindling,
        crate::types::kindling::Kindling::default()
    );
}
