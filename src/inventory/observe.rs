//! Reads the host into values. Calls only the reading half of `host`.

use std::path::{Path, PathBuf};

use kindling_config_spec::json;
use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};
use kindling_config_spec::types::Config;
use kindling_config_spec::units::Bytes;
use serde::Deserialize;

use super::accounts;
use super::disks::{Content, Disk, Probe};
use super::recorded::{RecordedArray, RecordedDisk};
use super::stack::RunningArray;
use super::target::{Kind, Target, Volume};
use crate::gpt::Found;
use crate::host::accounts::LookupError;
use crate::host::devices::{DeviceError, Devices, links_to};
use crate::host::journal::{Journal, JournalError};
use crate::host::mounts;
use crate::host::probe::{ProbeError, content};
use crate::host::process::{ProcessError, Processes};
use crate::host::sysroot::{Sysroot, SysrootError};
use crate::identity::{ContentDigest, sha256_hex};
use crate::invocation::{Invocation, Program};
use crate::plan::crypttab::CRYPTTAB;
use crate::plan::disks::volumes::Facts;
use crate::plan::files::RESULT_FILE;
use crate::plan::kargs::LATER_KERNELS;
use crate::plan::step::Content::Inline;
use crate::plan::{nodes, units, volumes as planned};

/// A result file is a few hundred bytes for each provisioning, and the other files of the system that are read are not much
/// longer.
const RESULT_LIMIT: Bytes = Bytes(1 << 20);

/// The host could not be read, so that nothing may be planned.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
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

/// What the header of a LUKS2 volume tells, which may be that it is torn: a signature is written before all of it is.
///
/// # Errors
/// `Program` when cryptsetup is missing, or ends in another way than by refusing the header.
pub fn volume(processes: &dyn Processes, node: &Path) -> Result<Facts, ProbeError> {
    /// "Wrong parameters" and everything unnamed (cryptsetup(8), "RETURN CODES"), a header that is none among them.
    const REFUSED: i32 = 1;
    let call = Invocation::new(Program::Cryptsetup).args(["luksDump", "--dump-json-metadata"]);
    match processes.run(&call.arg(node)) {
        Ok(output) => Ok(volume_facts(&output.stdout)),
        Err(ProcessError::Exited {
            status: REFUSED,
            stderr,
            ..
        }) => Ok(Facts {
            unreadable: Some(stderr.trim().to_owned()),
            ..Facts::default()
        }),
        Err(source) => Err(ProbeError::Program {
            device: node.to_owned(),
            source,
        }),
    }
}

/// What runs as an array; `None` for one that is only half assembled.
///
/// # Errors
/// `Program` when mdadm is missing.
pub fn array(processes: &dyn Processes, node: &Path) -> Result<Option<RunningArray>, ProbeError> {
    let call = Invocation::new(Program::Mdadm)
        .args(["--detail", "--export"])
        .arg(node);
    let answer = processes.status(&call).map_err(|source| ProbeError::Program {
        device: node.to_owned(),
        source,
    })?;
    let said = String::from_utf8_lossy(&answer.stdout);
    Ok(RunningArray::parse(node.to_owned(), &said).filter(|_| answer.status == 0))
}

/// An array with what it holds, to be kept as a record; `None` for one that is only half assembled.
///
/// # Errors
/// As [`content`] and [`array`].
pub fn record_array(
    processes: &dyn Processes,
    devices: &dyn Devices,
    node: &Path,
) -> Result<Option<RecordedArray>, ProbeError> {
    let Some(array) = array(processes, node)? else {
        return Ok(None);
    };
    let whole = Probe {
        node: node.to_owned(),
        range: None,
    };
    let content = content(processes, devices, &whole)?;
    let aliases = links_to(node);
    Ok(Some(RecordedArray {
        array,
        content,
        aliases,
    }))
}

/// Reads the JSON area of a LUKS2 header ("LUKS2 On-Disk Format Specification", section 3.1.1, `config`).
fn volume_facts(metadata: &[u8]) -> Facts {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        config: Settings,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Settings {
        flags: OrderedSet<String>,
    }
    let read: Metadata = json::read(metadata).unwrap_or_default();
    Facts {
        flags: read.config.flags,
        ..Facts::default()
    }
}

