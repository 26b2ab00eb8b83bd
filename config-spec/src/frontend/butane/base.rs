//! From the typed tree to Ignition's: contents become data URLs, local files are read, and what is sugar is taken out.

use super::encode::{Forms, Packer, encode};
use super::files::LocalFiles;
use super::mounts;
use super::remark::{Remark, Tell};
use super::variant::Variant;
use super::ways::{RESOURCES, UNITS, each_mut};
use crate::frontend::tree::{Node, Place, Value};
use crate::rules::catalog as rule;
use crate::suggest::quoted;

/// How contents are taken over.
pub(super) struct Contents<'f> {
    pub(super) files: &'f dyn LocalFiles,
    pub(super) forms: Forms,
    pub(super) packer: Packer,
    /// Whether the document has to say that contents are not compressed.
    pub(super) says_compression: bool,
}

/// The members of the document that are none of Ignition's, and neither make nor need any of its.
const OWN: [&str; 6] = [
    "variant",
    "version",
    "bootDevice",
    "grub",
    "metadata",
    "openshift",
];

/// Makes the typed tree one of Ignition's, but for `storage.trees` and `systemd.quadlets`. What it takes out is given back.
pub(super) fn translate<'a>(
    document: &mut Node<'a>,
    variant: &Variant,
    contents: &Contents<'_>,
    tell: &mut Tell<'_>,
) -> Node<'a> {
    let from = document.get("version").unwrap_or(document).from;
    let own = Node::object(document.from);
    let own = OWN
        .into_iter()
        .fold(own, |own, name| own.with_some(name, document.take(name)));
    let version = Node::text(variant.spec.as_str(), from);
    match document.get_mut("ignition") {
        Some(ignition) => ignition.set("version", version),
        None => document.set("ignition", Node::object(from).with("version", version)),
    }
    for way in RESOURCES {
        each_mut(document, way, &mut |resource| contents.resource(resource, tell));
    }
    for way in UNITS {
        each_mut(document, way, &mut |unit| contents.unit(unit, tell));
    }
    each_mut(document, "passwd.users.*", &mut |user| contents.keys(user, tell));
    each_mut(document, "storage.filesystems.*", &mut mounts::strip);
    own
}

impl Contents<'_> {
    /// Gives a resource the URL of what stands in it, or in a local file.
    fn resource(&self, resource: &mut Node<'_>, tell: &mut Tell<'_>) {
        let (bytes, from) = if let Some(inline) = resource.take("inline") {
            (bytes_of(inline.value), inline.from)
        } else if let Some(local) = resource.take("local") {
            let Some(bytes) = self.read(&local, tell) else {
                return;
            };
            (bytes, local.from)
        } else {
            return;
        };
        self.fill(resource, &bytes, from);
    }

    /// Gives a resource these contents; `from` asked for them.
    pub(super) fn fill(&self, resource: &mut Node<'_>, bytes: &[u8], from: Place) {
        let given = resource.get("compression");
        let is_packed = given.and_then(Node::as_text).is_some_and(|name| !name.is_empty());
        let forms = if is_packed {
            self.forms.min(Forms::Plain)
        } else {
            self.forms
        };
        let encoded = encode(bytes, forms, &self.packer);
        if self.says_compression && !is_packed {
            let at = given.map_or(from, |given| given.from);
            let compression = if encoded.is_packed { "gzip" } else { "" };
            resource.set("compression", Node::text(compression, at));
        }
        resource.set("source", Node::text(encoded.url, from));
    }

    fn unit(&self, unit: &mut Node<'_>, tell: &mut Tell<'_>) {
        let Some(local) = unit
            .take("contentsLocal")
            .filter(|local| local.as_text() != Some(""))
        else {
            return;
        };
        if let Some(bytes) = self.read(&local, tell) {
            unit.set("contents", Node::text(lossy(bytes), local.from));
        }
    }

    fn keys(&self, user: &mut Node<'_>, tell: &mut Tell<'_>) {
        let Some(paths) = user.take("sshAuthorizedKeysLocal") else {
            return;
        };
        let mut keys = Vec::new();
        for path in paths.elements() {
            let text = lossy(self.read(path, tell).unwrap_or_default());
            let lines = text.lines().filter(|line| !line.is_empty());
            keys.extend(lines.map(|line| Node::text(line.to_owned(), path.from)));
        }
        match user.get_mut("sshAuthorizedKeys") {
            Some(Node {
                value: Value::List(given),
                ..
            }) => given.append(&mut keys),
            _ => user.set("sshAuthorizedKeys", Node::list(keys, paths.from)),
        }
    }

    /// The bytes of the file that `local` names.
    pub(super) fn read(&self, local: &Node<'_>, tell: &mut Tell<'_>) -> Option<Vec<u8>> {
        let path = local.as_text().unwrap_or_default();
        let refuse = |why| {
            let message = format!("the local file {} cannot be had: {why}", quoted(path));
            tell(Remark::new(rule::BUTANE_LOCAL, local.from, message, HELP));
        };
        self.files.read(path).map_err(refuse).ok()
    }
}

pub(super) const HELP: &str = "paths count from the directory that --files-dir names; at boot there is none";

fn bytes_of(value: Value<'_>) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes,
        Value::Text(text) | Value::Plain(text) => text.into_owned().into_bytes(),
        _ => Vec::new(),
    }
}

/// What is no UTF-8 is replaced, as everywhere in JSON.
pub(super) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
