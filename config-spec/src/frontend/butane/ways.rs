//! Walks along the names of members: `storage.files.*.contents` is the contents of each file.

use crate::frontend::tree::{Node, Value};

/// Has `visit` see what stands at the end of `way`, where it is there.
pub(super) fn each<'n, 'a>(node: &'n Node<'a>, way: &str, visit: &mut dyn FnMut(&'n Node<'a>)) {
    let (step, rest) = way.split_once('.').unwrap_or((way, ""));
    match step {
        "" => visit(node),
        "*" => {
            for element in node.elements() {
                each(element, rest, visit);
            }
        }
        name => {
            if let Some(member) = node.get(name) {
                each(member, rest, visit);
            }
        }
    }
}

/// As [`each()`], for who changes it.
pub(super) fn each_mut<'a>(node: &mut Node<'a>, way: &str, visit: &mut dyn FnMut(&mut Node<'a>)) {
    let (step, rest) = way.split_once('.').unwrap_or((way, ""));
    match step {
        "" => visit(node),
        "*" => {
            if let Value::List(elements) = &mut node.value {
                for element in elements {
                    each_mut(element, rest, visit);
                }
            }
        }
        name => {
            if let Some(member) = node.get_mut(name) {
                each_mut(member, rest, visit);
            }
        }
    }
}

/// Where resources stand.
pub(super) const RESOURCES: [&str; 6] = [
    "storage.files.*.contents",
    "storage.files.*.append.*",
    "storage.luks.*.keyFile",
    "ignition.config.merge.*",
    "ignition.config.replace",
    "ignition.security.tls.certificateAuthorities.*",
];

/// What has contents of its own, or those of a local file.
pub(super) const UNITS: [&str; 2] = ["systemd.units.*", "systemd.units.*.dropins.*"];
