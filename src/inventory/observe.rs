//! Reads the host into values. Calls only the reading half of `host`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kindling_config_spec::types::Config;
use kindling_config_spec::units::Bytes;

use super::disks::{Content, Probe, parse_blkid};
use super::target::Target;
use crate::host::accounts::{self, LookupError};
use crate::host::journal::{Journal, JournalError};
use crate::host::process::{ProcessError, Processes};
use crate::host::sysroot::{Sysroot, SysrootError};
use crate::identity::hex;
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
/// `Probe` when blkid is missing or does not answer.
pub fn content(processes: &dyn Processes, probe: &Probe) -> Result<Content, ObserveError> {
    let failed = |source| ObserveError::Probe {
        device: probe.node.clone(),
        source,
    };
    let call = probe.invocation();
    let output = processes.status(&call).map_err(failed)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    parse_blkid(output.status, &stdout).ok_or_else(|| {
        let (program, status, stderr) = (call.program, output.status, output.stderr.clone());
        failed(ProcessError::Exited {
            program,
            status,
            stderr,
        })
    })
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
    for path in paths {
        if let Some(node) = sysroot.look(&path)? {
            target.nodes.insert(path.clone(), node);
        }
        if node_paths.contains(&path) {
            let real = sysroot.resolve(&path)?;
            if real != path {
                target.resolved.insert(path, real);
            }
        }
    }
    recognise(&mut target, sysroot, journal)?;
    known_accounts(&mut target, config, sysroot, processes)?;
    target.previous_result = sysroot.read_text(Path::new(RESULT_FILE), RESULT_LIMIT)?;
    target.selinux_contexts = selinux_contexts(sysroot)?;
    if target.selinux_contexts.is_some() {
        existing_parents(&mut target, config, sysroot)?;
    }
    Ok(target)
}

/// Which of the files there an interrupted run of this very config wrote.
fn recognise(target: &mut Target, sysroot: &Sysroot, journal: &Journal<'_>) -> Result<(), ObserveError> {
    let entries = journal.read()?;
    for (path, digest) in &entries.files {
        if !target.nodes.contains_key(path) {
            continue;
        }
        if sysroot.digest(path)?.map(|found| hex(&found)).as_ref() == Some(digest) {
            target.complete.insert(path.clone());
        } else if entries.new.contains(path) {
            target.half_written.insert(path.clone());
        }
    }
    target.half_made_users = entries.half_made_users;
    Ok(())
}

fn known_accounts(
    target: &mut Target,
    config: &Config,
    sysroot: &Sysroot,
    processes: &dyn Processes,
) -> Result<(), ObserveError> {
    for user in &config.passwd.users {
        if let Some(account) = accounts::user(sysroot, processes, &user.name)? {
            target.users.insert(user.name.clone(), account);
        }
    }
    for group in &config.passwd.groups {
        if let Some(gid) = accounts::group(sysroot, processes, &group.name)? {
            target.groups.insert(group.name.clone(), gid);
        }
    }
    Ok(())
}

/// The file contexts of the target's policy; `None` on a target without SELinux.
fn selinux_contexts(sysroot: &Sysroot) -> Result<Option<PathBuf>, ObserveError> {
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
