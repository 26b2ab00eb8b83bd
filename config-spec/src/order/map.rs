//! Ordered maps and sets with the methods of the standard library's, of which each kind of key and value is another copy of
//! some kilobytes. Here entries lie one behind the other as they came, and [`Places`], which is the same for all, has
//! their order.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::ops::{Bound, Index, RangeBounds};

use super::places::{Places, Spot, Walk};

/// Values by ordered keys.
#[derive(Clone)]
pub struct OrderedMap<K, V> {
    entries: Vec<(K, V)>,
    places: Places,
}

impl<K, V> OrderedMap<K, V> {
    /// Nothing; takes no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            places: Places::new(),
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// All entries in the order of their keys.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.between(Spot::default(), self.places.end())
    }

    fn between(&self, from: Spot, to: Spot) -> Iter<'_, K, V> {
        Iter {
            entries: &self.entries,
            walk: self.places.walk(from, to),
        }
    }

    /// All keys in order.
    #[must_use]
    pub fn keys(&self) -> Keys<'_, K, V> {
        Keys(self.iter())
    }

    /// All values in the order of their keys.
    #[must_use]
    pub fn values(&self) -> Values<'_, K, V> {
        Values(self.iter())
    }

    /// All keys in order, by value.
    pub fn into_keys(self) -> impl DoubleEndedIterator<Item = K> {
        self.into_iter().map(|(key, _)| key)
    }

    /// All values in the order of their keys, by value.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }

    /// All entries in the order of their keys, the values to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        self.settle();
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// All values in the order of their keys, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// The entry with the lowest key.
    #[must_use]
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.entry_at(self.places.get(Spot::default())?)
    }

    /// The entry with the highest key.
    #[must_use]
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.entry_at(self.places.last()?)
    }

    fn entry_at(&self, place: usize) -> Option<(&K, &V)> {
        self.entries.get(place).map(|(key, value)| (key, value))
    }

    /// Keeps the entries of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.settle();
        self.entries.retain_mut(|(key, value)| keep(key, value));
        self.places.fill(self.entries.len());
    }

    /// Moves the entries to where their order has them.
    fn settle(&mut self) {
        let entries = &mut self.entries;
        let count = entries.len();
        self.places
            .settle(count, &mut |one, other| entries.swap(one, other));
    }
}

impl<K: Ord, V> OrderedMap<K, V> {
    fn spot<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Spot, Spot>
    where
        K: Borrow<Q>,
    {
        self.places
            .find(&mut |place| self.entries[place].0.borrow().cmp(key))
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        self.places.get(self.spot(key).ok()?)
    }

    /// The value of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        Some(&self.entries[self.place(key)?].1)
    }

    /// The value of a key, to be changed.
    #[must_use]
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key)?;
        Some(&mut self.entries[place].1)
    }

    /// The key as it stands in the map, and its value.
    #[must_use]
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.entry_at(self.place(key)?)
    }

    /// Whether there is an entry with this key.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.spot(key).is_ok()
    }

    /// Sets the value of a key; gives the one it had. The key stays the one that is there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.spot(&key) {
            Ok(spot) => {
                let place = self.places.get(spot)?;
                Some(std::mem::replace(&mut self.entries[place].1, value))
            }
            Err(spot) => {
                self.add(spot, key, value);
                None
            }
        }
    }

    fn add(&mut self, spot: Spot, key: K, value: V) -> usize {
        let place = self.entries.len();
        self.entries.push((key, value));
        self.places.insert(spot, place);
        place
    }

    /// The entry of a key, or where it belongs.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        Entry {
            spot: self.spot(&key),
            map: self,
            key,
        }
    }

    /// Removes the entry of a key; gives its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let spot = self.spot(key).ok()?;
        self.take(spot).map(|(_, value)| value)
    }

    /// Removes the entry with the lowest key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        self.take(Spot::default())
    }

    fn take(&mut self, spot: Spot) -> Option<(K, V)> {
        let place = self.places.get(spot)?;
        // The last entry comes to this one's place.
        let last = self.spot(&self.entries.last()?.0).ok()?;
        self.places.set(last, place);
        self.places.remove(spot);
        Some(self.entries.swap_remove(place))
    }

    /// Entries whose keys are in a range.
    pub fn range<Q: Ord + ?Sized>(&self, keys: impl RangeBounds<Q>) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let before = |key: &Q, equal: Ordering| {
            let compared = self.places.find(&mut |place| {
                let order = self.entries[place].0.borrow().cmp(key);
                order.then(equal)
            });
            compared.unwrap_or_else(|spot| spot)
        };
        let from = match keys.start_bound() {
            Bound::Included(key) => before(key, Ordering::Greater),
            Bound::Excluded(key) => before(key, Ordering::Less),
            Bound::Unbounded => Spot::default(),
        };
        let to = match keys.end_bound() {
            Bound::Included(key) => before(key, Ordering::Less),
            Bound::Excluded(key) => before(key, Ordering::Greater),
            Bound::Unbounded => self.places.end(),
        };
        self.between(from, to)
    }

    /// Moves all entries of another map into this one.
    pub fn append(&mut self, other: &mut Self) {
        self.extend(std::mem::take(other));
    }
}

