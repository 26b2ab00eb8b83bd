//! Units of systemd and of networkd.

use super::*;

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
