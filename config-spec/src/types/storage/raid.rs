//! Software RAID arrays.

use serde::{Deserialize, Serialize};

use crate::types::absent;

/// A software RAID array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Raid {
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    #[serde(deserialize_with = "absent::or_default")]
    pub name: String,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spares: Option<i64>,
}
