//! What people see.

use super::*;
use crate::check;

fn shown(text: &str) -> String {
    match check(text) {
        Ok(checked) => render("config.json", text, checked.warnings()),
        Err(rejected) => render("config.json", text, &rejected.diagnostics()),
    }
}

#[test]
fn a_finding_shows_its_line() {
    let text = r#"{
  "ignition": {"version": "3.6.0"},
  "storage": {
    "files": [
      {"path": "etc/motd", "Mode": 420}
    ]
  }
}"#;
    assert_eq!(
        shown(text),
        r#"error[path-relative]: "etc/motd" is not an absolute path
  config.json:5:16, /storage/files/0/path
  5 |       {"path": "etc/motd", "Mode": 420}
    |                ^^^^^^^^^^
  help: start the path with a slash
warning[key-unknown]: "Mode" is read as "mode"
  config.json:5:28, /storage/files/0/Mode
  5 |       {"path": "etc/motd", "Mode": 420}
    |                            ^^^^^^
  help: write "mode"
"#
    );
}

#[test]
fn secrets_are_not_shown() {
    let user = r#"{"name":"a","passwordHash":"$6$secret","uid":"7"}"#;
    let key = r#"{"name":"v","device":"d","keyFile":{"source":"http://h/secret"}}"#;
    let file = r#"{"path":"f","contents":{"source":"https://u:secret@h/","httpHeaders":[{"name":"A","value":"secret"}]}}"#;
    for members in [
        format!(r#""passwd":{{"users":[{user}]}}"#),
        format!(r#""storage":{{"luks":[{key}]}}"#),
        format!(r#""storage":{{"files":[{file}]}}"#),
        r#""storage":{"files":[{"path":"f","contents":{"source":"data:,secret[]"}}]}"#.to_owned(),
        r#""systemd":{"units":[{"name":"a.service","contents":"[secret"}]}"#.to_owned(),
        r#""passwd":{"users":[{"passwordHash":"secret"}"#.to_owned(),
        r#""passwd":{"users":[{"name":"x,"passwordHash":"secret"}]}"#.to_owned(),
        "\"passwd\":{\"users\":[{\"passwordHash\":\"secret\n".to_owned(),
    ] {
        let shown = shown(&format!(r#"{{"ignition":{{"version":"3.6.0"}},{members}}}"#));
        assert!(shown.contains('^') && !shown.contains("secret"), "{shown}");
    }
}

#[test]
fn of_long_lines_a_window_is_shown() {
    let padding = "é".repeat(500);
    let text = format!(
        r#"{{"ignition":{{"version":"3.6.0"}},"x":"{padding}","storage":{{"files":[{{"path":"etc"}}]}},"y":"{padding}"}}"#
    );
    let shown = shown(&text);
    let line = shown
        .lines()
        .find(|line| line.contains("\"path\":\"etc\""))
        .expect("the finding's line is shown");
    assert!(line.chars().count() < 135, "{line}");
    let caret = shown
        .lines()
        .find(|line| line.contains("^^^^^"))
        .expect("the finding is underlined");
    let marked = line
        .chars()
        .zip(caret.chars())
        .filter(|(_, mark)| *mark == '^')
        .map(|(letter, _)| letter);
    assert_eq!(marked.collect::<String>(), "\"etc\"", "{shown}");
}

#[test]
fn nothing_behind_a_breach_of_the_grammar_is_shown() {
    assert_eq!(
        shown("users: planted\n"),
        "error[json-syntax]: expected a value\n  config.json:1:1\n  1 | u…\n    | ^\n  help: a config is strict \
         JSON: double quotes, no comments, no trailing commas\n"
    );
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let shown = shown("{\"ignition\":{\"version\":\"3.6.0\"},\"a\\u001b[2Jb\":\"\u{7f}\"}");
    assert!(!shown.contains(['\u{1b}', '\u{7f}']), "{shown:?}");
}

#[test]
fn findings_without_text_show_their_place() {
    let mut config = crate::types::Config::default();
    config.storage.files.push(crate::types::File::default());
    assert_eq!(
        render("merged config", "", &crate::check_merged(&config)),
        "error[path-missing]: a path is missing\n  merged config, /storage/files/0/path\n  help: write an absolute path\n"
    );
}

#[test]
fn positions_are_counted_in_bytes() {
    assert_eq!(
        Lines::new("é\n\tab").position(5),
        LineColumn { line: 2, column: 3 }
    );
    assert_eq!(Lines::new("a").position(99), LineColumn { line: 1, column: 2 });
    assert_eq!(Lines::new("").position(0), LineColumn { line: 1, column: 1 });
}
