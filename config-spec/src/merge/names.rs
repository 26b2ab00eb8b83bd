//! What the names mean that documents of Ignition 2 give their file systems, where one document defines a name and another
//! one uses it. A name that is no more than a path of the machine has no file system by which it would be known.

use crate::frontend::names;
use crate::order::{OrderedMap, OrderedSet};
use crate::types::Storage;

/// The directories of names, as far as they are not the ones that follow from the name alone.
pub(crate) struct Names {
    directories: OrderedMap<String, String>,
    /// Whether there is a file system at the place of the OEM partition.
    has_oem: bool,
}

impl Names {
    /// What the names of `parent` and `child` mean where the two are joined.
    pub(crate) fn of(parent: &Storage, child: &Storage) -> Self {
        let mut directories = parent.names.clone();
        directories.append(&mut child.names.clone());
        let mut has_oem = false;
        for filesystem in parent.filesystems.iter().chain(&child.filesystems) {
            let Some(path) = filesystem.path.as_deref() else {
                continue;
            };
            has_oem |= path == names::OEM.0;
            // Who goes by a name that a device has means that device.
            if !directories.is_empty() && names::above(path) == Some(path) {
                let _ = directories.remove(names::name_of(path).as_str());
            }
        }
        Self { directories, has_oem }
    }

    /// The directory that stands for the name in the place of that one, which nobody mounts.
    fn directory(&self, of: &str) -> Option<&str> {
        let name = names::name_of(of);
        let oem = (self.has_oem && name == names::OEM.1).then_some(names::OEM.0);
        self.directories.get(&name).map(String::as_str).or(oem)
    }

    /// `path`, which goes by a name, with the directory of the name.
    fn meant(&self, path: &str) -> Option<String> {
        let above = names::above(path)?;
        let directory = self.directory(above)?;
        let below = path.strip_prefix(above).unwrap_or_default();
        Some(match (directory, below) {
            ("", "") => "/".to_owned(),
            _ => format!("{directory}{below}"),
        })
    }

    /// Puts directories in the place of names. Two nodes do not come to be one by that: the second stays as it is, for a
    /// rule to tell.
    pub(crate) fn settle(&self, storage: &mut Storage) {
        if !self.has_oem && self.directories.is_empty() {
            return;
        }
        let mut changed = OrderedSet::new();
        let taken = nodes(storage).map(|path| path.clone()).collect::<OrderedSet<_>>();
        for path in nodes(storage) {
            if let Some(meant) = self.meant(path)
                && !taken.contains(&meant)
                && changed.insert(meant.clone())
            {
                *path = meant;
            }
        }
        for link in &mut storage.links {
            if link.hard == Some(true)
                && let Some(target) = &mut link.target
                && let Some(meant) = self.meant(target)
            {
                *target = meant;
            }
        }
    }

    /// What is still to be known when the sum is joined with more.
    pub(super) fn into_directories(self) -> OrderedMap<String, String> {
        self.directories
    }
}

/// The paths of all nodes.
fn nodes(storage: &mut Storage) -> impl Iterator<Item = &mut String> {
    let directories = storage.directories.iter_mut().map(|node| &mut node.path);
    let files = storage.files.iter_mut().map(|node| &mut node.path);
    let links = storage.links.iter_mut().map(|node| &mut node.path);
    directories.chain(files).chain(links)
}
