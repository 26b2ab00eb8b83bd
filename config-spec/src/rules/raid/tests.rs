//! Rows: version, the array's members besides its name, findings.

use crate::rules::told::expect;

#[test]
fn arrays() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "3.6.0",
            r#""level":"raid1","devices":["/dev/a","/dev/b"],"spares":-3,"options":["x","x"]"#,
            &[],
        ),
        ("3.6.0", r#""level":"10","devices":["/dev/a"]"#, &[]),
        ("3.6.0", r#""devices":["/dev/a"]"#, &[".level raid-level-missing"]),
        ("3.2.0", r#""devices":["/dev/a"]"#, &[".level raid-level-unknown"]),
        (
            "3.6.0",
            r#""level":"RAID1","devices":["/dev/a"]"#,
            &[".level raid-level-unknown"],
        ),
        (
            "3.6.0",
            r#""level":"stripe","spares":1,"devices":["/dev/a"]"#,
            &[".level raid-spares-unsupported"],
        ),
        ("3.6.0", r#""level":"0","spares":0,"devices":["/dev/a"]"#, &[]),
        ("3.6.0", r#""level":"raid1""#, &[".devices raid-devices-missing"]),
        (
            "3.6.0",
            r#""level":"raid1","devices":["","a","/a/","/b","/b"]"#,
            &[
                ".devices.0 path-missing",
                ".devices.1 path-relative",
                ".devices.2 path-unclean",
                ".devices.4 entry-duplicate",
            ],
        ),
    ];
    expect(
        "$.storage.raid.0",
        |raid| format!(r#""storage":{{"raid":[{{"name":"r",{raid}}}]}}"#),
        rows,
    );
}
