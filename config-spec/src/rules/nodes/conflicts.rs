//! Rules about nodes that stand in each other's way.

use super::{Kind, all};
use crate::diagnostic::Severity;
use crate::order::{Gather, OrderedMap, OrderedSet};
use crate::rules::{Findings, catalog as rule, paths};
use crate::suggest::quoted;
use crate::types::Config;
use crate::version::Version;

/// Link paths, ordered so that all that are prefixes of a path are found without comparing every pair.
struct LinkPaths<'a> {
    /// Distinct lengths in bytes, ascending.
    lengths: OrderedSet<usize>,
    /// How many links have the path.
    count: OrderedMap<&'a str, usize>,
}

impl<'a> LinkPaths<'a> {
    fn of(config: &'a Config) -> Self {
        let mut paths = Self {
            lengths: OrderedSet::new(),
            count: OrderedMap::new(),
        };
        for link in &config.storage.links {
            paths.lengths.insert(link.path.len());
            *paths.count.entry(link.path.as_str()).or_default() += 1;
        }
        paths
    }

    /// The links that `path` is below, one entry per link.
    fn above<'p>(&self, path: &'p str) -> Vec<&'p str> {
        let mut above = Vec::new();
        for &length in self.lengths.range(..path.len()) {
            if path.as_bytes().get(length) != Some(&b'/') {
                continue;
            }
            let Some(prefix) = path.get(..length) else {
                continue;
            };
            let links = self.count.get(prefix).copied().unwrap_or_default();
            above.extend(std::iter::repeat_n(prefix, links));
        }
        above
    }
}

/// Compares paths as text, hard links included, as the reference does.
pub(super) fn nothing_is_below_a_link(config: &Config, _: Version, findings: &mut Findings) {
    let links = LinkPaths::of(config);
    for node in all(config) {
        // Each of many nodes may be below each of many links.
        if findings.is_full(Severity::Error) {
            return;
        }
        let (rule, what) = match node.kind {
            Kind::Directory => (rule::DIRECTORY_BELOW_LINK, "a directory"),
            Kind::File => (rule::FILE_BELOW_LINK, "a file"),
            Kind::Link => (rule::LINK_BELOW_LINK, "a link"),
        };
        for link in links.above(node.path) {
            let message = format!("{what} would be written through the link {}", quoted(link));
            findings
                .report(rule, node.at(), message)
                .help("use the path the link leads to");
        }
    }
}

/// A relative target is resolved against the link's own path, which is how the reference does it.
pub(super) fn hard_links_avoid_directories(config: &Config, version: Version, findings: &mut Findings) {
    let directories: OrderedSet<&str> = config
        .storage
        .directories
        .iter()
        .map(|directory| directory.path.as_str())
        .into_set();
    for (index, link) in config.storage.links.iter().enumerate() {
        let target = link.target.as_deref().unwrap_or_default();
        if link.hard != Some(true) || (target.is_empty() && version >= Version::V3_3_0) {
            continue;
        }
        let target = if target.starts_with('/') {
            paths::clean(target)
        } else {
            paths::clean(&format!("{}/{target}", link.path))
        };
        if directories.contains(target.as_str()) {
            let message = format!("the hard link's target {} is a directory", quoted(&target));
            findings
                .report(rule::HARD_LINK_TO_DIRECTORY, Kind::Link.at(index), message)
                .help("make it a symbolic link");
        }
    }
}

/// Where units and drop-ins of a config are written.
const UNIT_DIRECTORY: &str = "/etc/systemd/system";

pub(super) fn units_keep_their_paths(config: &Config, _: Version, findings: &mut Findings) {
    let is_written =
        |contents: &Option<String>| contents.as_ref().is_some_and(|contents| !contents.is_empty());
    let mut written: OrderedMap<String, String> = OrderedMap::new();
    for (index, unit) in config.systemd.units.iter().enumerate() {
        if is_written(&unit.contents) {
            let path = paths::clean(&format!("{UNIT_DIRECTORY}/{}", unit.name));
            written.insert(path, format!("systemd.units.{index}"));
        }
        for (number, dropin) in unit
            .dropins
            .iter()
            .enumerate()
            .filter(|(_, dropin)| is_written(&dropin.contents))
        {
            let path = paths::clean(&format!("{UNIT_DIRECTORY}/{}.d/{}", unit.name, dropin.name));
            written.insert(path, format!("systemd.units.{index}.dropins.{number}"));
        }
    }
    for node in all(config) {
        if let Some(by) = written.get(node.path) {
            let message = format!("{} is written by $.{by} as well", quoted(node.path));
            findings
                .report(rule::PATH_OF_UNIT, node.at().key("path"), message)
                .help("keep one of the two");
        }
    }
}
