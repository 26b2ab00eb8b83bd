//! Files, directories and links.

use super::*;

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
fn absent_modes_are_told_once_with_their_number() {
    let entries = |list: &str, from: usize, to: usize| {
        let paths: Vec<String> = (from..to).map(|index| format!(r#""path":"/x{index}""#)).collect();
        nodes(list, &paths.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for (version, lists, expected) in [
        (
            "2.0.0",
            vec![entries("files", 0, 42)],
            "/storage/files/0 v2-doubtful nobody can use it, for without a mode it has 0000 (and 41 more)",
        ),
        (
            "2.1.0",
            vec![entries("files", 0, 2), entries("directories", 2, 3)],
            "/storage/directories/0 v2-doubtful nobody can use it, for without a mode it has 0000 (and 2 more)",
        ),
        (
            "2.3.0",
            vec![entries("files", 0, 1)],
            "/storage/files/0 v2-changed without a mode, a file has 0644 and a directory 0755 here; Ignition 2 made them 0000",
        ),
        (
            "2.3.0",
            vec![entries("files", 0, 2), entries("directories", 2, 3)],
            "/storage/directories/0 v2-changed without a mode, a file has 0644 and a directory 0755 here; Ignition 2 made them \
             0000 (and 2 more)",
        ),
    ] {
        let told = findings(&document(version, &storage(&lists)));
        let told: Vec<String> = told
            .iter()
            .map(|finding| format!("{} {} {}", finding.at, finding.rule, finding.message))
            .collect();
        assert_eq!(told, [expected], "{version}");
    }
}
