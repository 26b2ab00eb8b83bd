//! The kernel's view of a disk's partitions: what sysfs shows, and how it is changed one partition at a time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use kindling_config_spec::units::Bytes;

use super::{DeviceError, System, failed};
use crate::host::block;
use crate::plan::partitions::{KernelChange, Shown};
use crate::plan::place::partition_name;

impl System {
    /// Deletes every partition the kernel knows, also those of a table that is not a GPT.
    pub(super) fn forget_partitions(&self, disk: &File, node: &Path) -> Result<(), DeviceError> {
        for (number, _) in partitions_of(node)? {
            self.tell_kernel(disk, node, KernelChange::Delete { number })?;
        }
        Ok(())
    }

    /// Tells the kernel of the partitions in `wanted` that it does not show, or shows with other boundaries: a run may
    /// have been killed between its table and its calls, and udev reads a table again only while nobody holds the disk.
    pub(super) fn correct_kernel(
        &self,
        disk: &File,
        node: &Path,
        wanted: &[Shown],
    ) -> Result<(), DeviceError> {
        let present: Vec<Shown> = partitions_of(node)?
            .into_iter()
            .filter_map(|(number, partition)| boundaries(number, &partition))
            .collect();
        for change in corrections(&present, wanted) {
            tracing::info!(
                "the kernel shows {} otherwise than its table: {change:?}",
                node.display()
            );
            self.tell_kernel(disk, node, change)?;
        }
        Ok(())
    }

    pub(super) fn tell_kernel(
        &self,
        disk: &File,
        node: &Path,
        change: KernelChange,
    ) -> Result<(), DeviceError> {
        let (number, told) = match change {
            KernelChange::Delete { number } => (number, block::Change::Delete),
            KernelChange::Add { number, start, size } => (number, block::Change::Add(start, size)),
            KernelChange::Resize { number, start, size } => (number, block::Change::Resize(start, size)),
        };
        let partition = partition_name(node, number);
        self.release(&partition);
        match block::change_partition(disk, number, told) {
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
}

/// What the kernel has to be told so that it shows `wanted`: what is in the way goes first. A partition that only has
/// another size is resized, which is allowed while it is mounted.
fn corrections(present: &[Shown], wanted: &[Shown]) -> Vec<KernelChange> {
    let grows = |there: &Shown, want: &Shown| there.number == want.number && there.start == want.start;
    let missing: Vec<&Shown> = wanted.iter().filter(|want| !present.contains(want)).collect();
    let is_resized = |want: &Shown| present.iter().any(|there| grows(there, want));
    let in_the_way = |there: &Shown| {
        missing.iter().any(|want| want.collides(there)) && !wanted.iter().any(|want| grows(there, want))
    };
    let gone = present.iter().filter(|there| in_the_way(there));
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
/// other devices (loop, RAM, device mapper, md).
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
        if has_size && !OTHERS.iter().any(|other| name.starts_with(other)) {
            disks.push(Path::new("/dev").join(name));
        }
    }
    disks.sort();
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
    arrays.sort();
    Ok(arrays)
}

/// Number and node of every partition the kernel shows.
pub(super) fn partitions_of(node: &Path) -> Result<Vec<(u32, PathBuf)>, DeviceError> {
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
pub(super) fn disk_of(node: &Path) -> PathBuf {
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
        let wanted = [at(1, 1, 4), at(2, 5, 4)];
        for (row, present, expected) in [
            ("all shown", vec![at(1, 1, 4), at(2, 5, 4), at(7, 20, 1)], vec![]),
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
            assert_eq!(corrections(&present, &wanted), expected, "{row}");
        }
    }
}
