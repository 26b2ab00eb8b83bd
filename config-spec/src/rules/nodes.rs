//! Rules for files, directories and links.

mod conflicts;

use super::{Check, Findings, catalog as rule, paths};
use crate::diagnostic::Pointer;
use crate::types::{Config, Owner};
use crate::version::Version;

pub(super) const CHECKS: &[Check] = &[
    paths_are_paths,
    modes_are_modes,
    special_bits_are_kept,
    owners_are_unambiguous,
    overwriting_has_contents,
    conflicts::nothing_is_below_a_link,
    links_have_targets,
    conflicts::hard_links_avoid_directories,
    hard_links_have_no_owner,
    conflicts::units_keep_their_paths,
];

/// The highest mode: all permission and special bits.
const MAX_MODE: i64 = 0o7777;

/// The three lists that share one key space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Link,
}

impl Kind {
    fn at(self, index: usize) -> Pointer {
        let list = match self {
            Self::Directory => "directories",
            Self::File => "files",
            Self::Link => "links",
        };
        Pointer::root().key("storage").key(list).index(index)
    }
}

/// What all three kinds have.
struct Node<'a> {
    kind: Kind,
    index: usize,
    path: &'a str,
    user: &'a Owner,
    group: &'a Owner,
    mode: Option<i64>,
}

impl Node<'_> {
    fn at(&self) -> Pointer {
        self.kind.at(self.index)
    }
}

/// All directories, files and links.
fn all(config: &Config) -> impl Iterator<Item = Node<'_>> {
    let storage = &config.storage;
    let directories = storage.directories.iter().enumerate().map(|(index, node)| Node {
        kind: Kind::Directory,
        index,
        path: &node.path,
        user: &node.user,
        group: &node.group,
        mode: node.mode,
    });
    let files = storage.files.iter().enumerate().map(|(index, node)| Node {
        kind: Kind::File,
        index,
        path: &node.path,
        user: &node.user,
        group: &node.group,
        mode: node.mode,
    });
    let links = storage.links.iter().enumerate().map(|(index, node)| Node {
        kind: Kind::Link,
        index,
        path: &node.path,
        user: &node.user,
        group: &node.group,
        mode: None,
    });
    directories.chain(files).chain(links)
}

/// Where each of them stands, and its path.
pub(super) fn paths(config: &Config) -> impl Iterator<Item = (Pointer, &str)> {
    all(config).map(|node| (node.at(), node.path))
}

fn paths_are_paths(config: &Config, _: Version, findings: &mut Findings) {
    for node in all(config) {
        paths::check(node.path, || node.at().key("path"), findings);
    }
}

fn modes_are_modes(config: &Config, _: Version, findings: &mut Findings) {
    for node in all(config) {
        if let Some(mode) = node.mode.filter(|mode| !(0..=MAX_MODE).contains(mode)) {
            findings
                .report(
                    rule::MODE_ILLEGAL,
                    node.at().key("mode"),
                    format!("{mode} is not a mode"),
                )
                .help("write 0 to 4095 in decimal: 420 is 0644, 493 is 0755");
        }
    }
}

/// Until 3.6.0 special bits are dropped; a mode typed as if it were octal (644) tends to have one.
fn special_bits_are_kept(config: &Config, version: Version, findings: &mut Findings) {
    if version >= Version::V3_6_0 {
        return;
    }
    for node in all(config) {
        let Some(mode) = node.mode.filter(|mode| mode & 0o7000 != 0) else {
            continue;
        };
        let message = format!("version {version} drops the setuid, setgid and sticky bits of mode {mode}");
        let help = match octal_meant(mode) {
            Some(meant) => format!("modes are decimal: {mode:04} in octal is {meant}"),
            None => "set ignition.version to 3.6.0 or later to keep them".to_owned(),
        };
        findings
            .report(rule::MODE_SPECIAL_BITS, node.at().key("mode"), message)
            .help(help);
    }
}

/// The mode without special bits whose octal digits are those of `mode`.
pub(crate) fn octal_meant(mode: i64) -> Option<u32> {
    let octal = u32::from_str_radix(&mode.to_string(), 8).ok()?;
    (octal <= 0o777).then_some(octal)
}

fn owners_are_unambiguous(config: &Config, _: Version, findings: &mut Findings) {
    for node in all(config) {
        for (member, owner) in [("group", node.group), ("user", node.user)] {
            if owner.id.is_some() && owner.name.as_ref().is_some_and(|name| !name.is_empty()) {
                let message = format!("the owning {member} is given by id and by name");
                findings
                    .report(rule::OWNER_AMBIGUOUS, node.at().key(member), message)
                    .help("keep one of them");
            }
        }
    }
}

fn overwriting_has_contents(config: &Config, _: Version, findings: &mut Findings) {
    for (index, file) in config.storage.files.iter().enumerate() {
        if file.overwrite == Some(true) && file.contents.source.is_none() {
            let message = "a file is to be overwritten, but its contents have no source";
            findings
                .report(
                    rule::OVERWRITE_WITHOUT_SOURCE,
                    Kind::File.at(index).key("overwrite"),
                    message,
                )
                .help("an empty file has the source \"\"");
        }
    }
}

fn links_have_targets(config: &Config, version: Version, findings: &mut Findings) {
    if version < Version::V3_3_0 {
        return;
    }
    for (index, link) in config.storage.links.iter().enumerate() {
        if link.target.as_deref().unwrap_or_default().is_empty() {
            findings.report(
                rule::LINK_TARGET_MISSING,
                Kind::Link.at(index).key("target"),
                "a link has no target",
            );
        }
    }
}

/// A hard link is another name of its target, and has the owner of that.
fn hard_links_have_no_owner(config: &Config, version: Version, findings: &mut Findings) {
    for (index, link) in config.storage.links.iter().enumerate() {
        let has_target =
            version < Version::V3_3_0 || link.target.as_ref().is_some_and(|target| !target.is_empty());
        if link.hard != Some(true) || !has_target {
            continue;
        }
        for (member, owner) in [("group", &link.group), ("user", &link.user)] {
            for (part, given) in [("id", owner.id.is_some()), ("name", owner.name.is_some())] {
                if given {
                    let at = Kind::Link.at(index).key(member).key(part);
                    findings
                        .report(
                            rule::HARD_LINK_OWNER_IGNORED,
                            at,
                            "a hard link has the owner of its target",
                        )
                        .help("remove it, or give the owner at the target");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
