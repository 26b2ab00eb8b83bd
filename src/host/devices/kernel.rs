//! The kernel's view of a disk's partitions: what sysfs shows, and how it is changed one partition at a time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use kindling_config_spec::order;
use kindling_config_spec::units::Bytes;

use super::mapper::Mapper;
use super::{DeviceError, System, failed};
use crate::host::block;
use crate::plan::partitions::{KernelChange, KernelView, Shown};
use crate::plan::place::partition_name;

/// The kernel and the partitions of one disk, which is locked.
pub(super) struct Kernel<'a> {
    system: &'a System,
    disk: &'a File,
    node: &'a Path,
    /// Of a device-mapper disk the kernel shows no partitions; mappings stand for them.
    mapper: Option<Mapper<'a>>,
    /// What it is to show in the end.
    view: &'a KernelView,
}

impl<'a> Kernel<'a> {
    pub(super) fn open(
        system: &'a System,
        disk: &'a File,
        node: &'a Path,
        view: &'a KernelView,
    ) -> Result<Self, DeviceError> {
        Ok(Self {
            system,
            disk,
            node,
            mapper: Mapper::open(&system.processes, node, view.mappings.as_ref())?,
            view,
        })
    }

    /// Deletes every partition the kernel knows, also those of a table that is not a GPT.
    pub(super) fn forget_partitions(&self) -> Result<(), DeviceError> {
        for (number, _) in self.partitions()? {
            self.tell(KernelChange::Delete { number })?;
        }
        Ok(())
    }

    /// Tells the kernel of the partitions that it does not show, shows with other boundaries, or shows no longer rightly: a
    /// run may have been killed between its table and its calls, and udev reads a table again only while nobody holds the
    /// disk.
    pub(super) fn correct(&self) -> Result<(), DeviceError> {
        let present = match &self.mapper {
            Some(mapper) => mapper.shown()?,
            None => self
                .partitions()?
                .into_iter()
                .filter_map(|(number, partition)| boundaries(number, &partition))
                .collect(),
        };
        for change in corrections(&present, self.view) {
            tracing::info!(
                "the kernel shows {} otherwise than its table: {change:?}",
                self.node.display()
            );
            self.tell(change)?;
        }
        Ok(())
    }

    /// Tells the kernel one change, and looks whether it shows it.
    pub(super) fn tell(&self, change: KernelChange) -> Result<(), DeviceError> {
        let (KernelChange::Delete { number }
        | KernelChange::Add { number, .. }
        | KernelChange::Resize { number, .. }) = change;
        if let Some(mapper) = &self.mapper {
            for (_, partition) in self.partitions()?.into_iter().filter(|(one, _)| *one == number) {
                self.system.release(&partition);
            }
            return mapper.tell(change);
        }
        let partition = partition_name(self.node, number);
        self.system.release(&partition);
        let told = match change {
            KernelChange::Delete { .. } => block::Change::Delete,
            KernelChange::Add { start, size, .. } => block::Change::Add(start, size),
            KernelChange::Resize { start, size, .. } => block::Change::Resize(start, size),
        };
        match block::change_partition(self.disk, number, told) {
            Ok(()) => {}
            // Somebody re-read the table first: what counts is that the kernel shows it so.
            Err(_) if kernel_shows(number, &partition, told) => {}
            Err(error) => return Err(failed("tell the kernel about", &partition)(error)),
        }
        if !matches!(change, KernelChange::Delete { .. }) && !kernel_shows(number, &partition, told) {
            let differs = io::Error::other("the kernel shows other boundaries than the table");
            return Err(failed("use", &partition)(differs));
        }
        Ok(())
    }

    /// Opens every partition the kernel shows. The disk is locked: then nobody is reading its table again.
    pub(super) fn hold(&self) -> Result<(), DeviceError> {
        for (_, partition) in self.partitions()? {
            let file = File::open(&partition).map_err(failed("open", &partition))?;
            if let Ok(mut held) = self.system.held.lock() {
                held.insert(partition, file);
            }
        }
        Ok(())
    }

