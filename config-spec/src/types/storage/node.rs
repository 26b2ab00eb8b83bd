//! Files, directories and links.

use serde::{Deserialize, Serialize};

use crate::types::absent;
use crate::types::resource::Resource;

/// An owning user or group, by id or by name but not both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Owner {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A regular file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct File {
    #[serde(deserialize_with = "absent::or_default")]
    pub group: Owner,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    #[serde(deserialize_with = "absent::or_default")]
    pub path: String,
    #[serde(deserialize_with = "absent::or_default")]
    pub user: Owner,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub append: Vec<Resource>,
    #[serde(deserialize_with = "absent::or_default")]
    pub contents: Resource,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i64>,
}

/// A directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Directory {
    #[serde(deserialize_with = "absent::or_default")]
    pub group: Owner,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    #[serde(deserialize_with = "absent::or_default")]
    pub path: String,
    #[serde(deserialize_with = "absent::or_default")]
    pub user: Owner,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i64>,
}

/// A symbolic or hard link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Link {
    #[serde(deserialize_with = "absent::or_default")]
    pub group: Owner,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    #[serde(deserialize_with = "absent::or_default")]
    pub path: String,
    #[serde(deserialize_with = "absent::or_default")]
    pub user: Owner,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}
