//! The way back: a document of Ignition 3 as a Butane config.

use std::borrow::Cow;

use super::names;
use super::variant::{ALL, Family, Variant};
use crate::data_url;
use crate::fields::{Field, ROOT, Shape, Table};
use crate::frontend::tree::{Node, Place, Value};
use crate::frontend::{json, yaml_out};
use crate::version::Version;

/// Contents up to so many bytes stand in the config as they are.
const INLINE: usize = 1 << 16;

/// `text`, a valid document of Ignition 3, as a Butane config for Fedora CoreOS in YAML: the version that becomes the same
/// one of Ignition, members in their order. Modes become octal, and contents that are readable stand as they are; so the
/// config is the same, and need not be written the same. Members that the version does not have are left out.
///
/// `None` for what is no document of Ignition 3.
#[must_use]
pub fn butane_of(text: &str) -> Option<String> {
    crate::document::syntax(text).ok()?;
    let (document, _) = json::read(text).ok()?;
    let version = Version::parse(document.get("ignition")?.word("version")?).ok()?;
    let variant = newest(version)?;
    let mut written = Node::object(Place::DOCUMENT)
        .with("variant", Node::text(variant.family.name(), Place::DOCUMENT))
        .with("version", Node::text(variant.version, Place::DOCUMENT));
    let writer = Writer { version };
    if let (Value::Object(members), Value::Object(mut more)) =
        (&mut written.value, writer.object(document, &ROOT))
    {
        members.append(&mut more);
    }
    Some(yaml_out::write(&written))
}

/// The newest config for Fedora CoreOS that becomes `version`.
fn newest(version: Version) -> Option<&'static Variant> {
    let mut variants = ALL.iter().rev();
    variants.find(|variant| variant.family == Family::Fcos && variant.spec == version)
}

struct Writer {
    version: Version,
}

impl Writer {
    fn object<'a>(&self, node: Node<'a>, table: &Table) -> Value<'a> {
        let Value::Object(members) = node.value else {
            return node.value;
        };
        let mut written = Node::object(Place::DOCUMENT);
        for member in members {
            let same = |field: &&Field| field.name.eq_ignore_ascii_case(&member.name);
            let field = table.fields.iter().find(same);
            let Some(field) = field.filter(|field| field.first <= self.version) else {
                continue;
            };
            let is_version = table.name == "ignition" && field.name == "version";
            if member.node.is_null() || is_version {
                continue;
            }
            let value = self.member(table, field, member.node);
            let is_emptied = field.name == "ignition" && value == Value::Object(Vec::new());
            if !is_emptied {
                // Of a member that is there twice, the last one counts.
                written.set(names::snake(field.name), Node::new(value, Place::DOCUMENT));
            }
        }
        written.value
    }

    fn member<'a>(&self, table: &Table, field: &Field, node: Node<'a>) -> Value<'a> {
        if field.name == "mode" && matches!(table.name, "file" | "directory") {
            return octal(node);
        }
        let mut value = self.value(&field.shape, node);
        // The oldest version has contents alone, and what is to be merged would be looked at as JSON.
        let has_contents = matches!(field.name, "contents" | "append" | "keyFile")
            || field.name == "certificateAuthorities" && self.version > Version::V3_0_0;
        match &mut value {
            Value::Object(_) if has_contents => inline(&mut value),
            Value::List(elements) if has_contents => {
                elements.iter_mut().for_each(|element| inline(&mut element.value));
            }
            _ => {}
        }
        value
    }

    fn value<'a>(&self, shape: &Shape, node: Node<'a>) -> Value<'a> {
        match (shape, node.value) {
            (Shape::Object(table) | Shape::Strict(table), value) => {
                self.object(Node::new(value, node.from), table)
            }
            (Shape::Objects(table), Value::List(elements)) => {
                let write = |element: Node<'a>| Node::new(self.object(element, table), Place::DOCUMENT);
                Value::List(elements.into_iter().map(write).collect())
            }
            (Shape::Map(_, inner), Value::Object(mut members)) => {
                for member in &mut members {
                    let member = &mut member.node;
                    let node = Node::new(std::mem::replace(&mut member.value, Value::Null), member.from);
                    member.value = self.value(inner, node);
                }
                Value::Object(members)
            }
            (_, value) => value,
        }
    }
}

/// A mode as people write it.
fn octal(node: Node<'_>) -> Value<'_> {
    match node.as_integer() {
        Some(mode @ 1..=0o7777) => Value::Number(format!("0{mode:03o}").into()),
        _ => node.value,
    }
}

/// Puts the contents of a data URL in its place, if people can read them, or if that is what says that they are not compressed.
fn inline(resource: &mut Value<'_>) {
    let Value::Object(members) = resource else { return };
    let word = |name: &str| {
        let member = members.iter().find(|member| member.name == name);
        member.and_then(|member| member.node.as_text())
    };
    let compression = word("compression");
    let contents = match (word("source"), compression.unwrap_or_default()) {
        (Some(url), "") if url.len() <= 4 * INLINE => data_url::decode(url).ok(),
        _ => None,
    };
    let contents = contents.filter(|bytes| bytes.len() <= INLINE);
    let contents = contents.and_then(|bytes| match readable(&bytes) {
        Some(text) => Some(Value::Text(text.to_owned().into())),
        None => compression.is_some().then(|| binary(&bytes)),
    });
    let Some(contents) = contents else { return };
    // Whoever reads it says by himself whether contents are compressed.
    members.retain(|member| member.name != "compression");
    if let Some(source) = members.iter_mut().find(|member| member.name == "source") {
        source.name = Cow::Borrowed("inline");
        source.node.value = contents;
    }
}

fn readable(bytes: &[u8]) -> Option<&str> {
    let is_seen = |letter: char| matches!(letter, '\n' | '\t') || !letter.is_control();
    let text = str::from_utf8(bytes).ok();
    text.filter(|text| text.chars().all(is_seen))
}

/// Contents with their tag, as they are written.
fn binary(bytes: &[u8]) -> Value<'static> {
    let url = data_url::encode(bytes);
    let digits = url.rsplit(',').next().unwrap_or_default();
    Value::Plain(format!("!!binary {digits}").into())
}

#[cfg(test)]
mod tests;
