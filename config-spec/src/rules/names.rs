//! What becomes of the names that documents of Ignition 2 give their file systems, once all documents are merged. A name
//! is a path by then, which nobody else uses.

use super::{Check, Findings, catalog as rule};
use crate::diagnostic::Pointer;
use crate::frontend::names;
use crate::order::OrderedMap;
use crate::suggest::quoted;
use crate::types::Config;
use crate::version::Version;

pub(super) const WHOLE_CHECKS: &[Check] = &[names_mean_one_device, names_are_defined];

/// The named file systems, by their paths.
fn named(config: &Config) -> impl Iterator<Item = (usize, &str)> {
    let filesystems = config.storage.filesystems.iter().enumerate();
    filesystems.filter_map(|(index, filesystem)| {
        let path = filesystem.path.as_deref()?;
        (names::above(path) == Some(path)).then_some((index, path))
    })
}

fn names_mean_one_device(config: &Config, _: Version, findings: &mut Findings) {
    let mut first: OrderedMap<&str, usize> = OrderedMap::new();
    for (index, path) in named(config) {
        if *first.entry(path).or_insert(index) != index {
            let at = Pointer::root().key("storage").key("filesystems").index(index);
            let message = format!(
                "the merged configs give the name {} to two devices",
                quoted(&names::name_of(path))
            );
            findings
                .report(rule::V2_FILESYSTEM_AMBIGUOUS, at.key("path"), message)
                .help("give each file system a name of its own");
        }
    }
}

/// The old engine fails here too, once it comes to the file. Written anyway, it would be on the wrong file system.
fn names_are_defined(config: &Config, _: Version, findings: &mut Findings) {
    let known: OrderedMap<&str, usize> = named(config).map(|(index, path)| (path, index)).collect();
    for (at, path) in super::nodes::paths(config) {
        let Some(above) = names::above(path).filter(|above| !known.contains_key(above)) else {
            continue;
        };
        let message = format!(
            "in the merged configs no device goes by the name {}",
            quoted(&names::name_of(above))
        );
        findings
            .report(rule::V2_FILESYSTEM_UNDEFINED, at.key("path"), message)
            .help("give it a device and no path in one of them, or give the file the filesystem root and its whole path");
    }
}
