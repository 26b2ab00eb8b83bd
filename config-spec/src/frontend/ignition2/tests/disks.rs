//! Disks, partitions and arrays.

use super::*;

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
            vec![format!("{} v2-invalid", at("0/size")), assumed("0/size")],
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

/// What cuts a label may make two of one disk equal, which nobody could tell apart afterwards.
#[test]
fn labels_that_become_equal_by_cutting_are_refused_by_both_names() {
    let disk = |labels: &[&str]| {
        let labels = labels.iter().map(|label| format!(r#"{{"label":"{label}"}}"#));
        format!(
            r#"{{"device":"/dev/vda","partitions":[{}]}}"#,
            labels.collect::<Vec<_>>().join(",")
        )
    };
    let told = |disks: &[String]| -> Vec<String> {
        let text = document(
            "2.3.0",
            &format!(r#""storage":{{"disks":[{}]}}"#, disks.join(",")),
        );
        findings(&text)
            .iter()
            .filter(|finding| finding.severity == crate::diagnostic::Severity::Error)
            .map(|finding| format!("{} {} {}", finding.at, finding.rule, finding.message))
            .collect()
    };
    let refused = |at: &str, label: &str, other: &str, kept: &str| {
        format!(
            "/storage/disks/{at}/label v2-inexpressible the labels \"{label}\" and \"{other}\" of one disk are \
             cut at a colon, and become \"{kept}\" both"
        )
    };
    for (disks, expected) in [
        (
            vec![disk(&["data:1", "data:2"])],
            vec![refused("0/partitions/1", "data:2", "data:1", "data")],
        ),
        (
            vec![disk(&["data", "x", "data:2"])],
            vec![refused("0/partitions/2", "data:2", "data", "data")],
        ),
        (
            vec![disk(&["data:1", "data"])],
            vec![refused("0/partitions/1", "data", "data:1", "data")],
        ),
        // Two entries for one disk are joined.
        (
            vec![disk(&["data:1"]), disk(&["data:2"])],
            vec![refused("1/partitions/0", "data:2", "data:1", "data")],
        ),
        (
            vec![disk(&["data:1", "data:2", "data:3"])],
            vec![
                refused("0/partitions/1", "data:2", "data:1", "data"),
                refused("0/partitions/2", "data:3", "data:1", "data"),
            ],
        ),
        (vec![disk(&["data:1", "var:1"])], vec![]),
        (vec![disk(&["a:1"]), disk(&["a:2"]).replace("vda", "vdb")], vec![]),
    ] {
        assert_eq!(told(&disks), expected, "{disks:?}");
    }
    assert_eq!(
        told(&[disk(&["a", "a"])])[0],
        "/storage/disks/0/partitions/1 partition-label-collision label \"a\" is that of $.storage.disks.0.partitions.0"
    );
}
