//! Devices that are files: nobody else uses them, no kernel shows their partitions, no udev looks at them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::system::{put, regions};
use super::{DeviceError, Devices, Locks, failed, image, look};
use crate::host::copies::Copies;
use crate::inventory::disks::{Disk, Probe};
use crate::inventory::stack::{Mapping, User};
use crate::plan::partitions::KernelView;
use crate::plan::step::TableWrite;

impl Devices for Copies {
    fn wait_for(&self, devices: &[PathBuf]) -> Result<(), DeviceError> {
        let missing = |device: &&PathBuf| !self.is_there(device);
        let missing: Vec<PathBuf> = devices.iter().filter(missing).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(DeviceError::Missing {
            missing,
            waited: Duration::ZERO,
        })
    }

    fn node(&self, device: &Path) -> Result<PathBuf, DeviceError> {
        Ok(device.to_owned())
    }

    fn disk(&self, device: &Path) -> Result<Disk, DeviceError> {
        let (_, sector) = self.found(device)?;
        image(device, sector)
    }

    fn readable(&self, probe: &Probe) -> Result<(), DeviceError> {
        look::read_ends(probe).map_err(failed("read", &probe.node))
    }

    fn is_zero(&self, probe: &Probe) -> bool {
        look::is_zero(probe).unwrap_or(false)
    }

    fn used_by(&self, _node: &Path) -> Result<Option<User>, DeviceError> {
        Ok(None)
    }

    fn is_there(&self, node: &Path) -> bool {
        Self::is_there(self, node)
    }

    fn lock(&self, _nodes: &[PathBuf]) -> Result<Locks, DeviceError> {
        Ok(Locks::default())
    }

    fn arrays_on(&self, _node: &Path) -> Result<Vec<PathBuf>, DeviceError> {
        Ok(Vec::new())
    }

    fn mapping(&self, _name: &str) -> Result<Option<Mapping>, DeviceError> {
        Ok(None)
    }

    fn write_table(&self, node: &Path, write: &TableWrite) -> Result<(), DeviceError> {
        let (disk, _) = self.found(node)?;
        put(disk, node, &write.erase, &regions(node, write)?)
    }

    fn hold(&self, _node: &Path, _view: &KernelView) -> Result<(), DeviceError> {
        Ok(())
    }

    fn settle(&self, _nodes: &[PathBuf]) -> Result<(), DeviceError> {
        Ok(())
    }
}

impl Copies {
    fn found(
        &self,
        node: &Path,
    ) -> Result<(&std::fs::File, kindling_config_spec::units::SectorSize), DeviceError> {
        self.disk(node).ok_or_else(|| DeviceError::Missing {
            missing: vec![node.to_owned()],
            waited: Duration::ZERO,
        })
    }
}
