//! The device boundary: waits for disks, reads what they hold, writes partition tables.

mod kernel;
mod lock;
mod look;
mod mapper;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::fcntl::Flock;

use kindling_config_spec::units::{Bytes, SectorSize};

use kernel::{Kernel, sysfs};
pub use kernel::{arrays, whole_disks};
use lock::{Sharing, lock};
use mapper::Mapper;
use settle::Awaited;

use super::process::{self, ProcessError};
use super::uevent::Monitor;
use super::{block, usage};
use crate::gpt;
use crate::inventory::disks::{Content, Disk, Probe};
use crate::inventory::stack::{Mapping, User};
use crate::plan::partitions::{InUse, KernelView};
use crate::plan::step::TableWrite;

/// How long a device may take to appear, as systemd's own default for device units.
const DEVICE_DEADLINE: Duration = Duration::from_secs(90);
/// How long udev may take to finish with a device that we changed.
const SETTLE_DEADLINE: Duration = Duration::from_secs(60);

/// Why a device could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Some devices did not appear in time.
    #[error("{} did not appear within {} s", list(missing), waited.as_secs())]
    Missing {
        /// The devices that are not there.
        missing: Vec<PathBuf>,
        /// How long we waited.
        waited: Duration,
    },
    /// Somebody else has the disk locked.
    #[error("{} was locked by another program for {} s", device.display(), waited.as_secs())]
    Locked {
        /// The disk.
        device: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
    /// A system call on one device failed.
    #[error("cannot {doing} {}", device.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// The device.
        device: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// dmsetup did not do what a partition of a device-mapper disk needs.
    #[error("cannot {doing} {}", device.display())]
    Mapping {
        /// The verb.
        doing: &'static str,
        /// The mapping.
        device: PathBuf,
        /// Why.
        source: ProcessError,
    },
    /// The partition table cannot be read at all.
    #[error("cannot read the partition table of {}", device.display())]
    Table {
        /// The disk.
        device: PathBuf,
        /// Why.
        source: gpt::ReadError,
    },
    /// The planned table contradicts itself, which no planner should emit: our bug.
    #[error("the planned partition table for {} is unsound", device.display())]
    Unsound {
        /// The disk.
        device: PathBuf,
        /// The contradiction.
        source: gpt::Flaw,
    },
    /// What was read back is not what was written.
    #[error("{} does not hold what was written to it at byte {}", device.display(), offset.0)]
    ReadBack {
        /// The disk.
        device: PathBuf,
        /// Where the difference starts.
        offset: Bytes,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn failed<'a, E: Into<io::Error>>(
    doing: &'static str,
    device: &'a Path,
) -> impl FnOnce(E) -> DeviceError + use<'a, E> {
    move |source| DeviceError::Io {
        doing,
        device: device.to_owned(),
        source: source.into(),
    }
}

/// The device boundary. `host::devices::System` implements it; tests use `host::fake::Disks`.
pub trait Devices: Sync {
    /// Waits until every path exists, and where udev runs, until it has finished with the device behind it.
    ///
    /// # Errors
    /// `Missing` names those that do not, after 90 s.
    fn wait_for(&self, devices: &[PathBuf]) -> Result<(), DeviceError>;

    /// The node a device path leads to, links resolved.
    ///
    /// # Errors
    /// `Io` when a link leads nowhere.
    fn node(&self, device: &Path) -> Result<PathBuf, DeviceError>;

    /// Geometry, partition table and users of a disk.
    ///
    /// # Errors
    /// `Io`, `Table`, `Mapping`.
    fn disk(&self, device: &Path) -> Result<Disk, DeviceError>;

    /// Whether what a probe covers can be read: its first and its last MiB.
    ///
    /// # Errors
    /// `Io`.
    fn readable(&self, probe: &Probe) -> Result<(), DeviceError>;

    /// Who uses a device, or one of its partitions.
    ///
    /// # Errors
    /// `Io`.
    fn used_by(&self, node: &Path) -> Result<Option<User>, DeviceError>;

    /// Whether the kernel has a device of that node.
    fn is_there(&self, node: &Path) -> bool;

    /// Locks the disks that the nodes are, or are partitions of: until the locks are dropped, udev does not look at any of
    /// their partitions, and starts no array of them.
    ///
    /// # Errors
    /// `Locked`, `Io`.
    fn lock(&self, nodes: &[PathBuf]) -> Result<Locks, DeviceError>;

    /// The arrays that a device is a member of, running or not.
    ///
    /// # Errors
    /// `Io`. A device that is not there is a member of none.
    fn arrays_on(&self, node: &Path) -> Result<Vec<PathBuf>, DeviceError>;

    /// The mapping of that name.
    ///
    /// # Errors
    /// `Io`.
    fn mapping(&self, name: &str) -> Result<Option<Mapping>, DeviceError>;

    /// Carries out one change of a disk's table: erases, writes region by region, reads back, and tells the
    /// kernel.
    ///
    /// # Errors
    /// `Io`, `ReadBack`, `Unsound`, `Mapping`, `Missing`.
    fn write_table(&self, node: &Path, write: &TableWrite) -> Result<(), DeviceError>;

