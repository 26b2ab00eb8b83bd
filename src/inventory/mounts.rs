//! Mount points of the target as data.

use std::path::PathBuf;

use kindling_config_spec::order::OrderedMap;

use serde::{Deserialize, Serialize};

/// What stands at and above the mount path of each file system, by its place in the config's list.
pub type MountPoints = OrderedMap<usize, MountPoint>;

/// One mount path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPoint {
    /// The file system is mounted exactly there, and what lies over it is of the config too.
    pub mounted: bool,
    /// The first component from the root that is not a directory, and what it is.
    pub obstacle: Option<(PathBuf, String)>,
}
