//! Rows: version, members of `storage`, findings.

use crate::rules::told::{expect, told};

fn rows(rows: &[(&str, &str, &[&str])]) {
    expect(
        "$.storage.",
        |members| format!(r#""storage":{{{members}}}"#),
        rows,
    );
}

#[test]
fn paths_and_modes() {
    rows(&[
        ("3.0.0", r#""files":[{"path":"/"}]"#, &[]),
        (
            "3.0.0",
            r#""files":[{}],"directories":[{"path":"a"}],"links":[{"path":"/a//b"}]"#,
            &[
                "directories.0.path path-relative",
                "files.0.path path-missing",
                "links.0.path path-unclean",
            ],
        ),
        (
            "3.6.0",
            r#""files":[{"path":"/a","mode":4095}],"directories":[{"path":"/b","mode":4096}]"#,
            &["directories.0.mode mode-illegal"],
        ),
        (
            "3.6.0",
            r#""files":[{"path":"/a","mode":-1}]"#,
            &["files.0.mode mode-illegal"],
        ),
        (
            "3.5.0",
            r#""files":[{"path":"/a","mode":-1}]"#,
            &[
                "files.0.mode mode-illegal",
                "warning files.0.mode mode-special-bits",
            ],
        ),
        (
            "3.5.0",
            r#""files":[{"path":"/a","mode":644}]"#,
            &["warning files.0.mode mode-special-bits"],
        ),
        ("3.6.0", r#""files":[{"path":"/a","mode":644}]"#, &[]),
        (
            "3.6.0",
            r#""files":[{"path":"/a","mode":9223372036854775807}]"#,
            &["files.0.mode mode-illegal"],
        ),
    ]);
}

#[test]
fn owners_and_contents() {
    rows(&[
        (
            "3.0.0",
            r#""files":[{"path":"/a","user":{"id":1,"name":""}}]"#,
            &[],
        ),
        (
            "3.0.0",
            r#""links":[{"path":"/a","user":{"id":0,"name":"x"}}]"#,
            &["links.0.user owner-ambiguous"],
        ),
        (
            "3.0.0",
            r#""files":[{"path":"/a","overwrite":true,"contents":{"source":""}}]"#,
            &[],
        ),
        (
            "3.0.0",
            r#""files":[{"path":"/a","overwrite":true}],"directories":[{"path":"/b","overwrite":true}]"#,
            &["files.0.overwrite overwrite-without-source"],
        ),
    ]);
}

#[test]
fn links() {
    rows(&[
        ("3.2.0", r#""links":[{"path":"/a"}]"#, &[]),
        (
            "3.3.0",
            r#""links":[{"path":"/a","target":""}]"#,
            &["links.0.target link-target-missing"],
        ),
        (
            "3.3.0",
            r#""links":[{"path":"/a","hard":true,"user":{"id":1}}]"#,
            &["links.0.target link-target-missing"],
        ),
        (
            "3.3.0",
            r#""links":[{"path":"/a","target":"/b","hard":true,"user":{"name":""},"group":{"id":0}}]"#,
            &[
                "warning links.0.group.id hard-link-owner-ignored",
                "warning links.0.user.name hard-link-owner-ignored",
            ],
        ),
        (
            "3.3.0",
            r#""links":[{"path":"/a","target":"/x/../d/","hard":true}],"directories":[{"path":"/d"}]"#,
            &["links.0 hard-link-to-directory"],
        ),
        (
            "3.3.0",
            r#""links":[{"path":"/x/a","target":"../d","hard":true}],"directories":[{"path":"/x/d"}]"#,
            &["links.0 hard-link-to-directory"],
        ),
        (
            "3.3.0",
            r#""links":[{"path":"/x/a","target":"../d"}],"directories":[{"path":"/x/d"}]"#,
            &[],
        ),
    ]);
}

#[test]
fn nodes_in_each_others_way() {
    rows(&[
        (
            "3.3.0",
            r#""links":[{"path":"/l","target":"x"}],"files":[{"path":"/l/a"},{"path":"/lx"}]"#,
            &["files.0 file-below-link"],
        ),
        (
            "3.3.0",
            r#""links":[{"path":"/l","target":"x"},{"path":"/l/m","target":"x"}],"directories":[{"path":"/l/m/d"}]"#,
            &[
                "directories.0 directory-below-link",
                "directories.0 directory-below-link",
                "links.1 link-below-link",
            ],
        ),
        (
            "3.3.0",
            r#""links":[{"path":"","target":"x"}],"files":[{"path":"/a"}]"#,
            &["files.0 file-below-link", "links.0.path path-missing"],
        ),
        (
            "3.3.0",
            r#""links":[{"path":"/","target":"x"}],"files":[{"path":"/a"}]"#,
            &[],
        ),
        ("3.3.0", r#""files":[{"path":"/a"},{"path":"/a/b"}]"#, &[]),
        (
            "3.3.0",
            r#""directories":[{"path":"/a"}],"files":[{"path":"/a"}],"links":[{"path":"/a","target":"x"}]"#,
            &["files.0 entry-duplicate", "links.0 entry-duplicate"],
        ),
    ]);
}

#[test]
fn paths_of_units() {
    let units = r#""systemd":{"units":[{"name":"a.service","contents":"[U]"},{"name":"b.service","contents":"","mask":true},
        {"name":"c.service","dropins":[{"name":"d.conf","contents":"[U]"}]}]}"#;
    let node = |path: &str| {
        format!(r#"{units},"storage":{{"links":[{{"path":"/etc/systemd/system/{path}","target":"x"}}]}}"#)
    };
    for (path, expected) in [
        ("a.service", &["path-of-unit"][..]),
        ("b.service", &[]),
        ("c.service", &[]),
        ("c.service.d/d.conf", &["path-of-unit"]),
        ("c.service.d/e.conf", &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(|rule| format!(" {rule}")).collect();
        assert_eq!(
            told("3.6.0", "$.storage.links.0.path", &node(path)),
            expected,
            "{path}"
        );
    }
}
