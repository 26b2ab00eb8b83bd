//! The device boundary: waits for disks, reads what they hold, writes partition tables. [`System`] is the running kernel.

mod files;
mod kernel;
mod lock;
mod look;
mod mapper;
mod settle;
mod system;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::Flock;

use kindling_config_spec::order::OrderedSet;
use kindling_config_spec::units::{Bytes, SectorSize};

pub use kernel::{arrays, disk_of, whole_disks};
pub use system::System;
pub(in crate::host) use system::zero;

use super::process::ProcessError;
use crate::gpt;
use crate::inventory::disks::{Content, Disk, Probe};
use crate::inventory::stack::{Mapping, User};
use crate::plan::partitions::{InUse, KernelView};
use crate::plan::step::TableWrite;

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

    /// Whether every byte in which a signature can stand is there and zero. `false` is no answer: then blkid is asked.
    fn is_zero(&self, _probe: &Probe) -> bool {
        false
    }

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

    /// Reads a disk's table and writes what `change` makes of it, with no other boundaries; `None` leaves it. The kernel's disks
    /// are locked from before the one until after the other, so that nothing of somebody else's is undone.
    ///
    /// # Errors
    /// As [`Devices::disk`] and [`Devices::write_table`]; `Locked`.
    fn change_table(
        &self,
        node: &Path,
        change: &mut dyn FnMut(gpt::Found) -> Option<gpt::Table>,
    ) -> Result<(), DeviceError> {
        let table = change(self.disk(node)?.found);
        table.map_or(Ok(()), |table| {
            self.write_table(node, &TableWrite::of_entries(table))
        })
    }

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

/// Every link to `node` below `/dev/disk`, `/dev/md` and `/dev/mapper`.
#[must_use]
pub fn links_to(node: &Path) -> OrderedSet<PathBuf> {
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
        aliases: OrderedSet::new(),
        mapped: None,
        sector,
        size,
        found,
        in_use: InUse::default(),
        content: Content::Blank,
        assumed: false,
    })
}