    /// The links by which steps reach the partitions, where those are not the kernel's own nodes.
    pub(super) fn links(&self) -> Result<Vec<PathBuf>, DeviceError> {
        match &self.mapper {
            Some(mapper) => mapper.links(&self.view.shown),
            None => Ok(Vec::new()),
        }
    }

    /// Number and node of every partition the kernel shows.
    fn partitions(&self) -> Result<Vec<(u32, PathBuf)>, DeviceError> {
        match &self.mapper {
            Some(mapper) => {
                let partitions = mapper.partitions()?.into_iter();
                Ok(partitions.map(|(number, there)| (number, there.node)).collect())
            }
            None => partitions_of(self.node),
        }
    }
}

/// What the kernel has to be told so that it shows `view`: what is in the way or not wanted goes first. A partition that
/// only has another size is resized, which is allowed while it is mounted.
fn corrections(present: &[Shown], view: &KernelView) -> Vec<KernelChange> {
    let wanted = &view.shown;
    let grows = |there: &Shown, want: &Shown| there.number == want.number && there.start == want.start;
    let missing: Vec<&Shown> = wanted.iter().filter(|want| !present.contains(want)).collect();
    let is_resized = |want: &Shown| present.iter().any(|there| grows(there, want));
    let in_the_way = |there: &Shown| {
        missing.iter().any(|want| want.collides(there)) && !wanted.iter().any(|want| grows(there, want))
    };
    let gone = present
        .iter()
        .filter(|there| in_the_way(there) || view.absent.contains(&there.number));
    let gone = gone.map(|there| KernelChange::Delete { number: there.number });
    let told = missing.iter().map(|&&Shown { number, start, size }| {
        if is_resized(&Shown { number, start, size }) {
            KernelChange::Resize { number, start, size }
        } else {
            KernelChange::Add { number, start, size }
        }
    });
    gone.chain(told).collect()
}

/// The disks that this machine has: block devices of their own, with a size, that are neither removable media nor made of
/// other devices (loop, RAM, device mapper, md). A multipath device is a disk: its parts are ways to the same one.
///
/// # Errors
/// `Io` when sysfs cannot be read.
pub fn whole_disks() -> Result<Vec<PathBuf>, DeviceError> {
    const OTHERS: [&str; 8] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"];
    let listing = || failed("list", Path::new("/sys/block"));
    let mut disks = Vec::new();
    for child in std::fs::read_dir("/sys/block").map_err(listing())? {
        let child = child.map_err(listing())?;
        let name = child.file_name().to_string_lossy().into_owned();
        let size = std::fs::read_to_string(child.path().join("size")).unwrap_or_default();
        let has_size = size.trim().parse::<u64>().is_ok_and(|size| size > 0);
        let is_other = OTHERS.iter().any(|other| name.starts_with(other));
        let uuid = std::fs::read_to_string(child.path().join("dm/uuid")).unwrap_or_default();
        if has_size && (!is_other || uuid.starts_with("mpath-")) {
            disks.push(Path::new("/dev").join(name));
        }
    }
    order::sort(&mut disks);
    Ok(disks)
}

/// The arrays that this machine runs.
///
/// # Errors
/// `Io` when sysfs cannot be read.
pub fn arrays() -> Result<Vec<PathBuf>, DeviceError> {
    let listing = || failed("list", Path::new("/sys/block"));
    let mut arrays = Vec::new();
    for child in std::fs::read_dir("/sys/block").map_err(listing())? {
        let child = child.map_err(listing())?;
        if child.path().join("md").exists() {
            arrays.push(Path::new("/dev").join(child.file_name()));
        }
    }
    order::sort(&mut arrays);
    Ok(arrays)
}

