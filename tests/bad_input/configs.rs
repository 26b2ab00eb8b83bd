//! The config itself.

use serde_json::json;

use crate::sandbox::Sandbox;
use crate::{refuses, secrets};

fn refused(config: &str, record: &str) {
    let machine = Sandbox::new();
    machine.give(config);
    refuses(&machine, "fetch", 1, record);
    assert!(!machine.at("run/ignition.json").exists() && !machine.at("run/state").exists());
}

#[test]
fn malformed_json() {
    let config = serde_json::to_string_pretty(&secrets::config()).unwrap();
    let broken = config.replacen("\"passwd\":", "\"passwd\"", 1);
    refused(
        &broken,
        r#"kindling: first boot FAILED in stage fetch [config-invalid]
  what:  config of platform file is not valid
         error[json-syntax]: expected a colon after the member name
           config of platform file:5:12
           5 |   "passwd" {
             |            ^
  next:  a config is strict JSON: double quotes, no comments, no trailing commas"#,
    );
}

#[test]
fn a_config_that_ends_too_soon() {
    let config = serde_json::to_string_pretty(&secrets::config()).unwrap();
    refused(
        &config[..config.len() - 20],
        r#"kindling: first boot FAILED in stage fetch [config-invalid]
  what:  config of platform file is not valid
         error[json-syntax]: the document ends too early
           config of platform file:25:34
           25 |         "path": "/etc/kubeconfig"
              |                                  ^
  next:  a config is strict JSON: double quotes, no comments, no trailing commas"#,
    );
}

#[test]
fn unknown_version() {
    let mut config = secrets::config();
    config["ignition"]["version"] = json!("9.9.9");
    refused(
        &serde_json::to_string_pretty(&config).unwrap(),
        r#"kindling: first boot FAILED in stage fetch [config-version-unknown]
  what:  config of platform file is not valid
         error[version-unknown]: version "9.9.9" is not supported
           config of platform file:3:16, /ignition/version
           3 |     "version": "9.9.9"
             |                ^^^^^^^
  next:  supported are 3.0.0, 3.1.0, 3.2.0, 3.3.0, 3.4.0, 3.5.0, 3.6.0, 3.7.0-experimental"#,
    );
}

#[test]
fn no_version() {
    let mut config = secrets::config();
    config["ignition"] = json!({});
    refused(
        &serde_json::to_string_pretty(&config).unwrap(),
        r#"kindling: first boot FAILED in stage fetch [config-version-unknown]
  what:  config of platform file is not valid
         error[version-invalid]: ignition.version is missing
           config of platform file:2:15, /ignition/version
           2 |   "ignition": {},
             |               ^
  next:  write "ignition": {"version": "3.6.0"}"#,
    );
}

#[test]
fn a_rule_is_broken() {
    let mut config = secrets::config();
    config["storage"]["files"][0]["path"] = json!("etc/secret");
    refused(
        &serde_json::to_string_pretty(&config).unwrap(),
        r#"kindling: first boot FAILED in stage fetch [config-invalid]
  what:  config of platform file is not valid
         error[path-relative]: "etc/secret" is not an absolute path
           config of platform file:19:17, /storage/files/0/path
           19 |         "path": "etc/secret"
              |                 ^^^^^^^^^^^^
  next:  start the path with a slash"#,
    );
}

#[test]
fn a_broken_rule_beside_a_secret() {
    let mut config = secrets::config();
    config["storage"]["files"][0]["contents"]["source"] = json!("data;planted-content");
    config["passwd"]["users"][0]["uid"] = json!("$6$salt$planted-hash");
    refused(
        &config.to_string(),
        r#"kindling: first boot FAILED in stage fetch [config-invalid]
  what:  config of platform file is not valid
         error[type-mismatch]: expected an integer, found a string
           config of platform file:1:110, /passwd/users/0/uid
           1 | …swordHash":"…","uid":"…"}]},"storage":{"files":[{"contents":{"source":"…"},"path":"/etc/secret"},{"contents":{"source":"…
             |                       ^^^
  next:  correct config of platform file at the lines shown; "kindling plan" shows the same before a boot"#,
    );
}

#[test]
fn many_rules_are_broken() {
    let mut config = secrets::config();
    let files: Vec<_> = (0..40)
        .map(|n| json!({ "path": format!("relative-{n}") }))
        .collect();
    config["storage"]["files"] = json!(files);
    refused(
        &serde_json::to_string_pretty(&config).unwrap(),
        r#"kindling: first boot FAILED in stage fetch [config-invalid]
  what:  config of platform file is not valid
         error[path-relative]: "relative-0" is not an absolute path
           config of platform file:16:17, /storage/files/0/path
           16 |         "path": "relative-0"
              |                 ^^^^^^^^^^^^
         error[path-relative]: "relative-1" is not an absolute path
           config of platform file:19:17, /storage/files/1/path
           19 |         "path": "relative-1"
              |                 ^^^^^^^^^^^^
         and 38 more findings, which the log lists
  next:  start the path with a slash"#,
    );
}