impl<'a, K, V> IntoIterator for &'a mut OrderedMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;

    fn into_iter(self) -> IterMut<'a, K, V> {
        self.iter_mut()
    }
}

/// The entry of a key, or where it belongs.
pub struct Entry<'a, K, V> {
    map: &'a mut OrderedMap<K, V>,
    key: K,
    spot: Result<Spot, Spot>,
}

impl<'a, K: Ord, V> Entry<'a, K, V> {
    /// The value, `make` of it where there is none.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        let place = match self.spot {
            Ok(spot) => self.map.places.get(spot).unwrap_or_default(),
            Err(spot) => self.map.add(spot, self.key, make()),
        };
        &mut self.map.entries[place].1
    }

    /// The value, or this one.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// The value, or its kind's default.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }

    /// Changes the value where there is one.
    #[must_use]
    pub fn and_modify(self, change: impl FnOnce(&mut V)) -> Self {
        if let Some(place) = self.spot.ok().and_then(|spot| self.map.places.get(spot)) {
            change(&mut self.map.entries[place].1);
        }
        self
    }
}

/// Entries in the order of their keys, the values to be changed.
pub(crate) type IterMut<'a, K, V> =
    std::iter::Map<std::slice::IterMut<'a, (K, V)>, fn(&'a mut (K, V)) -> (&'a K, &'a mut V)>;

/// Entries in the order of their keys.
pub struct Iter<'a, K, V> {
    entries: &'a [(K, V)],
    walk: Walk<'a>,
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries,
            walk: self.walk.clone(),
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = self.entries.get(self.walk.next()?)?;
        Some((key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.walk.size_hint()
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (key, value) = self.entries.get(self.walk.next_back()?)?;
        Some((key, value))
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

/// Declares an iterator over one half of the entries.
macro_rules! half {
    ($(#[$about:meta])* $name:ident, $half:ident, $at:tt) => {
        $(#[$about])*
        pub struct $name<'a, K, V>(Iter<'a, K, V>);

        impl<K, V> Clone for $name<'_, K, V> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }
        }

        impl<'a, K, V> Iterator for $name<'a, K, V> {
            type Item = &'a $half;

            fn next(&mut self) -> Option<Self::Item> {
                Some(self.0.next()?.$at)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl<K, V> DoubleEndedIterator for $name<'_, K, V> {
            fn next_back(&mut self) -> Option<Self::Item> {
                Some(self.0.next_back()?.$at)
            }
        }

        impl<K, V> ExactSizeIterator for $name<'_, K, V> {}
    };
}

half! {
    /// Keys in order.
    Keys, K, 0
}
half! {
    /// Values in the order of their keys.
    Values, V, 1
}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Debug, V: Debug> Debug for OrderedMap<K, V> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.debug_map().entries(self.iter()).finish()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for OrderedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for OrderedMap<K, V> {}

impl<K: PartialOrd, V: PartialOrd> PartialOrd for OrderedMap<K, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.iter().partial_cmp(other.iter())
    }
}

impl<K: Ord, V: Ord> Ord for OrderedMap<K, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl<K: Hash, V: Hash> Hash for OrderedMap<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl<K: Ord, V> Extend<(K, V)> for OrderedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for OrderedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for OrderedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for OrderedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(mut self) -> Self::IntoIter {
        self.settle();
        self.entries.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a OrderedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

impl<K: Borrow<Q> + Ord, Q: Ord + ?Sized, V> Index<&Q> for OrderedMap<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the key is in the map")
    }
}
