//! What a dry run can see: this machine or a record of another, looked at without starting or opening anything.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::Luks;

use crate::host::devices::{DeviceError, Devices, Locks, System};
use crate::host::process;
use crate::inventory::disks::{Content, Disk, Probe};
use crate::inventory::observe;
use crate::inventory::recorded::Recorded;
use crate::inventory::stack::{Mapping, RunningArray, User};
use crate::plan::Stage;
use crate::plan::disks::Place;
use crate::plan::disks::volumes::Facts;
use crate::plan::partitions::KernelView;
use crate::plan::place::Partition;
use crate::plan::step::{TableWrite, Unlock};
use crate::report::Failure;
use crate::stages::disks;
use crate::stages::disks::look::{self, Look};

/// What a dry run sees: the machine or an inventory. It starts no array and opens no volume.
pub(super) struct Guess<'a> {
    pub(super) processes: &'a process::System,
    pub(super) devices: &'a Lookup<'a>,
    pub(super) inventory: Option<&'a Recorded>,
    pub(super) disks: &'a OrderedMap<String, Disk>,
}

impl Look for Guess<'_> {
    fn show(&self, _partition: &Partition, _view: &KernelView) -> Result<(), Failure> {
        Ok(())
    }

    fn content(&self, place: &Place) -> Result<Content, Failure> {
        match (place, self.inventory) {
            (Place::Partition(partition), _)
                if self.disks.get(&partition.disk).is_some_and(|disk| disk.assumed) =>
            {
                Ok(Content::Blank)
            }
            (Place::Partition(partition), Some(inventory)) => {
                Ok(inventory.content(partition).cloned().unwrap_or_default())
            }
            (place, Some(inventory)) => Ok(inventory.content_of(&place.node()).cloned().unwrap_or_default()),
            (Place::Device(node), None) if !node.exists() => Ok(Content::Blank),
            (place, None) => disks::probe(self.processes, self.devices, &place.probe()),
        }
    }

    fn user(&self, node: &Path) -> Result<Option<User>, Failure> {
        self.devices
            .used_by(node)
            .map_err(|error| disks::device_failure(&error))
    }

    fn array_on(&self, node: &Path) -> Result<Option<RunningArray>, Failure> {
        match self.inventory {
            Some(inventory) => Ok(inventory.array_on(node).cloned()),
            None => look::array_on(self.processes, self.devices, node),
        }
    }

    fn named(&self, node: &Path) -> Result<Option<PathBuf>, Failure> {
        match self.inventory {
            Some(inventory) => Ok(inventory.node(node)),
            None => look::named(&self.devices.system, node),
        }
    }

    fn assemble(&self, _node: &Path, _members: &[PathBuf]) {}

    fn mapping(&self, name: &str, node: &Path) -> Result<Option<(Mapping, bool)>, Failure> {
        // A device that is made is no device that is missing.
        match self.inventory {
            Some(_) => Ok(None),
            None => look::mapping(&self.devices.system, name, node),
        }
    }

    fn volume(&self, _want: &Luks, node: &Path) -> Result<Facts, Failure> {
        if self.inventory.is_some() || !self.devices.is_there(node) {
            return Ok(Facts::default());
        }
        observe::volume(self.processes, node).map_err(|error| {
            let next = "check the device".to_owned();
            Failure::of(Stage::Disks, "device-unreadable", &error, next)
        })
    }

    fn open(&self, _index: usize, want: &Luks, node: &Path, _unlock: Unlock) -> Result<bool, Failure> {
        Ok(matches!(self.mapping(&want.name, node)?, Some((_, true))))
    }
}

/// Devices of this machine or of an inventory, where one that is not there is noted and taken as blank. It writes
/// nothing.
pub(super) struct Lookup<'a> {
    pub(super) system: System,
    pub(super) inventory: Option<&'a Recorded>,
    /// Devices that are not there.
    pub(super) absent: Mutex<Vec<PathBuf>>,
}

impl Devices for Lookup<'_> {
    fn wait_for(&self, _devices: &[PathBuf]) -> Result<(), DeviceError> {
        Ok(())
    }

    fn node(&self, device: &Path) -> Result<PathBuf, DeviceError> {
        let node = match self.inventory {
            Some(inventory) => inventory.node(device),
            None => self.system.node(device).ok(),
        };
        Ok(node.unwrap_or_else(|| {
            if let Ok(mut absent) = self.absent.lock() {
                absent.push(device.to_owned());
            }
            device.to_owned()
        }))
    }

    fn disk(&self, device: &Path) -> Result<Disk, DeviceError> {
        let Some(inventory) = self.inventory else {
            return self.system.disk(device);
        };
        let recorded = inventory.disk(device).map(|recorded| recorded.disk.clone());
        recorded.ok_or_else(|| DeviceError::Missing {
            missing: vec![device.to_owned()],
            waited: Duration::ZERO,
        })
    }

    fn readable(&self, probe: &Probe) -> Result<(), DeviceError> {
        self.system.readable(probe)
    }

    fn is_zero(&self, probe: &Probe) -> bool {
        self.system.is_zero(probe)
    }

    fn used_by(&self, node: &Path) -> Result<Option<User>, DeviceError> {
        if let Some(inventory) = self.inventory {
            Ok(inventory.user(node))
        } else if node.exists() {
            self.system.used_by(node)
        } else {
            Ok(None)
        }
    }

    fn is_there(&self, node: &Path) -> bool {
        self.inventory.is_none() && self.system.is_there(node)
    }

    fn lock(&self, _nodes: &[PathBuf]) -> Result<Locks, DeviceError> {
        Ok(Locks::default())
    }

    fn arrays_on(&self, node: &Path) -> Result<Vec<PathBuf>, DeviceError> {
        self.system.arrays_on(node)
    }

    fn mapping(&self, name: &str) -> Result<Option<Mapping>, DeviceError> {
        match self.inventory {
            Some(_) => Ok(None),
            None => self.system.mapping(name),
        }
    }

    fn write_table(&self, node: &Path, _write: &TableWrite) -> Result<(), DeviceError> {
        Err(DeviceError::Missing {
            missing: vec![node.to_owned()],
            waited: Duration::ZERO,
        })
    }

    fn hold(&self, _node: &Path, _view: &KernelView) -> Result<(), DeviceError> {
        Ok(())
    }

    fn settle(&self, _nodes: &[PathBuf]) -> Result<(), DeviceError> {
        Ok(())
    }
}
