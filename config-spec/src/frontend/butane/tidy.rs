//! The document as it is written: members in the order of the reference's, without empty lists and objects.

use crate::fields::{Field, ROOT, Shape, Table};
use crate::frontend::tree::{Member, Node, Value};
use crate::order;
use crate::version::Version;

/// The made document with its members in order, without those that say nothing. Entries of lists stay.
pub(super) fn tidy(document: &mut Node<'_>, version: Version) {
    object(document, &ROOT, version);
}

/// What files, directories and links have in common stands before what each has of its own.
const COMMON: [&str; 4] = ["group", "overwrite", "path", "user"];

fn object(node: &mut Node<'_>, table: &'static Table, version: Version) {
    let Value::Object(members) = &mut node.value else {
        return;
    };
    let field = |name: &str| table.fields.iter().find(|field| field.name == name);
    for member in members.iter_mut() {
        match field(&member.name).map(|field| &field.shape) {
            Some(Shape::Object(table) | Shape::Strict(table)) => object(&mut member.node, table, version),
            Some(Shape::Objects(table)) => {
                if let Value::List(elements) = &mut member.node.value {
                    for element in elements {
                        object(element, table, version);
                    }
                }
            }
            _ => {}
        }
    }
    members.retain(|member| says_something(member, field(&member.name), version));
    let is_node = matches!(table.name, "file" | "directory" | "link");
    order::by(members, |one, other| {
        let is_own = |member: &Member<'_>| is_node && !COMMON.contains(&&*member.name);
        (is_own(one), rank(&one.name)).cmp(&(is_own(other), rank(&other.name)))
    });
}

/// The reference orders by its own names of the members, of which one starts with capitals.
fn rank(name: &str) -> &str {
    match name {
        "sshAuthorizedKeys" => "sSH",
        name => name,
    }
}

fn says_something(member: &Member<'_>, field: Option<&Field>, version: Version) -> bool {
    // In that version alone an empty pin is one.
    let is_pin = version == Version::V3_2_0 && member.name == "custom";
    match (&member.node.value, field.map(|field| &field.shape)) {
        (Value::Null, _) => false,
        (Value::List(elements), _) => !elements.is_empty(),
        (Value::Object(_), Some(Shape::Free)) => true,
        (Value::Object(members), _) => is_pin || !members.is_empty(),
        (Value::Number(number), _) if member.name == "number" => number != "0",
        _ => true,
    }
}
