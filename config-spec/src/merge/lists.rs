//! How lists join.

use std::collections::{BTreeMap, BTreeSet};

use super::Merge;
use crate::keyed::Keyed;

/// The keys that a child's list takes away from its neighbours in the same key space.
pub(super) struct Elsewhere(BTreeSet<String>);

impl Elsewhere {
    /// The keys of `list`.
    pub(super) fn of<T: Keyed>(list: &[T]) -> Self {
        Self(list.iter().map(|entry| entry.key().into_owned()).collect())
    }
}

/// Joins two lists by key: the parent's order first, each entry merged with the child's of the same key, then what
/// only the child has, in its order.
pub(super) fn keyed<T: Keyed + Merge + Clone>(parent: Vec<T>, child: Vec<T>) -> Vec<T> {
    keyed_apart(parent, child, &[])
}

/// As [`keyed`], for a list that shares its key space with others: an entry of the parent whose key the child has in
/// one of `others` is dropped, and nothing of it is inherited.
pub(super) fn keyed_apart<T: Keyed + Merge + Clone>(
    parent: Vec<T>,
    child: Vec<T>,
    others: &[&Elsewhere],
) -> Vec<T> {
    if parent.is_empty() {
        return child;
    }
    let of_parent: BTreeSet<String> = parent.iter().map(|entry| entry.key().into_owned()).collect();
    let mut joint: BTreeMap<String, T> = BTreeMap::new();
    let mut only_child = Vec::new();
    for entry in child {
        let key = entry.key().into_owned();
        if of_parent.contains(&key) {
            // Of twins, which checking refuses but a base config may have, the last one counts.
            joint.insert(key, entry);
        } else {
            only_child.push(entry);
        }
    }
    let mut merged = Vec::with_capacity(parent.len() + only_child.len());
    for entry in parent {
        let key = entry.key();
        if let Some(over) = joint.get(key.as_ref()) {
            let over = over.clone();
            merged.push(entry.over(over));
        } else if !others.iter().any(|other| other.0.contains(key.as_ref())) {
            merged.push(entry);
        }
    }
    merged.append(&mut only_child);
    merged
}

/// Strings two lists together; twins stay.
pub(super) fn append<T>(mut parent: Vec<T>, mut child: Vec<T>) -> Vec<T> {
    parent.append(&mut child);
    parent
}
