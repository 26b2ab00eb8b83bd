//! Who uses a disk: mounts, swap and the devices stacked on it, read from procfs and sysfs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::plan::partitions::InUse;

/// Who uses `disk` and each of its partitions.
///
/// # Errors
/// When sysfs or procfs cannot be read: then nobody may claim that the disk is free.
pub fn of(disk: &Path) -> io::Result<InUse> {
    let name = disk.file_name().unwrap_or_default().to_owned();
    let sysfs = Path::new("/sys/class/block").join(&name);
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo")?;
    let mounted = mounted_numbers(&mountinfo);
    let anonymous = anonymous_sources(&mountinfo);
    let btrfs = btrfs_members();
    let swaps = swap_nodes(&std::fs::read_to_string("/proc/swaps").unwrap_or_default());
    let user = |dir: &Path, node: &Path| -> io::Result<Option<String>> {
        let number = std::fs::read_to_string(dir.join("dev"))?;
        if let Some(target) = mounted.get(number.trim()) {
            return Ok(Some(format!("mounted at {target}")));
        }
        let by_source = anonymous
            .iter()
            .find(|(source, _)| source == node || source.canonicalize().is_ok_and(|at| at == node));
        if let Some((_, target)) = by_source {
            return Ok(Some(format!("mounted at {target}")));
        }
        if let Some(uuid) = node.file_name().and_then(|name| btrfs.get(name)) {
            return Ok(Some(format!("part of the mounted btrfs file system {uuid}")));
        }
        if swaps.contains(node) {
            return Ok(Some("active as swap".to_owned()));
        }
        let mut holders = std::fs::read_dir(dir.join("holders"))?;
        Ok(holders
            .next()
            .transpose()?
            .map(|held| format!("held by {}", held.file_name().to_string_lossy())))
    };
    let mut in_use = InUse {
        disk: user(&sysfs, disk)?,
        partitions: BTreeMap::new(),
    };
    for entry in std::fs::read_dir(&sysfs)? {
        let child = entry?.path();
        let Ok(number) = std::fs::read_to_string(child.join("partition")) else {
            continue;
        };
        let Ok(number) = number.trim().parse::<u32>() else {
            continue;
        };
        let node = Path::new("/dev").join(child.file_name().unwrap_or_default());
        if let Some(by) = user(&child, &node)? {
            in_use.partitions.insert(number, by);
        }
    }
    Ok(in_use)
}

/// `major:minor` → mount point, from proc_pid_mountinfo(5): fields 3 and 5.
fn mounted_numbers(mountinfo: &str) -> BTreeMap<String, String> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let number = fields.nth(2)?;
            let target = fields.nth(1)?;
            Some((number.to_owned(), target.to_owned()))
        })
        .collect()
}

/// Source and mount point of mounts whose number is none of a device: btrfs and bcachefs count theirs from a pool of
/// their own, major 0. bcachefs joins its members with `:`.
fn anonymous_sources(mountinfo: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for line in mountinfo.lines() {
        let mut fields = line.split(' ');
        let (number, target) = (fields.nth(2), fields.nth(1));
        let source = line
            .split_once(" - ")
            .and_then(|(_, behind)| behind.split(' ').nth(1));
        let (Some(number), Some(target), Some(source)) = (number, target, source) else {
            continue;
        };
        if number.starts_with("0:") && source.starts_with("/dev/") {
            found.extend(
                source
                    .split(':')
                    .map(|source| (PathBuf::from(source), target.to_owned())),
            );
        }
    }
    found
}

/// Kernel name of every member of a mounted btrfs file system → its UUID (Documentation/ABI/testing/sysfs-fs-btrfs).
fn btrfs_members() -> BTreeMap<OsString, String> {
    let mut members = BTreeMap::new();
    for pool in std::fs::read_dir("/sys/fs/btrfs").into_iter().flatten().flatten() {
        for device in std::fs::read_dir(pool.path().join("devices"))
            .into_iter()
            .flatten()
            .flatten()
        {
            members.insert(
                device.file_name(),
                pool.file_name().to_string_lossy().into_owned(),
            );
        }
    }
    members
}

/// The first column of proc_swaps(5), below its heading.
fn swap_nodes(swaps: &str) -> BTreeSet<PathBuf> {
    swaps
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_and_swaps() {
        let line = "36 35 98:0 /mnt1 /mnt/x\\040y rw,noatime master:1 - ext3 /dev/root rw\n";
        assert_eq!(mounted_numbers(line).get("98:0").unwrap(), "/mnt/x\\040y");
        let anonymous = "40 35 0:41 / /data rw - btrfs /dev/vdc rw\n41 35 0:5 / /proc rw - proc proc rw\n\
                         42 35 0:50 / /pool rw shared:1 - bcachefs /dev/vdd:/dev/vde rw\nbroken - \n";
        let expected = [
            ("/dev/vdc", "/data"),
            ("/dev/vdd", "/pool"),
            ("/dev/vde", "/pool"),
        ];
        assert_eq!(
            anonymous_sources(anonymous),
            expected.map(|(source, target)| (PathBuf::from(source), target.to_owned()))
        );
        assert_eq!(anonymous_sources(line), []);
        let swaps = "Filename Type Size Used Priority\n/dev/vdb2 partition 1024 0 -2\n";
        assert!(swap_nodes(swaps).contains(Path::new("/dev/vdb2")));
    }
}
