//! The `storage` section: disks and what is on them.

use serde::{Deserialize, Serialize};

use super::absent;

mod disk;
mod filesystem;
mod luks;
mod node;
mod raid;

pub use disk::{Disk, Partition};
pub use filesystem::Filesystem;
pub use luks::{Cex, Clevis, ClevisCustom, Luks, Tang};
pub use node::{Directory, File, Link, Owner};
pub use raid::Raid;

/// Disks and what is on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Storage {
    /// Directories; keyed by path, together with files and links.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<Directory>,
    /// Disks to partition; keyed by device.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// Files; keyed by path, together with directories and links.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// File systems; keyed by device.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub filesystems: Vec<Filesystem>,
    /// Links; keyed by path, together with files and directories.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Encrypted volumes; keyed by name.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub luks: Vec<Luks>,
    /// Software RAID arrays; keyed by name.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub raid: Vec<Raid>,
}
