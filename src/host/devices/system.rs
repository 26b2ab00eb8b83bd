//! Devices of the running kernel.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kindling_config_spec::units::{Bytes, SectorSize};
use nix::fcntl::Flock;

use super::kernel::{Kernel, disk_of, sysfs};
use super::lock::{Sharing, lock};
use super::mapper::Mapper;
use super::settle::Awaited;
use super::{DeviceError, Devices, Locks, failed, list, look};
use kindling_config_spec::order::{Gather, OrderedMap};

use crate::gpt;
use crate::host::uevent::Monitor;
use crate::host::{block, process, usage};
use crate::inventory::disks::{Content, Disk, Probe};
use crate::inventory::stack::{Mapping, User};
use crate::plan::partitions::KernelView;
use crate::plan::step::TableWrite;

/// How long a device may take to appear, as systemd's own default for device units.
const DEVICE_DEADLINE: Duration = Duration::from_secs(90);
/// How long udev may take to finish with a device that we changed.
const SETTLE_DEADLINE: Duration = Duration::from_secs(60);

/// Devices of the running kernel.
pub struct System {
    /// Partitions that are held open: while one is, no re-read of the table by somebody else can take the
    /// nodes away for a moment (the kernel answers `BLKRRPART` with `EBUSY`).
    pub(super) held: Mutex<OrderedMap<PathBuf, File>>,
    serial: u128,
    /// For dmsetup: partitions of a device-mapper disk are mappings.
    pub(super) processes: process::System,
}

impl System {
    /// `serial` is any number that differs from run to run; it marks our own events. `processes` runs dmsetup.
    #[must_use]
    pub fn new(serial: u128, processes: process::System) -> Self {
        Self {
            held: Mutex::new(OrderedMap::new()),
            serial,
            processes,
        }
    }

    /// Waits until the links to partitions that are mappings are there: who made one first need not have waited for udev.
    fn wait_for_links(&self, links: &[PathBuf]) -> Result<(), DeviceError> {
        if links.is_empty() || !has_udev() {
            return Ok(());
        }
        self.wait_for(links)
    }

    fn write_locked(&self, disk: &Flock<File>, node: &Path, write: &TableWrite) -> Result<(), DeviceError> {
        let regions = regions(node, write)?;
        let kernel = Kernel::open(self, disk, node, &write.view)?;
        if write.wiped {
            kernel.forget_partitions()?;
        }
        put(disk, node, &write.erase, &regions)?;
        for change in &write.kernel {
            kernel.tell(*change)?;
        }
        kernel.correct()?;
        kernel.hold()?;
        self.wait_for_links(&kernel.links()?)
    }

    pub(super) fn release(&self, node: &Path) {
        if let Ok(mut held) = self.held.lock() {
            held.remove(node);
        }
    }
}

/// Whether udev runs here: it owns this socket.
pub(super) fn has_udev() -> bool {
    Path::new("/run/udev/control").exists()
}

impl Devices for System {
    fn wait_for(&self, devices: &[PathBuf]) -> Result<(), DeviceError> {
        let udev = has_udev();
        let missing = || -> Vec<PathBuf> {
            let is_missing = |at: &&PathBuf| !look::is_ready(at, udev);
            devices.iter().filter(is_missing).cloned().collect()
        };
        if missing().is_empty() {
            return Ok(());
        }
        let socket = Path::new("netlink");
        // Subscribed before the second look, so that nothing can appear between look and wait unseen.
        let monitor = Monitor::open(udev).map_err(failed("listen for devices on", socket))?;
        let deadline = Instant::now() + DEVICE_DEADLINE;
        loop {
            let absent = missing();
            if absent.is_empty() {
                return Ok(());
            }
            tracing::info!("waiting for {}", list(&absent));
            if monitor
                .next(deadline)
                .map_err(failed("listen for devices on", socket))?
                .is_none()
            {
                return Err(DeviceError::Missing {
                    missing: absent,
                    waited: DEVICE_DEADLINE,
                });
            }
        }
    }

    fn node(&self, device: &Path) -> Result<PathBuf, DeviceError> {
        device.canonicalize().map_err(failed("resolve", device))
    }

