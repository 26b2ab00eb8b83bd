//! The newest spec (3.7.0-experimental) as plain data, one file per section.
//!
//! Every older document is translated to these types ([`crate::check()`]), so nothing behind the config layer
//! knows of versions. Fields keep their JSON names in snake case.
//!
//! Serialising gives the cache format that other initramfs programs query: members in alphabetical order, absent
//! scalars and empty lists left out, objects always present even when empty. Reading is as forgiving as the
//! reference: `null` is the same as absence, also as an element of a list.
//!
//! What a member means is said once, in `fields`, of which the page docs/config-spec.md is made.
#![expect(
    missing_docs,
    reason = "members are described in docs/config-spec.md; a second text here would drift from it"
)]

mod ignition;
mod kernel_arguments;
pub mod kindling;
mod object;
mod passwd;
mod resource;
mod storage;
mod systemd;

pub use ignition::{Ignition, IgnitionConfig, Proxy, Security, Timeouts, Tls};
pub use kernel_arguments::KernelArguments;
pub use passwd::{Group, Passwd, User};
pub use resource::{HttpHeader, Resource, Verification};
pub use storage::{
    Cex, Clevis, ClevisCustom, Directory, Disk, File, Filesystem, Link, Luks, Owner, Partition, Raid,
    Storage, Tang,
};
pub use systemd::{Dropin, Systemd, Unit};

use std::io;

use crate::json;
use object::object;

object! {
    /// A whole config.
    pub struct Config {
        pub ignition: Ignition;
        pub kernel_arguments: KernelArguments;
        pub kindling: kindling::Kindling, unless empty;
        pub passwd: Passwd;
        pub storage: Storage;
        pub systemd: Systemd;
    }
}

impl Config {
    /// Writes it as JSON.
    pub fn write_json(&self, to: &mut dyn io::Write) -> serde_json::Result<()> {
        json::write(to, self)
    }

    /// Its JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::text(self)
    }

    /// Whether it makes swap or a unit for it: then nobody turns swap off behind its back.
    #[must_use]
    pub fn asks_for_swap(&self) -> bool {
        let filesystems = &self.storage.filesystems;
        let mut units = self.systemd.units.iter();
        filesystems
            .iter()
            .any(|filesystem| filesystem.format.as_deref() == Some("swap"))
            || units.any(|unit| unit.name.ends_with(".swap") && unit.mask != Some(true))
    }

    /// Its JSON as a tree, by way of the text: writing a tree directly would be another 20 kB.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.to_json()).unwrap_or_default()
    }
}
