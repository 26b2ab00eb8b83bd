//! Who uses a disk: mounts, swap and the devices stacked on it, read from procfs and sysfs.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};

use crate::inventory::mapped::Mapped;
use crate::inventory::stack::{StackKind, Stacked, User};
use crate::plan::partitions::InUse;

/// Who uses `disk` and each of its partitions. Those of a device-mapper disk are `mapped`; they stand on it as what uses it
/// does, and are no use of it by themselves.
///
/// # Errors
/// When sysfs or procfs cannot be read: then nobody may claim that the disk is free.
pub fn of(disk: &Path, mapped: Option<&Mapped>) -> io::Result<InUse> {
    let uses = Uses::read(mapped)?;
    let mut in_use = InUse {
        disk: uses.user(disk)?,
        partitions: OrderedMap::new(),
    };
    for (number, node) in partitions(disk, mapped)? {
        if let Some(user) = uses.user(&node)? {
            in_use.partitions.insert(number, user);
        }
    }
    Ok(in_use)
}

/// Number and node of every partition, those that are mappings first.
///
/// # Errors
/// When sysfs cannot be read.
pub fn partitions(disk: &Path, mapped: Option<&Mapped>) -> io::Result<Vec<(u32, PathBuf)>> {
    let mappings = mapped.iter().flat_map(|disk| &disk.partitions);
    let mut found: Vec<_> = mappings
        .map(|(number, there)| (*number, there.node.clone()))
        .collect();
    for entry in std::fs::read_dir(sysfs(disk))? {
        let child = entry?;
        let number = std::fs::read_to_string(child.path().join("partition")).ok();
        if let Some(number) = number.and_then(|text| text.trim().parse().ok()) {
            found.push((number, Path::new("/dev").join(child.file_name())));
        }
    }
    Ok(found)
}

/// The devices made of `node`, by their nodes.
///
/// # Errors
/// When sysfs cannot be read.
pub fn holders(node: &Path) -> io::Result<Vec<PathBuf>> {
    listed(node, "holders")
}

/// The devices that `node` is made of.
///
/// # Errors
/// When sysfs cannot be read.
pub fn below(node: &Path) -> io::Result<OrderedSet<PathBuf>> {
    Ok(listed(node, "slaves")?.into_iter().into_set())
}

fn listed(node: &Path, list: &str) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(sysfs(node).join(list))?
        .map(|held| Ok(Path::new("/dev").join(held?.file_name())))
        .collect()
}

fn sysfs(node: &Path) -> PathBuf {
    Path::new("/sys/class/block").join(node.file_name().unwrap_or_default())
}

/// What is mounted and swapped to, read once.
struct Uses {
    mounted: OrderedMap<String, String>,
    anonymous: Vec<(PathBuf, String)>,
    btrfs: OrderedMap<OsString, String>,
    swaps: OrderedSet<PathBuf>,
    /// Partitions that are mappings: they do not use the disk they stand on.
    partitions: OrderedSet<PathBuf>,
}

impl Uses {
    fn read(mapped: Option<&Mapped>) -> io::Result<Self> {
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo")?;
        Ok(Self {
            mounted: mounted_numbers(&mountinfo),
            anonymous: anonymous_sources(&mountinfo),
            btrfs: btrfs_members(),
            swaps: swap_nodes(&std::fs::read_to_string("/proc/swaps").unwrap_or_default()),
            partitions: mapped
                .iter()
                .flat_map(|disk| disk.partitions.values())
                .map(|there| there.node.clone())
                .into_set(),
        })
    }

    fn user(&self, node: &Path) -> io::Result<Option<User>> {
        if let Some(by) = self.direct(node)? {
            return Ok(Some(User::from(by.as_str())));
        }
        let Some(first) = self.holders(node)?.into_iter().next() else {
            return Ok(None);
        };
        let name = first
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut stack = Vec::new();
        if !self.is_idle(node, &mut stack)? {
            stack.clear();
        }
        Ok(Some(User {
            by: format!("held by {name}"),
            stack,
        }))
    }

    fn holders(&self, node: &Path) -> io::Result<Vec<PathBuf>> {
        let mut users = holders(node)?;
        users.retain(|holder| !self.partitions.contains(holder));
        Ok(users)
    }

    /// Who uses the device itself, not through another device.
    fn direct(&self, node: &Path) -> io::Result<Option<String>> {
        let number = std::fs::read_to_string(sysfs(node).join("dev"))?;
        if let Some(target) = self.mounted.get(number.trim()) {
            return Ok(Some(format!("mounted at {target}")));
        }
        let is_node = |source: &Path| source == node || source.canonicalize().is_ok_and(|at| at == node);
        if let Some((_, target)) = self.anonymous.iter().find(|(source, _)| is_node(source)) {
            return Ok(Some(format!("mounted at {target}")));
        }
        if let Some(uuid) = node.file_name().and_then(|name| self.btrfs.get(name)) {
            return Ok(Some(format!("part of the mounted btrfs file system {uuid}")));
        }
        // proc_swaps(5) names a mapping by its link.
        let is_swap = self.swaps.iter().any(|swap| is_node(swap));
        Ok(is_swap.then(|| "active as swap".to_owned()))
    }

    /// Collects what stands on `node`, top first. Says whether all of it is arrays and mappings that nobody uses.
    fn is_idle(&self, node: &Path, stack: &mut Vec<Stacked>) -> io::Result<bool> {
        for holder in self.holders(node)? {
            if stack.iter().any(|known| known.node == holder) {
                continue;
            }
            let Some(stacked) = stacked(&holder) else {
                return Ok(false);
            };
            let mut parts = partitions(&holder, None)?
                .into_iter()
                .map(|(_, node)| node)
                .collect::<Vec<_>>();
            parts.push(holder.clone());
            for part in parts {
                if self.direct(&part)?.is_some() || !self.is_idle(&part, stack)? {
                    return Ok(false);
                }
            }
            stack.push(stacked);
        }
        Ok(true)
    }
}

/// What a device on another one is; `None` for what we would not know how to take down, or must not: a multipath device is
/// the disk itself by another name.
fn stacked(node: &Path) -> Option<Stacked> {
    let name = node.file_name()?.to_string_lossy().into_owned();
    let mapping = |what: &str| std::fs::read_to_string(sysfs(node).join("dm").join(what)).ok();
    let (kind, name) = if name.starts_with("dm-") {
        if mapping("uuid").is_some_and(|uuid| uuid.starts_with("mpath-")) {
            return None;
        }
        (StackKind::Mapping, mapping("name")?.trim().to_owned())
    } else if sysfs(node).join("md").exists() {
        (StackKind::Array, name)
    } else {
        return None;
    };
    Some(Stacked {
        node: node.to_owned(),
        kind,
        name,
    })
}

/// `major:minor` → mount point, from proc_pid_mountinfo(5): fields 3 and 5.
fn mounted_numbers(mountinfo: &str) -> OrderedMap<String, String> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let number = fields.nth(2)?;
            let target = fields.nth(1)?;
            Some((number.to_owned(), target.to_owned()))
        })
        .into_map()
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
fn btrfs_members() -> OrderedMap<OsString, String> {
    let mut members = OrderedMap::new();
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
fn swap_nodes(swaps: &str) -> OrderedSet<PathBuf> {
    swaps
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(PathBuf::from)
        .into_set()
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
