//! The `passwd` section: accounts.

use serde::{Deserialize, Serialize};

use super::absent;

/// Accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Passwd {
    /// Groups; keyed by name.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Users; keyed by name.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Group {
    /// The group's id; absent is the next free one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<i64>,
    /// The group's name.
    #[serde(deserialize_with = "absent::or_default")]
    pub name: String,
    /// The hashed group password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// False deletes the group; absent is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should_exist: Option<bool>,
    /// Whether a new group takes an id of the system's range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<bool>,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct User {
    /// The comment field of the account, mostly the person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gecos: Option<String>,
    /// Further groups the user is a member of.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The home directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_dir: Option<String>,
    /// The user's name.
    #[serde(deserialize_with = "absent::or_default")]
    pub name: String,
    /// Whether a new account gets no home directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_create_home: Option<bool>,
    /// Whether a new account is left out of the login records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_log_init: Option<bool>,
    /// Whether a new account gets no group of its own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_user_group: Option<bool>,
    /// The hashed password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// Name or id of the primary group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_group: Option<String>,
    /// Keys that may log in as this user.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<String>,
    /// The login shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// False deletes the account; absent is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should_exist: Option<bool>,
    /// Whether a new account takes an id of the system's range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<bool>,
    /// The user's id; absent is the next free one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<i64>,
}
