//! Sorting, with the same result as the standard library's stable sort. That one is compiled anew for each type and
//! comparison, some 4 kB each time; here the places are sorted, by one instance for all, and the values follow.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Collecting into ordered maps and sets by inserting, where `collect()` sorts first, with code for each type again.
pub trait Gather: Iterator + Sized {
    /// All items, each once.
    fn into_set(self) -> BTreeSet<Self::Item>
    where
        Self::Item: Ord,
    {
        let mut set = BTreeSet::new();
        set.extend(self);
        set
    }

    /// All entries; of several with one key, the last.
    fn into_map<K: Ord, V>(self) -> BTreeMap<K, V>
    where
        Self: Iterator<Item = (K, V)>,
    {
        let mut map = BTreeMap::new();
        map.extend(self);
        map
    }
}

impl<I: Iterator> Gather for I {}

/// Sorts by the values themselves.
pub fn sort<T: Ord>(items: &mut [T]) {
    by(items, T::cmp);
}

/// Sorts by a key; what has the same one keeps its order.
pub fn by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    by(items, |one, other| key(one).cmp(&key(other)));
}

/// Sorts by a comparison; what is equal keeps its order.
pub fn by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut places: Vec<usize> = (0..items.len()).collect();
    sort_places(&mut places, &|one, other| compare(&items[one], &items[other]));
    // Each cycle of the permutation, one swap for each value that moves.
    for start in 0..items.len() {
        let mut here = start;
        loop {
            let from = std::mem::replace(&mut places[here], here);
            if from == start {
                break;
            }
            items.swap(here, from);
            here = from;
        }
    }
}

#[inline(never)]
fn sort_places(places: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    places.sort_by(|one, other| compare(*one, *other));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_standard_library(items: Vec<(u8, u16)>) {
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0 % 8);
            let mut sorted = items.clone();
            by_key(&mut sorted, |item| item.0 % 8);
            prop_assert_eq!(&sorted, &expected);
            expected.sort();
            sort(&mut sorted);
            prop_assert_eq!(sorted, expected);
        }

        #[test]
        fn what_is_gathered_is_what_would_be_collected(items: Vec<(u8, u16)>) {
            let entries = || items.iter().map(|(key, value)| (key % 8, *value));
            prop_assert_eq!(entries().into_map(), entries().collect::<BTreeMap<_, _>>());
            prop_assert_eq!(entries().into_set(), entries().collect::<BTreeSet<_>>());
        }
    }
}
