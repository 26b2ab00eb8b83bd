use super::*;
use crate::diagnostic::{Colours, Diagnostic, Pointer, Severity, render, render_around};
use crate::rules::catalog as rule;

fn hidden(text: &str) -> Vec<&str> {
    let ranges = secrets(text).unwrap_or_else(|| panic!("{text}"));
    ranges.into_iter().map(|range| &text[range]).collect()
}

/// What is shown of `text` for a finding about each of its bytes.
fn shown(text: &str) -> String {
    let finding = |at: usize| Diagnostic {
        severity: Severity::Warning,
        rule: rule::KEY_UNKNOWN.id,
        at: Pointer::root(),
        span: Some(at..at + 1),
        message: "why".to_owned(),
        help: None,
    };
    let places = (0..text.len()).filter(|at| text.get(*at..at + 1).is_some());
    let findings: Vec<_> = places.map(finding).collect();
    render("f", text, &findings) + &render_around("f", text, &findings, Colours::None)
}

/// A value that is `planted`, in each way to write it, where the key's line is indented by `indent`.
fn ways(planted: &str, indent: usize) -> Vec<String> {
    let below = " ".repeat(indent + 2);
    let cut = planted.len() / 2;
    vec![
        planted.to_owned(),
        format!("{planted} # planted too"),
        format!("'{planted}'"),
        format!("\"{planted}\""),
        format!("\"{}\\\n{below}{}\"", &planted[..cut], &planted[cut..]),
        format!("{planted}\n{below}{planted}"),
        format!("|\n{below}{planted}\n\n{below}  {planted}"),
        format!(">- # planted comment\n{below}{planted}"),
        format!("!!str {planted}"),
        format!("&anchor {planted}"),
        format!("!!binary {planted}"),
        format!("\n{below}{planted}"),
    ]
}

#[test]
fn no_way_to_write_a_secret_shows_it() {
    for (before, indent, planted) in [
        (
            "passwd:\n  users:\n  - name: a\n    password_hash: ",
            4,
            "planted0",
        ),
        (
            "passwd:\n  users:\n  - name: a\n    ssh_authorized_keys:\n    - ",
            4,
            "planted1",
        ),
        (
            "storage:\n  files:\n  - path: /a\n    contents:\n      inline: ",
            6,
            "planted2",
        ),
        ("storage:\n  luks:\n  - key_file:\n      inline: ", 6, "planted3"),
        ("storage:\n  luks:\n  - key_file:\n      source: ", 6, "planted4"),
        (
            "systemd:\n  units:\n  - name: a.service\n    contents: ",
            4,
            "planted5",
        ),
        (
            "ignition:\n  config:\n    merge:\n    - http_headers:\n      - name: A\n        value: ",
            8,
            "planted6",
        ),
        ("grub:\n  users:\n  - password_hash: ", 4, "planted7"),
        (
            "storage:\n  files:\n  - path: /a\n    contents:\n    - ",
            4,
            "planted9",
        ),
        (
            "ignition:\n  config:\n    replace:\n      source:\n      - ",
            6,
            "plantedA",
        ),
        (
            "ignition:\n  config:\n    replace:\n      verification:\n        hash: ",
            8,
            "plantedB",
        ),
        ("kindling:\n  node:\n    bootstrap:\n      token: ", 6, "planted8"),
    ] {
        for way in ways(planted, indent) {
            let text = format!("variant: fcos\nversion: 1.7.0\n{before}{way}\nlast: seen\n");
            let shown = shown(&text);
            assert!(!shown.contains("plant"), "{text}\n{shown}");
            assert!(
                shown.contains("variant: fcos") && shown.contains("last: seen"),
                "{text}\n{shown}"
            );
            assert!(shown.contains('…'), "{text}\n{shown}");
        }
    }
}

#[test]
fn secrets_are_recognised() {
    for (text, expected) in [
        (
            "{users: [{name: ada, password_hash: planted, uid: 7}]}",
            vec!["planted"],
        ),
        ("{\"users\":[{\"password_hash\":'planted'}]}", vec!["planted"]),
        ("source: data:,planted", vec!["data:,planted"]),
        ("source: https://u:planted@h/", vec!["https://u:planted@h/"]),
        (
            "source: \"https://h/?sig=planted\"",
            vec!["https://h/?sig=planted"],
        ),
        ("source: https://h/a", vec![]),
        ("uid: $6$planted$h\nname: $HOME", vec!["$6$planted$h"]),
        ("contents:\n  source: https://h/a\n  local: keys/a", vec![]),
        ("contents_local: units/a.service", vec![]),
        (
            "contents: [planted1, [planted2], {source: https://h/a}]\nmode: [1]",
            vec!["planted1", "planted2"],
        ),
        (
            "source:\n- planted\n- name: n\n- https://h/a\n- 'data:,planted'\n",
            vec!["planted", "n", "data:,planted"],
        ),
        (
            "http_proxy: http://u:planted@h\nhttps_proxy: u:planted@h\nno_proxy: [h]",
            vec!["http://u:planted@h", "u:planted@h"],
        ),
        (
            "verification: {hash: planted-0}\nb: {hash: sha512-0}",
            vec!["planted-0"],
        ),
        ("a: !!binary gA==", vec!["!!binary gA=="]),
        (
            "a: b # planted\n#planted\nc: 'd # e' #planted\nf: |2 # planted\n   # g",
            vec![" planted", "planted", "planted", " planted"],
        ),
        ("x: &x planted\nusers:\n- password_hash: *x\n", vec!["&x planted"]),
        (
            "x: &x {value: planted}\nhttp_headers: [*x]\n",
            vec!["&x {value: planted}"],
        ),
        (
            "x: &x {password_hash: planted}\ny: {<<: *x}\n",
            vec!["&x {password_hash: planted}"],
        ),
        ("x: &x {mode: 0644}\ny: {<<: *x, path: /a}\n", vec![]),
        ("x: &x core\ny: [*x]\n", vec![]),
    ] {
        assert_eq!(hidden(text), expected, "{text}");
    }
}

#[test]
fn of_what_is_not_read_only_the_position_is_told() {
    for text in [
        "a: [planted\n",
        "a: b\n\tc: planted\n",
        "a: 1\na: planted\n",
        "planted: b: c\n",
        "- a\nplanted\n",
    ] {
        assert_eq!(secrets(text), None, "{text}");
        let shown = shown(text);
        assert!(!shown.contains("planted") && shown.contains("f:1:1"), "{shown}");
    }
}

#[test]
fn ranges_ascend_whatever_the_document() {
    let text = "a: &a [x, &b {token: y}]\nb: *b\nc: {<<: *b, d: *a} # e\ntoken: [*a, *b]\nf: \"g\n  h\"\n";
    let ranges = secrets(text).unwrap();
    assert!(
        ranges.is_sorted_by(|one, other| one.end <= other.start),
        "{ranges:?}"
    );
    for range in &ranges {
        assert!(
            text.get(range.clone()).is_some_and(|text| !text.is_empty()),
            "{range:?}"
        );
    }
}
