//! Software RAID arrays.

use serde::{Deserialize, Serialize};

use crate::types::absent;

/// A software RAID array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Raid {
    /// Absolute paths of the members, spares included.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// The level by mdadm's names, for example `raid1` or `stripe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The array's name, below `/dev/md/`.
    #[serde(deserialize_with = "absent::or_default")]
    pub name: String,
    /// Further arguments for mdadm.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// How many of the members are spares; absent is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spares: Option<i64>,
}
