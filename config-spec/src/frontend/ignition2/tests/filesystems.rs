//! File systems and their names.

use super::*;

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
            "/storage/files/0/path v2-filesystem-undefined in the merged configs no device goes by the name \"d\""
        ]
    );
    // The other one mounts the device elsewhere, for files of its own: neither gets the other's place.
    let other = r#"{"ignition":{"version":"3.4.0"},"storage":{"filesystems":[{"device":"/a","path":"/var/x","format":"xfs"}]}}"#;
    let other = check(other).expect("it is valid").into_config();
    let both = format!(
        r#""storage":{{{},"filesystems":[{{"name":"d","mount":{{"device":"/a","format":"xfs"}}}}]}}"#,
        file_in("d")
    );
    let merged = merge(other, config(&both));
    assert_eq!(merged.storage.filesystems[0].path.as_deref(), Some("/var/x"));
    assert_eq!(
        told(&merged),
        [
            "/storage/files/0/path v2-filesystem-undefined in the merged configs no device goes by the name \"d\""
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
