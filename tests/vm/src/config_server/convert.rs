//! The newest config made an older one, step by step: a field that the older version does not have ends it.

use serde_json::{Map, Value, json};

use super::Served;

/// The version that pools are written in.
pub const NEWEST: &str = "3.5.0";

/// A config that has no form in the version that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has no form in version {version}")]
pub struct NoConversion {
    /// The field.
    pub what: String,
    /// The version.
    pub version: String,
}

/// A config in an older version, and what moved out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The config.
    pub config: Value,
    /// Kernel arguments that the version has no place for: they become the machine config's own.
    pub kernel_arguments: Vec<Value>,
}

/// What came with a minor version of 3, so that the one before lacks it: paths of members, `*` for each of a list.
const CAME: [(u64, &[&str]); 3] = [
    (5, &["storage.luks.*.cex"]),
    (4, &["storage.luks.*.discard", "storage.luks.*.openOptions"]),
    (3, &["kernelArguments.shouldNotExist"]),
];

/// What came with 3.2; 3.1 lacks it.
const CAME_WITH_TWO: &[&str] = &[
    "storage.luks",
    "storage.disks.*.partitions.*.resize",
    "passwd.users.*.shouldExist",
    "passwd.groups.*.shouldExist",
];

/// All that our pools use and version 2.2 has under the same names.
const IN_TWO: [&str; 3] = ["ignition", "systemd", "passwd"];

/// `config` as `served` asks for it.
///
/// # Errors
/// [`NoConversion`]; there is none to 3.0.
pub(super) fn down(mut config: Value, served: Served) -> Result<Converted, NoConversion> {
    let version = match served {
        Served::TwoTwo => "2.2.0".to_owned(),
        Served::Three(minor) => format!("3.{minor}.0"),
    };
    let fails = |what: &str| NoConversion {
        what: what.to_owned(),
        version: version.clone(),
    };
    let lacks = |config: &Value, paths: &[&str]| match paths.iter().find(|path| has(config, path)) {
        Some(path) => Err(fails(path)),
        None => Ok(()),
    };
    // Version 2.2 is one step from 3.2, as 3.1 is.
    let minor = match served {
        Served::TwoTwo => 2,
        Served::Three(0) => return Err(fails("every config")),
        Served::Three(minor) => minor,
    };
    for (_, came) in CAME.iter().filter(|(with, _)| minor < *with) {
        lacks(&config, came)?;
    }
    let kernel_arguments = if minor < 3 {
        take_arguments(&mut config)
    } else {
        Vec::new()
    };
    if minor < 2 {
        lacks(&config, CAME_WITH_TWO)?;
    }
    if served == Served::TwoTwo {
        lacks(&config, CAME_WITH_TWO)?;
        config = to_two(config).map_err(|what| fails(&what))?;
    }
    config["ignition"]["version"] = json!(version);
    Ok(Converted {
        config,
        kernel_arguments,
    })
}

/// Takes the wanted kernel arguments out, and the section with them.
fn take_arguments(config: &mut Value) -> Vec<Value> {
    let section = config
        .as_object_mut()
        .and_then(|members| members.remove("kernelArguments"));
    let wanted = section.and_then(|mut section| section.get_mut("shouldExist").map(Value::take));
    wanted
        .and_then(|wanted| wanted.as_array().cloned())
        .unwrap_or_default()
}

/// Whether there is something at `path` that is not empty.
fn has(value: &Value, path: &str) -> bool {
    let Some((first, rest)) = path.split_once('.').map_or(Some((path, "")), Some) else {
        return false;
    };
    let inner = |value: &Value| {
        if rest.is_empty() {
            is_something(value)
        } else {
            has(value, rest)
        }
    };
    match first {
        "*" => value.as_array().is_some_and(|list| list.iter().any(inner)),
        name => value.get(name).is_some_and(inner),
    }
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

/// A config of 3.2 in the dialect before: every path names its file system, and `append` was `merge`.
fn to_two(config: Value) -> Result<Value, String> {
    let Value::Object(mut members) = config else {
        return Err("the config".to_owned());
    };
    let storage = members.remove("storage").unwrap_or_else(|| json!({}));
    if let Some(other) = members.keys().find(|name| !IN_TWO.contains(&name.as_str())) {
        return Err(other.clone());
    }
    let Value::Object(storage) = storage else {
        return Err("storage".to_owned());
    };
    let mut older = Map::new();
    for (name, list) in storage {
        if !matches!(name.as_str(), "files" | "directories" | "links") {
            return Err(format!("storage.{name}"));
        }
        let entries = list.as_array().cloned().unwrap_or_default();
        let entries = entries.into_iter().map(|mut entry| {
            entry["filesystem"] = json!("root");
            entry
        });
        older.insert(name, Value::Array(entries.collect()));
    }
    members.insert("storage".to_owned(), Value::Object(older));
    let mut config = Value::Object(members);
    if let Some(merge) = config
        .pointer_mut("/ignition/config")
        .and_then(Value::as_object_mut)
        .and_then(|of| of.remove("merge"))
    {
        config["ignition"]["config"]["append"] = merge;
    }
    Ok(config)
}
