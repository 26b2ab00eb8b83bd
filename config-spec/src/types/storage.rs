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
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<Directory>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub filesystems: Vec<Filesystem>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub luks: Vec<Luks>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub raid: Vec<Raid>,
}
