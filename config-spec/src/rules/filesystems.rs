//! Rules for file systems.

use super::{Check, Findings, catalog as rule, paths};
use crate::diagnostic::Pointer;
use crate::order::OrderedMap;
use crate::rules::catalog::Rule;
use crate::suggest::quoted;
use crate::types::{Config, Disk, Filesystem};
use crate::version::Version;

pub(super) const CHECKS: &[Check] = &[
    devices_name_something,
    disks_are_not_partitioned_too,
    formats_are_given,
    formats_are_known,
    labels_have_a_format,
    labels_fit,
    mount_points_are_paths,
    virtiofs_is_only_mounted,
];

/// What the virtiofs protocol has room for.
const MAX_TAG_BYTES: usize = 36;

fn all(config: &Config) -> impl Iterator<Item = (Pointer, &Filesystem)> {
    let at = |index| Pointer::root().key("storage").key("filesystems").index(index);
    config
        .storage
        .filesystems
        .iter()
        .enumerate()
        .map(move |(index, filesystem)| (at(index), filesystem))
}

fn is_set(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

/// Older versions do not have the format, so there it is an unknown one and nothing more.
fn is_virtiofs(filesystem: &Filesystem, version: Version) -> bool {
    version >= Version::V3_7_0Experimental && filesystem.format.as_deref() == Some("virtiofs")
}

fn devices_name_something(config: &Config, version: Version, findings: &mut Findings) {
    for (at, filesystem) in all(config) {
        let at = at.key("device");
        let device = &filesystem.device;
        if !is_virtiofs(filesystem, version) {
            paths::check(device, || at, findings);
        } else if device.is_empty() {
            findings.report(rule::VIRTIOFS_TAG_MISSING, at, "a virtiofs share names no tag");
        } else if device.len() > MAX_TAG_BYTES {
            let message = format!(
                "a virtiofs tag has {} bytes, the limit is {MAX_TAG_BYTES}",
                device.len()
            );
            findings.report(rule::VIRTIOFS_TAG_TOO_LONG, at, message);
        }
    }
}

/// Compares device names as text: only a whole disk named alike is found.
fn disks_are_not_partitioned_too(config: &Config, _: Version, findings: &mut Findings) {
    let mut disks: OrderedMap<&str, Vec<&Disk>> = OrderedMap::new();
    for disk in &config.storage.disks {
        disks.entry(disk.device.as_str()).or_default().push(disk);
    }
    for (at, filesystem) in all(config) {
        for disk in disks.get(filesystem.device.as_str()).into_iter().flatten() {
            if !disk.partitions.is_empty() {
                let message = "the file system overwrites the partitions that the config puts on its disk";
                findings
                    .report(
                        rule::FILESYSTEM_ON_PARTITIONED_DISK,
                        at.clone().key("device"),
                        message,
                    )
                    .help("name the device of a partition");
            } else if disk.wipe_table == Some(true) && filesystem.wipe_filesystem != Some(true) {
                let message =
                    "wiping the disk's table wipes its file system, although wipeFilesystem is not set";
                findings
                    .report(rule::FILESYSTEM_WIPE_IMPLIED, at.clone().key("device"), message)
                    .help("set wipeFilesystem, or leave wipeTable out");
            }
        }
    }
}

fn formats_are_given(config: &Config, _: Version, findings: &mut Findings) {
    for (at, filesystem) in all(config) {
        let described = is_set(filesystem.path.as_ref())
            || is_set(filesystem.label.as_ref())
            || is_set(filesystem.uuid.as_ref())
            || filesystem.wipe_filesystem == Some(true)
            || !filesystem.options.is_empty()
            || !filesystem.mount_options.is_empty();
        if described && !is_set(filesystem.format.as_ref()) {
            findings
                .report(
                    rule::FILESYSTEM_FORMAT_MISSING,
                    at.key("format"),
                    "a file system is described without a format",
                )
                .help("say what format it has, for example ext4");
        }
    }
}

fn formats_are_known(config: &Config, version: Version, findings: &mut Findings) {
    for (at, filesystem) in all(config) {
        let Some(format) = filesystem.format.as_deref().filter(|format| !format.is_empty()) else {
            continue;
        };
        let first = match format {
            "ext4" | "btrfs" | "xfs" | "vfat" | "swap" => Version::V3_0_0,
            "none" => Version::V3_3_0,
            "virtiofs" => Version::V3_7_0Experimental,
            _ => {
                let names = ["ext4", "btrfs", "xfs", "vfat", "swap", "none", "virtiofs"];
                let help = match crate::suggest::similar(format, names.into_iter()) {
                    Some(name) => format!("did you mean {name}?"),
                    None => format!("use one of {}", names.join(", ")),
                };
                let message = format!("unknown format {}", quoted(format));
                findings
                    .report(rule::FILESYSTEM_FORMAT_UNKNOWN, at.key("format"), message)
                    .help(help);
                continue;
            }
        };
        if first > version {
            let message = format!("version {version} does not have the format {format}");
            findings
                .report(rule::FILESYSTEM_FORMAT_UNKNOWN, at.key("format"), message)
                .help(format!("set ignition.version to {first} or later"));
        }
    }
}

fn labels_have_a_format(config: &Config, _: Version, findings: &mut Findings) {
    for (at, filesystem) in all(config) {
        if is_set(filesystem.label.as_ref()) && !is_set(filesystem.format.as_ref()) {
            let message = "a label needs a format, which limits its length";
            findings.report(rule::FILESYSTEM_LABEL_WITHOUT_FORMAT, at.key("label"), message);
        }
    }
}

/// How many bytes each format's on-disk label holds.
fn label_limit(format: &str) -> Option<(usize, Rule)> {
    match format {
        "ext4" => Some((16, rule::EXT4_LABEL_TOO_LONG)),
        "btrfs" => Some((256, rule::BTRFS_LABEL_TOO_LONG)),
        "xfs" => Some((12, rule::XFS_LABEL_TOO_LONG)),
        "swap" => Some((15, rule::SWAP_LABEL_TOO_LONG)),
        "vfat" => Some((11, rule::VFAT_LABEL_TOO_LONG)),
        _ => None,
    }
}

fn labels_fit(config: &Config, _: Version, findings: &mut Findings) {
    for (at, filesystem) in all(config) {
        let (Some(label), Some(format)) = (&filesystem.label, &filesystem.format) else {
            continue;
        };
        if let Some((limit, rule)) = label_limit(format)
            && label.len() > limit
        {
            let message = format!(
                "the label has {} bytes, {format} has room for {limit}",
                label.len()
            );
            findings.report(rule, at.key("label"), message);
        }
    }
}

fn mount_points_are_paths(config: &Config, _: Version, findings: &mut Findings) {
    for (at, filesystem) in all(config) {
        if let Some(path) = filesystem.path.as_deref().filter(|path| !path.is_empty()) {
            paths::check(path, || at.key("path"), findings);
        }
    }
}

/// A virtiofs share belongs to the host: nothing of it is made here.
fn virtiofs_is_only_mounted(config: &Config, version: Version, findings: &mut Findings) {
    for (at, filesystem) in all(config).filter(|(_, filesystem)| is_virtiofs(filesystem, version)) {
        let given = [
            (
                is_set(filesystem.label.as_ref()),
                "label",
                rule::VIRTIOFS_LABEL_UNSUPPORTED,
            ),
            (
                is_set(filesystem.uuid.as_ref()),
                "uuid",
                rule::FILESYSTEM_UUID_UNSUPPORTED,
            ),
            (
                filesystem.wipe_filesystem == Some(true),
                "wipeFilesystem",
                rule::FILESYSTEM_WIPE_UNSUPPORTED,
            ),
            (
                !filesystem.options.is_empty(),
                "options",
                rule::FILESYSTEM_OPTIONS_UNSUPPORTED,
            ),
        ];
        for (_, member, rule) in given.into_iter().filter(|(is_given, ..)| *is_given) {
            findings
                .report(
                    rule,
                    at.clone().key(member),
                    format!("a virtiofs share cannot have {member}"),
                )
                .help("remove it; only mountOptions and path apply");
        }
    }
}

#[cfg(test)]
mod tests;
