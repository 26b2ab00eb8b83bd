//! What has to be taken down first: arrays and mappings on devices that may be wiped.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedSet;

use super::{Known, Layout, Place, Planner, arrays, places};
use crate::inventory::stack::{Stacked, User};
use crate::plan::partitions::SlotStep;
use crate::plan::place::partition_name;
use crate::plan::{Conflict, Step};

/// What stands in the way of the plan, top first, and what is erased so that it does not come back.
#[derive(Clone, Debug, Default)]
pub(super) struct TakenDown {
    stack: Vec<Stacked>,
    erase: OrderedSet<PathBuf>,
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

impl Planner<'_> {
    /// What the config uses as it is, while another part of it lets go what that stands on.
    pub(super) fn needed_and_taken_down(&self) -> Vec<Conflict> {
        let uses = places::uses(self.config).into_iter();
        let lost = uses.filter(|one| {
            let place = self.layout.places.get(one.device);
            let node = place.and_then(|place| self.node_there(place));
            node.is_some_and(|node| self.taken_down.has(node))
        });
        lost.map(|one| {
            Conflict::new(
                one.pointer,
                "device-taken-down",
                format!(
                    "{} would go: the config lets what it stands on be wiped",
                    one.device
                ),
                "take that leave back, or name another device",
            )
        })
        .collect()
    }

    /// The node of an array or a mapping that is there and stays.
    fn node_there<'b>(&'b self, place: &'b Place) -> Option<&'b PathBuf> {
        match place {
            Place::Device(node) => Some(node),
            Place::Array(name) if self.arrays.get(name) == Some(&arrays::Decision::Keep) => {
                self.observed.arrays.get(name).map(|array| &array.node)
            }
            Place::Array(_) | Place::Partition(_) | Place::Volume(_) => None,
        }
    }

    /// Arrays that would be made beside another one of that name, so that nobody could tell what the node of both shows.
    pub(super) fn names_taken(&self) -> Vec<Conflict> {
        let arrays = self.config.storage.raid.iter().enumerate();
        let taken = arrays.filter_map(|(index, want)| {
            let decision = self.arrays.get(&want.name)?;
            let is_made = matches!(decision, arrays::Decision::Make | arrays::Decision::EraseAndMake);
            let node = self.observed.named.get(&want.name)?;
            (is_made && !self.taken_down.has(node)).then(|| {
                Conflict::new(
                    format!("/storage/raid/{index}"),
                    "array-name-taken",
                    format!(
                        "cannot make the array {}: {} has that name",
                        want.name,
                        node.display()
                    ),
                    "give the array another name, or stop what has this one",
                )
            })
        });
        taken.collect()
    }
}
