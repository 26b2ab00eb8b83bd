//! The `kindling` section: the extension.
//!
//! A config written before the extension serialises as it always did: the section is left out while it says nothing.

use crate::order::OrderedMap;

use super::object::object;
use super::resource::Resource;

mod node;
mod report;

pub use node::{Access, Bootstrap, Cluster, Kubelet, Node, Preflight};
pub use report::{Report, Sink};

/// The version of the extension; documents may name no other.
pub const VERSION: &str = "1.0.0";

object! {
    /// What the base language cannot say.
    pub struct Kindling {
        pub files: OrderedMap<String, FileExtra>;
        pub node: Node;
        pub on_failure: OnFailure;
        pub report: Report;
        pub transport: Transport;
        pub version: String, unless empty;
    }
}

object! {
    /// What there is to say of a file beyond its entry in `storage.files`.
    pub struct FileExtra {
        pub compression: Option<String>;
        pub expand: Option<bool>;
    }
}

object! {
    /// What a machine does whose first boot failed.
    pub struct OnFailure {
        pub action: Option<String>;
        pub attempts: Option<i64>;
        pub delay_seconds: Option<i64>;
    }
}

object! {
    /// How to speak to the hosts that things are fetched from.
    pub struct Transport {
        pub hosts: OrderedMap<String, Identity>;
    }
}

object! {
    /// Who the machine is for a host.
    pub struct Identity {
        pub client_certificate: Resource;
        pub client_key: Resource;
    }
}
