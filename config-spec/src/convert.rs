//! A config in another version of the spec, up or down.
//!
//! The newest types hold every version, so a config is written from them with that version's number, read again, and
//! must mean the same. Where it cannot, the places that stand in the way are told, each with the version that brought
//! what they need.

use serde_json::Value;

use crate::check::Checked;
use crate::diagnostic::{Diagnostic, Pointer, Severity};
use crate::fields::{ROOT, Shape, Table};
use crate::json;
use crate::rules::catalog as rule;
use crate::types::Config;
use crate::version::Version;
use crate::{Rejected, check};

/// What a version cannot express.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Where it stands, in the document and in what it means.
    pub at: Pointer,
    /// What it is.
    pub what: String,
    /// The first version that has it; `None` when no later one takes the config as it is either.
    pub since: Option<Version>,
}

/// `checked` as a document of version `to`: JSON with two spaces to a level, without what says nothing, and with a line
/// end.
///
/// # Errors
/// Every [`Obstacle`]; never an empty list.
pub fn convert(checked: &Checked, to: Version) -> Result<String, Vec<Obstacle>> {
    let value = written(checked.config(), to);
    let mut obstacles = Vec::new();
    newer_members(&value, &ROOT, to, &Pointer::root(), &mut obstacles);
    if !obstacles.is_empty() {
        return Err(obstacles);
    }
    let mut text = json::pretty(&value);
    text.push('\n');
    let again = check(&text);
    let obstacles = other_rules(&again, checked.config(), to);
    if !obstacles.is_empty() {
        return Err(obstacles);
    }
    match again {
        Ok(again) if again.config() == checked.config() => Ok(text),
        _ => Err(vec![Obstacle {
            at: Pointer::root(),
            what: format!("the config would mean something else in {to}"),
            since: None,
        }]),
    }
}

/// `checked` as a document of the oldest version that can express it.
///
/// # Errors
/// What stands in the way of the newest version, which takes every valid config unless a newer rule refuses it.
pub fn convert_minimal(checked: &Checked) -> Result<String, Vec<Obstacle>> {
    let mut refused = Vec::new();
    for version in Version::ALL {
        match convert(checked, version) {
            Ok(text) => return Ok(text),
            Err(obstacles) => refused = obstacles,
        }
    }
    Err(refused)
}

/// The config as JSON of a version, without members that say nothing.
fn written(config: &Config, version: Version) -> Value {
    let mut value = config.to_value();
    // In the extension users name members, and other formats stand: there an empty object says something.
    let extension = value
        .as_object_mut()
        .and_then(|members| members.remove("kindling"));
    prune(&mut value);
    if let (Some(members), Some(extension)) = (value.as_object_mut(), extension) {
        members.insert("kindling".to_owned(), extension);
    }
    if let Some(slot) = value.pointer_mut("/ignition/version") {
        *slot = version.as_str().into();
    }
    value
}

/// Takes out members that hold nothing. Entries of lists stay, since their number counts.
fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(prune);
            members.retain(|_, member| match member {
                Value::Null => false,
                Value::Object(below) => !below.is_empty(),
                Value::Array(entries) => !entries.is_empty(),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            });
        }
        Value::Array(entries) => entries.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Members that came after `version`.
fn newer_members(
    value: &Value,
    table: &'static Table,
    version: Version,
    at: &Pointer,
    obstacles: &mut Vec<Obstacle>,
) {
    for (name, member) in value.as_object().into_iter().flatten() {
        let Some(field) = table.fields.iter().find(|field| field.name == name) else {
            continue;
        };
        let at = at.clone().key(name);
        if field.first > version {
            obstacles.push(Obstacle {
                at,
                what: format!("\"{name}\""),
                since: Some(field.first),
            });
            continue;
        }
        match &field.shape {
            Shape::Object(below) => newer_members(member, below, version, &at, obstacles),
            Shape::Objects(below) => {
                for (index, entry) in member.as_array().into_iter().flatten().enumerate() {
                    newer_members(entry, below, version, &at.clone().index(index), obstacles);
                }
            }
            _ => {}
        }
    }
}

/// What a document of version `to` is told, and `config` is not.
fn other_rules(again: &Result<Checked, Rejected>, config: &Config, to: Version) -> Vec<Obstacle> {
    refusals(again)
        .map(|finding| {
            let later = Version::ALL.into_iter().filter(|version| *version > to);
            let takes_it = |version: &Version| {
                let text = json::text(&written(config, *version));
                !refusals(&check(&text)).any(|other| other.rule == finding.rule && other.at == finding.at)
            };
            Obstacle {
                at: finding.at.clone(),
                what: finding.message.clone(),
                since: later.into_iter().find(takes_it),
            }
        })
        .collect()
}

