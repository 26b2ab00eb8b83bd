//! Mount points of the target as data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What stands at and above one mount path of the config, by the path in the target.
pub type MountPoints = BTreeMap<PathBuf, MountPoint>;

/// One mount path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPoint {
    /// Something is mounted exactly there.
    pub mounted: bool,
    /// The first component from the root that is not a directory, and what it is.
    pub obstacle: Option<(PathBuf, String)>,
}
