//! The `ignition` section: version, references to other configs, and how to fetch.

use super::object::object;
use super::resource::Resource;

object! {
    /// About the config itself.
    pub struct Ignition {
        pub config: IgnitionConfig;
        pub proxy: Proxy;
        pub security: Security;
        pub timeouts: Timeouts;
        pub version: String;
    }
}

object! {
    /// Other configs this one refers to.
    pub struct IgnitionConfig {
        pub merge: Vec<Resource>;
        pub replace: Resource;
    }
}

object! {
    /// Proxies for everything that is fetched.
    pub struct Proxy {
        pub http_proxy: Option<String>;
        pub https_proxy: Option<String>;
        pub no_proxy: Vec<String>;
    }
}

object! {
    /// What to trust when fetching.
    pub struct Security {
        pub tls: Tls;
    }
}

object! {
    /// Trust for TLS.
    pub struct Tls {
        pub certificate_authorities: Vec<Resource>;
    }
}

object! {
    /// How long to wait when fetching.
    pub struct Timeouts {
        pub http_response_headers: Option<i64>;
        pub http_total: Option<i64>;
    }
}