/// What a disk and its partitions hold, to be kept as a record.
///
/// # Errors
/// As [`content`].
pub fn record(
    processes: &dyn Processes,
    devices: &dyn Devices,
    mut disk: Disk,
) -> Result<RecordedDisk, ProbeError> {
    let holds = |range| {
        let node = disk.node.clone();
        content(processes, devices, &Probe { node, range })
    };
    let mut contents = OrderedMap::new();
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
    let node_paths = nodes::paths(config).map(PathBuf::from);
    let node_paths: OrderedSet<PathBuf> = node_paths.chain(planned::paths(config)).into_set();
    let hard_targets = config
        .storage
        .links
        .iter()
        .filter(|link| link.hard == Some(true))
        .map(nodes::hard_target);
    let own = [RESULT_FILE, LATER_KERNELS].map(PathBuf::from);
    let paths: OrderedSet<PathBuf> = node_paths
        .iter()
        .cloned()
        .chain(unit_paths)
        .chain(hard_targets)
        .chain(own)
        .into_set();
    let mut blockers = OrderedMap::new();
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
    let text_of = |path: &str| {
        let node = target.nodes.get(Path::new(path));
        match node.filter(|node| node.kind == Kind::File) {
            Some(_) => sysroot.read_text(Path::new(path), RESULT_LIMIT),
            None => Ok(None),
        }
    };
    let (crypttab, kernel_cmdline) = (text_of(CRYPTTAB)?, text_of(LATER_KERNELS)?);
    (target.crypttab, target.kernel_cmdline) = (crypttab, kernel_cmdline);
    target.mount_points = mounts::within(sysroot.path())?;
    recognise(&mut target, config, sysroot, journal)?;
    accounts::observe(&mut target, config, sysroot, processes)?;
    let id = sysroot.read_text(Path::new("/etc/machine-id"), RESULT_LIMIT)?;
    target.awaits_presets = id.is_none_or(|id| id.trim() == "uninitialized");
    target.selinux_contexts = selinux_contexts(sysroot)?;
    if target.selinux_contexts.is_some() {
        existing_parents(&mut target, config, sysroot)?;
    }
    Ok(target)
}

/// The devices of the config's encrypted volumes, by the volume's name; those that do not appear are left out.
///
/// # Errors
/// As [`content`], and when a link to a device leads nowhere.
pub fn volumes(
    config: &Config,
    processes: &dyn Processes,
    devices: &dyn Devices,
) -> Result<OrderedMap<String, Volume>, ProbeError> {
    let configured = config.storage.luks.iter();
    let named = configured.map(|volume| (&volume.name, volume.device.as_deref().unwrap_or_default()));
    let mut named: Vec<(&String, PathBuf)> = named.map(|(name, device)| (name, device.into())).collect();
    let wanted: Vec<PathBuf> = named.iter().map(|(_, device)| device.clone()).collect();
    match devices.wait_for(&wanted) {
        Err(DeviceError::Missing { missing, .. }) => named.retain(|(_, device)| !missing.contains(device)),
        other => other?,
    }
    let mut volumes = OrderedMap::new();
    for (name, device) in named {
        let probe = Probe {
            node: devices.node(&device)?,
            range: None,
        };
        let content = content(processes, devices, &probe)?;
        let label = match &content {
            Content::Known(signature) if signature.subsystem.is_some() => label(processes, &probe.node)?,
            _ => None,
        };
        let node = probe.node;
        volumes.insert(name.clone(), Volume { node, content, label });
    }
    Ok(volumes)
}