/// The findings with which a version refuses a config, or silently changes what it means.
fn refusals(checked: &Result<Checked, Rejected>) -> impl Iterator<Item = &Diagnostic> {
    let findings = match checked {
        Ok(checked) => checked.warnings(),
        Err(Rejected::Invalid(findings)) => findings,
        Err(_) => &[],
    };
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error || finding.rule == rule::MODE_SPECIAL_BITS.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: &str, members: &str) -> Checked {
        let text = format!("{{\"ignition\":{{\"version\":\"{version}\"}},{members}}}");
        check(&text).unwrap_or_else(|rejected| panic!("{text}: {rejected}"))
    }

    fn obstacles(checked: &Checked, to: Version) -> Vec<(String, Option<Version>)> {
        let refused = convert(checked, to).expect_err("the version cannot express it");
        refused
            .into_iter()
            .map(|one| (one.at.to_string(), one.since))
            .collect()
    }

    #[test]
    fn a_config_goes_down_as_far_as_its_members_and_values_reach() {
        for (members, minimal) in [
            (
                r#""storage":{"files":[{"path":"/a","mode":420}]}"#,
                Version::V3_0_0,
            ),
            (
                r#""storage":{"files":[{"path":"/a","contents":{"source":"http://h/","httpHeaders":[{"name":"a","value":"b"}]}}]}"#,
                Version::V3_1_0,
            ),
            (
                r#""passwd":{"users":[{"name":"a","shouldExist":false}]}"#,
                Version::V3_2_0,
            ),
            (
                r#""storage":{"files":[{"path":"/a","contents":{"source":"gs://b/o"}}]}"#,
                Version::V3_2_0,
            ),
            (r#""kernelArguments":{"shouldExist":["a"]}"#, Version::V3_3_0),
            (
                r#""storage":{"filesystems":[{"device":"/dev/a","format":"none"}]}"#,
                Version::V3_3_0,
            ),
            (
                r#""storage":{"files":[{"path":"/a","contents":{"source":"arn:aws:s3:::b/o"}}]}"#,
                Version::V3_4_0,
            ),
            (
                r#""storage":{"luks":[{"name":"v","device":"/dev/a","cex":{"enabled":true}}]}"#,
                Version::V3_5_0,
            ),
            (
                r#""storage":{"directories":[{"path":"/a","mode":1023}]}"#,
                Version::V3_6_0,
            ),
        ] {
            let checked = checked("3.7.0-experimental", members);
            let text = convert_minimal(&checked).expect("the newest version takes it");
            let again = check(&text).expect("what is written is valid");
            assert_eq!(again.version(), minimal, "{members}");
            assert_eq!(again.config(), checked.config(), "{members}");
        }
    }

    #[test]
    fn the_extension_goes_with_every_version_as_it_is() {
        let members = r#""kindling":{"version":"1.0.0","node":{"kubelet":{"config":{"a":{},"b":null}}},
            "transport":{"hosts":{"h":{}}}}"#;
        let checked = checked("3.6.0", members);
        for version in Version::ALL {
            let text = convert(&checked, version).expect("nothing is in the way");
            assert_eq!(check(&text).expect("it is valid").config(), checked.config());
        }
    }

    #[test]
    fn what_stands_in_the_way_is_told_with_the_version_that_brought_it() {
        let members = r#""kernelArguments":{"shouldExist":["a"]},"storage":{"luks":[{"name":"v","device":"/dev/a"}],
            "disks":[{"device":"/dev/b","partitions":[{"number":1,"resize":true}]}]}"#;
        assert_eq!(
            obstacles(&checked("3.6.0", members), Version::V3_0_0),
            [
                ("/kernelArguments".to_owned(), Some(Version::V3_3_0)),
                (
                    "/storage/disks/0/partitions/0/resize".to_owned(),
                    Some(Version::V3_2_0)
                ),
                ("/storage/luks".to_owned(), Some(Version::V3_2_0)),
            ]
        );
        let values = r#""storage":{"directories":[{"path":"/a","mode":1023}],
            "filesystems":[{"device":"/dev/a","format":"none"}]}"#;
        assert_eq!(
            obstacles(&checked("3.6.0", values), Version::V3_1_0),
            [
                ("/storage/directories/0/mode".to_owned(), Some(Version::V3_6_0)),
                ("/storage/filesystems/0/format".to_owned(), Some(Version::V3_3_0)),
            ]
        );
    }

    #[test]
    fn a_config_goes_up_unless_a_newer_rule_refuses_it() {
        let old = checked("3.0.0", r#""storage":{"files":[{"path":"/a","mode":1023}]}"#);
        let text = convert(&old, Version::V3_6_0).expect("nothing newer is in the way");
        assert_eq!(
            text,
            "{\n  \"ignition\": {\n    \"version\": \"3.6.0\"\n  },\n  \"storage\": {\n    \"files\": [\n      {\n        \
             \"mode\": 511,\n        \"path\": \"/a\"\n      }\n    ]\n  }\n}\n"
        );
        let without_target = checked("3.2.0", r#""storage":{"links":[{"path":"/a"}]}"#);
        assert_eq!(
            obstacles(&without_target, Version::V3_3_0),
            [("/storage/links/0/target".to_owned(), None)]
        );
        assert!(convert(&without_target, Version::V3_2_0).is_ok());
    }
}
