//! Odd and hostile documents.

use super::*;

fn told(text: &str) -> Vec<String> {
    match check(text) {
        Ok(checked) => checked.warnings().iter().map(describe).collect(),
        Err(Rejected::Invalid(findings)) => findings.iter().map(describe).collect(),
        Err(rejected) => vec![rejected.reference().to_owned()],
    }
}

fn describe(finding: &Diagnostic) -> String {
    format!("{} {} {}", finding.severity, finding.at.dollar(), finding.rule)
}

#[test]
fn the_version_comes_before_everything_but_grammar() {
    for (text, expected) in [
        ("", "ErrEmpty"),
        (
            r#"{"ignition":{"version":"9.9.9"},"storage":5}"#,
            "ErrUnknownVersion",
        ),
        (r#"{"ignition":{"version":"9.9.9"}"#, "error $ json-syntax"),
        (" \n", "error $ json-syntax"),
        ("null", "ErrInvalidVersion"),
        ("{}", "ErrInvalidVersion"),
        (r#"{"ignition":null}"#, "ErrInvalidVersion"),
        (r#"{"ignition":{"version":null}}"#, "ErrInvalidVersion"),
        (r#"{"ignition":{"version":""}}"#, "ErrInvalidVersion"),
        (r#"{"ignition":{"version":"3.4"}}"#, "ErrInvalidVersion"),
        (
            r#"{"ignition":{"version":3}}"#,
            "error $.ignition.version type-mismatch",
        ),
        (r#"{"ignition":[]}"#, "error $.ignition type-mismatch"),
        ("[]", "error $ type-mismatch"),
        ("\"x\"", "error $ type-mismatch"),
        ("\u{feff}{}", "error $ json-syntax"),
        ("\0", "error $ json-syntax"),
        ("#cloud-config\n", "error $ user-data-foreign"),
    ] {
        assert_eq!(told(text), [expected], "{text:?}");
    }
}

#[test]
fn refusals_say_what_to_write() {
    for (text, help) in [
        (
            r#"{"ignition":{"version":"3.6.0-experimental"}}"#,
            "3.6.0 is stable: write \"3.6.0\"",
        ),
        (
            r#"{"ignition":{"version":"3.7.0"}}"#,
            "3.7.0 is not stable yet: write \"3.7.0-experimental\"",
        ),
        (
            "#cloud-config\nusers: []\n",
            "cloud-init is not what reads it here, and nothing of it was done: write the same as a Butane or Ignition config",
        ),
        (r#"{"ignition":{"version":"3.6.0"},}"#, "remove the comma"),
        (
            r#"{"ignition":{"version":"3.6.0"},"storage":{"files":[{"path":"/a","mode":"0644"}]}}"#,
            "write a decimal number without quotes; octal has no form in JSON (0644 is 420)",
        ),
    ] {
        let rejected = check(text).expect_err(text);
        let diagnostics = rejected.diagnostics();
        assert_eq!(
            diagnostics.first().and_then(|finding| finding.help.as_deref()),
            Some(help),
            "{text}"
        );
        assert!(diagnostics.iter().all(|finding| finding.span.is_some()), "{text}");
    }
}

fn document(members: &str) -> String {
    format!(r#"{{"ignition":{{"version":"3.2.0"}},{members}}}"#)
}

#[test]
fn types_are_strict_and_all_are_told() {
    let text = document(
        r#""passwd":{"users":[{"name":7,"uid":"7"},{"uid":4.0,"system":"true"},{"uid":9223372036854775808,"groups":"x"}]},
           "storage":{"files":{},"disks":[5]},"systemd":[]"#,
    );
    assert_eq!(
        told(&text),
        [
            "error $.passwd.users.0.name type-mismatch",
            "error $.passwd.users.0.uid type-mismatch",
            "error $.passwd.users.1.uid type-mismatch",
            "error $.passwd.users.1.system type-mismatch",
            "error $.passwd.users.2.uid type-mismatch",
            "error $.passwd.users.2.groups type-mismatch",
            "error $.storage.files type-mismatch",
            "error $.storage.disks.0 type-mismatch",
            "error $.systemd type-mismatch",
        ]
    );
}

#[test]
fn odd_but_valid_values_are_read_as_by_the_reference() {
    let text =
        document(r#""passwd":{"users":[{"name":"\ud800a","uid":-0,"gecos":"\ud83d\ude00","shell":null}]}"#);
    let checked = check(&text).expect("nothing is wrong");
    let user = &checked.config().passwd.users[0];
    assert_eq!(
        (user.name.as_str(), user.uid, user.gecos.as_deref()),
        ("\u{fffd}a", Some(0), Some("😀"))
    );
    assert_eq!(user.shell, None);
    assert_eq!(checked.version(), Version::V3_2_0);
    assert_eq!(checked.config().ignition.version, "3.7.0-experimental");
}

#[test]
fn members_of_newer_versions_are_ignored() {
    let text = document(
        r#""kernelArguments":{"shouldExist":5},"storage":{"luks":[{"name":"a","device":"/d","discard":"x"}]}"#,
    );
    let checked = check(&text).expect("what is ignored cannot be wrong");
    assert!(checked.config().kernel_arguments.should_exist.is_empty());
    assert_eq!(checked.config().storage.luks[0].discard, None);
    assert_eq!(
        told(&text),
        [
            "warning $.kernelArguments key-unknown",
            "warning $.storage.luks.0.discard key-unknown"
        ]
    );
}

#[test]
fn unknown_members_are_not_looked_into() {
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    let text = document(&format!(
        r#""$schema":{{"a":[{{"b":1,"b":2}}]}},"x":{deep},"\ud800":{{"\ud800":1}},"":1"#
    ));
    assert_eq!(
        told(&text),
        [
            "warning $.$schema key-unknown",
            "warning $.x key-unknown",
            "warning $.\u{fffd} key-unknown",
            "warning $. key-unknown",
        ]
    );
}

#[test]
fn of_twin_members_the_last_counts() {
    let text = document(
        r#""passwd":{"users":[{"name":"a","uid":1,"uid":2}],"users":[{"name":"b","n\u0061me":"c"}]}"#,
    );
    let checked = check(&text).expect("twins are only suspicious");
    assert_eq!(checked.config().passwd.users.len(), 1);
    assert_eq!(checked.config().passwd.users[0].name, "c");
    assert_eq!(
        told(&text),
        [
            "warning $.passwd.users.0.uid key-duplicate",
            "warning $.passwd.users key-duplicate",
            "warning $.passwd.users.0.name key-duplicate",
        ]
    );
}

#[test]
fn members_of_other_case_are_told_and_read() {
    for (members, names, expected) in [
        (
            r#""Passwd":{"USERS":[{"name":"a","unknown":1,"name":"b"}]}"#,
            vec!["b"],
            vec![
                "warning $.Passwd key-unknown",
                "warning $.passwd.users.0.name key-duplicate",
            ],
        ),
        (
            "\"pa\u{17f}\u{17f}wd\":{\"users\":[{\"name\":\"a\"}]}",
            vec!["a"],
            vec!["warning $.pa\u{17f}\u{17f}wd key-unknown"],
        ),
        // Of names in several cases the last counts, and what is in it is told as usual.
        (
            r#""PASSWD":{"users":[{"name":"a"}]},"passwd":{"users":[{"name":"b","unknown":1}]}"#,
            vec!["b"],
            vec![
                "warning $.PASSWD key-unknown",
                "warning $.passwd key-duplicate",
                "warning $.passwd.users.0.unknown key-unknown",
            ],
        ),
        // The version does not have the section, in whatever case.
        (
            r#""KernelArguments":{"shouldExist":["a"]}"#,
            vec![],
            vec!["warning $.KernelArguments key-unknown"],
        ),
    ] {
        let text = document(members);
        let checked = check(&text).expect("other case is only suspicious");
        let users = checked.config().passwd.users.iter();
        assert_eq!(
            users.map(|user| user.name.as_str()).collect::<Vec<_>>(),
            names,
            "{text}"
        );
        assert_eq!(told(&text), expected, "{text}");
    }
    let typed = document(r#""Passwd":{"users":5}"#);
    assert_eq!(
        told(&typed),
        [
            "warning $.Passwd key-unknown",
            "error $.passwd.users type-mismatch"
        ]
    );
    assert!(check(r#"{"Ignition":{"VERSION":"3.4.0"}}"#).is_ok());
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| document(&format!(r#""x":{}{}"#, "[".repeat(levels), "]".repeat(levels)));
    assert_eq!(told(&nested(9_999)), ["warning $.x key-unknown"]);
    assert_eq!(told(&nested(10_000)), ["error $ json-syntax"]);
    assert_eq!(told(&"[".repeat(3_000_000)), ["error $ json-syntax"]);
    assert_eq!(
        told(&document(&format!(
            r#""storage":{}{}"#,
            "[".repeat(9_000),
            "]".repeat(9_000)
        ))),
        ["error $.storage type-mismatch"]
    );
}

#[test]
fn every_cut_and_every_changed_byte_is_survived() {
    let text = r#"{"ignition":{"version":"3.2.0","config":{"merge":[{"source":"data:,é%20","verification":{"hash":"sha256-"}}]}},
        "storage":{"files":[{"path":"/a\ud83d\ude00","mode":-0,"user":{"id":1}}],"luks":[{"clevis":{"custom":{},"tpm2":true}}]},
        "systemd":{"units":[{"name":"a@b.service","contents":"[x]\na=b\\\n"}]}}"#;
    let survive = |text: &str| {
        let findings = match check(text) {
            Ok(checked) => checked.warnings().to_vec(),
            Err(rejected) => rejected.diagnostics().into_owned(),
        };
        let lines = crate::diagnostic::Lines::new(text);
        for finding in &findings {
            let _ = finding.reference_position(&lines);
            let span = finding.span.clone().unwrap_or_default();
            assert!(text.get(span).is_some(), "{text}");
        }
        let _ = crate::diagnostic::render("c", text, &findings);
    };
    for cut in (0..=text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        survive(&text[..cut]);
        let Some(letter) = text[cut..].chars().next() else {
            continue;
        };
        for with in [
            "",
            "\0",
            "\"",
            "{",
            "]",
            "}",
            ",",
            ":",
            "-",
            "9",
            "\\",
            "n",
            "\u{1f600}",
            "\n",
        ] {
            survive(&format!(
                "{}{with}{}",
                &text[..cut],
                &text[cut + letter.len_utf8()..]
            ));
        }
    }
}

#[test]
fn thousands_of_findings_are_placed_in_one_walk() {
    let list: Vec<_> = (0..20_000)
        .map(|_| r#"{"path":"x","mode":9999,"moda":1}"#)
        .collect();
    let text = document(&format!(r#""storage":{{"files":[{}]}}"#, list.join(",")));
    let Err(Rejected::Invalid(findings)) = check(&text) else {
        panic!("the paths are relative")
    };
    // Of the rules' errors, their warnings, twins and unknown members, ten thousand each are listed.
    assert_eq!(findings.len(), 40_000);
    assert!(crate::diagnostic::render("c", &text, &findings).len() > 30_000);
}

#[test]
fn entries_are_counted_over_all_lists() {
    let named = |count: usize| -> Vec<String> {
        let numbers = 1..=count;
        numbers.map(|n| format!(r#"{{"name":"{n}"}}"#)).collect()
    };
    let (groups, users) = (named(100_000), named(31_073));
    let with = |users: &[String]| {
        document(&format!(
            r#""passwd":{{"groups":[{}],"users":[{}]}}"#,
            groups.join(","),
            users.join(",")
        ))
    };
    let fitting = with(&users[..31_072]);
    let checked = check(&fitting).unwrap();
    assert_eq!(checked.weight(), fitting.len() + 512 * 131_072);
    let text = with(&users);
    let rejected = check(&text).unwrap_err();
    let finding = &rejected.diagnostics()[0];
    assert!(finding.message.contains("more than 131072 entries"), "{finding}");
    assert!(text[finding.span.clone().unwrap().start..].starts_with("{\"name\":\"31073\"}"));
}

#[test]
fn hostile_syntax_is_answered_with_a_remedy_that_fits() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (text, remedy) in [
        (deep.as_str(), "the document is damaged"),
        ("{\"a\":\"\0\"}", "four hex digits"),
        ("{'a':1}", "double quotes"),
    ] {
        let rejected = check(text).unwrap_err();
        let help = rejected.diagnostics()[0].help.clone().unwrap_or_default();
        assert!(help.contains(remedy), "{help}");
    }
}