/// A label letter by letter: the format that [`Probe`] asks for has other letters for those beyond ASCII.
fn label(processes: &dyn Processes, node: &Path) -> Result<Option<String>, ProbeError> {
    let call = Invocation::new(Program::Blkid)
        .args(["--probe", "--match-tag", "LABEL", "--output", "value"])
        .arg(node.as_os_str());
    let output = processes.status(&call).map_err(|source| ProbeError::Program {
        device: node.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let label = text.strip_suffix('\n').unwrap_or(&text);
    Ok((output.status == 0 && !label.is_empty()).then(|| label.to_owned()))
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
fn recognise(
    target: &mut Target,
    config: &Config,
    sysroot: &Sysroot,
    journal: &Journal<'_>,
) -> Result<(), ObserveError> {
    let entries = journal.read()?;
    // Only files have content of ours: a link or a directory there is what the file was to replace.
    let is_file = |path: &PathBuf| {
        let found = target.nodes.get(path);
        found.is_some_and(|node| node.kind == Kind::File)
    };
    target.own_keys = entries.keys.into_iter().filter(is_file).into_set();
    for (path, digests) in entries.files.iter().filter(|(path, _)| is_file(path)) {
        if is_one_of(sysroot, path, digests)? && still_wants(config, sysroot, path)? {
            target.complete.insert(path.clone());
        } else if entries.new.contains(path) {
            target.half_written.insert(path.clone());
        }
    }
    target.unfinished = entries.unfinished;
    // A target with a result was provisioned: what an earlier config wrote is the machine's by now.
    target.begun_with = entries.other.filter(|_| target.previous_result.is_none());
    if is_over(target) {
        // What differs since was changed by the machine or its users, and is nobody's to write again.
        target.half_written.clear();
        target.unfinished.clear();
    }
    Ok(())
}

/// Whether the config wants the content that is there, as far as it can be told without fetching: with another address, a
/// machine that comes back has other values in its files.
fn still_wants(config: &Config, sysroot: &Sysroot, path: &Path) -> Result<bool, ObserveError> {
    let entry = config
        .storage
        .files
        .iter()
        .find(|file| Path::new(&file.path) == path);
    let Some(entry) = entry.filter(|file| file.contents.source.is_some()) else {
        return Ok(true);
    };
    let mut wanted = Vec::new();
    for part in std::iter::once(&entry.contents).chain(&entry.append) {
        match nodes::content_of(part) {
            Inline(bytes) => wanted.extend(bytes),
            _ => return Ok(true),
        }
    }
    let wanted = ContentDigest::Sha256(sha256_hex(&wanted));
    Ok(sysroot.digest(path, &wanted)?.as_ref() == Some(&wanted))
}

/// Whether a file has one of these contents. It is read once for each function they are digests by.
fn is_one_of(sysroot: &Sysroot, path: &Path, digests: &[String]) -> Result<bool, ObserveError> {
    let mut found: Vec<ContentDigest> = Vec::new();
    for wanted in digests.iter().cloned().map(ContentDigest::from_hex) {
        let same_function = |known: &ContentDigest| known.as_hex().len() == wanted.as_hex().len();
        if !found.iter().any(same_function) {
            found.extend(sysroot.digest(path, &wanted)?);
        }
        if found.contains(&wanted) {
            return Ok(true);
        }
    }
    Ok(false)
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
        .chain(planned::paths(config))
        .collect();
    let mut looked_at = OrderedSet::new();
    for path in &paths {
        // What is above one that was looked at was looked at with it.
        let new = path
            .ancestors()
            .skip(1)
            .take_while(|above| looked_at.insert(above.to_path_buf()));
        for parent in new.collect::<Vec<_>>() {
            if sysroot.look(parent)?.is_some() {
                target.existing_parents.insert(parent.to_owned());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{Disks, Scripted};

    #[test]
    fn of_a_marked_volume_the_label_is_read_letter_by_letter() {
        let mut config = Config::default();
        for name in ["data", "other"] {
            config.storage.luks.push(kindling_config_spec::types::Luks {
                name: name.into(),
                device: Some(format!("/dev/{name}")),
                ..Default::default()
            });
        }
        let header = "UUID=5a0e\nLABEL=grM-CM-6\nSUBSYSTEM=kindling:0\nTYPE=crypto_LUKS\n";
        let answers = [(0, header), (0, "grö \n"), (0, "UUID=1\nTYPE=crypto_LUKS\n")];
        let programs = Scripted::answering(&answers);
        let found = volumes(&config, &programs, &Disks::default()).unwrap();
        let labels: Vec<_> = found.values().map(|volume| volume.label.as_deref()).collect();
        assert_eq!(labels, [Some("grö "), None]);
        assert_eq!(found["data"].node, Path::new("/dev/data"));
        assert_eq!(
            programs.calls(),
            [
                "blkid --probe --output export /dev/data",
                "blkid --probe --match-tag LABEL --output value /dev/data",
                "blkid --probe --output export /dev/other",
            ]
        );
    }
}
