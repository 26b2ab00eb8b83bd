//! Encrypted volumes.

use serde::{Deserialize, Serialize};

use crate::types::absent;
use crate::types::resource::Resource;

/// An encrypted volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Luks {
    /// Key protection by a crypto card of IBM Z.
    #[serde(deserialize_with = "absent::or_default")]
    pub cex: Cex,
    /// Key protection by clevis.
    #[serde(deserialize_with = "absent::or_default")]
    pub clevis: Clevis,
    /// Absolute path of the device that holds the volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Whether discards reach the device below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discard: Option<bool>,
    /// The key; absent is a generated one.
    #[serde(deserialize_with = "absent::or_default")]
    pub key_file: Resource,
    /// The label, at most 47 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The volume's name, below `/dev/mapper/`.
    #[serde(deserialize_with = "absent::or_default")]
    pub name: String,
    /// Further arguments for opening the volume, each at most once.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub open_options: Vec<String>,
    /// Further arguments for formatting the volume.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// The volume's UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Whether a volume that is already there is replaced in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe_volume: Option<bool>,
}

/// Key protection by a crypto card of IBM Z.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cex {
    /// Whether it is used; excludes clevis and a key file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Key protection by clevis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Clevis {
    /// A pin of the user's own; excludes the other members.
    #[serde(deserialize_with = "absent::or_default")]
    pub custom: ClevisCustom,
    /// Tang servers; keyed by URL.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub tang: Vec<Tang>,
    /// How many of the pins must answer; absent and 0 are 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<i64>,
    /// Whether the machine's TPM is one of the pins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm2: Option<bool>,
}

/// A clevis pin of the user's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClevisCustom {
    /// The pin's configuration, as clevis takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Whether unlocking needs the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_network: Option<bool>,
    /// The pin's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// A tang server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tang {
    /// The server's advertisement as JSON, for binding without a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertisement: Option<String>,
    /// The thumbprint of a trusted signing key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
    /// The server's URL, http or https.
    #[serde(
        deserialize_with = "absent::or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub url: String,
}
