//! The `kindling` section: the extension.
//!
//! A config written before the extension serialises as it always did: the section is left out while it says nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::absent;
use super::resource::Resource;

mod node;
mod report;

pub use node::{Access, Bootstrap, Cluster, Kubelet, Node, Preflight};
pub use report::{Report, Sink};

/// The version of the extension; documents may name no other.
pub const VERSION: &str = "1.0.0";

/// Reads the section from its text, wherever the config comes from. Otherwise the binary would hold a copy of all this
/// for each source of configs (text, bytes): tens of kilobytes. Positions in errors count from the section's start.
pub(super) fn from_text<'de, D: Deserializer<'de>>(from: D) -> Result<Kindling, D::Error> {
    let text = Box::<RawValue>::deserialize(from)?;
    let section: Option<Kindling> = serde_json::from_str(text.get()).map_err(serde::de::Error::custom)?;
    Ok(section.unwrap_or_default())
}

/// What the base language cannot say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Kindling {
    #[serde(deserialize_with = "absent::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileExtra>,
    #[serde(deserialize_with = "absent::or_default")]
    pub node: Node,
    #[serde(deserialize_with = "absent::or_default")]
    pub on_failure: OnFailure,
    #[serde(deserialize_with = "absent::or_default")]
    pub report: Report,
    #[serde(deserialize_with = "absent::or_default")]
    pub transport: Transport,
    #[serde(
        deserialize_with = "absent::or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub version: String,
}

/// What there is to say of a file beyond its entry in `storage.files`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FileExtra {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expand: Option<bool>,
}

/// What a machine does whose first boot failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OnFailure {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<i64>,
}

/// How to speak to the hosts that things are fetched from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Transport {
    #[serde(deserialize_with = "absent::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<String, Identity>,
}

/// Who the machine is for a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Identity {
    #[serde(deserialize_with = "absent::or_default")]
    pub client_certificate: Resource,
    #[serde(deserialize_with = "absent::or_default")]
    pub client_key: Resource,
}
