//! Symbolic and hard links: what is done with each.

use std::path::{Path, PathBuf};

use kindling_config_spec::types::Link;

use super::{View, id, in_the_way, owner_checked, removal};
use crate::inventory::target::{Kind, Node};
use crate::plan::step::Ownership;
use crate::plan::{Conflict, Plan, Step};

/// The table of engine.md 4.6.6 for symbolic links.
pub(super) fn symlink(
    plan: &mut Plan,
    conflicts: &mut Vec<Conflict>,
    view: &mut View<'_>,
    pointer: &str,
    entry: &Link,
    real: &Path,
    found: Option<&Node>,
) {
    owner_checked(pointer, &entry.user, &entry.group, conflicts);
    let path = PathBuf::from(&entry.path);
    let target = PathBuf::from(entry.target.as_deref().unwrap_or_default());
    let exists = matches!(found, Some(Node { kind: Kind::Symlink { target: held }, .. })
        if cleaned(held) == cleaned(&target));
    match found {
        Some(found) if !exists && entry.overwrite == Some(true) => {
            plan.push(pointer, removal(&path, found));
            view.removed.insert(real.to_owned());
        }
        Some(found) if !exists => conflicts.push(in_the_way(pointer, &entry.path, found, "another link")),
        _ => {}
    }
    let ownership = Ownership {
        user: id(&entry.user),
        group: id(&entry.group),
        mode: None,
    };
    plan.push(
        pointer,
        Step::Symlink {
            path,
            target,
            ownership,
            exists,
        },
    );
}

/// The table of engine.md 4.6.6 for hard links.
pub(super) fn hard_link(
    plan: &mut Plan,
    conflicts: &mut Vec<Conflict>,
    view: &View<'_>,
    pointer: &str,
    entry: &Link,
    found: Option<&Node>,
) {
    let path = PathBuf::from(&entry.path);
    let target = hard_target(entry);
    let same = |a: &Node, b: &Node| a.inode == b.inode;
    let exists = found
        .zip(view.target.nodes.get(&target))
        .is_some_and(|(link, file)| same(link, file));
    let is_stale = exists && view.replaced.contains(&target);
    match found {
        Some(_) if is_stale => {
            let found = "a name of the file that is replaced".to_owned();
            let path = path.clone();
            plan.push(pointer, Step::Remove { path, found });
        }
        Some(found) if !exists && entry.overwrite == Some(true) => {
            plan.push(pointer, removal(&path, found));
        }
        Some(found) if !exists => conflicts.push(in_the_way(pointer, &entry.path, found, "a hard link")),
        _ => {}
    }
    let exists = exists && !is_stale;
    plan.push(pointer, Step::HardLink { path, target, exists });
}

/// A hard link's target inside the root: absolute, or joined onto the link's own path (config-spec.md 2.11).
#[must_use]
pub fn hard_target(entry: &Link) -> PathBuf {
    cleaned(&Path::new(&entry.path).join(entry.target.as_deref().unwrap_or_default()))
}

fn cleaned(path: &Path) -> PathBuf {
    use std::path::Component;
    path.components().fold(PathBuf::new(), |mut clean, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some_and(|last| last != "..") => {
                clean.pop();
            }
            Component::ParentDir if clean == Path::new("/") => {}
            other => clean.push(other),
        }
        clean
    })
}
