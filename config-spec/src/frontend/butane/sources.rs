//! Contents have one source: text in the config, a local file, or a URL.

use super::remark::{Remark, Tell};
use super::ways::{RESOURCES, UNITS, each};
use crate::frontend::tree::Node;
use crate::rules::catalog as rule;

/// The sources that exclude each other; what is told of is the last.
const RESOURCE: [&str; 3] = ["local", "inline", "source"];
const UNIT: [&str; 2] = ["contents", "contentsLocal"];

/// Tells of contents with more than one source, and of trees without any.
pub(super) fn check(source: &Node<'_>, tell: &mut Tell<'_>) {
    for way in RESOURCES {
        each(source, way, &mut |resource| one_of(resource, &RESOURCE, tell));
    }
    for way in UNITS {
        each(source, way, &mut |unit| one_of(unit, &UNIT, tell));
    }
    each(source, "storage.trees.*", &mut |tree| {
        if tree.word("local").unwrap_or_default().is_empty() {
            let help = "write local: and a directory below the one that --files-dir names";
            tell(Remark::new(
                rule::BUTANE_TREE,
                tree.from,
                "a tree without its directory",
                help,
            ));
        }
    });
}

fn one_of(node: &Node<'_>, names: &[&str], tell: &mut Tell<'_>) {
    let given = names.iter().filter_map(|name| node.get(name));
    if let Some(last) = given.skip(1).last() {
        let message = "the contents have a source already";
        let help = "keep one of them: the text itself, a local file, or a URL";
        tell(Remark::new(
            rule::BUTANE_SOURCES_SEVERAL,
            last.from,
            message,
            help,
        ));
    }
}