    fn disk(&self, device: &Path) -> Result<Disk, DeviceError> {
        let node = self.node(device)?;
        let file = File::open(&node).map_err(failed("open", device))?;
        // While this is held, udev does not read the table again, and no partition is gone for a moment.
        let mut file = lock(file, device, Sharing::Readers)?;
        let (size, sector, found) = read_table(&mut file, device)?;
        let mapper = Mapper::open(&self.processes, &node, None)?;
        let table = match &found {
            gpt::Found::Gpt { table, .. } => Some(table),
            gpt::Found::Blank | gpt::Found::Mbr | gpt::Found::Damaged(_) => None,
        };
        let mapped = mapper.map(|mapper| mapper.observe(table)).transpose()?;
        let in_use = usage::of(&node, mapped.as_ref()).map_err(failed("find out who uses", device))?;
        Ok(Disk {
            aliases: look::aliases(&node),
            mapped,
            node,
            sector,
            size,
            found,
            in_use,
            content: Content::Blank,
            assumed: false,
        })
    }

    fn readable(&self, probe: &Probe) -> Result<(), DeviceError> {
        look::read_ends(probe).map_err(failed("read", &probe.node))
    }

    fn is_zero(&self, probe: &Probe) -> bool {
        look::is_zero(probe).unwrap_or(false)
    }

    fn used_by(&self, node: &Path) -> Result<Option<User>, DeviceError> {
        // The links to arrays and volumes are udev's.
        look::user_of(&self.node(node)?).map_err(failed("find out who uses", node))
    }

    fn is_there(&self, node: &Path) -> bool {
        let node = node.canonicalize().unwrap_or_else(|_| node.to_owned());
        sysfs(&node).exists()
    }

    fn lock(&self, nodes: &[PathBuf]) -> Result<Locks, DeviceError> {
        let disks: Result<Vec<PathBuf>, DeviceError> =
            nodes.iter().map(|node| Ok(disk_of(&self.node(node)?))).collect();
        // Each once and in the order of their names, so that no two of us wait for each other.
        let locked = disks?.into_iter().into_set().into_iter().map(|disk| {
            let file = File::open(&disk).map_err(failed("open", &disk))?;
            lock(file, &disk, Sharing::Nobody)
        });
        locked.collect::<Result<_, _>>().map(Locks)
    }

    fn arrays_on(&self, node: &Path) -> Result<Vec<PathBuf>, DeviceError> {
        let node = &node.canonicalize().unwrap_or_else(|_| node.to_owned());
        if !self.is_there(node) {
            return Ok(Vec::new());
        }
        let mut holders = usage::holders(node).map_err(failed("find out who uses", node))?;
        holders.retain(|holder| sysfs(holder).join("md").exists());
        Ok(holders)
    }

    fn mapping(&self, name: &str) -> Result<Option<Mapping>, DeviceError> {
        look::mapping(name).map_err(failed("look for the mapping", Path::new(name)))
    }

    fn write_table(&self, node: &Path, write: &TableWrite) -> Result<(), DeviceError> {
        self.write_locked(&open_locked(node)?, node, write)
    }

    fn change_table(
        &self,
        node: &Path,
        change: &mut dyn FnMut(gpt::Found) -> Option<gpt::Table>,
    ) -> Result<(), DeviceError> {
        let mut disk = open_locked(node)?;
        let (_, _, found) = read_table(&mut disk, node)?;
        change(found).map_or(Ok(()), |table| {
            self.write_locked(&disk, node, &TableWrite::of_entries(table))
        })
    }

    fn hold(&self, node: &Path, view: &KernelView) -> Result<(), DeviceError> {
        let disk = File::open(node).map_err(failed("open", node))?;
        let disk = lock(disk, node, Sharing::Readers)?;
        let kernel = Kernel::open(self, &disk, node, view)?;
        kernel.correct()?;
        kernel.hold()?;
        self.wait_for_links(&kernel.links()?)
    }

