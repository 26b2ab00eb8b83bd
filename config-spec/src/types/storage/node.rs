//! Files, directories and links.

use serde::{Deserialize, Serialize};

use crate::types::absent;
use crate::types::resource::Resource;

/// An owning user or group, by id or by name but not both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Owner {
    /// The numeric id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// The name; empty is the same as absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A regular file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct File {
    /// The owning group.
    #[serde(deserialize_with = "absent::or_default")]
    pub group: Owner,
    /// Permission to replace what is already at the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    /// Absolute path in the new root.
    #[serde(deserialize_with = "absent::or_default")]
    pub path: String,
    /// The owning user.
    #[serde(deserialize_with = "absent::or_default")]
    pub user: Owner,
    /// Bytes added at the end, in order.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub append: Vec<Resource>,
    /// The bytes; an absent source keeps an existing file or makes an empty one.
    #[serde(deserialize_with = "absent::or_default")]
    pub contents: Resource,
    /// Permission bits, 0 to 4095; absent is 0644 or what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i64>,
}

/// A directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Directory {
    /// The owning group.
    #[serde(deserialize_with = "absent::or_default")]
    pub group: Owner,
    /// Permission to replace what is already at the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    /// Absolute path in the new root.
    #[serde(deserialize_with = "absent::or_default")]
    pub path: String,
    /// The owning user.
    #[serde(deserialize_with = "absent::or_default")]
    pub user: Owner,
    /// Permission bits, 0 to 4095; absent is 0755 or what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i64>,
}

/// A symbolic or hard link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Link {
    /// The owning group.
    #[serde(deserialize_with = "absent::or_default")]
    pub group: Owner,
    /// Permission to replace what is already at the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    /// Absolute path in the new root.
    #[serde(deserialize_with = "absent::or_default")]
    pub path: String,
    /// The owning user.
    #[serde(deserialize_with = "absent::or_default")]
    pub user: Owner,
    /// Whether the link is a hard one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard: Option<bool>,
    /// What the link points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}
