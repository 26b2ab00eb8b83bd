//! Rows: version, members, findings.

use crate::rules::told::expect;

#[test]
fn twins() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "3.0.0",
            r#""passwd":{"users":[{"name":"a"},{"name":"b"},{"name":"a"}],"groups":[{"name":"a"},{},{}]}"#,
            &[
                "passwd.groups.2 entry-duplicate",
                "passwd.users.2 entry-duplicate",
            ],
        ),
        (
            "3.0.0",
            r#""passwd":{"users":[{"name":"a","groups":[null,""],"sshAuthorizedKeys":["k","k","k"]}]}"#,
            &[
                "passwd.users.0.groups.1 entry-duplicate",
                "passwd.users.0.sshAuthorizedKeys.1 entry-duplicate",
                "passwd.users.0.sshAuthorizedKeys.2 entry-duplicate",
            ],
        ),
        (
            "3.3.0",
            r#""kernelArguments":{"shouldExist":["a=1","a=2","b"],"shouldNotExist":["b",""]}"#,
            &["kernelArguments.shouldNotExist.0 entry-duplicate"],
        ),
        (
            "3.0.0",
            r#""storage":{"disks":[{"device":"/a"},{"device":"/a"}],"filesystems":[{"device":"/a"},{"device":"/a"}]}"#,
            &[
                "storage.disks.1 entry-duplicate",
                "storage.filesystems.1 entry-duplicate",
            ],
        ),
        (
            "3.0.0",
            r#""storage":{"files":[{"path":"/a","append":[{},{},{"source":"data:,"},{"source":"data:,"}]}]}"#,
            &[],
        ),
    ];
    expect("$.", str::to_owned, rows);
}