    fn settle(&self, nodes: &[PathBuf]) -> Result<(), DeviceError> {
        if nodes.is_empty() || !has_udev() {
            return Ok(());
        }
        let monitor = Monitor::open(true).map_err(failed("listen for devices on", Path::new("netlink")))?;
        let mut awaited = Awaited::new(self.serial);
        let mut to_trigger = nodes.to_vec();
        let deadline = Instant::now() + SETTLE_DEADLINE;
        loop {
            for node in to_trigger {
                // Arrays, volumes and partitions that are mappings are named by udev's links to them.
                let node = self.node(&node)?;
                let trigger = sysfs(&node).join("uevent");
                let mut file = OpenOptions::new()
                    .write(true)
                    .open(&trigger)
                    .map_err(failed("open", &trigger))?;
                let mark = awaited.add(node.clone());
                file.write_all(format!("change {mark}").as_bytes())
                    .map_err(failed("trigger an event of", &node))?;
            }
            if awaited.is_empty() {
                break;
            }
            let event = monitor
                .next(deadline)
                .map_err(failed("listen for devices on", Path::new("netlink")))?;
            let Some(event) = event else {
                return Err(DeviceError::Missing {
                    missing: awaited.into_nodes(),
                    waited: SETTLE_DEADLINE,
                });
            };
            to_trigger = awaited.take(&event);
        }
        if let Ok(mut held) = self.held.lock() {
            held.clear();
        }
        Ok(())
    }
}

/// The parts of the table to write; none where there is to be none.
pub(super) fn regions(node: &Path, write: &TableWrite) -> Result<Vec<gpt::Region>, DeviceError> {
    let table = write.table.as_ref().map(gpt::Table::regions).transpose();
    let unsound = |source| DeviceError::Unsound {
        device: node.to_owned(),
        source,
    };
    Ok(table.map_err(unsound)?.unwrap_or_default())
}

/// Erases, writes region by region, and reads back.
pub(super) fn put(
    disk: &File,
    node: &Path,
    erase: &[gpt::Extent],
    regions: &[gpt::Region],
) -> Result<(), DeviceError> {
    for extent in erase {
        zero(disk, extent).map_err(failed("erase the partition table of", node))?;
    }
    for region in regions {
        disk.write_all_at(&region.bytes, region.offset.0)
            // Each region is on the medium before the next: a power cut leaves one whole table.
            .and_then(|()| disk.sync_data())
            .map_err(failed("write the partition table of", node))?;
    }
    for region in regions {
        let mut back = vec![0; region.bytes.len()];
        disk.read_exact_at(&mut back, region.offset.0)
            .map_err(failed("read back the partition table of", node))?;
        if back != region.bytes {
            return Err(DeviceError::ReadBack {
                device: node.to_owned(),
                offset: region.offset,
            });
        }
    }
    Ok(())
}

fn open_locked(node: &Path) -> Result<Flock<File>, DeviceError> {
    let disk = OpenOptions::new().read(true).write(true).open(node);
    lock(disk.map_err(failed("open", node))?, node, Sharing::Nobody)
}

/// Size, sector size and table of a disk.
fn read_table(file: &mut Flock<File>, device: &Path) -> Result<(Bytes, SectorSize, gpt::Found), DeviceError> {
    look::anew(file).map_err(failed("read anew", device))?;
    let size = block::size(file).map_err(failed("read the size of", device))?;
    let sector = block::sector_size(file).map_err(failed("read the sector size of", device))?;
    let found = gpt::read(&mut **file, size, sector).map_err(|source| DeviceError::Table {
        device: device.to_owned(),
        source,
    })?;
    Ok((size, sector, found))
}

/// Writes zeros, to the medium.
pub(in crate::host) fn zero(disk: &File, extent: &gpt::Extent) -> io::Result<()> {
    let zeros = [0; 4096];
    let (mut at, end) = (extent.offset.0, extent.offset.0.saturating_add(extent.length.0));
    while at < end {
        let step = usize::try_from(end - at).unwrap_or(zeros.len()).min(zeros.len());
        disk.write_all_at(zeros.get(..step).unwrap_or(&zeros), at)?;
        at += step as u64;
    }
    disk.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_devices_are_named() {
        let missing = vec![PathBuf::from("/dev/vdb"), PathBuf::from("/dev/vdc")];
        let error = DeviceError::Missing {
            missing,
            waited: DEVICE_DEADLINE,
        };
        assert_eq!(error.to_string(), "/dev/vdb, /dev/vdc did not appear within 90 s");
    }
}
