//! The `ignition` section: version, references to other configs, and how to fetch.

use serde::{Deserialize, Serialize};

use super::absent;
use super::resource::Resource;

/// About the config itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ignition {
    /// Other configs this one refers to.
    #[serde(deserialize_with = "absent::or_default")]
    pub config: IgnitionConfig,
    /// Proxies for everything that is fetched.
    #[serde(deserialize_with = "absent::or_default")]
    pub proxy: Proxy,
    /// What to trust when fetching.
    #[serde(deserialize_with = "absent::or_default")]
    pub security: Security,
    /// How long to wait when fetching.
    #[serde(deserialize_with = "absent::or_default")]
    pub timeouts: Timeouts,
    /// The spec version the document is written in; after loading always the newest.
    #[serde(deserialize_with = "absent::or_default")]
    pub version: String,
}

/// Other configs this one refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IgnitionConfig {
    /// Configs merged over this one, in order; keyed by `source`.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub merge: Vec<Resource>,
    /// A config to use instead of this one; unused while `source` is absent.
    #[serde(deserialize_with = "absent::or_default")]
    pub replace: Resource,
}

/// Proxies for everything that is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Proxy {
    /// URL of the proxy for HTTP, and for HTTPS unless that has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_proxy: Option<String>,
    /// URL of the proxy for HTTPS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_proxy: Option<String>,
    /// Hosts reached without a proxy: addresses, prefixes, domains, `*`.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<String>,
}

/// What to trust when fetching.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Security {
    /// Trust for TLS.
    #[serde(deserialize_with = "absent::or_default")]
    pub tls: Tls,
}

/// Trust for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tls {
    /// PEM bundles trusted besides the system's roots; keyed by `source`.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub certificate_authorities: Vec<Resource>,
}

/// How long to wait when fetching.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Timeouts {
    /// Seconds to wait for response headers; 0 is no limit, absent is 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_response_headers: Option<i64>,
    /// Seconds for one fetch with all its retries; 0 and absent are no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_total: Option<i64>,
}
