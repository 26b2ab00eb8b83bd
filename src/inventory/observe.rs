//! Reads the host into values. Calls only the reading half of `host`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kindling_config_spec::types::Config;
use kindling_config_spec::units::Bytes;

use super::disks::{Content, Disk, Probe, parse_blkid};
use super::recorded::RecordedDisk;
use super::target::{Kind, Target};
use crate::gpt::Found;
use crate::host::accounts::{self, LookupError};
use crate::host::devices::{DeviceError, Devices};
use crate::host::journal::{Journal, JournalError};
use crate::host::mounts;
use crate::host::process::{ProcessError, Processes};
use crate::host::sysroot::{Sysroot, SysrootError};
use crate::identity::hex;
use crate::plan::accounts::named_accounts;
use crate::plan::files::RESULT_FILE;
use crate::plan::{nodes, units};

/// A result file is a few hundred bytes for each provisioning.
const RESULT_LIMIT: Bytes = Bytes(1 << 20);

/// The host could not be read, so that nothing may be planned.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// A program that answers about a device failed.
    #[error("cannot find out what {} holds", device.display())]
    Probe {
        /// The device.
        device: PathBuf,
        /// Why.
        source: ProcessError,
    },
    /// A device without a signature cannot be read, so that it cannot be told whether it is blank.
    #[error(transparent)]
    Unreadable(#[from] DeviceError),
    /// The target's tree cannot be read.
    #[error(transparent)]
    Sysroot(#[from] SysrootError),
    /// The record of an earlier run cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The target's accounts cannot be read.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

/// What a place holds.
///
/// # Errors
/// `Probe` when blkid is missing or does not answer, `Unreadable` when it found nothing and the device cannot be read.
pub fn content(
    processes: &dyn Processes,
    devices: &dyn Devices,
    probe: &Probe,
) -> Result<Content, ObserveError> {
    let failed = |source| ObserveError::Probe {
        device: probe.node.clone(),
        source,
    };
    let call = probe.invocation();
    let output = processes.status(&call).map_err(failed)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let content = parse_blkid(output.status, &stdout).ok_or_else(|| {
        let (program, status, stderr) = (call.program, output.status, output.stderr.clone());
        failed(ProcessError::Exited {
            program,
            status,
            stderr,
        })
    })?;
    if content == Content::Blank {
        devices.readable(probe)?;
    }
    Ok(content)
}

/// What a disk and its partitions hold, to be kept as a record.
///
/// # Errors
/// As [`content`].
pub fn record(
    processes: &dyn Processes,
    devices: &dyn Devices,
    mut disk: Disk,
) -> Result<RecordedDisk, ObserveError> {
    let holds = |range| {
        let node = disk.node.clone();
        content(processes, devices, &Probe { node, range })
    };
    let mut contents = BTreeMap::new();
    if let Found::Gpt { table, .. } = &disk.found {
        for (number, entry) in &table.entries {
            let start = entry.first.to_bytes(table.sector_size);
            let size = entry.size().to_bytes(table.sector_size);
            contents.insert(*number, holds(Some((start, size)))?);
        }
    }
    if disk.may_hide_content() {
        disk.content = holds(None)?;
    }
    Ok(RecordedDisk { disk, contents })
}

/// What the files stage must know about the target.
///
/// # Errors
/// When any of it cannot be read.
pub fn target(
    config: &Config,
    sysroot: &Sysroot,
    processes: &dyn Processes,
    journal: &Journal<'_>,
) -> Result<Target, ObserveError> {
    let mut target = Target::default();
    let unit_paths: Vec<PathBuf> = units::paths(config).collect();
    let node_paths: BTreeSet<PathBuf> = nodes::paths(config).map(PathBuf::from).collect();
    let hard_targets = config
        .storage
        .links
        .iter()
        .filter(|link| link.hard == Some(true))
        .map(nodes::hard_target);
    let own = [PathBuf::from(RESULT_FILE)];
    let paths: BTreeSet<PathBuf> = node_paths
        .iter()
        .cloned()
        .chain(unit_paths)
        .chain(hard_targets)
        .chain(own)
        .collect();
    let mut blockers = BTreeMap::new();
    for path in paths {
        if let Some(node) = sysroot.look(&path)? {
            target.nodes.insert(path.clone(), node);
        }
        let real = sysroot.resolve(&path)?;
        let parent = real.parent().unwrap_or(Path::new("/")).to_owned();
        let blocker = match blockers.get(&parent) {
            Some(known) => known,
            None => {
                let found = blocker(sysroot, &parent)?;
                blockers.entry(parent).or_insert(found)
            }
        };
        if let Some(blocker) = blocker {
            target.blocked.insert(path.clone(), blocker.clone());
        }
        if node_paths.contains(&path) && real != path {
            target.resolved.insert(path, real);
        }
    }
    target.previous_result = sysroot.read_text(Path::new(RESULT_FILE), RESULT_LIMIT)?;
    target.mount_points = mounts::within(sysroot.path())?;
    recognise(&mut target, sysroot, journal)?;
    known_accounts(&mut target, config, sysroot, processes)?;
    target.selinux_contexts = selinux_contexts(sysroot)?;
    if target.selinux_contexts.is_some() {
        existing_parents(&mut target, config, sysroot)?;
    }
    Ok(target)
}

/// What stands at or above `dir`, resolved, where a directory must be.
fn blocker(sysroot: &Sysroot, dir: &Path) -> Result<Option<(PathBuf, Kind)>, ObserveError> {
    for above in dir.ancestors() {
        match sysroot.look(above)? {
            None => {}
            Some(node) if node.kind == Kind::Directory => return Ok(None),
            Some(node) => return Ok(Some((above.to_owned(), node.kind))),
        }
    }
    Ok(None)
}

/// Which of the files there an interrupted run of this very config wrote.
fn recognise(target: &mut Target, sysroot: &Sysroot, journal: &Journal<'_>) -> Result<(), ObserveError> {
    let entries = journal.read()?;
    for (path, digest) in &entries.files {
        // Only files have content of ours: a link or a directory there is what the file was to replace.
        if target.nodes.get(path).is_none_or(|node| node.kind != Kind::File) {
            continue;
        }
        if sysroot.digest(path)?.map(|found| hex(&found)).as_ref() == Some(digest) {
            target.complete.insert(path.clone());
        } else if entries.new.contains(path) {
            target.half_written.insert(path.clone());
        }
    }
    target.unfinished = entries.unfinished;
    if is_over(target) {
        // What differs since was changed by the machine or its users, and is nobody's to write again.
        target.half_written.clear();
        target.unfinished.clear();
    }
    Ok(())
}

/// A run of this config came to its end: its result file is there, or that of a later run of another config in its
/// place. The result is never half written, since it gets its name last and whole.
fn is_over(target: &Target) -> bool {
    let result = Path::new(RESULT_FILE);
    let is_object =
        |text: &String| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
    target.complete.contains(result)
        || (target.half_written.contains(result) && target.previous_result.as_ref().is_some_and(is_object))
}

fn known_accounts(
    target: &mut Target,
    config: &Config,
    sysroot: &Sysroot,
    processes: &dyn Processes,
) -> Result<(), ObserveError> {
    let named = named_accounts(config);
    for user in named.users {
        if let Some(account) = accounts::user(sysroot, processes, user)? {
            target.users.insert(user.to_owned(), account);
        }
    }
    for group in named.groups {
        if let Some(gid) = accounts::group(sysroot, processes, group)? {
            target.groups.insert(group.to_owned(), gid);
        }
    }
    for home in target.users.values().map(|account| account.home.clone()) {
        let real = sysroot.resolve(&home)?;
        target.resolved.insert(home, real);
    }
    target.accounts_known = true;
    let base = home_base(sysroot)?;
    for user in config
        .passwd
        .users
        .iter()
        .filter(|user| user.no_create_home != Some(true))
    {
        let home = user.home_dir.as_deref().filter(|home| !home.is_empty());
        let home = home.map_or_else(|| base.join(&user.name), PathBuf::from);
        if sysroot.look(&home)?.is_none() {
            let real = sysroot.resolve(&home)?;
            target.resolved.insert(home.clone(), real);
            target.new_homes.insert(user.name.clone(), home);
        }
    }
    Ok(())
}

/// Where the target's useradd(8) makes homes: `HOME` of `/etc/default/useradd`.
fn home_base(sysroot: &Sysroot) -> Result<PathBuf, ObserveError> {
    let text = sysroot.read_text(Path::new("/etc/default/useradd"), RESULT_LIMIT)?;
    let lines = text.as_deref().unwrap_or_default();
    let set = lines.lines().rev().find_map(|line| line.strip_prefix("HOME="));
    Ok(PathBuf::from(
        set.map_or("/home", |home| home.trim_matches(['"', '\'', ' '])),
    ))
}

/// The file contexts of the target's policy; `None` on a target without SELinux.
///
/// # Errors
/// When SELinux's configuration is there and cannot be read.
pub fn selinux_contexts(sysroot: &Sysroot) -> Result<Option<PathBuf>, ObserveError> {
    let Some(text) = sysroot.read_text(Path::new("/etc/selinux/config"), RESULT_LIMIT)? else {
        return Ok(None);
    };
    let setting = |name: &str| {
        let line = text
            .lines()
            .rev()
            .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim().to_owned())
    };
    if setting("SELINUX").as_deref() == Some("disabled") {
        return Ok(None);
    }
    let Some(kind) = setting("SELINUXTYPE") else {
        return Ok(None);
    };
    let contexts = Path::new("/etc/selinux")
        .join(kind)
        .join("contexts/files/file_contexts");
    Ok(sysroot.look(&contexts)?.map(|_| contexts))
}

fn existing_parents(target: &mut Target, config: &Config, sysroot: &Sysroot) -> Result<(), ObserveError> {
    let paths: Vec<PathBuf> = nodes::paths(config)
        .map(PathBuf::from)
        .chain(units::paths(config))
        .collect();
    for parent in paths.iter().flat_map(|path| path.ancestors().skip(1)) {
        if !target.existing_parents.contains(parent) && sysroot.look(parent)?.is_some() {
            target.existing_parents.insert(parent.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{Disks, Scripted};

    #[test]
    fn a_device_is_blank_only_if_it_can_be_read() {
        let probe = Probe {
            node: "/dev/vdb".into(),
            range: None,
        };
        let sound = Disks::default();
        let broken = Disks {
            unreadable: vec![probe.node.clone()],
            ..Disks::default()
        };
        let ask = |answer: (i32, &str), devices: &Disks| {
            content(&Scripted::answering(&[answer]), devices, &probe).ok()
        };
        assert_eq!(ask((2, ""), &sound), Some(Content::Blank));
        assert_eq!(ask((2, ""), &broken), None);
        assert_eq!(ask((0, ""), &broken), None);
        assert!(matches!(
            ask((0, "TYPE=ext4\n"), &broken),
            Some(Content::Known(_))
        ));
    }
}
