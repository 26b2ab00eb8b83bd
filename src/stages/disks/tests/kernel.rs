//! The kernel of that machine, as far as the stage asks it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kindling_config_spec::order::OrderedSet;

use super::machine::{Machine, Space, sound, volume_node};
use super::rules;
use crate::gpt::Found;
use crate::host::devices::{DeviceError, Devices, Locks};
use crate::inventory::disks::{Disk, Probe};
use crate::inventory::stack::{Mapping, StackKind, User};
use crate::plan::partitions::{InUse, KernelView};
use crate::plan::step::TableWrite;

fn missing(device: &Path) -> DeviceError {
    DeviceError::Missing {
        missing: vec![device.to_owned()],
        waited: Duration::ZERO,
    }
}

impl Devices for Machine {
    fn wait_for(&self, devices: &[PathBuf]) -> Result<(), DeviceError> {
        let state = self.state();
        match devices.iter().find(|device| state.real(device).is_none()) {
            Some(device) => Err(missing(device)),
            None => Ok(()),
        }
    }

    fn node(&self, device: &Path) -> Result<PathBuf, DeviceError> {
        self.state().real(device).ok_or_else(|| missing(device))
    }

    fn disk(&self, device: &Path) -> Result<Disk, DeviceError> {
        let state = self.state();
        let found = state
            .real(device)
            .and_then(|node| state.disks.get(&node).cloned());
        let mut disk = found.ok_or_else(|| missing(device))?;
        let numbers: Vec<u32> = state
            .table(&disk.node)
            .into_iter()
            .flat_map(|table| table.entries.keys().copied())
            .collect();
        let space = Space::Disk(disk.node.clone());
        let users = numbers.into_iter().filter_map(|number| {
            let (start, _) = state.span(&disk.node, number)?;
            Some((number, state.user(&(space.clone(), start))?))
        });
        disk.in_use = InUse {
            partitions: users.collect(),
            disk: state.user(&(space.clone(), 0)),
        };
        Ok(disk)
    }

    fn readable(&self, _probe: &Probe) -> Result<(), DeviceError> {
        Ok(())
    }

    fn used_by(&self, node: &Path) -> Result<Option<User>, DeviceError> {
        if self.state().disks.contains_key(node) {
            let in_use = self.disk(node)?.in_use;
            return Ok(in_use.disk.or_else(|| in_use.partitions.into_values().next()));
        }
        let state = self.state();
        Ok(state.at(node).and_then(|(at, _)| state.user(&at)))
    }

    fn is_there(&self, node: &Path) -> bool {
        self.state().real(node).is_some()
    }

    fn lock(&self, nodes: &[PathBuf]) -> Result<Locks, DeviceError> {
        self.wait_for(nodes)?;
        Ok(Locks::default())
    }

    fn arrays_on(&self, node: &Path) -> Result<Vec<PathBuf>, DeviceError> {
        let state = self.state();
        let holders = state
            .at(node)
            .map(|(at, _)| state.holders(&at))
            .unwrap_or_default();
        let arrays = holders
            .into_iter()
            .filter(|(stacked, _)| stacked.kind == StackKind::Array);
        Ok(arrays.map(|(stacked, _)| stacked.node).collect())
    }

    fn mapping(&self, name: &str) -> Result<Option<Mapping>, DeviceError> {
        let state = self.state();
        let Some(id) = state.open.get(name) else {
            return Ok(None);
        };
        let header = state.lying.iter().find(|(_, lying)| lying.leads_to == Some(*id));
        let below = header.and_then(|(at, _)| state.node_of(at)).into_iter().collect();
        Ok(Some(Mapping {
            node: volume_node(*id),
            below,
        }))
    }

    fn write_table(&self, node: &Path, write: &TableWrite) -> Result<(), DeviceError> {
        let mut state = self.state();
        if state.is_dark() {
            return Err(missing(node));
        }
        let faults = rules::of_table(&state, &self.config, node, write);
        state.faults.extend(faults);
        let old: OrderedSet<String> = state.guids(node);
        let new = write.table.iter().flat_map(|table| table.entries.values());
        let made: Vec<String> = new
            .map(|entry| entry.guid.to_string())
            .filter(|guid| !old.contains(guid))
            .collect();
        state.made.extend(made);
        let space = Space::Disk(node.to_owned());
        if write.table.is_some() || write.wiped {
            // The sectors of the table itself, on which a signature of the whole disk lies.
            state.erase(&(space.clone(), 0), 512, &self.config, "the table");
        }
        for extent in &write.erase {
            state.erase(
                &(space.clone(), extent.offset.0),
                extent.length.0,
                &self.config,
                "the table",
            );
        }
        if let Some(disk) = state.disks.get_mut(node) {
            disk.found = match &write.table {
                Some(table) => sound(table.clone()),
                None => Found::Blank,
            };
        }
        Ok(())
    }

    fn hold(&self, node: &Path, view: &KernelView) -> Result<(), DeviceError> {
        let mut state = self.state();
        for shown in &view.shown {
            if state.span(node, shown.number) != Some((shown.start.0, shown.size.0)) {
                state
                    .faults
                    .push(format!("{shown:?} of {} is not there", node.display()));
            }
        }
        Ok(())
    }

    fn settle(&self, nodes: &[PathBuf]) -> Result<(), DeviceError> {
        self.wait_for(nodes)
    }
}
