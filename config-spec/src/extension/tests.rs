//! The section as a file of the config.

use crate::types::Config;
use crate::{Checked, Rejected, check, data_url};

fn document(file: &str, rest: &str) -> String {
    format!(
        r#"{{"ignition":{{"version":"3.1.0"}},"storage":{{"files":[{{"path":"/a"}},{{"path":"/etc/kindling/config.json",{file}}}]}}{rest}}}"#
    )
}

fn source(section: &str) -> String {
    format!(
        r#""contents":{{"source":"{}"}}"#,
        data_url::encode(section.as_bytes())
    )
}

fn config(text: &str) -> Config {
    check(text)
        .map(Checked::into_config)
        .expect("the document is valid")
}

#[test]
fn a_file_stands_for_the_section() {
    let section = r#"{"version":"1.0.0","node":{"name":"a","kubelet":{"labels":{"x":"1"}}}}"#;
    let inline = r#"{"ignition":{"version":"3.1.0"},"kindling":SECTION}"#.replace("SECTION", section);
    let entry = config(&document(&source(section), ""));
    assert_eq!(entry.kindling, config(&inline).kindling);
    assert_eq!(entry.storage.files.len(), 2, "it is a file all the same");
    let escaped = document(
        r#""contents":{"source":"data:,%7B%22version%22:%221.0.0%22%7D"}"#,
        "",
    );
    assert_eq!(config(&escaped).kindling.version, "1.0.0");
}

#[test]
fn the_section_itself_counts_more_than_the_file() {
    let file = source(r#"{"version":"1.0.0","node":{"name":"a","kubelet":{"unit":"k.service"}}}"#);
    let rest = r#","kindling":{"version":"1.0.0","node":{"name":"b"}}"#;
    let node = config(&document(&file, rest)).kindling.node;
    assert_eq!(node.name.as_deref(), Some("b"));
    assert_eq!(node.kubelet.unit.as_deref(), Some("k.service"));
}

#[test]
fn a_file_without_contents_says_nothing() {
    for file in [r#""mode":384"#, &source("{}"), &source("null")] {
        assert_eq!(
            config(&document(file, "")).kindling,
            crate::types::kindling::Kindling::default()
        );
    }
}

#[test]
fn what_is_wrong_in_the_file_is_told_at_its_source() {
    let token = r#"{"version":"1.0.0","node":{"bootstrap":{"token":"SECRET"}}}"#;
    for (file, rule, message) in [
        (
            r#""contents":{"source":"https://h/c"}"#.to_owned(),
            "extension-entry-unreadable",
            "inline",
        ),
        (
            r#""contents":{"source":"data:,%7B%7D","compression":"gzip"}"#.to_owned(),
            "extension-entry-unreadable",
            "compressed",
        ),
        (
            r#""contents":{"source":"data:,%7B%7D"},"append":[{"source":"data:,x"}]"#.to_owned(),
            "extension-entry-unreadable",
            "appended",
        ),
        (
            r#""contents":{"source":"data:,%ff"}"#.to_owned(),
            "extension-entry-unreadable",
            "UTF-8",
        ),
        (
            r#""contents":{"source":""}"#.to_owned(),
            "extension-entry-unreadable",
            "inline",
        ),
        (source("{"), "extension-entry-unreadable", "at byte 1"),
        (source("[]"), "type-mismatch", "expected an object"),
        (source(r#"{"node":{}}"#), "extension-version-missing", "/version"),
        (
            source(r#"{"version":"9"}"#),
            "extension-version-unknown",
            "/version",
        ),
        (source(token), "extension-value-unfit", "/node/bootstrap/token"),
        (
            source(r#"{"version":"1.0.0","nodes":{}}"#),
            "extension-key-unknown",
            "\"nodes\"",
        ),
        (
            source(r#"{"version":"1.0.0","node":{"kubelet":{"taints":["a:NoExecute","a:NoExecute"]}}}"#),
            "entry-duplicate",
            "/node/kubelet/taints/1",
        ),
    ] {
        let text = document(&file, "");
        let Err(Rejected::Invalid(findings)) = check(&text) else {
            panic!("{file} is taken")
        };
        assert_eq!(findings.len(), 1, "{findings:?}");
        let finding = &findings[0];
        assert_eq!(finding.rule.as_str(), rule, "{file}");
        assert_eq!(finding.at.to_string(), "/storage/files/1/contents/source");
        assert!(finding.message.contains(message), "{}", finding.message);
        let span = finding.span.clone().unwrap_or_default();
        let shown = crate::diagnostic::render("c", &text, &findings);
        assert!(
            text[span].starts_with("\"") && !shown.contains("SECRET"),
            "{shown}"
        );
    }
}

#[test]
fn a_broken_data_url_is_told_once() {
    let Err(Rejected::Invalid(findings)) = check(&document(r#""contents":{"source":"data:;base64,x"}"#, ""))
    else {
        panic!("the data URL is broken")
    };
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].rule.as_str(), "data-url-invalid");
}
