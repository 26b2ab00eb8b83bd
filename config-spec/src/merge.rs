//! Parent + child → config. Pure and total: it refuses nothing and checks nothing.
//!
//! The child wins wherever it says something; lists join by key ([`crate::keyed`]), and only options and appended
//! contents are strung together. A valid parent and a valid child may make an invalid config, which
//! [`crate::check_merged`] finds.

mod kindling;
mod lists;
mod storage;

use crate::order::{Gather, OrderedSet};
use crate::types::kindling::Kindling;
use crate::types::{
    Config, Dropin, Group, HttpHeader, Ignition, IgnitionConfig, KernelArguments, Passwd, Proxy, Resource,
    Security, Systemd, Timeouts, Tls, Unit, User, Verification,
};
use lists::{Elsewhere, keyed, keyed_apart};

/// `child` over `parent`. Base configs merge by the same rule: `merge(base, user)`.
#[must_use]
pub fn merge(parent: Config, child: Config) -> Config {
    parent.over(child)
}

/// As [`merge()`], for the extension alone.
pub(crate) fn merge_extension(parent: Kindling, child: Kindling) -> Kindling {
    parent.over(child)
}

/// A value that can stand under another of its kind.
trait Merge: Sized {
    /// This value with `child` laid over it.
    fn over(self, child: Self) -> Self;
}

/// Merges objects: one that says nothing leaves the other as it is, plain members included.
fn objects<T: Default + PartialEq>(parent: T, child: T, members: impl FnOnce(T, T) -> T) -> T {
    if child == T::default() {
        parent
    } else if parent == T::default() {
        child
    } else {
        members(parent, child)
    }
}

/// Strings of a list are their own keys, so there is nothing inside them to merge.
impl Merge for String {
    fn over(self, child: Self) -> Self {
        child
    }
}

impl Merge for Config {
    fn over(self, child: Self) -> Self {
        objects(self, child, |parent, child| Self {
            ignition: parent.ignition.over(child.ignition),
            kernel_arguments: parent.kernel_arguments.over(child.kernel_arguments),
            kindling: parent.kindling.over(child.kindling),
            passwd: parent.passwd.over(child.passwd),
            storage: parent.storage.over(child.storage),
            systemd: parent.systemd.over(child.systemd),
        })
    }
}

impl Merge for Ignition {
    fn over(self, child: Self) -> Self {
        objects(self, child, |parent, child| Self {
            config: parent.config.over(child.config),
            proxy: parent.proxy.over(child.proxy),
            security: parent.security.over(child.security),
            timeouts: parent.timeouts.over(child.timeouts),
            version: child.version,
        })
    }
}

impl Merge for IgnitionConfig {
    fn over(self, child: Self) -> Self {
        Self {
            merge: keyed(self.merge, child.merge),
            replace: self.replace.over(child.replace),
        }
    }
}

impl Merge for Proxy {
    fn over(self, child: Self) -> Self {
        Self {
            http_proxy: child.http_proxy.or(self.http_proxy),
            https_proxy: child.https_proxy.or(self.https_proxy),
            no_proxy: keyed(self.no_proxy, child.no_proxy),
        }
    }
}

impl Merge for Security {
    fn over(self, child: Self) -> Self {
        Self {
            tls: self.tls.over(child.tls),
        }
    }
}

impl Merge for Tls {
    fn over(self, child: Self) -> Self {
        Self {
            certificate_authorities: keyed(self.certificate_authorities, child.certificate_authorities),
        }
    }
}

impl Merge for Timeouts {
    fn over(self, child: Self) -> Self {
        Self {
            http_response_headers: child.http_response_headers.or(self.http_response_headers),
            http_total: child.http_total.or(self.http_total),
        }
    }
}

impl Merge for Resource {
    fn over(self, child: Self) -> Self {
        objects(self, child, |parent, child| Self {
            compression: child.compression.or(parent.compression),
            http_headers: headers(parent.http_headers, child.http_headers),
            source: child.source.or(parent.source),
            verification: parent.verification.over(child.verification),
        })
    }
}

impl Merge for Verification {
    fn over(self, child: Self) -> Self {
        Self {
            hash: child.hash.or(self.hash),
        }
    }
}

impl Merge for HttpHeader {
    /// Unlike anywhere else, an absent value of the child says something: [`headers`] then drops the header.
    fn over(self, child: Self) -> Self {
        child
    }
}

/// Headers join by name; a child without a value removes its parent's header. Without a parent it stays.
fn headers(parent: Vec<HttpHeader>, child: Vec<HttpHeader>) -> Vec<HttpHeader> {
    let restated: OrderedSet<String> = {
        let of_child: OrderedSet<&str> = child.iter().map(|header| header.name.as_str()).into_set();
        let both = parent
            .iter()
            .filter(|header| of_child.contains(header.name.as_str()));
        both.map(|header| header.name.clone()).into_set()
    };
    let mut merged = keyed(parent, child);
    merged.retain(|header| header.value.is_some() || !restated.contains(&header.name));
    merged
}

impl Merge for KernelArguments {
    fn over(self, child: Self) -> Self {
        let in_exist = Elsewhere::of(&child.should_exist);
        let in_not_exist = Elsewhere::of(&child.should_not_exist);
        Self {
            should_exist: keyed_apart(self.should_exist, child.should_exist, &[&in_not_exist]),
            should_not_exist: keyed_apart(self.should_not_exist, child.should_not_exist, &[&in_exist]),
        }
    }
}

impl Merge for Passwd {
    fn over(self, child: Self) -> Self {
        Self {
            groups: keyed(self.groups, child.groups),
            users: keyed(self.users, child.users),
        }
    }
}

impl Merge for Group {
    fn over(self, child: Self) -> Self {
        Self {
            gid: child.gid.or(self.gid),
            name: child.name,
            password_hash: child.password_hash.or(self.password_hash),
            should_exist: child.should_exist.or(self.should_exist),
            system: child.system.or(self.system),
        }
    }
}

impl Merge for User {
    fn over(self, child: Self) -> Self {
        Self {
            gecos: child.gecos.or(self.gecos),
            groups: keyed(self.groups, child.groups),
            home_dir: child.home_dir.or(self.home_dir),
            name: child.name,
            no_create_home: child.no_create_home.or(self.no_create_home),
            no_log_init: child.no_log_init.or(self.no_log_init),
            no_user_group: child.no_user_group.or(self.no_user_group),
            password_hash: child.password_hash.or(self.password_hash),
            primary_group: child.primary_group.or(self.primary_group),
            ssh_authorized_keys: keyed(self.ssh_authorized_keys, child.ssh_authorized_keys),
            shell: child.shell.or(self.shell),
            should_exist: child.should_exist.or(self.should_exist),
            system: child.system.or(self.system),
            uid: child.uid.or(self.uid),
        }
    }
}

impl Merge for Systemd {
    fn over(self, child: Self) -> Self {
        Self {
            units: keyed(self.units, child.units),
        }
    }
}

impl Merge for Unit {
    fn over(self, child: Self) -> Self {
        Self {
            contents: child.contents.or(self.contents),
            dropins: keyed(self.dropins, child.dropins),
            enabled: child.enabled.or(self.enabled),
            mask: child.mask.or(self.mask),
            name: child.name,
        }
    }
}

impl Merge for Dropin {
    fn over(self, child: Self) -> Self {
        Self {
            contents: child.contents.or(self.contents),
            name: child.name,
        }
    }
}

#[cfg(test)]
mod tests;