/// Number and node of every partition the kernel shows by itself.
fn partitions_of(node: &Path) -> Result<Vec<(u32, PathBuf)>, DeviceError> {
    let listing = || failed("list the partitions of", node);
    let mut partitions = Vec::new();
    for child in std::fs::read_dir(sysfs(node)).map_err(listing())? {
        let child = child.map_err(listing())?;
        let number = std::fs::read_to_string(child.path().join("partition")).ok();
        if let Some(number) = number.and_then(|text| text.trim().parse().ok()) {
            partitions.push((number, Path::new("/dev").join(child.file_name())));
        }
    }
    Ok(partitions)
}

/// Where sysfs shows a partition (start and size there count 512-byte units); `None` when it is gone.
fn boundaries(number: u32, partition: &Path) -> Option<Shown> {
    let bytes = |name: &str| {
        let text = std::fs::read_to_string(sysfs(partition).join(name)).ok()?;
        let units: u64 = text.trim().parse().ok()?;
        Some(Bytes(units.checked_mul(512)?))
    };
    Some(Shown {
        number,
        start: bytes("start")?,
        size: bytes("size")?,
    })
}

/// Whether sysfs shows the partition as `told`.
fn kernel_shows(number: u32, partition: &Path, told: block::Change) -> bool {
    match told {
        block::Change::Delete => !sysfs(partition).exists(),
        block::Change::Add(start, size) | block::Change::Resize(start, size) => {
            boundaries(number, partition) == Some(Shown { number, start, size })
        }
    }
}

/// The disk that a node is, or is a partition of.
#[must_use]
pub fn disk_of(node: &Path) -> PathBuf {
    let dir = sysfs(node);
    let parent = || {
        let real = dir.canonicalize().ok()?;
        Some(Path::new("/dev").join(real.parent()?.file_name()?))
    };
    let is_partition = dir.join("partition").exists();
    parent()
        .filter(|_| is_partition)
        .unwrap_or_else(|| node.to_owned())
}

pub(super) fn sysfs(node: &Path) -> PathBuf {
    Path::new("/sys/class/block").join(node.file_name().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_what_it_does_not_show() {
        let at = |number, start, size| Shown {
            number,
            start: Bytes(start),
            size: Bytes(size),
        };
        let delete = |number| KernelChange::Delete { number };
        let add = |number, start, size| KernelChange::Add {
            number,
            start: Bytes(start),
            size: Bytes(size),
        };
        let resize = |number, start, size| KernelChange::Resize {
            number,
            start: Bytes(start),
            size: Bytes(size),
        };
        let view = KernelView {
            shown: vec![at(1, 1, 4), at(2, 5, 4)],
            absent: [6].into(),
            mappings: None,
        };
        for (row, present, expected) in [
            ("all shown", vec![at(1, 1, 4), at(2, 5, 4), at(7, 20, 1)], vec![]),
            (
                "one that was to go",
                vec![at(1, 1, 4), at(2, 5, 4), at(6, 20, 1)],
                vec![delete(6)],
            ),
            ("one not told", vec![at(1, 1, 4)], vec![add(2, 5, 4)]),
            ("none told", vec![], vec![add(1, 1, 4), add(2, 5, 4)]),
            (
                "smaller before",
                vec![at(1, 1, 4), at(2, 5, 2)],
                vec![resize(2, 5, 4)],
            ),
            (
                "elsewhere before",
                vec![at(1, 1, 4), at(2, 6, 4)],
                vec![delete(2), add(2, 5, 4)],
            ),
            (
                "another one in its place",
                vec![at(1, 1, 4), at(9, 6, 9)],
                vec![delete(9), add(2, 5, 4)],
            ),
            (
                "numbers changed places",
                vec![at(1, 5, 4), at(2, 1, 4)],
                vec![delete(1), delete(2), add(1, 1, 4), add(2, 5, 4)],
            ),
        ] {
            assert_eq!(corrections(&present, &view), expected, "{row}");
        }
    }
}
