//! File systems.

use serde::{Deserialize, Serialize};

use crate::types::absent;

/// A file system and where it is mounted while files are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Filesystem {
    /// Absolute path of the device, or the tag of a virtiofs share.
    #[serde(deserialize_with = "absent::or_default")]
    pub device: String,
    /// ext4, btrfs, xfs, vfat, swap, none or virtiofs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The label; its length depends on the format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Options of the mount.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub mount_options: Vec<String>,
    /// Further arguments for mkfs.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Mount point, absolute in the new root; empty or absent is not mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The file system's UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Whether a file system that is already there is replaced in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe_filesystem: Option<bool>,
}
