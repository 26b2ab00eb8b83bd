//! The `ignition` section: version, references to other configs, and how to fetch.

use serde::{Deserialize, Serialize};

use super::absent;
use super::resource::Resource;

/// About the config itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ignition {
    #[serde(deserialize_with = "absent::or_default")]
    pub config: IgnitionConfig,
    #[serde(deserialize_with = "absent::or_default")]
    pub proxy: Proxy,
    #[serde(deserialize_with = "absent::or_default")]
    pub security: Security,
    #[serde(deserialize_with = "absent::or_default")]
    pub timeouts: Timeouts,
    #[serde(deserialize_with = "absent::or_default")]
    pub version: String,
}

/// Other configs this one refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IgnitionConfig {
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub merge: Vec<Resource>,
    #[serde(deserialize_with = "absent::or_default")]
    pub replace: Resource,
}

/// Proxies for everything that is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Proxy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_proxy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_proxy: Option<String>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<String>,
}

/// What to trust when fetching.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Security {
    #[serde(deserialize_with = "absent::or_default")]
    pub tls: Tls,
}

/// Trust for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tls {
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub certificate_authorities: Vec<Resource>,
}

/// How long to wait when fetching.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Timeouts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_response_headers: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_total: Option<i64>,
}
