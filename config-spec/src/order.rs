//! Sorting, and ordered maps and sets, with the same result as the standard library's. Those are compiled anew for each type
//! and comparison, some 4 kB each time; here places are sorted and searched, by one instance for all, and the values follow.

mod map;
mod places;
mod serial;
mod set;

use std::cmp::Ordering;

pub use map::OrderedMap;
pub use set::OrderedSet;

/// Collecting into ordered maps and sets.
pub trait Gather: Iterator + Sized {
    /// All items, each once.
    fn into_set(self) -> OrderedSet<Self::Item>
    where
        Self::Item: Ord,
    {
        self.collect()
    }

    /// All entries; of several with one key, the last.
    fn into_map<K: Ord, V>(self) -> OrderedMap<K, V>
    where
        Self: Iterator<Item = (K, V)>,
    {
        self.collect()
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
    places::arrange(&mut places, &mut |one, other| items.swap(one, other));
}

#[inline(never)]
fn sort_places(places: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    places.sort_by(|one, other| compare(*one, *other));
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::Bound;

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
        fn maps_are_those_of_the_standard_library(acts: Vec<(u8, u8, u16)>) {
            let (mut map, mut expected) = (OrderedMap::new(), BTreeMap::new());
            for (act, value, key) in acts {
                // Few enough keys that they meet, and enough for several runs.
                let key = key % 1024;
                match act % 8 {
                    0 => prop_assert_eq!(map.remove(&key), expected.remove(&key)),
                    1 => prop_assert_eq!(map.pop_first(), expected.pop_first()),
                    2 => {
                        let more = || (0..u16::from(value) * 4).rev().map(|number| (number ^ key, value));
                        map.extend(more());
                        expected.extend(more());
                    }
                    3 => {
                        map.retain(|key, _| key % 64 != u16::from(value) % 64);
                        expected.retain(|key, _| key % 64 != u16::from(value) % 64);
                    }
                    4 => {
                        let from = key.saturating_sub(u16::from(value));
                        prop_assert!(map.range(from..key).eq(expected.range(from..key)));
                        prop_assert!(map.range(from..=key).rev().eq(expected.range(from..=key).rev()));
                        prop_assert!(map.range((Bound::Excluded(key), Bound::Unbounded)).eq(
                            expected.range((Bound::Excluded(key), Bound::Unbounded))
                        ));
                    }
                    5 => {
                        *map.entry(key).or_default() ^= value;
                        *expected.entry(key).or_default() ^= value;
                    }
                    6 => {
                        map.values_mut().for_each(|held| *held ^= value);
                        expected.values_mut().for_each(|held| *held ^= value);
                    }
                    _ => prop_assert_eq!(map.insert(key, value), expected.insert(key, value)),
                }
                prop_assert_eq!(map.get(&key), expected.get(&key));
                prop_assert_eq!(map.first_key_value(), expected.first_key_value());
                prop_assert_eq!(map.last_key_value(), expected.last_key_value());
                prop_assert_eq!(map.iter().len(), expected.len());
                prop_assert!(map.iter().eq(&expected));
                prop_assert!(map.iter().rev().eq(expected.iter().rev()));
            }
            let entries: Vec<_> = map.clone().into_iter().collect();
            prop_assert_eq!(entries, expected.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn both_ends_of_a_map_meet(keys: BTreeSet<u16>, from_front: Vec<bool>) {
            let set: OrderedSet<u16> = keys.iter().copied().collect();
            let (mut ours, mut expected) = (set.iter(), keys.iter());
            for is_front in from_front {
                prop_assert_eq!(ours.len(), expected.len());
                if is_front {
                    prop_assert_eq!(ours.next(), expected.next());
                } else {
                    prop_assert_eq!(ours.next_back(), expected.next_back());
                }
            }
            prop_assert!(ours.eq(expected));
        }

        #[test]
        fn sets_are_those_of_the_standard_library(one: BTreeSet<u8>, other: BTreeSet<u8>) {
            let set = |values: &BTreeSet<u8>| values.iter().copied().into_set();
            let (ours, theirs) = (set(&one), set(&other));
            prop_assert!(ours.difference(&theirs).eq(one.difference(&other)));
            prop_assert!(ours.intersection(&theirs).eq(one.intersection(&other)));
            prop_assert_eq!(ours.is_subset(&theirs), one.is_subset(&other));
            prop_assert_eq!(ours.is_disjoint(&theirs), one.is_disjoint(&other));
            prop_assert_eq!(ours.cmp(&theirs), one.cmp(&other));
            prop_assert_eq!(ours == theirs, one == other);
            let text = serde_json::to_string(&ours).unwrap();
            prop_assert_eq!(&text, &serde_json::to_string(&one).unwrap());
            prop_assert_eq!(serde_json::from_str::<OrderedSet<u8>>(&text).unwrap(), ours);
        }
    }
}
