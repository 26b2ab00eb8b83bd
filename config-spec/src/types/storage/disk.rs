//! Disks and partitions.

use serde::{Deserialize, Serialize};

use crate::types::absent;

/// A disk and the partitions it shall have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Disk {
    /// Absolute path of the disk's device.
    #[serde(deserialize_with = "absent::or_default")]
    pub device: String,
    /// Partitions; keyed by number, or by label where the number is 0.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Partition>,
    /// Whether the partition table is erased first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe_table: Option<bool>,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Partition {
    /// The partition's own GUID; absent or empty is a fresh one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// The label, at most 36 bytes, without a colon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The slot in the table, from 1; 0 is the next free one.
    #[serde(
        deserialize_with = "absent::or_default",
        skip_serializing_if = "absent::is_zero"
    )]
    pub number: i64,
    /// Permission to change only the size of a partition that differs in nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<bool>,
    /// False asks for the partition's absence; absent is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should_exist: Option<bool>,
    /// The size in MiB; 0 fills the largest free block, absent keeps what is there.
    #[serde(rename = "sizeMiB", skip_serializing_if = "Option::is_none")]
    pub size_mib: Option<i64>,
    /// The start in MiB; 0 is the start of the largest free block, absent keeps what is there.
    #[serde(rename = "startMiB", skip_serializing_if = "Option::is_none")]
    pub start_mib: Option<i64>,
    /// The partition type; absent or empty is a Linux data partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_guid: Option<String>,
    /// Permission to delete or replace an entry that does not match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe_partition_entry: Option<bool>,
}
