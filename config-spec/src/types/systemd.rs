//! The `systemd` section: units and drop-ins.

use serde::{Deserialize, Serialize};

use super::absent;

/// Units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Systemd {
    /// Units; keyed by name.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<Unit>,
}

/// A unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Unit {
    /// The unit file's text; absent or empty writes no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<String>,
    /// Drop-ins of the unit; keyed by name.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub dropins: Vec<Dropin>,
    /// True enables, false disables, absent leaves the unit as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// True masks, false unmasks, absent leaves the unit as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<bool>,
    /// The unit's name with its extension.
    #[serde(deserialize_with = "absent::or_default")]
    pub name: String,
}

/// A drop-in of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Dropin {
    /// The drop-in's text; absent or empty writes no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<String>,
    /// The file name, ending in `.conf`.
    #[serde(deserialize_with = "absent::or_default")]
    pub name: String,
}
