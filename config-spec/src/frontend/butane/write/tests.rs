use super::*;
use crate::check;

#[test]
fn a_document_is_written_as_people_write_it() {
    let text = r#"{"ignition":{"version":"3.6.0"},"storage":{
        "disks":[{"device":"/dev/a","partitions":[{"number":1,"sizeMiB":0,"startMiB":5,"typeGuid":null}]}],
        "files":[{"path":"/a","mode":420,"contents":{"source":"data:,a%0Ab%0A","compression":""}},
            {"path":"/b","mode":0,"append":[{"source":"data:;base64,gA=="},{"source":"https://h/a"}]}]},
        "kindling":{"version":"1.0.0","files":{"/a":{"expand":true}},"node":{"kubelet":{"config":{"maxPods":5}}}}}"#;
    let written = butane_of(text).unwrap();
    assert_eq!(
        written,
        "\
variant: fcos
version: 1.7.0
storage:
  disks:
    - device: /dev/a
      partitions:
        - number: 1
          size_mib: 0
          start_mib: 5
  files:
    - path: /a
      mode: 0644
      contents:
        inline: |
          a
          b
    - path: /b
      mode: 0
      append:
        - source: data:;base64,gA==
        - source: https://h/a
kindling:
  version: 1.0.0
  files:
    /a:
      expand: true
  node:
    kubelet:
      config:
        maxPods: 5
"
    );
    let same = check(&written).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(same.version(), Version::V3_6_0);
}

#[test]
fn each_version_has_a_config_that_becomes_it() {
    for version in Version::ALL {
        let written = butane_of(&format!("{{\"ignition\":{{\"version\":\"{version}\"}}}}")).unwrap();
        assert_eq!(
            check(&written).map(|checked| checked.version()),
            Ok(version),
            "{written}"
        );
        assert_eq!(written.lines().count(), 2, "{written}");
    }
}

#[test]
fn what_is_no_document_of_ignition_is_nothing() {
    for text in [
        "",
        "{}",
        "variant: fcos",
        r#"{"ignition":{"version":"2.2.0"}}"#,
        "{\"ignition\":{\"version\":\"3.6.0\"}",
    ] {
        assert_eq!(butane_of(text), None, "{text}");
    }
}

#[test]
fn what_the_version_does_not_have_is_no_sugar() {
    let text = r#"{"ignition":{"version":"3.0.0"},"bootDevice":{"layout":"x"},"storage":{"luks":[],"Files":[{"path":"/a","path":"/b"}]}}"#;
    assert_eq!(
        butane_of(text).unwrap(),
        "variant: fcos\nversion: 1.0.0\nstorage:\n  files:\n    - path: /b\n"
    );
}

#[test]
fn only_readable_contents_stand_as_they_are() {
    let source = |contents: &str| {
        let text = format!(
            "{{\"ignition\":{{\"version\":\"3.6.0\"}},\"storage\":{{\"files\":[{{\"path\":\"/a\",\"contents\":{contents}}}]}}}}"
        );
        let written = butane_of(&text).unwrap();
        written.lines().nth(6).unwrap_or_default().trim().to_owned()
    };
    assert_eq!(source(r#"{"source":"data:,a"}"#), "inline: a");
    assert_eq!(source(r#"{"source":"data:,"}"#), "inline: \"\"");
    assert_eq!(source(r#"{"source":"data:,1"}"#), "inline: \"1\"");
    assert_eq!(source(r#"{"source":"data:,%00"}"#), "source: data:,%00");
    assert_eq!(source(r#"{"source":"data:,%ff"}"#), "source: data:,%ff");
    assert_eq!(source(r#"{"source":"data:,a b"}"#), "source: data:,a b");
    assert_eq!(
        source(r#"{"source":"data:,a","compression":"gzip"}"#),
        "source: data:,a"
    );
    assert_eq!(
        source(r#"{"source":"data:,%00","compression":""}"#),
        "inline: !!binary AA=="
    );
    assert_eq!(
        source(r#"{"source":"data:;base64,gP8=","compression":""}"#),
        "inline: !!binary gP8="
    );
    let long = format!("{{\"source\":\"data:,{}\"}}", "a".repeat(INLINE + 1));
    assert!(source(&long).starts_with("source: "));
}

#[test]
fn contents_of_bytes_are_the_same_config() {
    let text = r#"{"ignition":{"version":"3.6.0"},"storage":{"files":[
        {"path":"/a","contents":{"compression":"","source":"data:,%FF"},"append":[{"compression":"","source":"data:,%00"}]},
        {"path":"/b","contents":{"compression":"","source":"data:,a"}}]}}"#;
    let written = butane_of(text).unwrap();
    assert!(!written.contains("compression"), "{written}");
    let config = |text: &str| {
        check(text)
            .unwrap_or_else(|error| panic!("{error:?}\n{text}"))
            .into_config()
    };
    let same = config(&written);
    let sources = |config: &crate::types::Config| {
        let json = serde_json::to_string(config).unwrap();
        json.to_lowercase()
    };
    assert_eq!(sources(&same), sources(&config(text)), "{written}");
}