    /// Sees to it that the kernel shows the partitions as in `view`, and keeps every partition of the disk open until
    /// [`Devices::settle`], so that nobody can take its node away for a moment by reading the table again.
    ///
    /// # Errors
    /// `Io`, `Mapping`, `Missing`.
    fn hold(&self, node: &Path, view: &KernelView) -> Result<(), DeviceError>;

    /// Waits until udev has finished with every node, its links included, and lets go of the partitions.
    ///
    /// # Errors
    /// `Missing` names those it did not finish with.
    fn settle(&self, nodes: &[PathBuf]) -> Result<(), DeviceError>;
}

/// Locks on disks, held until this is dropped.
#[derive(Default)]
pub struct Locks(#[expect(dead_code, reason = "held for what dropping them does")] Vec<Flock<File>>);

/// Devices of the running kernel.
pub struct System {
    /// Partitions that are held open: while one is, no re-read of the table by somebody else can take the
    /// nodes away for a moment (the kernel answers `BLKRRPART` with `EBUSY`).
    held: Mutex<BTreeMap<PathBuf, File>>,
    serial: u128,
    /// For dmsetup: partitions of a device-mapper disk are mappings.
    processes: process::System,
}

impl System {
    /// `serial` is any number that differs from run to run; it marks our own events. `processes` runs dmsetup.
    #[must_use]
    pub fn new(serial: u128, processes: process::System) -> Self {
        Self {
            held: Mutex::new(BTreeMap::new()),
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

    fn release(&self, node: &Path) {
        if let Ok(mut held) = self.held.lock() {
            held.remove(node);
        }
    }
}

/// Every link to `node` below `/dev/disk`, `/dev/md` and `/dev/mapper`.
#[must_use]
pub fn links_to(node: &Path) -> BTreeSet<PathBuf> {
    look::aliases(node)
}

/// The disk that an image is of, with logical sectors of that size.
///
/// # Errors
/// `Io`, `Table`.
pub fn image(path: &Path, sector: SectorSize) -> Result<Disk, DeviceError> {
    let mut file = File::open(path).map_err(failed("open", path))?;
    let size = look::size_of(&file).map_err(failed("read the size of", path))?;
    let found = gpt::read(&mut file, size, sector).map_err(|source| DeviceError::Table {
        device: path.to_owned(),
        source,
    })?;
    Ok(Disk {
        node: path.to_owned(),
        aliases: BTreeSet::new(),
        mapped: None,
        sector,
        size,
        found,
        in_use: InUse::default(),
        content: Content::Blank,
        assumed: false,
    })
}

/// Whether udev runs here: it owns this socket.
fn has_udev() -> bool {
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
        look::anew(&file).map_err(failed("read anew", device))?;
        let size = block::size(&file).map_err(failed("read the size of", device))?;
        let sector = block::sector_size(&file).map_err(failed("read the sector size of", device))?;
        let found = gpt::read(&mut *file, size, sector).map_err(|source| DeviceError::Table {
            device: device.to_owned(),
            source,
        })?;
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

    fn used_by(&self, node: &Path) -> Result<Option<User>, DeviceError> {
        // The links to arrays and volumes are udev's.
        look::user_of(&self.node(node)?).map_err(failed("find out who uses", node))
    }

    fn is_there(&self, node: &Path) -> bool {
        let node = node.canonicalize().unwrap_or_else(|_| node.to_owned());
        sysfs(&node).exists()
    }

    fn lock(&self, nodes: &[PathBuf]) -> Result<Locks, DeviceError> {
        let disks: Result<BTreeSet<PathBuf>, DeviceError> = nodes
            .iter()
            .map(|node| Ok(kernel::disk_of(&self.node(node)?)))
            .collect();
        // In the order of their names, so that no two of us wait for each other.
        let locked = disks?.into_iter().map(|disk| {
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
        let table = write.table.as_ref().map(gpt::Table::regions).transpose();
        let regions = table
            .map_err(|source| DeviceError::Unsound {
                device: node.to_owned(),
                source,
            })?
            .unwrap_or_default();
        let disk = OpenOptions::new()
            .read(true)
            .write(true)
            .open(node)
            .map_err(failed("open", node))?;
        let disk = lock(disk, node, Sharing::Nobody)?;
        let kernel = Kernel::open(self, &disk, node, &write.view)?;
        if write.wiped {
            kernel.forget_partitions()?;
        }
        for extent in &write.erase {
            zero(&disk, extent).map_err(failed("erase the partition table of", node))?;
        }
        for region in &regions {
            disk.write_all_at(&region.bytes, region.offset.0)
                // Each region is on the medium before the next: a power cut leaves one whole table.
                .and_then(|()| disk.sync_data())
                .map_err(failed("write the partition table of", node))?;
        }
        for region in &regions {
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
        for change in &write.kernel {
            kernel.tell(*change)?;
        }
        kernel.correct()?;
        kernel.hold()?;
        self.wait_for_links(&kernel.links()?)
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

fn zero(disk: &File, extent: &gpt::Extent) -> io::Result<()> {
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
