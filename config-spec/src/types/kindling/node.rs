//! Joining a cluster.

use crate::order::OrderedMap;
use crate::types::object::object;
use crate::types::resource::Resource;

object! {
    /// How the machine becomes a node.
    pub struct Node {
        pub access: Access;
        pub bootstrap: Bootstrap;
        pub cluster: Cluster;
        pub kubelet: Kubelet;
        pub name: Option<String>;
        pub preflight: Preflight;
        pub prerequisites: Option<String>;
    }
}

object! {
    /// Which ways to log in stay open.
    pub struct Access {
        pub console_login: Option<String>;
        pub ssh: Option<String>;
    }
}

object! {
    /// How the machine proves for the first time that it may join.
    pub struct Bootstrap {
        pub approval_timeout_seconds: Option<i64>;
        pub during: Option<String>;
        pub lifetime_seconds: Option<i64>;
        pub mode: Option<String>;
        pub token: Option<String>;
        pub token_source: Resource;
    }
}

object! {
    /// The cluster to join, and how to know it.
    pub struct Cluster {
        pub ca_cert_hashes: Vec<String>;
        pub certificate_authorities: Vec<Resource>;
        pub server: Option<String>;
    }
}

object! {
    /// How the kubelet runs.
    pub struct Kubelet {
        pub config: serde_json::Map<String, serde_json::Value>;
        pub labels: OrderedMap<String, String>;
        pub layout: Option<String>;
        pub node_ip: Option<String>;
        pub provider_id: Option<String>;
        pub taints: Vec<String>;
        pub unit: Option<String>;
    }
}

object! {
    /// What is looked at before the machine joins.
    pub struct Preflight {
        pub ignore: Vec<String>;
        pub mode: Option<String>;
    }
}
