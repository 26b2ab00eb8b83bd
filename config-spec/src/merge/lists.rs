//! How lists join.

use std::borrow::Cow;

use super::Merge;
use crate::keyed::Keyed;
use crate::order::{Gather, OrderedMap, OrderedSet};

/// The keys that a child's list takes away from its neighbours in the same key space.
pub(super) struct Elsewhere(OrderedSet<String>);

impl Elsewhere {
    /// The keys of `list`.
    pub(super) fn of<T: Keyed>(list: &[T]) -> Self {
        Self(list.iter().map(|entry| entry.key().into_owned()).into_set())
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
    let (fates, only_child) = join(&keys(&parent), &keys(&child), others);
    let mut merged = Vec::with_capacity(parent.len() + child.len());
    for (entry, fate) in parent.into_iter().zip(fates) {
        match fate {
            Fate::Merged(at) => merged.push(entry.over(child[at].clone())),
            Fate::Kept => merged.push(entry),
            Fate::Dropped => {}
        }
    }
    let kept = child.into_iter().zip(only_child);
    merged.extend(kept.filter_map(|(entry, only)| only.then_some(entry)));
    merged
}

/// What becomes of an entry of the parent.
enum Fate {
    /// The child's at this place is merged over it.
    Merged(usize),
    Kept,
    Dropped,
}

fn keys<T: Keyed>(list: &[T]) -> Vec<Cow<'_, str>> {
    list.iter().map(Keyed::key).collect()
}

/// What becomes of each entry of the parent, and which of the child's only the child has. Of keys alone, so that there is
/// one of it for all kinds of entries.
fn join(parent: &[Cow<'_, str>], child: &[Cow<'_, str>], others: &[&Elsewhere]) -> (Vec<Fate>, Vec<bool>) {
    let mut places: OrderedMap<&str, usize> = OrderedMap::new();
    for (at, key) in child.iter().enumerate() {
        // Of twins, which checking refuses but a base config may have, the last one counts.
        places.insert(key, at);
    }
    let mut of_parent: OrderedSet<&str> = OrderedSet::new();
    let mut fates = Vec::with_capacity(parent.len());
    for key in parent {
        of_parent.insert(key);
        fates.push(match places.get(key.as_ref()) {
            Some(at) => Fate::Merged(*at),
            None if others.iter().any(|other| other.0.contains(key.as_ref())) => Fate::Dropped,
            None => Fate::Kept,
        });
    }
    let only_child = child.iter().map(|key| !of_parent.contains(key.as_ref()));
    (fates, only_child.collect())
}

/// Strings two lists together; twins stay.
pub(super) fn append<T>(mut parent: Vec<T>, mut child: Vec<T>) -> Vec<T> {
    parent.append(&mut child);
    parent
}
