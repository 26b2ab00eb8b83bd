//! Rows: version, members of the one disk or of its partitions, findings.

use crate::rules::told::expect;

#[test]
fn disks() {
    expect(
        "$.storage.disks.0",
        |disk| format!(r#""storage":{{"disks":[{disk}]}}"#),
        &[
            ("3.0.0", r#"{"device":"/dev/vda"}"#, &[]),
            ("3.0.0", r#"{}"#, &[".device device-missing"]),
            ("3.0.0", r#"{"device":"vda"}"#, &[".device path-relative"]),
            ("3.0.0", r#"{"device":"/dev/../vda"}"#, &[".device path-unclean"]),
            // Without a device only what is wrong inside a partition is told.
            (
                "3.6.0",
                r#"{"partitions":[{"number":1,"label":"a"},{"number":1,"label":"a:"}]}"#,
                &[
                    ".device device-missing",
                    ".partitions.1.label partition-label-colon",
                    ".partitions.1 entry-duplicate",
                ],
            ),
        ],
    );
}

#[test]
fn partitions() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("3.6.0", r#"{"number":1}"#, &[]),
        ("3.6.0", r#"{"label":""}"#, &[]),
        ("3.6.0", r#"{"number":-1}"#, &[]),
        ("3.6.0", r#"{"sizeMiB":1}"#, &["0 partition-unnamed"]),
        (
            "3.6.0",
            r#"{"number":0},{"number":0}"#,
            &["0 partition-unnamed", "1 partition-unnamed", "1 entry-duplicate"],
        ),
        (
            "3.6.0",
            r#"{"number":1,"shouldExist":false,"guid":"","typeGuid":"","wipePartitionEntry":true,"resize":true}"#,
            &[],
        ),
        (
            "3.6.0",
            r#"{"number":1,"shouldExist":false,"label":""}"#,
            &["0 partition-absent-with-details"],
        ),
        (
            "3.6.0",
            r#"{"number":1,"shouldExist":false,"startMiB":0}"#,
            &["0 partition-absent-with-details"],
        ),
        (
            "3.6.0",
            r#"{"number":1,"shouldExist":false,"sizeMiB":0}"#,
            &["0 partition-absent-with-details"],
        ),
        (
            "3.6.0",
            r#"{"number":1,"shouldExist":false,"guid":"0fc63daf-8483-4772-8e79-3d69d8477de4"}"#,
            &["0 partition-absent-with-details"],
        ),
        (
            "3.6.0",
            r#"{"label":"123456789012345678901234567890123456"}"#,
            &[],
        ),
        (
            "3.6.0",
            r#"{"label":"1234567890123456789012345678901234567"}"#,
            &["0.label partition-label-too-long"],
        ),
        (
            "3.6.0",
            r#"{"label":"éééééééééééééééééééé"}"#,
            &["0.label partition-label-too-long"],
        ),
        ("3.6.0", r#"{"label":"a:b"}"#, &["0.label partition-label-colon"]),
        (
            "3.6.0",
            r#"{"number":1,"guid":"0FC63DAF-8483-4772-8E79-3D69D8477DE4","typeGuid":""}"#,
            &[],
        ),
        ("3.6.0", r#"{"number":1,"guid":"x"}"#, &["0.guid guid-malformed"]),
        (
            "3.6.0",
            r#"{"number":1,"typeGuid":"0FC63DAF-8483-4772-8E79-3D69D8477DEG"}"#,
            &["0.typeGuid guid-malformed"],
        ),
        (
            "3.6.0",
            r#"{"number":1,"typeGuid":"0FC63DAF-8483-4772-8E79-3D69D8477DE4-"}"#,
            &["0.typeGuid guid-malformed"],
        ),
        (
            "3.1.0",
            r#"{"number":1,"resize":true}"#,
            &["warning 0.resize key-unknown"],
        ),
        (
            "3.6.0",
            r#"{"label":"a"},{"number":2,"label":"a"}"#,
            &["1 partition-label-collision"],
        ),
        (
            "3.6.0",
            r#"{"number":1,"label":"a"},{"number":2,"label":"a"},{"number":3,"label":"a"}"#,
            &["1 partition-label-collision"],
        ),
    ];
    let wrap =
        |list: &str| format!(r#""storage":{{"disks":[{{"device":"/dev/vda","partitions":[{list}]}}]}}"#);
    expect("$.storage.disks.0.partitions.", wrap, rows);
}

#[test]
fn ranges() {
    // Start and size of partitions 1, 2, …, and which is told to overlap.
    for (ranges, told) in [
        (&[(Some(1), Some(100)), (Some(101), Some(8))][..], None),
        (&[(Some(1), Some(100)), (Some(100), Some(8))], Some(1)),
        (&[(Some(100), Some(8)), (Some(1), Some(100))], Some(1)),
        (
            &[(Some(1), Some(100)), (Some(50), Some(1)), (Some(200), Some(1))],
            Some(1),
        ),
        (
            &[(Some(200), Some(9)), (Some(50), Some(1)), (Some(1), Some(100))],
            Some(2),
        ),
        (&[(Some(5), Some(0)), (Some(1), Some(4))], None),
        (&[(Some(5), Some(0)), (Some(1), Some(5))], Some(1)),
        (&[(Some(5), Some(0)), (Some(5), Some(0))], Some(1)),
        (&[(Some(0), Some(9)), (Some(0), Some(9))], None),
        (&[(None, Some(9)), (Some(1), Some(9))], None),
        (&[(Some(1), None), (Some(1), Some(9))], None),
        (
            &[(Some(i64::MAX), Some(i64::MAX)), (Some(1), Some(i64::MAX))],
            Some(1),
        ),
        (&[(Some(9), Some(-5)), (Some(1), Some(20))], None),
        (&[(Some(-9), Some(20)), (Some(1), Some(20))], Some(1)),
    ] {
        let mut config = crate::types::Config::default();
        let partitions =
            ranges
                .iter()
                .zip(1..)
                .map(|(&(start_mib, size_mib), number)| crate::types::Partition {
                    number,
                    start_mib,
                    size_mib,
                    ..Default::default()
                });
        let disk = crate::types::Disk {
            device: "/dev/vda".into(),
            partitions: partitions.collect(),
            ..Default::default()
        };
        config.storage.disks.push(disk);
        let findings = crate::check_merged(&config);
        let at = told.map(|index| format!("$.storage.disks.0.partitions.{index}"));
        assert_eq!(
            findings.first().map(|finding| finding.at.dollar()),
            at,
            "{ranges:?}"
        );
    }
}

#[test]
fn a_hundred_thousand_partitions_are_checked_quickly() {
    let partition = |number: i64| format!(r#"{{"number":{number},"startMiB":{number},"sizeMiB":1}}"#);
    let list: Vec<_> = (1..100_000).map(partition).collect();
    let members = format!(
        r#""storage":{{"disks":[{{"device":"/dev/vda","partitions":[{}]}}]}}"#,
        list.join(",")
    );
    assert_eq!(
        crate::rules::told::told("3.6.0", "$", &members),
        Vec::<String>::new()
    );
}
