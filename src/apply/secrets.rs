//! The keys that a plan only names.

use std::fmt;

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};

use crate::plan::step::Secret;

/// Keys, by what a plan calls them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(OrderedMap<Secret, Vec<u8>>);

impl Secrets {
    /// What a plan may be told: which keys there are.
    #[must_use]
    pub fn names(&self) -> OrderedSet<Secret> {
        self.0.keys().cloned().into_set()
    }

    pub(super) fn get(&self, secret: &Secret) -> Option<&[u8]> {
        self.0.get(secret).map(Vec::as_slice)
    }
}

impl FromIterator<(Secret, Vec<u8>)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (Secret, Vec<u8>)>>(keys: I) -> Self {
        Self(keys.into_iter().into_map())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}
