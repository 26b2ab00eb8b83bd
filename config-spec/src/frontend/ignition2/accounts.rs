//! Users and groups.

use crate::frontend::tree::{Member, Node, Value};
use crate::order::OrderedMap;
use crate::rules::catalog as rule;

use super::draft::{Draft, put, same, taken};
use super::sections::{TWICE, TWICE_FORM, each_once};

const KEYS: &str = "sshAuthorizedKeys";

/// The section of accounts.
pub(super) fn passwd<'a>(draft: &mut Draft<'a>, mut passwd: Node<'a>) -> Node<'a> {
    let from = passwd.from;
    let mut joined: Vec<Node<'a>> = Vec::new();
    let mut by_name: OrderedMap<String, usize> = OrderedMap::new();
    for mut user in taken(&mut passwd, "users") {
        flatten(draft, &mut user);
        let name = user.word("name").unwrap_or_default().to_owned();
        let index = *by_name.entry(name).or_insert(joined.len());
        match joined.get_mut(index) {
            Some(earlier) => over(draft, earlier, user),
            None => joined.push(user),
        }
    }
    for user in &mut joined {
        for list in [KEYS, "groups"] {
            if let Some(list) = user.get_mut(list) {
                each_once(draft, list);
            }
        }
    }
    put(&mut passwd, "users", joined, from);
    let groups = once(draft, taken(&mut passwd, "groups"), "the group");
    put(&mut passwd, "groups", groups, from);
    passwd
}

/// What `create` says, as members of the user.
fn flatten<'a>(draft: &mut Draft<'a>, user: &mut Node<'a>) {
    let Some(create) = user.take("create") else {
        return;
    };
    draft.note(
        create.from,
        "what create says stands in the user itself",
        "\"uid\": …, \"homeDir\": \"…\"",
    );
    let Value::Object(members) = create.value else {
        return;
    };
    for given in user.members() {
        if !matches!(given.name.as_ref(), "name" | "passwordHash" | KEYS) {
            let message = format!(
                "create and \"{}\" are given, which exclude each other",
                given.name
            );
            draft.tell(
                rule::V2_INVALID,
                given.node.from,
                &message,
                "remove create, and say all in the user",
            );
        }
    }
    for Member { name, node } in members {
        user.set(name, node);
    }
}

/// Lays a later entry over the one of the same name: what it says counts, and its keys are added.
fn over<'a>(draft: &mut Draft<'a>, earlier: &mut Node<'a>, later: Node<'a>) {
    draft.note(later.from, TWICE, TWICE_FORM);
    let Value::Object(members) = later.value else {
        return;
    };
    for Member { name, mut node } in members {
        if name == KEYS {
            let mut keys = taken(earlier, KEYS);
            if !keys.is_empty() {
                let message = "an entry before has keys of this user: all count here, and with Ignition 2 only these did";
                draft.tell(
                    rule::V2_CHANGED,
                    node.from,
                    message,
                    "write one entry with the keys that shall count",
                );
            }
            if let Value::List(more) = &mut node.value {
                keys.append(more);
                std::mem::swap(&mut keys, more);
            }
        }
        earlier.set(name, node);
    }
}

/// Each entry of a list once; two of one name must be equal.
pub(super) fn once<'a>(draft: &mut Draft<'a>, given: Vec<Node<'a>>, what: &str) -> Vec<Node<'a>> {
    let mut kept: Vec<Node<'a>> = Vec::new();
    let mut by_name: OrderedMap<String, usize> = OrderedMap::new();
    for entry in given {
        let name = entry.word("name").unwrap_or_default().to_owned();
        let index = *by_name.entry(name).or_insert(kept.len());
        match kept.get(index) {
            Some(earlier) if same(earlier, &entry) => draft.note(entry.from, TWICE, TWICE_FORM),
            Some(_) => {
                let message = format!("{what} is given otherwise before: Ignition 3 makes one of each name");
                draft.tell(
                    rule::V2_INEXPRESSIBLE,
                    entry.from,
                    &message,
                    "keep one of the two",
                );
            }
            None => kept.push(entry),
        }
    }
    kept
}
