//! Documents of the old language, row by row: what is told of them and where, and what becomes of them.

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

const HASH: &str = "ab";

fn hash() -> String {
    format!("sha512-{}", HASH.repeat(64))
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

#[test]
fn sources_are_those_of_the_version() {
    let file = |source: &str| {
        format!(
            r#""storage":{{"files":[{{"filesystem":"root","path":"/a","mode":420,"contents":{{"source":"{source}"}}}}]}}"#
        )
    };
    let scheme = ["/storage/files/0/contents/source url-scheme-unsupported"];
    for (version, source, expected) in [
        ("2.0.0", "https://h/a", &[][..]),
        ("2.0.0", "data:,a", &[]),
        ("2.0.0", "", &[]),
        ("2.0.0", "tftp://h/a", &scheme),
        ("2.0.0", "s3://b/a", &scheme),
        ("2.0.0", "oem:///a", &scheme),
        ("2.1.0", "tftp://h/a", &[]),
        ("2.1.0", "s3://b/a", &[]),
        ("2.4.0", "gs://b/a", &scheme),
        ("2.4.0", "arn:aws:s3:::b/a", &scheme),
        ("2.4.0", "/a", &scheme),
        (
            "2.4.0",
            "oem:///a",
            &["/storage/files/0/contents/source v2-inexpressible"],
        ),
        (
            "2.4.0",
            "s3://b/a?versionId=",
            &["/storage/files/0/contents/source s3-version-empty"],
        ),
        (
            "2.4.0",
            "http://h:port/",
            &["/storage/files/0/contents/source url-invalid"],
        ),
    ] {
        assert_eq!(told(version, &file(source)), *expected, "{version} {source}");
    }
    for (list, at) in [
        (
            r#""config":{"append":[{"source":"gs://b/a"}]}"#,
            "/ignition/config/append/0/source",
        ),
        (
            r#""config":{"replace":{"source":"gs://b/a"}}"#,
            "/ignition/config/replace/source",
        ),
        (
            r#""security":{"tls":{"certificateAuthorities":[{"source":"gs://b/a"}]}}"#,
            "/ignition/security/tls/certificateAuthorities/0/source",
        ),
    ] {
        let told = told("2.2.0", &format!("\"ignition\":{{{list}}}"));
        assert_eq!(told, [format!("{at} url-scheme-unsupported")]);
    }
}

#[test]
fn hashes_are_sha512() {
    let append = |hash: &str| {
        format!(
            r#""ignition":{{"config":{{"append":[{{"source":"http://h/a","verification":{{"hash":"{hash}"}}}}]}}}}"#
        )
    };
    let at = "/ignition/config/append/0/verification/hash";
    for (hash, expected) in [
        (hash(), vec![]),
        (
            format!("sha256-{}", "ab".repeat(32)),
            vec![format!("{at} hash-function-unknown")],
        ),
        ("md5-ab".to_owned(), vec![format!("{at} hash-function-unknown")]),
        ("sha512-ab".to_owned(), vec![format!("{at} hash-size-mismatch")]),
        ("ab".to_owned(), vec![format!("{at} hash-malformed")]),
        (String::new(), vec![format!("{at} hash-malformed")]),
    ] {
        assert_eq!(told("2.3.0", &append(&hash)), expected, "{hash}");
    }
}

#[test]
fn the_own_section() {
    expect(&[
        (
            "2.3.0",
            r#""ignition":{"config":{"append":[{"source":""}]}}"#,
            &["/ignition/config/append/0 source-missing"],
        ),
        ("2.3.0", r#""ignition":{"config":{"replace":{}}}"#, &[]),
        (
            "2.3.0",
            r#""ignition":{"config":{"append":[{"source":"http://h/a"},{"source":"http://h/a"}]}}"#,
            &[],
        ),
        (
            "2.4.0",
            r#""ignition":{"config":{"append":[{"source":"http://h/a"},{"source":"http://h/a","httpHeaders":[{"name":"a","value":"b"}]}]}}"#,
            &["warning /ignition/config/append/1 v2-changed"],
        ),
        (
            "2.4.0",
            r#""ignition":{"config":{"append":[{"source":"s3://h/a","httpHeaders":[{"name":"a","value":"b"}]}]}}"#,
            &["/ignition/config/append/0/httpHeaders header-scheme-unsupported"],
        ),
        (
            "2.4.0",
            r#""ignition":{"config":{"append":[{"source":"http://h/a","httpHeaders":[{"value":"b"},{"name":"c","value":"d"},{"name":"c","value":"e"}]}]}}"#,
            &[
                "/ignition/config/append/0/httpHeaders/0/name header-name-empty",
                "/ignition/config/append/0/httpHeaders/2 entry-duplicate",
            ],
        ),
        (
            "2.4.0",
            r#""ignition":{"proxy":{"httpProxy":"proxy:3128"}}"#,
            &["/ignition/proxy/httpProxy proxy-scheme-unsupported"],
        ),
    ]);
    expect_made(&[
        (
            "2.3.0",
            r#""ignition":{"config":{"replace":{}}}"#,
            json!({"ignition":{"config":{"replace":{"source":""}}}}),
        ),
        (
            "2.4.0",
            r#""ignition":{"timeouts":{"httpTotal":0},"proxy":{"httpProxy":"","noProxy":["a","b","a"]},"config":{"append":[{"source":"http://h/a","httpHeaders":[{"name":"a","value":""}]},{"source":"http://h/b"},{"source":"http://h/a","httpHeaders":[{"name":"a","value":""}]}]}}"#,
            json!({"ignition":{"timeouts":{"httpTotal":0},"proxy":{"noProxy":["a","b"]},"config":{"merge":[
                {"source":"http://h/a","httpHeaders":[{"name":"a"}]},{"source":"http://h/b"}]}}}),
        ),
    ]);
}

#[test]
fn what_ignition_2_refuses_of_disks() {
    let disk = |partitions: &str| {
        format!(
            r#""storage":{{"disks":[{{"device":"/dev/vda","wipeTable":true,"partitions":[{partitions}]}}]}}"#
        )
    };
    let at = |rest: &str| format!("/storage/disks/0/partitions/{rest}");
    let assumed = |member: &str| format!("warning {} v2-changed", at(member));
    for (version, partitions, expected) in [
        (
            "2.3.0",
            r#"{"number":1,"size":2048},{"number":2,"sizeMiB":1}"#,
            vec![format!("{} v2-invalid", at("0/size")), assumed("0/size")],
        ),
        (
            "2.2.0",
            r#"{"number":1,"start":2047}"#,
            vec![format!("{} v2-invalid", at("0/start")), assumed("0/start")],
        ),
        (
            "2.2.0",
            r#"{"number":1,"size":2049}"#,
            vec![format!("{} v2-inexpressible", at("0/size")), assumed("0/size")],
        ),
        (
            "2.0.0",
            r#"{"number":1,"size":-2048}"#,
            vec![assumed("0/size"), format!("{} v2-invalid", at("0/size"))],
        ),
        ("2.1.0", r#"{"number":1,"size":-2048}"#, vec![assumed("0/size")]),
        (
            "2.3.0",
            r#"{"number":1,"shouldExist":false},{"label":"a"}"#,
            vec![format!("{} v2-invalid", at("1"))],
        ),
        (
            "2.3.0",
            r#"{"number":1,"shouldExist":false,"label":"a"}"#,
            vec![format!("{} partition-absent-with-details", at("0"))],
        ),
        (
            "2.3.0",
            r#"{"number":1,"shouldExist":false,"start":0}"#,
            vec![format!("{} partition-absent-with-details", at("0"))],
        ),
        (
            "2.3.0",
            r#"{"number":1,"shouldExist":false,"startMiB":1,"sizeMiB":2}"#,
            vec![
                format!("warning {} v2-doubtful", at("0/startMiB")),
                format!("warning {} v2-doubtful", at("0/sizeMiB")),
            ],
        ),
        (
            "2.3.0",
            r#"{"number":1},{"number":1}"#,
            vec![
                format!("{} partition-number-collision", at("1")),
                format!("{} entry-duplicate", at("1")),
            ],
        ),
        (
            "2.3.0",
            r#"{"number":1,"startMiB":1,"sizeMiB":2},{"number":2,"startMiB":2,"sizeMiB":2}"#,
            vec![format!("{} partition-overlap", at("1"))],
        ),
        (
            "2.3.0",
            r#"{"number":1,"label":"ab:cd"}"#,
            vec![format!("warning {} v2-doubtful", at("0/label"))],
        ),
        (
            "2.3.0",
            r#"{"number":1,"guid":"x","typeGuid":""}"#,
            vec![format!("{} guid-malformed", at("0/guid"))],
        ),
        (
            "1",
            "{},{}",
            vec![format!("{} partition-number-collision", at("1"))],
        ),
        ("2.0.0", "{},{}", vec![]),
    ] {
        assert_eq!(
            told(version, &disk(partitions)),
            expected,
            "{version} {partitions}"
        );
    }
    expect(&[(
        "2.3.0",
        r#""storage":{"disks":[{}]}"#,
        &["/storage/disks/0/device device-missing"],
    )]);
    let half = findings(&document("2.2.0", &disk(r#"{"label":"data","size":3000}"#)));
    let half = half
        .iter()
        .find(|finding| finding.rule.as_str() == "v2-inexpressible")
        .unwrap();
    assert!(half.message.contains("partition \"data\""), "{half}");
    assert_eq!(half.help.as_deref(), Some("write 2048 or 4096 sectors"));
}

#[test]
fn partitions_become_numbered_and_measured_in_mib() {
    let disk = |partitions: Value| json!({"storage":{"disks":[{"device":"/dev/vda","wipeTable":true,"partitions":partitions}]}});
    let members = |partitions: &str| {
        format!(
            r#""storage":{{"disks":[{{"device":"/dev//vda/","wipeTable":true,"partitions":[{partitions}]}}]}}"#
        )
    };
    for (version, partitions, expected) in [
        (
            "2.3.0",
            r#"{},{"number":1,"size":0},{"label":"a"},{}"#,
            json!([{"number":2},{"number":1,"sizeMiB":0},{"number":3,"label":"a"},{"number":4}]),
        ),
        (
            "2.3.0",
            r#"{"label":"A","sizeMiB":100},{"label":"","sizeMiB":50},{"label":"C"}"#,
            json!([
                {"number":1,"label":"A","sizeMiB":100},
                {"number":2,"label":"","sizeMiB":50},
                {"number":3,"label":"C"}
            ]),
        ),
        (
            "2.2.0",
            r#"{"number":1,"label":"","start":4096}"#,
            json!([{"number":1,"startMiB":2,"sizeMiB":0}]),
        ),
        (
            "2.3.0",
            r#"{"number":1,"label":"","start":4096}"#,
            json!([{"number":1,"label":"","startMiB":2}]),
        ),
        (
            "2.3.0",
            r#"{"number":1,"label":"ab:cd","wipePartitionEntry":false,"shouldExist":true}"#,
            json!([{"number":1,"label":"ab","shouldExist":true}]),
        ),
        (
            "2.3.0",
            r#"{"number":1,"shouldExist":false,"startMiB":1}"#,
            json!([{"number":1,"shouldExist":false}]),
        ),
    ] {
        assert_eq!(
            becomes(version, &members(partitions)),
            disk(expected),
            "{version} {partitions}"
        );
    }
}

#[test]
fn a_nameless_partition_of_a_kept_table_is_only_taken_where_nothing_can_be_lost() {
    let disk = |partitions: &str| {
        format!(r#""storage":{{"disks":[{{"device":"/dev/vda","partitions":[{partitions}]}}]}}"#)
    };
    let at = "/storage/disks/0/partitions";
    for (version, partitions, expected) in [
        ("2.3.0", "{}", vec![format!("warning {at}/0 v2-changed")]),
        ("2.2.0", "{}", vec![format!("warning {at}/0 v2-changed")]),
        (
            "2.3.0",
            r#"{"sizeMiB":1}"#,
            vec![format!("{at}/0 v2-inexpressible")],
        ),
        (
            "2.3.0",
            r#"{"wipePartitionEntry":true}"#,
            vec![format!("{at}/0 v2-inexpressible")],
        ),
        (
            "2.3.0",
            "{},{}",
            vec![
                format!("{at}/0 v2-inexpressible"),
                format!("{at}/1 v2-inexpressible"),
            ],
        ),
        (
            "2.3.0",
            r#"{"number":3},{}"#,
            vec![format!("{at}/1 v2-inexpressible")],
        ),
    ] {
        assert_eq!(
            told(version, &disk(partitions)),
            expected,
            "{version} {partitions}"
        );
    }
    assert_eq!(
        becomes("2.3.0", &disk("{}")),
        json!({"storage":{"disks":[{"device":"/dev/vda","partitions":[{"number":1}]}]}})
    );
}

#[test]
fn disks_and_arrays_of_one_name_are_joined() {
    let parts = |disks: &str| becomes("2.3.0", &format!(r#""storage":{{"disks":[{disks}]}}"#));
    let made = |disk: Value| json!({"storage":{"disks":[disk]}});
    assert_eq!(
        parts(
            r#"{"device":"/a","wipeTable":true,"partitions":[{"number":1}]},{"device":"/a","partitions":[{"number":2}]}"#
        ),
        made(json!({"device":"/a","wipeTable":true,"partitions":[{"number":1},{"number":2}]}))
    );
    assert_eq!(
        parts(
            r#"{"device":"/a","partitions":[{"number":1}]},{"device":"/a","wipeTable":true,"partitions":[{"number":2}]}"#
        ),
        made(json!({"device":"/a","wipeTable":true,"partitions":[{"number":2}]}))
    );
    let array = |rest: &str| format!(r#"{{"name":"d","level":"raid1","devices":["/b","/c//"]{rest}}}"#);
    let arrays = |second: &str| format!(r#""storage":{{"raid":[{},{}]}}"#, array(""), array(second));
    assert_eq!(
        becomes("2.3.0", &arrays("")),
        json!({"storage":{"raid":[{"name":"d","level":"raid1","devices":["/b","/c"]}]}})
    );
    assert_eq!(
        told("2.3.0", &arrays(r#","spares":1"#)),
        ["/storage/raid/1 v2-inexpressible"]
    );
    expect(&[
        (
            "2.3.0",
            r#""storage":{"raid":[{"name":"d","level":"raid7","devices":["b"]}]}"#,
            &[
                "/storage/raid/0/level raid-level-unknown",
                "/storage/raid/0/devices/0 path-relative",
            ],
        ),
        (
            "2.3.0",
            r#""storage":{"raid":[{"name":"d","level":"raid0","spares":1}]}"#,
            &[
                "/storage/raid/0/devices raid-devices-missing",
                "/storage/raid/0/level raid-spares-unsupported",
            ],
        ),
    ]);
}

#[test]
fn what_ignition_2_refuses_of_file_systems() {
    let at = |rest: &str| format!("/storage/filesystems/{rest}");
    let filesystems = |list: &str| format!(r#""storage":{{"filesystems":[{list}]}}"#);
    for (version, list, expected) in [
        (
            "2.3.0",
            r#"{"name":"a"}"#,
            vec![format!("{} v2-invalid", at("0"))],
        ),
        (
            "2.3.0",
            r#"{"path":"/sysroot","mount":{"device":"/a","format":"xfs"}}"#,
            vec![format!("{} v2-invalid", at("0"))],
        ),
        (
            "2.3.0",
            r#"{"mount":{"device":"/a"}}"#,
            vec![format!("{} filesystem-format-missing", at("0/mount"))],
        ),
        (
            "2.3.0",
            r#"{"mount":{"device":"/a","format":"none"}}"#,
            vec![format!("{} filesystem-format-unknown", at("0/mount/format"))],
        ),
        (
            "2.0.0",
            r#"{"mount":{"device":"/a","format":"swap"}}"#,
            vec![format!("{} filesystem-format-unknown", at("0/mount/format"))],
        ),
        (
            "2.3.0",
            r#"{"mount":{"format":"xfs"}}"#,
            vec![format!("{} path-missing", at("0/mount/device"))],
        ),
        (
            "2.3.0",
            r#"{"mount":{"device":"a","format":"xfs"}}"#,
            vec![format!("{} path-relative", at("0/mount/device"))],
        ),
        (
            "2.3.0",
            r#"{"mount":{"device":"/a","format":"xfs","label":"thirteen-long"}}"#,
            vec![format!("{} xfs-label-too-long", at("0/mount/label"))],
        ),
        (
            "2.0.0",
            r#"{"mount":{"device":"/a","format":"xfs","create":{}}}"#,
            vec![format!("{} v2-inexpressible", at("0/mount/create"))],
        ),
        (
            "2.1.0",
            r#"{"mount":{"device":"/a","format":"xfs","wipeFilesystem":true,"options":["-q"],"create":{"force":true}}}"#,
            vec![
                format!("{} v2-invalid", at("0/mount/wipeFilesystem")),
                format!("{} v2-invalid", at("0/mount/options")),
            ],
        ),
        (
            "2.3.0",
            r#"{"name":"a","path":"/run/x"}"#,
            vec![format!("{} v2-inexpressible", at("0/path"))],
        ),
        (
            "2.3.0",
            r#"{"name":"a","path":"/sysrootx"}"#,
            vec![format!("{} v2-inexpressible", at("0/path"))],
        ),
        (
            "2.3.0",
            r#"{"name":"a","path":"x"}"#,
            vec![format!("{} path-relative", at("0/path"))],
        ),
        (
            "2.3.0",
            r#"{"mount":{"device":"/a","format":"xfs"}},{"mount":{"device":"/a","format":"ext4"}}"#,
            vec![format!("{} v2-inexpressible", at("1/mount"))],
        ),
        (
            "2.3.0",
            r#"{"name":"a","mount":{"device":"/a","format":"xfs"}},{"name":"a","mount":{"device":"/b","format":"xfs"}}"#,
            vec![format!("warning {} v2-doubtful", at("1/name"))],
        ),
        (
            "2.3.0",
            r#"{"name":"OEM","mount":{"device":"/a","format":"ext4"}}"#,
            vec![format!("warning {} v2-changed", at("0/mount/format"))],
        ),
        (
            "2.3.0",
            r#"{"name":"OEM","mount":{"device":"/a","format":"ext4","wipeFilesystem":true}}"#,
            vec![],
        ),
    ] {
        assert_eq!(told(version, &filesystems(list)), expected, "{version} {list}");
    }
}

/// A file in the file system of that name.
fn file_in(name: &str) -> String {
    format!(r#""files":[{{"filesystem":"{name}","path":"/x/../y","mode":420}}]"#)
}

#[test]
fn names_become_paths() {
    let xfs = |device: &str, name: &str| {
        let name = if name.is_empty() {
            String::new()
        } else {
            format!(r#""name":"{name}","#)
        };
        format!(r#"{{{name}"mount":{{"device":"{device}","format":"xfs"}}}}"#)
    };
    let path = |filesystems: &str, name: &str| {
        let made = becomes(
            "2.3.0",
            &format!(r#""storage":{{"filesystems":[{filesystems}],{}}}"#, file_in(name)),
        );
        made["storage"]["files"][0]["path"].as_str().unwrap().to_owned()
    };
    for (filesystems, name, expected) in [
        (String::new(), "root", "/y"),
        (xfs("/a", "data"), "root", "/y"),
        (xfs("/a", "data"), "data", "/tmp/data-ign1/y"),
        (xfs("/a", "../d"), "../d", "/tmp/..%2Fd-ign1/y"),
        (xfs("/a", "oem"), "OEM", "/oem/y"),
        (xfs("/a", "root"), "root", "/y"),
        (r#"{"name":"s","path":"/sysroot/"}"#.to_owned(), "s", "/y"),
        (r#"{"name":"s","path":"/sysroot/var"}"#.to_owned(), "s", "/var/y"),
        (r#"{"name":"s","path":"/"}"#.to_owned(), "s", "/y"),
        (
            r#"{"name":"root","path":"/sysroot/alt"}"#.to_owned(),
            "root",
            "/alt/y",
        ),
        // The last definition counts for files, and two names of one device are one.
        (
            format!("{},{}", xfs("/a", "d"), r#"{"name":"d","path":"/sysroot"}"#),
            "d",
            "/y",
        ),
        (
            format!("{},{}", xfs("/a", "d"), xfs("/a", "e")),
            "e",
            "/tmp/d-ign1/y",
        ),
        (
            format!("{},{}", xfs("/a", ""), xfs("/a", "e")),
            "e",
            "/tmp/e-ign1/y",
        ),
    ] {
        assert_eq!(path(&filesystems, name), expected, "{filesystems} {name}");
    }
    let twice = becomes(
        "2.3.0",
        &format!(
            r#""storage":{{"filesystems":[{},{}]}}"#,
            xfs("/a", "d"),
            xfs("/b", "d")
        ),
    );
    assert_eq!(
        twice,
        json!({"storage":{"filesystems":[
            {"device":"/a","format":"xfs"},{"device":"/b","format":"xfs","path":"/tmp/d-ign1"}]}})
    );
}

#[test]
fn names_that_lead_nowhere() {
    let at = "/storage/files/0/filesystem";
    let told = |filesystems: &str, file: &str| {
        self::told(
            "2.3.0",
            &format!(r#""storage":{{"filesystems":[{filesystems}],{file}}}"#),
        )
    };
    assert_eq!(
        told("", &file_in("data")),
        [format!("warning {at} v2-filesystem-elsewhere")]
    );
    assert_eq!(told("", &file_in("oem")), [format!("{at} v2-inexpressible")]);
    assert_eq!(
        told("", r#""files":[{"path":"/a","mode":420}]"#),
        ["/storage/files/0 v2-invalid"]
    );
    let swap = r#"{"name":"s","mount":{"device":"/a","format":"swap"}}"#;
    assert_eq!(told(swap, &file_in("s")), [format!("{at} v2-invalid")]);
}

#[test]
fn a_name_is_looked_for_in_all_merged_documents() {
    let config = |members: &str| {
        check(&document("2.3.0", members))
            .expect("it is valid")
            .into_config()
    };
    let defined = |device: &str| {
        format!(
            r#""storage":{{"filesystems":[{{"name":"d","mount":{{"device":"{device}","format":"xfs"}}}}]}}"#
        )
    };
    let used = format!(r#""storage":{{{}}}"#, file_in("d"));
    let told = |config: &crate::types::Config| -> Vec<String> {
        let findings = check_merged(config).into_iter();
        findings
            .map(|finding| format!("{} {} {}", finding.at, finding.rule, finding.message))
            .collect()
    };
    assert!(told(&merge(config(&defined("/a")), config(&used))).is_empty());
    assert!(told(&merge(config(&used), config(&defined("/a")))).is_empty());
    assert_eq!(
        told(&config(&used)),
        [
            "/storage/files/0/path v2-filesystem-undefined none of the merged configs defines a file system \"d\""
        ]
    );
    assert_eq!(
        told(&merge(config(&defined("/a")), config(&defined("/b")))),
        [
            "/storage/filesystems/1/path v2-filesystem-ambiguous the merged configs give the name \"d\" to two devices"
        ]
    );
    assert!(told(&merge(config(&defined("/a")), config(&defined("/a")))).is_empty());
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

#[test]
fn what_is_told_of_nodes() {
    let file = |entry: &str| storage(&[nodes("files", &[entry])]);
    let directory = |entry: &str| storage(&[nodes("directories", &[entry])]);
    for (version, members, expected) in [
        (
            "2.3.0",
            file(r#""mode":420"#),
            &["/storage/files/0/path path-missing"][..],
        ),
        (
            "2.3.0",
            file(r#""mode":420,"path":"a""#),
            &["/storage/files/0/path path-relative"],
        ),
        (
            "2.3.0",
            file(r#""path":"/a","mode":4096"#),
            &["/storage/files/0/mode mode-illegal"],
        ),
        (
            "2.3.0",
            file(r#""path":"/a","mode":644"#),
            &["warning /storage/files/0/mode mode-special-bits"],
        ),
        (
            "2.3.0",
            file(r#""path":"/a""#),
            &["warning /storage/files/0 v2-changed"],
        ),
        ("2.3.0", file(r#""path":"/a","append":true"#), &[]),
        (
            "2.1.0",
            file(r#""path":"/a""#),
            &["warning /storage/files/0 v2-doubtful"],
        ),
        (
            "2.1.0",
            file(r#""path":"/a","mode":0"#),
            &["warning /storage/files/0 v2-doubtful"],
        ),
        ("2.2.0", file(r#""path":"/a","mode":0"#), &[]),
        (
            "2.3.0",
            file(r#""path":"/a","mode":420,"user":{"id":1,"name":"x"}"#),
            &["/storage/files/0/user owner-ambiguous"],
        ),
        (
            "2.3.0",
            file(r#""path":"/a","mode":420,"contents":{"compression":"xz"}"#),
            &["/storage/files/0/contents/compression compression-unknown"],
        ),
        (
            "2.3.0",
            file(r#""path":"/a","append":true,"overwrite":true"#),
            &["/storage/files/0/overwrite v2-invalid"],
        ),
        ("2.3.0", directory(r#""path":"/a","mode":493"#), &[]),
        ("2.3.0", directory(r#""path":"/a/b","mode":448"#), &[]),
        ("2.3.0", directory(r#""path":"/a/b/c","mode":493"#), &[]),
        (
            "2.3.0",
            directory(r#""path":"/a/b/c","mode":448"#),
            &["warning /storage/directories/0/path v2-changed"],
        ),
        (
            "2.3.0",
            directory(r#""path":"/a/b/c","mode":493,"user":{"name":"x"}"#),
            &["warning /storage/directories/0/path v2-changed"],
        ),
        (
            "2.3.0",
            directory(r#""path":"/a/b/c","mode":493,"user":{"name":"root"},"group":{"id":0}"#),
            &[],
        ),
        (
            "2.3.0",
            storage(&[nodes(
                "directories",
                &[r#""path":"/a/b","mode":493"#, r#""path":"/a/b/c","mode":448"#],
            )]),
            &[],
        ),
        (
            "2.3.0",
            storage(&[
                nodes("links", &[r#""path":"/l","target":"/t""#]),
                nodes(
                    "files",
                    &[r#""path":"/l/a","mode":420"#, r#""path":"/lx/a","mode":420"#],
                ),
            ]),
            &["/storage/files/0 file-below-link"],
        ),
        (
            "2.3.0",
            storage(&[nodes("links", &[r#""path":"/l""#])]),
            &["/storage/links/0/target link-target-missing"],
        ),
    ] {
        assert_eq!(told(version, &members), *expected, "{version} {members}");
    }
    let mode = findings(&document("2.3.0", &file(r#""path":"/a","mode":644"#)));
    assert_eq!(
        mode[0].help.as_deref(),
        Some("modes are decimal: 0644 in octal is 420")
    );
}

/// The checklist's table of two entries for one path.
#[test]
fn entries_of_one_path_are_replayed() {
    let first = r#""path":"/a","mode":420,"contents":{"source":"data:,1"}"#;
    let file = |source: &str, mode: i64| json!({"path":"/a","mode":mode,"overwrite":true,"contents":{"source":source}});
    let taken =
        |entries: &[&str]| becomes("2.3.0", &storage(&[nodes("files", entries)]))["storage"]["files"].clone();
    assert_eq!(
        taken(&[
            first,
            r#""path":"/a","mode":384,"contents":{"source":"data:,2"},"overwrite":true"#
        ]),
        json!([file("data:,2", 384)])
    );
    let append = r#""path":"/a","contents":{"source":"data:,2"},"append":true"#;
    let mut chained = file("data:,1", 420);
    chained["append"] = json!([{"source":"data:,2"},{"source":"data:,3"}]);
    chained["user"] = json!({"id":5});
    assert_eq!(
        taken(&[
            first,
            append,
            r#""path":"/a","contents":{"source":"data:,3"},"append":true,"user":{"id":5}"#
        ]),
        json!([chained])
    );
    assert_eq!(
        taken(&[append, append]),
        json!([{"path":"/a","overwrite":false,"append":[{"source":"data:,2"},{"source":"data:,2"}]}])
    );
    assert_eq!(taken(&[append, first]), json!([file("data:,1", 420)]));
    let kept = r#""path":"/a","mode":420,"overwrite":false"#;
    let appended = r#""path":"/a","append":true,"overwrite":false"#;
    for second in [kept, appended] {
        let members = storage(&[nodes("files", &[first, second])]);
        assert_eq!(
            told("2.3.0", &members),
            ["/storage/files/1/path v2-invalid"],
            "{second}"
        );
    }
    let link = |rest: &str| format!(r#""path":"/a","target":"/t"{rest}"#);
    let links = |second: &str| storage(&[nodes("links", &[&link(""), &link(second)])]);
    assert_eq!(told("2.3.0", &links("")), ["/storage/links/1/path v2-invalid"]);
    assert_eq!(
        becomes("2.3.0", &links(r#","overwrite":true"#)),
        json!({"storage":{"links":[{"path":"/a","target":"/t","overwrite":true}]}})
    );
    let directories = storage(&[nodes(
        "directories",
        &[
            r#""path":"/a","mode":448,"overwrite":true"#,
            r#""path":"/a","mode":493"#,
        ],
    )]);
    assert_eq!(
        becomes("2.3.0", &directories),
        json!({"storage":{"directories":[{"path":"/a","mode":493,"overwrite":true}]}})
    );
    for (lists, at) in [
        (["directories", "files"], "/storage/files/0/path"),
        (["directories", "links"], "/storage/links/0/path"),
        (["files", "links"], "/storage/links/0/path"),
    ] {
        let mode = |list: &str| {
            if list == "links" {
                r#","target":"/t""#
            } else {
                r#","mode":493"#
            }
        };
        let lists = lists.map(|list| nodes(list, &[&format!(r#""path":"/a"{}"#, mode(list))]));
        assert_eq!(
            told("2.3.0", &storage(&lists)),
            [format!("{at} v2-inexpressible")]
        );
    }
}

#[test]
fn nodes_keep_what_they_say() {
    expect_made(&[
        (
            "2.3.0",
            r#""storage":{"filesystems":[{"name":"d","mount":{"device":"/d","format":"xfs"}}],"links":[{"filesystem":"d","path":"/a","target":"b/../c","hard":true},{"filesystem":"d","path":"/e","target":"/f","hard":false}]}"#,
            json!({"storage":{"filesystems":[{"device":"/d","format":"xfs","path":"/tmp/d-ign1"}],"links":[
                {"path":"/tmp/d-ign1/a","target":"/tmp/d-ign1/c","hard":true},{"path":"/tmp/d-ign1/e","target":"/f"}]}}),
        ),
        (
            "2.3.0",
            r#""storage":{"filesystems":[{"name":"d","mount":{"device":"/d","format":"xfs"}}],"directories":[{"filesystem":"d","path":"/","mode":493}]}"#,
            json!({"storage":{"filesystems":[{"device":"/d","format":"xfs","path":"/tmp/d-ign1"}],"directories":[
                {"path":"/tmp/d-ign1","mode":493}]}}),
        ),
        (
            "2.0.0",
            r#""storage":{"files":[{"filesystem":"root","path":"/a","mode":420,"group":{"id":7}}]}"#,
            json!({"storage":{"files":[{"path":"/a","mode":420,"overwrite":true,"contents":{"source":""},
                "user":{"id":0},"group":{"id":7}}]}}),
        ),
        (
            "2.3.0",
            r#""storage":{"files":[{"filesystem":"root","path":"/a","mode":1204}]}"#,
            json!({"storage":{"files":[{"path":"/a","mode":180,"overwrite":true,"contents":{"source":""}}]}}),
        ),
    ]);
}

#[test]
fn what_is_told_of_units() {
    expect(&[
        (
            "2.3.0",
            r#""systemd":{"units":[{"name":"a"}]}"#,
            &["/systemd/units/0/name unit-extension-unknown"],
        ),
        (
            "2.3.0",
            r#""systemd":{"units":[{"name":"a.service","contents":"[Unit"}]}"#,
            &["/systemd/units/0/contents unit-syntax"],
        ),
        (
            "2.3.0",
            r#""systemd":{"units":[{"name":"a.service","dropins":[{"name":"b","contents":"[x"}]}]}"#,
            &[
                "/systemd/units/0/dropins/0/name dropin-extension-unknown",
                "/systemd/units/0/dropins/0/contents unit-syntax",
            ],
        ),
        (
            "2.0.0",
            r#""systemd":{"units":[{"name":"a.service","enable":true,"contents":"[Unit]\nA=b\n"}]}"#,
            &["warning /systemd/units/0/contents unit-without-install"],
        ),
        (
            "2.1.0",
            r#""systemd":{"units":[{"name":"a.service","enable":true,"enabled":false}]}"#,
            &["warning /systemd/units/0/enable v2-changed"],
        ),
        (
            "2.1.0",
            r#""systemd":{"units":[{"name":"a.service","enabled":true},{"name":"a.service","enabled":false}]}"#,
            &["warning /systemd/units/1/enabled v2-changed"],
        ),
        (
            "2.3.0",
            r#""networkd":{"units":[{"name":"a.nspawn"}]}"#,
            &["/networkd/units/0/name unit-extension-unknown"],
        ),
        (
            "2.3.0",
            r#""networkd":{"units":[{"name":"a.network","contents":"[Match"}]}"#,
            &["/networkd/units/0/contents unit-syntax"],
        ),
        (
            "2.3.0",
            r#""networkd":{"units":[{"name":"a.network","dropins":[{"name":"b","contents":"[x]\n"}]}]}"#,
            &["/networkd/units/0/dropins/0/name dropin-extension-unknown"],
        ),
        (
            "2.1.0",
            r#""networkd":{"units":[{"name":"a.network","dropins":[]}]}"#,
            &["warning /networkd/units/0/dropins key-unknown"],
        ),
    ]);
}

#[test]
fn units_of_one_name_are_one() {
    expect_made(&[
        (
            "2.3.0",
            r#""systemd":{"units":[
                {"name":"a.service","enabled":true,"contents":"[A]\n","dropins":[{"name":"1.conf","contents":"[B]\n"},{"name":"1.conf","contents":""}]},
                {"name":"b.service"},
                {"name":"a.service","mask":true,"contents":"","dropins":[{"name":"1.conf","contents":"[C]\n"},{"name":"2.conf"}]}]}"#,
            json!({"systemd":{"units":[
                {"name":"a.service","enabled":true,"mask":true,"contents":"[A]\n","dropins":[{"name":"1.conf","contents":"[C]\n"},{"name":"2.conf"}]},
                {"name":"b.service"}]}}),
        ),
        (
            "2.3.0",
            r#""networkd":{"units":[{"name":"a.network","contents":"a/%ü\n"},{"name":"a.network","contents":"[b]"},{"name":"c.link","dropins":[{"name":"x.conf"}]}]}"#,
            json!({"storage":{"files":[{"path":"/etc/systemd/network/a.network","mode":420,"overwrite":true,"contents":{"source":"data:,%5Bb%5D"}}]}}),
        ),
    ]);
}

#[test]
fn text_is_escaped_as_the_old_translation_does() {
    let unit = |text: &str| format!(r#""networkd":{{"units":[{{"name":"a.network","contents":"{text}"}}]}}"#);
    let made = becomes("2.3.0", &unit("#a/%ü\\n#-_.~$&+=:@"));
    let source = &made["storage"]["files"][0]["contents"]["source"];
    assert_eq!(source, "data:,%23a%2F%25%C3%BC%0A%23-_.~$&+=:@");
    let long = unit(&"#".repeat(9 << 20));
    assert_eq!(
        told("2.3.0", &long)[..],
        [
            "/networkd/units/0/contents unit-syntax",
            "/networkd/units/0/contents v2-inexpressible"
        ]
    );
}

#[test]
fn what_is_written_later_wins() {
    let file = |path: &str| nodes("files", &[&format!(r#""path":"{path}","mode":420"#)]);
    let network = format!(
        r#"{},"networkd":{{"units":[{{"name":"a.network","contents":"[a]\n"}}]}}"#,
        storage(&[file("/etc/systemd/network/a.network")])
    );
    assert_eq!(told("2.3.0", &network), ["warning /storage/files/0 v2-doubtful"]);
    let made = becomes("2.3.0", &network);
    assert_eq!(
        made["storage"]["files"][0]["contents"]["source"],
        "data:,%5Ba%5D%0A"
    );
    for (path, unit) in [
        ("/etc/systemd/system/a.service", r#""contents":"[a]\n""#),
        (
            "/etc/systemd/system/a.service.d/b.conf",
            r#""dropins":[{"name":"b.conf","contents":"[a]\n"}]"#,
        ),
    ] {
        let units = format!(
            r#"{},"systemd":{{"units":[{{"name":"a.service",{unit}}}]}}"#,
            storage(&[file(path)])
        );
        assert_eq!(told("2.3.0", &units), ["warning /storage/files/0 v2-doubtful"]);
        assert_eq!(becomes("2.3.0", &units)["storage"], Value::Null);
    }
    let empty = format!(
        r#"{},"systemd":{{"units":[{{"name":"a.service"}}]}}"#,
        storage(&[file("/etc/systemd/system/a.service")])
    );
    assert!(told("2.3.0", &empty).is_empty());
}

#[test]
fn accounts() {
    expect(&[
        (
            "2.1.0",
            r#""passwd":{"users":[{"name":"a","uid":0,"shell":"","create":{}}]}"#,
            &["/passwd/users/0/uid v2-invalid"],
        ),
        (
            "2.0.0",
            r#""passwd":{"users":[{"name":"a","uid":1}]}"#,
            &["warning /passwd/users/0/uid key-unknown"],
        ),
        (
            "2.3.0",
            r#""passwd":{"users":[{"name":"a","sshAuthorizedKeys":["planted-1"]},{"name":"a","sshAuthorizedKeys":["planted-2"]}]}"#,
            &["warning /passwd/users/1/sshAuthorizedKeys v2-changed"],
        ),
        (
            "2.3.0",
            r#""passwd":{"groups":[{"name":"a"},{"name":"a","gid":1}]}"#,
            &["/passwd/groups/1 v2-inexpressible"],
        ),
    ]);
    expect_made(&[
        (
            "2.3.0",
            r#""passwd":{"users":[{"name":"a","passwordHash":"planted-1","sshAuthorizedKeys":["k","l","k"],"groups":["g","g"],"uid":0},
                {"name":"b"},{"name":"a","passwordHash":"","sshAuthorizedKeys":["l","m"],"shell":"/s","gecos":""}],
                "groups":[{"name":"g","gid":0},{"name":"g","gid":0}]}"#,
            json!({"passwd":{"users":[{"name":"a","passwordHash":"","sshAuthorizedKeys":["k","l","m"],"groups":["g"],"uid":0,"shell":"/s"},
                {"name":"b"}],"groups":[{"name":"g","gid":0}]}}),
        ),
        (
            "2.0.0",
            r#""passwd":{"users":[{"name":"a","passwordHash":"","create":{"uid":0,"system":false}}]}"#,
            json!({"passwd":{"users":[{"name":"a","uid":0}]}}),
        ),
    ]);
}

#[test]
fn version_1_has_files_in_file_systems() {
    expect(&[
        (
            "1",
            r#""storage":{"filesystems":[{"device":"/a","format":"vfat","files":[{"path":"x","mode":420}]}]}"#,
            &[
                "/storage/filesystems/0/format filesystem-format-unknown",
                "/storage/filesystems/0/files/0/path path-relative",
            ],
        ),
        (
            "1",
            r#""storage":{"files":[]}"#,
            &["warning /storage/files key-unknown"],
        ),
    ]);
}

/// Cluster API's templates leave every object in, be it empty.
#[test]
fn empty_objects_are_nothing() {
    let members = r#""ignition":{"config":{},"security":{"tls":{}},"timeouts":{},"proxy":{}},"networkd":{},"passwd":{},"storage":{},"systemd":{}"#;
    assert!(told("2.4.0", members).is_empty());
    assert_eq!(becomes("2.4.0", members), json!({}));
}

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

/// The members of `fields` and below that came with a minor version, in the notation of the page.
fn came(with: u8, fields: &[shape::Field], above: &str, found: &mut Vec<String>) {
    for field in fields {
        let at = format!("{above}{}", field.name);
        let (below, mark) = match &field.shape {
            shape::Shape::Objects(below) => (*below, "[]"),
            shape::Shape::Object(below) => (*below, ""),
            shape::Shape::Is(_) => (&[][..], ""),
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
    let page = include_str!("../../../../docs/ignition-2.md");
    for (minor, version) in (1_u8..).zip(Edition::SECOND.into_iter().skip(1)) {
        let shape::Shape::Object(fields) = members::document(Edition::of_version(version).unwrap()) else {
            unreachable!()
        };
        let mut found = Vec::new();
        came(minor, fields, "", &mut found);
        let row = format!("| {version} | {} |", found.join(", "));
        assert!(page.contains(&row), "docs/ignition-2.md lacks this row:\n{row}");
    }
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

/// Documents made along the tables, of values that meet.
mod made_up {
    use proptest::prelude::*;

    use super::*;
    use crate::frontend::ignition2::shape::{Field, Shape};
    use crate::{fields, merge};

    /// Numbers from a seed; that they are even enough is all.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap_or_default() % sides
        }

        fn one<T: Copy>(&mut self, of: &[T]) -> T {
            of[self.roll(of.len())]
        }
    }

    const PATHS: [&str; 8] = [
        "/a",
        "/a/b",
        "/l",
        "/l/c",
        "/sysroot",
        "/sysroot/d",
        "x",
        "/etc/systemd/system/u.service",
    ];

    fn text(dice: &mut Dice, name: &str) -> &'static str {
        match name {
            "filesystem" => dice.one(&["root", "root", "root", "d", "oem", "s"]),
            "path" | "target" => dice.one(&PATHS),
            "device" => dice.one(&["/dev/a", "/dev/b", "/dev/c"]),
            "format" => dice.one(&["ext4", "xfs", "btrfs", "swap", ""]),
            "source" => dice.one(&["data:,a", "data:,b", "http://h/a", "oem:///a", ""]),
            "hash" => dice.one(&["sha512-planted", "md5-x", "x"]),
            "contents" => dice.one(&["[U]\\nA=b\\n", "", "[planted"]),
            "name" => dice.one(&["root", "u.service", "n.network", "d", "c.conf", ""]),
            "level" => dice.one(&["raid0", "raid1"]),
            "label" => dice.one(&["a:b", "c", ""]),
            "compression" => "gzip",
            "passwordHash" | "value" | "gecos" | "shell" | "homeDir" => dice.one(&["planted", ""]),
            _ => dice.one(&["x", "", "y"]),
        }
    }

    fn value(dice: &mut Dice, name: &str, shape: &Shape, out: &mut String) {
        match name {
            "version" => return out.push_str("\"planted\""),
            "ignitionVersion" => return out.push('1'),
            _ => {}
        }
        if name != "ignition" && dice.roll(400) == 0 {
            out.push_str(dice.one(&["null", "5", "\"x\"", "[{}]", "{}", "[null]", "1.5", "-0"]));
            return;
        }
        match shape {
            Shape::Is(fields::Shape::Texts) => {
                let entries: Vec<String> = (0..dice.roll(3))
                    .map(|_| format!("\"{}\"", text(dice, "device")))
                    .collect();
                *out += &format!("[{}]", entries.join(","));
            }
            Shape::Is(fields::Shape::Boolean) => out.push_str(dice.one(&["true", "false"])),
            Shape::Is(fields::Shape::Integer) => {
                out.push_str(dice.one(&["0", "1", "2", "2048", "420", "644", "-1", "9223372036854775807"]))
            }
            Shape::Is(_) => *out += &format!("\"{}\"", text(dice, name)),
            Shape::Object(fields) => object(dice, fields, out),
            Shape::Objects(fields) => {
                out.push('[');
                for index in 0..dice.roll(4) {
                    if index > 0 {
                        out.push(',');
                    }
                    object(dice, fields, out);
                }
                out.push(']');
            }
        }
    }

    fn object(dice: &mut Dice, fields: &[Field], out: &mut String) {
        out.push('{');
        let mut first = true;
        for field in fields {
            // What is needed is mostly there, and what excludes the rest rarely.
            let is_needed = matches!(
                field.name,
                "filesystem"
                    | "path"
                    | "name"
                    | "device"
                    | "format"
                    | "mount"
                    | "mode"
                    | "level"
                    | "devices"
                    | "target"
                    | "number"
            );
            let odds = match field.name {
                "path" if fields.iter().any(|other| other.name == "mount") => 1,
                "create" | "mount" if is_needed => 19,
                "create" | "start" | "size" => 1,
                "ignition" | "version" | "ignitionVersion" => 20,
                _ if is_needed => 19,
                _ => 8,
            };
            if dice.roll(20) >= odds {
                continue;
            }
            if !first {
                out.push(',');
            }
            first = false;
            *out += &format!("\"{}\":", field.name);
            value(dice, field.name, &field.shape, out);
        }
        out.push('}');
    }

    fn made_up(seed: u64) -> String {
        let mut dice = Dice(seed);
        let edition = dice.roll(6);
        let edition = Edition::SECOND
            .get(edition)
            .and_then(|version| Edition::of_version(version));
        let edition = edition.unwrap_or(Edition {
            minor: 0,
            is_first: true,
        });
        let Shape::Object(fields) = members::document(edition) else {
            unreachable!()
        };
        let mut text = String::new();
        object(&mut dice, fields, &mut text);
        text.replace(
            "\"version\":\"planted\"",
            &format!("\"version\":\"{}\"", edition.as_str()),
        )
    }

    fn errors(findings: &[Diagnostic]) -> usize {
        findings
            .iter()
            .filter(|finding| finding.severity == crate::diagnostic::Severity::Error)
            .count()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_finding_has_its_place(seed: u64, other: u64) {
            let text = made_up(seed);
            prop_assert!(crate::document::syntax(&text).is_ok(), "{}", text);
            let told = findings(&text);
            for note in explain(&text) {
                prop_assert!(note.span.is_some());
            }
            if let Ok(checked) = check(&text) {
                let written = convert(&checked, Version::V3_4_0).map_err(|refused| TestCaseError::fail(format!("{text} {refused:?}")))?;
                let again = check(&written).unwrap();
                prop_assert_eq!(again.config(), checked.config());
                let second = made_up(other);
                if let Ok(second) = check(&second) {
                    let merged = merge(checked.into_config(), second.into_config());
                    let _ = check_merged(&merged);
                }
            } else {
                prop_assert!(errors(&told) > 0);
            }
        }
    }

    #[test]
    fn enough_of_them_are_valid() {
        let valid = (0..2_000_u64)
            .filter(|seed| check(&made_up(seed * 7_919)).is_ok())
            .count();
        assert!(valid > 100, "{valid}");
    }
}
