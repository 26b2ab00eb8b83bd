//! The documents a config consists of, and how findings about the whole point into them.

use std::borrow::Cow;

use kindling_config_spec::Source;
use kindling_config_spec::butane::files::LocalFiles;
use kindling_config_spec::diagnostic::{self, Diagnostic, Pointer};
use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::provenance::Provenance;
use kindling_config_spec::types::Config;

/// A document as it was read.
pub struct Document<'a> {
    /// What findings call it: a path, an address fit to be shown, or the place where it stands inline.
    pub name: String,
    /// What it says.
    pub text: Cow<'a, str>,
    /// What it may read besides: only the one that was given at the desk has anything.
    pub files: &'a dyn LocalFiles,
}

impl Document<'_> {
    /// It, as it is at hand.
    #[must_use]
    pub fn source(&self) -> Source<'_> {
        Source {
            text: &self.text,
            files: self.files,
        }
    }

    /// What it means by itself; nothing where that is not valid.
    pub(super) fn config(&self) -> Config {
        self.source()
            .check()
            .map_or_else(|_| Config::default(), |checked| checked.into_config())
    }
}

/// All documents of a config, in the order of merging: parents before children, siblings in theirs.
pub struct Documents<'a>(Vec<Document<'a>>);

impl<'a> Documents<'a> {
    /// A config that so far has one.
    pub(super) fn of(first: Document<'a>) -> Self {
        Self(vec![first])
    }

    pub(super) fn push(&mut self, document: Document<'a>) {
        self.0.push(document);
    }

    /// Takes out the document that the last one replaces.
    pub(super) fn replace_last_but_one(&mut self) {
        if let Some(replaced) = self.0.len().checked_sub(2) {
            self.0.remove(replaced);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Document<'a>> {
        self.0.iter()
    }

    pub(super) fn number_of(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|document| document.name == name)
    }

    /// Findings about `merged`, which these documents make, as findings about the documents: each goes to the one that
    /// says last what it is about, with the place there. By the document's number.
    #[must_use]
    pub fn attribute(&self, merged: &Config, findings: &[Diagnostic]) -> OrderedMap<usize, Vec<Diagnostic>> {
        let mut by_document: OrderedMap<usize, Vec<Diagnostic>> = OrderedMap::new();
        if findings.is_empty() {
            return by_document;
        }
        // What one document says stands where it says it.
        if self.0.len() == 1 {
            return OrderedMap::from([(0, findings.to_vec())]);
        }
        // Only a config with findings is worth reading its documents once more.
        let configs = self.0.iter().map(Document::config);
        let provenance = Provenance::new(merged, configs);
        for finding in findings {
            let (number, at) = provenance.trace(&finding.at).unwrap_or((0, Pointer::root()));
            let finding = Diagnostic {
                at,
                ..finding.clone()
            };
            by_document.entry(number).or_default().push(finding);
        }
        by_document
    }

    /// Findings about `merged` as text, each with the line of the document it comes from.
    #[must_use]
    pub fn show(&self, merged: &Config, findings: &[Diagnostic]) -> String {
        let mut shown = String::new();
        for (number, mut findings) in self.attribute(merged, findings) {
            if let Some(document) = self.0.get(number) {
                document.source().place(&mut findings);
                shown += &diagnostic::render(&document.name, &document.text, &findings);
            }
        }
        shown
    }
}

impl<'a> IntoIterator for Documents<'a> {
    type Item = Document<'a>;
    type IntoIter = std::vec::IntoIter<Document<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
