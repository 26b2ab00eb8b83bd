//! The rule about twins: no two entries of a list have the same key.
//!
//! Lists that are strung together when merging (`options`, `mountOptions`, `append`) have no keys and may repeat.

use std::borrow::Cow;

use super::{Findings, catalog as rule, resources};
use crate::diagnostic::Pointer;
use crate::keyed::Keyed;
use crate::order::OrderedMap;
use crate::types::kindling::Kindling;
use crate::types::{Config, Storage};

/// Checks every list that has keys.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let root = Pointer::root;
    let ignition = &config.ignition;
    list(
        &ignition.config.merge,
        || root().key("ignition").key("config").key("merge"),
        findings,
    );
    list(
        &ignition.proxy.no_proxy,
        || root().key("ignition").key("proxy").key("noProxy"),
        findings,
    );
    let at_authorities = || {
        root()
            .key("ignition")
            .key("security")
            .key("tls")
            .key("certificateAuthorities")
    };
    list(
        &ignition.security.tls.certificate_authorities,
        at_authorities,
        findings,
    );
    for (place, resource) in resources::all(config) {
        list(&resource.http_headers, || place.at().key("httpHeaders"), findings);
    }
    let arguments = &config.kernel_arguments;
    let at_argument = |member: &'static str| root().key("kernelArguments").key(member);
    let mut seen = Seen::default();
    seen.list(&arguments.should_exist, || at_argument("shouldExist"), findings);
    seen.list(
        &arguments.should_not_exist,
        || at_argument("shouldNotExist"),
        findings,
    );
    list(
        &config.passwd.groups,
        || root().key("passwd").key("groups"),
        findings,
    );
    list(
        &config.passwd.users,
        || root().key("passwd").key("users"),
        findings,
    );
    for (index, user) in config.passwd.users.iter().enumerate() {
        let at = || root().key("passwd").key("users").index(index);
        list(&user.groups, || at().key("groups"), findings);
        list(
            &user.ssh_authorized_keys,
            || at().key("sshAuthorizedKeys"),
            findings,
        );
    }
    storage(&config.storage, findings);
    list(
        &config.systemd.units,
        || root().key("systemd").key("units"),
        findings,
    );
    for (index, unit) in config.systemd.units.iter().enumerate() {
        list(
            &unit.dropins,
            || root().key("systemd").key("units").index(index).key("dropins"),
            findings,
        );
    }
    extension(&config.kindling, findings);
}

fn extension(kindling: &Kindling, findings: &mut Findings) {
    let node = &kindling.node;
    let at_node = |object: &'static str, list: &'static str| {
        let at = Pointer::root().key("kindling").key("node");
        at.key(object).key(list)
    };
    let at = || at_node("cluster", "caCertHashes");
    list(&node.cluster.ca_cert_hashes, at, findings);
    let at = || at_node("cluster", "certificateAuthorities");
    list(&node.cluster.certificate_authorities, at, findings);
    list(&node.kubelet.taints, || at_node("kubelet", "taints"), findings);
    list(
        &node.preflight.ignore,
        || at_node("preflight", "ignore"),
        findings,
    );
    let at_sinks = || Pointer::root().key("kindling").key("report").key("sinks");
    list(&kindling.report.sinks, at_sinks, findings);
    for (index, sink) in kindling.report.sinks.iter().enumerate() {
        let at = || at_sinks().index(index).key("certificateAuthorities");
        list(&sink.certificate_authorities, at, findings);
        list(&sink.headers, || at_sinks().index(index).key("headers"), findings);
    }
}

fn storage(storage: &Storage, findings: &mut Findings) {
    let at = |member: &'static str| Pointer::root().key("storage").key(member);
    let mut seen = Seen::default();
    seen.list(&storage.directories, || at("directories"), findings);
    seen.list(&storage.files, || at("files"), findings);
    seen.list(&storage.links, || at("links"), findings);
    list(&storage.disks, || at("disks"), findings);
    for (index, disk) in storage.disks.iter().enumerate() {
        list(
            &disk.partitions,
            || at("disks").index(index).key("partitions"),
            findings,
        );
    }
    list(&storage.filesystems, || at("filesystems"), findings);
    list(&storage.luks, || at("luks"), findings);
    for (index, volume) in storage.luks.iter().enumerate() {
        list(
            &volume.open_options,
            || at("luks").index(index).key("openOptions"),
            findings,
        );
        list(
            &volume.clevis.tang,
            || at("luks").index(index).key("clevis").key("tang"),
            findings,
        );
    }
    list(&storage.raid, || at("raid"), findings);
    for (index, array) in storage.raid.iter().enumerate() {
        list(
            &array.devices,
            || at("raid").index(index).key("devices"),
            findings,
        );
    }
}

/// Checks one list that shares its keys with no other.
fn list<T: Keyed>(entries: &[T], at: impl Fn() -> Pointer, findings: &mut Findings) {
    if entries.len() > 1 {
        Seen::default().list(entries, at, findings);
    }
}

/// The keys of one key space and the first list and entry that had each.
#[derive(Default)]
struct Seen<'a>(OrderedMap<Cow<'a, str>, (usize, usize)>, Vec<Pointer>);

impl<'a> Seen<'a> {
    fn list<T: Keyed>(&mut self, entries: &'a [T], at: impl Fn() -> Pointer, findings: &mut Findings) {
        let number = self.1.len();
        self.1.push(at());
        for (index, entry) in entries.iter().enumerate() {
            let (list, first) = *self.0.entry(entry.key()).or_insert((number, index));
            if (list, first) == (number, index) {
                continue;
            }
            // The key is not quoted: it may be a URL with credentials.
            let holder = self
                .1
                .get(list)
                .map(|at| at.clone().index(first).dollar())
                .unwrap_or_default();
            findings
                .report(
                    rule::ENTRY_DUPLICATE,
                    at().index(index),
                    format!("the entry repeats the key of {holder}"),
                )
                .help("join the two entries, or remove one");
        }
    }
}

#[cfg(test)]
mod tests;
