//! For tests: sugar given as JSON with the names of a typed tree, and what becomes of it as text.

use super::base::Contents;
use super::encode::{Forms, Packer};
use super::files::NoFiles;
use super::remark::Tell;
use super::told::Told;
use super::variant::Variant;
use crate::diagnostic::{Diagnostic, Severity};
use crate::frontend::json::read;
use crate::frontend::made;
use crate::frontend::tree::{Node, Places};

/// The variant of that name and version, written `fcos 1.7.0`.
pub(super) fn variant(text: &str) -> &'static Variant {
    let (name, version) = text.split_once(' ').unwrap();
    Variant::of(name, version).unwrap_or_else(|| panic!("{text}"))
}

/// A tree and its places.
pub(super) fn tree(json: &str) -> (Node<'_>, Places<'_>) {
    crate::document::syntax(json).unwrap_or_else(|error| panic!("{}: {json}", error.problem));
    read(json).unwrap()
}

/// A node as JSON.
pub(super) fn json(node: &Node<'_>) -> String {
    let mut text = String::new();
    made::write(node, &mut text);
    text
}

/// What `look` tells about `json`, each as `place rule`; warnings are marked. The message and the help are held to being
/// there.
pub(super) fn told(json: &str, look: impl FnOnce(&Node<'_>, &mut Tell<'_>)) -> Vec<String> {
    let (node, places) = tree(json);
    let mut told = Told::new(&places, Severity::Info);
    look(&node, &mut |remark| told.remark(remark));
    let line = |finding: Diagnostic| {
        assert!(!finding.message.ends_with('.') && finding.help.is_some());
        let mark = if finding.severity == Severity::Warning {
            "warning "
        } else {
            ""
        };
        format!("{mark}{} {}", finding.at, finding.rule)
    };
    told.into_inner().into_iter().map(line).collect()
}

/// How contents are taken over where there are no files.
pub(super) fn contents() -> Contents<'static> {
    Contents {
        files: &NoFiles,
        forms: Forms::Packed,
        packer: Packer::default(),
        says_compression: true,
    }
}
