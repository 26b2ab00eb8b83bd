//! Joining a cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::absent;
use crate::types::resource::Resource;

/// How the machine becomes a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Node {
    #[serde(deserialize_with = "absent::or_default")]
    pub access: Access,
    #[serde(deserialize_with = "absent::or_default")]
    pub bootstrap: Bootstrap,
    #[serde(deserialize_with = "absent::or_default")]
    pub cluster: Cluster,
    #[serde(deserialize_with = "absent::or_default")]
    pub kubelet: Kubelet,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(deserialize_with = "absent::or_default")]
    pub preflight: Preflight,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prerequisites: Option<String>,
}

/// Which ways to log in stay open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Access {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_login: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh: Option<String>,
}

/// How the machine proves for the first time that it may join.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Bootstrap {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_timeout_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub during: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(deserialize_with = "absent::or_default")]
    pub token_source: Resource,
}

/// The cluster to join, and how to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cluster {
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub ca_cert_hashes: Vec<String>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub certificate_authorities: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// How the kubelet runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Kubelet {
    #[serde(
        deserialize_with = "absent::or_default",
        skip_serializing_if = "serde_json::Map::is_empty"
    )]
    pub config: serde_json::Map<String, serde_json::Value>,
    #[serde(deserialize_with = "absent::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// What is looked at before the machine joins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Preflight {
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}
