//! Who asked for entries of a config that the config does not have itself.

use kindling_config_spec::order::OrderedMap;

use super::{Conflict, Plan};

/// Places in an expanded config, and the place of the section that each is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(OrderedMap<String, &'static str>);

impl Origins {
    /// What stands at `pointer` was made of what stands at `origin`.
    pub fn insert(&mut self, pointer: String, origin: &'static str) {
        self.0.insert(pointer, origin);
    }

    /// The place in the section that made what stands at `pointer` or above it; `None` for what the config says itself.
    #[must_use]
    pub fn of(&self, pointer: &str) -> Option<&'static str> {
        let mut above = pointer;
        loop {
            if let Some(origin) = self.0.get(above) {
                return Some(origin);
            }
            above = above.rsplit_once('/')?.0;
        }
    }

    /// Has steps and conflicts name the section, so that whoever reads them finds it in the config.
    pub(super) fn name(&self, plan: &mut Plan, conflicts: &mut [Conflict]) {
        let steps = plan.steps.iter_mut().map(|planned| &mut planned.pointer);
        for pointer in steps.chain(conflicts.iter_mut().map(|conflict| &mut conflict.pointer)) {
            if let Some(origin) = self.of(pointer) {
                *pointer = origin.to_owned();
            }
        }
    }
}
