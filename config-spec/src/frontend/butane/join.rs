//! Parent + child → document, on trees: what [`crate::merge()`] does on configs, by the table of fields. What both have
//! keeps the child's place: that is what its author wrote.
//!
//! The parent is what sugar asked for, so it is small; the child is what the author wrote beside, and may be large.

use std::borrow::Cow;

use crate::fields::{Field, Joining, ROOT, Shape, Table};
use crate::frontend::tree::{Node, Value};
use crate::order::{Gather, OrderedMap};

/// `child` over `parent`, both documents of Ignition 3.
pub(super) fn join<'a>(parent: Node<'a>, child: Node<'a>) -> Node<'a> {
    members(&Inside::Object(&ROOT), parent, child)
}

/// What the members of an object are.
enum Inside {
    Object(&'static Table),
    /// All are of one shape; of none known, they are replaced as a whole.
    Map(Option<&'static Shape>),
}

impl Inside {
    fn field(&self, name: &str) -> Option<&'static Field> {
        match self {
            Self::Object(table) => table.fields.iter().find(|field| field.name == name),
            Self::Map(_) => None,
        }
    }
}

fn members<'a>(inside: &Inside, mut parent: Node<'a>, mut child: Node<'a>) -> Node<'a> {
    let (Value::Object(members), Value::Object(_)) = (&mut parent.value, &child.value) else {
        return child;
    };
    let mut members = std::mem::take(members);
    for member in &mut members {
        if let Some(field) = inside.field(&member.name) {
            give_way(field, &mut member.node, &child);
        }
    }
    for member in &mut members {
        let Some(over) = child.take(&member.name) else {
            continue;
        };
        let under = std::mem::replace(&mut member.node, Node::new(Value::Null, over.from));
        let (shape, joining) = match (inside, inside.field(&member.name)) {
            (_, Some(field)) => (Some(&field.shape), field.joining),
            (Inside::Map(shape), None) => (*shape, Joining::NoList),
            (Inside::Object(_), None) => (None, Joining::NoList),
        };
        member.node = match shape {
            Some(Shape::Object(table) | Shape::Strict(table)) => {
                self::members(&Inside::Object(table), under, over)
            }
            Some(Shape::Map(_, shape)) => self::members(&Inside::Map(Some(shape)), under, over),
            Some(Shape::Free) => self::members(&Inside::Map(None), under, over),
            Some(Shape::Objects(table)) => lists(Some(table), joining, under, over),
            Some(Shape::Texts) => lists(None, joining, under, over),
            Some(Shape::Text | Shape::Integer | Shape::Boolean) | None => over,
        };
    }
    if let Value::Object(more) = &mut child.value {
        members.append(more);
    }
    Node::new(Value::Object(members), child.from)
}

/// Takes out of a parent's list what the child has in one of the lists that share its keys.
fn give_way(field: &Field, parent: &mut Node<'_>, child: &Node<'_>) {
    let (Joining::ByAcross(_, others) | Joining::ByTextAcross(others)) = field.joining else {
        return;
    };
    let table = match field.shape {
        Shape::Objects(table) => Some(table),
        _ => None,
    };
    let key = |entry: &Node<'_>| key(table, field.joining, entry).into_owned();
    let has = |list: &str, name: &str| child.each(list).iter().any(|entry| key(entry) == name);
    if let Value::List(entries) = &mut parent.value {
        entries.retain(|entry| {
            let name = key(entry);
            has(field.name, &name) || !others.split(" and ").any(|list| has(list, &name))
        });
    }
}

/// Joins two lists, of objects of `table` or of texts.
fn lists<'a>(table: Option<&'static Table>, joining: Joining, parent: Node<'a>, child: Node<'a>) -> Node<'a> {
    let (Value::List(mut parent), Value::List(mut child), from) = (parent.value, child.value, child.from)
    else {
        return Node::list(Vec::new(), child.from);
    };
    if joining == Joining::Append {
        parent.append(&mut child);
        return Node::list(parent, from);
    }
    let key = |entry: &Node<'_>| key(table, joining, entry).into_owned();
    let names: Vec<String> = parent.iter().map(key).collect();
    let mut over: OrderedMap<&str, Option<Node<'a>>> =
        names.iter().map(|name| (name.as_str(), None)).into_map();
    // Of twins, which checking refuses, the last one counts.
    child.retain(|entry| match over.get_mut(key(entry).as_str()) {
        Some(slot) => {
            *slot = Some(entry.clone());
            false
        }
        None => true,
    });
    let mut joined = Vec::with_capacity(parent.len() + child.len());
    for (entry, name) in parent.into_iter().zip(&names) {
        let over = over.get(name.as_str()).and_then(Option::as_ref);
        match (over, table) {
            (None, _) => joined.push(entry),
            // A header without a value takes its parent's away.
            (Some(over), Some(table)) if table.name == "httpHeader" => {
                joined.extend(over.get("value").is_some().then(|| over.clone()));
            }
            (Some(over), Some(table)) => {
                joined.push(members(&Inside::Object(table), entry, over.clone()));
            }
            (Some(over), None) => joined.push(over.clone()),
        }
    }
    joined.append(&mut child);
    Node::list(joined, from)
}

/// The key of an entry of a list, as [`crate::keyed`] has it.
fn key<'n>(table: Option<&Table>, joining: Joining, entry: &'n Node<'_>) -> Cow<'n, str> {
    let word = |name| entry.word(name).unwrap_or_default();
    let member = match (joining, table.map(|table| table.name)) {
        (_, Some("partition")) => {
            return match (entry.number("number").unwrap_or(0), entry.word("label")) {
                (0, None) => Cow::Borrowed(""),
                (0, Some(label)) => Cow::Owned(format!("label:{label}")),
                (number, _) => Cow::Owned(format!("number:{number}")),
            };
        }
        (_, Some("sink")) => return Cow::Owned(["type", "url", "path", "port"].map(word).join(" ")),
        (Joining::By(member) | Joining::ByAcross(member, _), _) => member,
        _ => return Cow::Borrowed(entry.as_text().unwrap_or_default()),
    };
    Cow::Borrowed(word(member))
}

#[cfg(test)]
mod tests;
