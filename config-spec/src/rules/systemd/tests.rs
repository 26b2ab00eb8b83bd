//! Rows: version, the list of units, findings.

use crate::rules::told::expect;

#[test]
fn units() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "3.0.0",
            r#"{"name":".service"},{"name":"a b/c.timer"},{"name":"d.mount","mask":true,"enabled":true}"#,
            &[],
        ),
        ("3.0.0", r#"{"name":""}"#, &["0.name unit-extension-unknown"]),
        (
            "3.0.0",
            r#"{"name":"a.Service"}"#,
            &["0.name unit-extension-unknown"],
        ),
        (
            "3.0.0",
            r#"{"name":"a.service/b"}"#,
            &["0.name unit-extension-unknown"],
        ),
        (
            "3.0.0",
            r#"{"name":"a.service","dropins":[{"name":".conf"}]}"#,
            &[],
        ),
        (
            "3.0.0",
            r#"{"name":"a.service","dropins":[{"name":"conf"}]}"#,
            &["0.dropins.0.name dropin-extension-unknown"],
        ),
        (
            "3.0.0",
            r#"{"name":"a.service","contents":"[x"}"#,
            &["0.contents unit-syntax"],
        ),
        (
            "3.0.0",
            r#"{"name":"a.service","dropins":[{"name":"a.conf","contents":"[x]\na"}]}"#,
            &["0.dropins.0.contents unit-syntax"],
        ),
        ("3.0.0", r#"{"name":"a.service","enabled":true}"#, &[]),
        (
            "3.0.0",
            r#"{"name":"a.service","enabled":true,"contents":""}"#,
            &[],
        ),
        (
            "3.0.0",
            r#"{"name":"a.service","enabled":false,"contents":"[x]\na=b"}"#,
            &[],
        ),
        (
            "3.0.0",
            r#"{"name":"a.service","enabled":true,"contents":"[x]\na=b"}"#,
            &["warning 0.contents unit-without-install"],
        ),
        (
            "3.0.0",
            r#"{"name":"a.service","enabled":true,"contents":"[Install]\na=b"}"#,
            &[],
        ),
        (
            "3.0.0",
            r#"{"name":"a@.service","contents":"[x]\na=b"},{"name":"a@b@c.service","enabled":true}"#,
            &["warning 1.contents template-without-install"],
        ),
        (
            "3.0.0",
            r#"{"name":"a@.timer","contents":"[x]\na=b"},{"name":"a@b.timer","enabled":true}"#,
            &[],
        ),
        (
            "3.0.0",
            r#"{"name":"a@.service","contents":"[Install]\na=b"},{"name":"a@b.service","enabled":true}"#,
            &[],
        ),
        (
            "3.0.0",
            r#"{"name":"a@.service"},{"name":"a@b.service","enabled":true}"#,
            &[],
        ),
        (
            "3.0.0",
            r#"{"name":"a.service","dropins":[{"name":"b.conf"},{"name":"b.conf"}]},{"name":"a.service"}"#,
            &["0.dropins.1 entry-duplicate", "1 entry-duplicate"],
        ),
    ];
    expect(
        "$.systemd.units.",
        |units| format!(r#""systemd":{{"units":[{units}]}}"#),
        rows,
    );
}
