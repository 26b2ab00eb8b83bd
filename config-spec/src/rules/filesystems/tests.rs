//! Rows: version, the file system's members besides its device, findings.

use crate::rules::told::{expect, told};

#[test]
fn filesystems() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("3.0.0", r#""format":"ext4""#, &[]),
        (
            "3.0.0",
            r#""wipeFilesystem":false,"path":"","label":"","uuid":"""#,
            &[],
        ),
        ("3.0.0", r#""path":"/a""#, &[".format filesystem-format-missing"]),
        ("3.0.0", r#""uuid":"a""#, &[".format filesystem-format-missing"]),
        (
            "3.0.0",
            r#""wipeFilesystem":true"#,
            &[".format filesystem-format-missing"],
        ),
        (
            "3.0.0",
            r#""options":["a"]"#,
            &[".format filesystem-format-missing"],
        ),
        (
            "3.1.0",
            r#""mountOptions":["a"],"format":"""#,
            &[".format filesystem-format-missing"],
        ),
        (
            "3.0.0",
            r#""label":"a""#,
            &[
                ".format filesystem-format-missing",
                ".label filesystem-label-without-format",
            ],
        ),
        (
            "3.0.0",
            r#""format":"none""#,
            &[".format filesystem-format-unknown"],
        ),
        (
            "3.3.0",
            r#""format":"none","label":"a label of any length at all""#,
            &[],
        ),
        (
            "3.6.0",
            r#""format":"virtiofs""#,
            &[".format filesystem-format-unknown"],
        ),
        (
            "3.6.0",
            r#""format":"EXT4""#,
            &[".format filesystem-format-unknown"],
        ),
        ("3.6.0", r#""format":"ext4","path":"a""#, &[".path path-relative"]),
        (
            "3.6.0",
            r#""format":"ext4","path":"/a/""#,
            &[".path path-unclean"],
        ),
        (
            "3.6.0",
            r#""format":"ext4","label":"1234567890123456","options":["a","a"],"mountOptions":["b","b"]"#,
            &[],
        ),
        (
            "3.6.0",
            r#""format":"ext4","label":"12345678901234567""#,
            &[".label ext4-label-too-long"],
        ),
        (
            "3.6.0",
            r#""format":"xfs","label":"1234567890123""#,
            &[".label xfs-label-too-long"],
        ),
        (
            "3.6.0",
            r#""format":"swap","label":"1234567890123456""#,
            &[".label swap-label-too-long"],
        ),
        (
            "3.6.0",
            r#""format":"vfat","label":"éééééé""#,
            &[".label vfat-label-too-long"],
        ),
    ];
    expect(
        "$.storage.filesystems.0",
        |members| format!(r#""storage":{{"filesystems":[{{"device":"/dev/a",{members}}}]}}"#),
        rows,
    );
    let long = format!(
        r#""storage":{{"filesystems":[{{"device":"/dev/a","format":"btrfs","label":"{}"}}]}}"#,
        "x".repeat(257)
    );
    assert_eq!(
        told("3.6.0", "$.storage.filesystems.0", &long),
        [".label btrfs-label-too-long"]
    );
}

#[test]
fn devices() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("3.6.0", r#"{"format":"ext4"}"#, &[".device path-missing"]),
        (
            "3.6.0",
            r#"{"device":"a","format":"ext4"}"#,
            &[".device path-relative"],
        ),
        (
            "3.7.0-experimental",
            r#"{"device":"tag","format":"virtiofs","path":"/a","mountOptions":["ro"]}"#,
            &[],
        ),
        (
            "3.7.0-experimental",
            r#"{"format":"virtiofs"}"#,
            &[".device virtiofs-tag-missing"],
        ),
        (
            "3.7.0-experimental",
            r#"{"device":"1234567890123456789012345678901234567","format":"virtiofs"}"#,
            &[".device virtiofs-tag-too-long"],
        ),
        (
            "3.7.0-experimental",
            r#"{"device":"t","format":"virtiofs","label":"l","uuid":"u","wipeFilesystem":true,"options":["o"]}"#,
            &[
                ".label virtiofs-label-unsupported",
                ".options filesystem-options-unsupported",
                ".uuid filesystem-uuid-unsupported",
                ".wipeFilesystem filesystem-wipe-unsupported",
            ],
        ),
    ];
    expect(
        "$.storage.filesystems.0",
        |list| format!(r#""storage":{{"filesystems":[{list}]}}"#),
        rows,
    );
}

#[test]
fn disks_of_the_same_name() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "3.6.0",
            r#""partitions":[{"number":1}]"#,
            &["warning .device filesystem-on-partitioned-disk"],
        ),
        (
            "3.6.0",
            r#""partitions":[{"number":1}],"wipeTable":true"#,
            &["warning .device filesystem-on-partitioned-disk"],
        ),
        (
            "3.6.0",
            r#""wipeTable":true"#,
            &["warning .device filesystem-wipe-implied"],
        ),
        ("3.6.0", r#""wipeTable":false"#, &[]),
    ];
    let wrap = |disk: &str| {
        format!(
            r#""storage":{{"disks":[{{"device":"/dev/a",{disk}}}],"filesystems":[{{"device":"/dev/a","format":"xfs"}}]}}"#
        )
    };
    expect("$.storage.filesystems.0", wrap, rows);
}
