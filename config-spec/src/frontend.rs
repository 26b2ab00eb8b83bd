//! Languages that become Ignition 3: each read into a tree with places, checked by its own rules, and made into a document
//! of a 3.x version. From there on there is one path: [`crate::check()`] takes the made document like a written one, and
//! what it finds goes back along the places, so that it points at what somebody wrote.
//!
//! A language is known by what a document says, never by what a file is called.

pub mod butane;
pub(crate) mod foreign;
mod ignition2;
mod json;
mod made;
pub(crate) mod tree;
pub(crate) mod yaml;
mod yaml_out;

use std::fmt;

use crate::diagnostic::Diagnostic;
use crate::version::Version;
use butane::files::LocalFiles;

pub(crate) use ignition2::{Edition, names};
pub(crate) use made::Made;

/// The language of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Ignition 3.
    Ignition(Version),
    /// Ignition 2, or 1; the text is its version.
    Ignition2(&'static str),
    /// Butane.
    Butane {
        /// For which distribution.
        variant: &'static str,
        /// The version of that.
        version: &'static str,
    },
}

impl fmt::Display for Dialect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignition(version) => write!(out, "Ignition {version}"),
            Self::Ignition2(version) => write!(out, "Ignition {version}"),
            Self::Butane { variant, version } => write!(out, "Butane {variant} {version}"),
        }
    }
}

/// What `text` makes, if it is in one of these languages: a document, or what is wrong with the text. `None` for what is
/// meant to be Ignition 3, or nothing we know. `files` are those beside it.
pub(crate) fn made<'a>(text: &'a str, files: &dyn LocalFiles) -> Option<Result<Made<'a>, Vec<Diagnostic>>> {
    match Edition::of(text) {
        Some(edition) => Some(ignition2::made(text, edition)),
        None => butane::made(text, files),
    }
}

/// What of `text` is written otherwise in Ignition 3, for people who want to write that themselves: each kind of thing
/// once, where it is first, with the form to write. Nothing for what is no
/// document of Ignition 2 or 1, or cannot be read as one.
#[must_use]
pub fn explain(text: &str) -> Vec<Diagnostic> {
    Edition::of(text).map_or_else(Vec::new, |edition| ignition2::explained(text, edition))
}
