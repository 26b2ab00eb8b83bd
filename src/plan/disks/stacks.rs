//! What has to be taken down first: arrays and mappings on devices that may be wiped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Known, Layout};
use crate::inventory::stack::{Stacked, User};
use crate::plan::Step;
use crate::plan::partitions::SlotStep;
use crate::plan::place::partition_name;

/// What stands in the way of the plan, top first, and what is erased so that it does not come back.
#[derive(Clone, Debug, Default)]
pub(super) struct TakenDown {
    stack: Vec<Stacked>,
    erase: BTreeSet<PathBuf>,
}

impl TakenDown {
    /// Of the partitions that every table change takes away.
    pub(super) fn of_tables(known: &Known<'_>, layout: &Layout) -> Self {
        let mut down = Self::default();
        for (device, change) in &layout.tables {
            let Some(disk) = known.disks.get(device) else {
                continue;
            };
            if let Some(user) = disk.in_use.disk.as_ref().filter(|_| change.wiped) {
                down.add_member(user, disk.node.clone());
            }
            for (number, user) in &disk.in_use.partitions {
                let goes = change.slots.iter().any(|slot| {
                    slot.number == *number && matches!(slot.step, SlotStep::Delete | SlotStep::Replace)
                });
                if change.wiped || goes {
                    down.add_member(user, partition_name(&disk.node, *number));
                }
            }
        }
        down
    }

    /// What stands on a device that is erased later anyway.
    pub(super) fn add(&mut self, user: &User) {
        for stacked in &user.stack {
            if !self.stack.contains(stacked) {
                self.stack.push(stacked.clone());
            }
        }
    }

    fn add_member(&mut self, user: &User, node: PathBuf) {
        if !user.stack.is_empty() {
            self.add(user);
            self.erase.insert(node);
        }
    }

    /// Whether the device of that node is taken down.
    pub(super) fn has(&self, node: &Path) -> bool {
        self.stack.iter().any(|stacked| stacked.node == node)
    }

    /// Whether the signatures of the partition at `node` go.
    pub(super) fn erases(&self, node: &Path) -> bool {
        self.erase.contains(node)
    }

    pub(super) fn step(self) -> Option<Step> {
        (!self.stack.is_empty()).then_some(Step::TakeDown {
            stack: self.stack,
            erase: self.erase,
        })
    }
}
