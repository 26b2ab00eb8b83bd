//! The `kernelArguments` section.

use serde::{Deserialize, Serialize};

use super::absent;

/// Kernel arguments of the installed system, each compared as a whole string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KernelArguments {
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub should_exist: Vec<String>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub should_not_exist: Vec<String>,
}
