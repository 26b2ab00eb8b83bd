//! Encrypted volumes.

use serde::{Deserialize, Serialize};

use crate::types::absent;
use crate::types::resource::Resource;

/// An encrypted volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Luks {
    #[serde(deserialize_with = "absent::or_default")]
    pub cex: Cex,
    #[serde(deserialize_with = "absent::or_default")]
    pub clevis: Clevis,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discard: Option<bool>,
    #[serde(deserialize_with = "absent::or_default")]
    pub key_file: Resource,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(deserialize_with = "absent::or_default")]
    pub name: String,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub open_options: Vec<String>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe_volume: Option<bool>,
}

/// Key protection by a crypto card of IBM Z.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cex {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Key protection by clevis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Clevis {
    #[serde(deserialize_with = "absent::or_default")]
    pub custom: ClevisCustom,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub tang: Vec<Tang>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm2: Option<bool>,
}

impl Clevis {
    /// Whether any pin is asked for. A threshold of 0 is none.
    #[must_use]
    pub fn is_used(&self) -> bool {
        let has_pin = self.custom.pin.as_ref().is_some_and(|pin| !pin.is_empty());
        has_pin || self.has_plain_pins()
    }

    /// Whether pins other than a custom one are asked for.
    #[must_use]
    pub fn has_plain_pins(&self) -> bool {
        !self.tang.is_empty()
            || self.tpm2 == Some(true)
            || self.threshold.is_some_and(|threshold| threshold != 0)
    }
}

/// A clevis pin of the user's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClevisCustom {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_network: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// A tang server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tang {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertisement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
    #[serde(
        deserialize_with = "absent::or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub url: String,
}
