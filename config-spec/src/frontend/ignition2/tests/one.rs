//! Version 1.

use super::*;

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
