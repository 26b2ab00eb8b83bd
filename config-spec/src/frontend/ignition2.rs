//! Ignition 2.0.0 to 2.4.0, and 1: read by the tables and rules of their own version, and made into a document of
//! Ignition 3.4.0.
//!
//! What the old engine takes and what has one plain meaning in Ignition 3 becomes that; what means nothing there is an
//! error that says why. Nothing is left out in silence: what works otherwise than it did is told at its line. Three
//! things come out of one walk: the document, the findings, and notes of what is written otherwise now, which only
//! [`explained`] shows.
//!
//! Source: config-spec-2x.md of the project's reference facts.

mod accounts;
mod disks;
mod draft;
mod filesystems;
mod members;
pub(crate) mod names;
mod nodes;
mod one;
mod sections;
mod shape;
mod units;

use std::borrow::Cow;

use super::{Dialect, Made, json};
use crate::diagnostic::{Diagnostic, Pointer};
use crate::document;
use crate::rules::{Findings, catalog as rule};
use crate::version::{Parts, Version};
use draft::Draft;

/// The version of what is made: the first in which everything of Ignition 2 has a place. Special mode bits, which had no
/// effect in Ignition 2, have none in it either.
const MADE: Version = Version::V3_4_0;

/// A version of the old language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edition {
    /// `3` of 2.3.0; version 1 has the members of 2.0.0.
    minor: u8,
    is_first: bool,
}

impl Edition {
    /// The versions of Ignition 2, oldest first.
    pub(crate) const SECOND: [&'static str; 5] = ["2.0.0", "2.1.0", "2.2.0", "2.3.0", "2.4.0"];

    /// The one that `text` is written in, if it is JSON of this language.
    pub(super) fn of(text: &str) -> Option<Self> {
        if !text.trim_start().starts_with('{') {
            return None;
        }
        let member = |at: Pointer| {
            let found = document::find(text, &at)?;
            text.get(found.value)
        };
        let version = member(Pointer::root().key("ignition").key("version")).unwrap_or("null");
        let edition = if matches!(version, "null" | "\"\"") {
            let number = member(Pointer::root().key("ignitionVersion"))?;
            (number == "1").then_some(Self {
                minor: 0,
                is_first: true,
            })
        } else if version.starts_with('"') {
            Self::of_version(&document::decode(version))
        } else {
            None
        };
        edition.filter(|_| document::syntax(text).is_ok())
    }

    /// The one that `version` names.
    pub(crate) fn of_version(version: &str) -> Option<Self> {
        let Ok(Parts {
            numbers: [2, minor, 0],
            pre_release: "",
            metadata: "",
        }) = Parts::of(version)
        else {
            return None;
        };
        let minor = u8::try_from(minor).ok()?;
        (usize::from(minor) < Self::SECOND.len()).then_some(Self {
            minor,
            is_first: false,
        })
    }

    /// As documents write it.
    fn as_str(self) -> &'static str {
        match Self::SECOND.get(usize::from(self.minor)) {
            Some(version) if !self.is_first => version,
            _ => "1",
        }
    }
}

/// What `text`, which is JSON of `edition`, makes.
///
/// # Errors
/// What is wrong with it, where no document can be made of it.
pub(super) fn made(text: &str, edition: Edition) -> Result<Made<'_>, Vec<Diagnostic>> {
    let (document, mut draft) = translated(text, edition)?;
    Ok(Made {
        document,
        findings: draft.findings(),
        places: draft.places,
        version: MADE,
        dialect: Dialect::Ignition2(edition.as_str()),
        names: name,
    })
}

/// What of `text`, which is JSON of `edition`, is written otherwise in Ignition 3: each kind of thing once, where it is
/// first, with the form to write.
pub(super) fn explained(text: &str, edition: Edition) -> Vec<Diagnostic> {
    translated(text, edition).map_or_else(|_| Vec::new(), |(_, draft)| draft.explained())
}

fn translated(text: &str, edition: Edition) -> Result<(super::tree::Node<'_>, Draft<'_>), Vec<Diagnostic>> {
    let (tree, places) = json::read(text).map_err(|error| {
        let mut findings = Findings::default();
        findings
            .report(rule::JSON_SYNTAX, Pointer::root(), error.problem)
            .span(error.at..error.at)
            .help("a config is no place for so much: ship it as an archive that a unit unpacks");
        findings.into_inner()
    })?;
    let mut draft = Draft::new(text, places, edition);
    let tree = draft.shaped(tree, members::document(edition));
    match tree {
        // What has the wrong type is left out of the tree, so that further findings would be about something else.
        Some(tree) if !draft.is_unusable => Ok((sections::document(&mut draft, tree), draft)),
        _ => Err(draft.findings.into_inner()),
    }
}

/// The name that a member of the made document has in the old language.
fn name(of: &str) -> String {
    match of {
        "merge" => "append",
        other => other,
    }
    .to_owned()
}

/// The shortest form of an absolute path; any other text as it is, for a rule to tell.
fn shortest(path: &str) -> Cow<'_, str> {
    if path.starts_with('/') {
        Cow::Owned(crate::rules::clean_path(path))
    } else {
        Cow::Borrowed(path)
    }
}

#[cfg(test)]
mod tests;
