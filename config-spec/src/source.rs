//! A document and the files beside it.

use crate::check::{
    Checked, Examined, Rejected, errors_first, examine_ignition, examine_made, find_version, syntax_finding,
};
use crate::diagnostic::{Diagnostic, Pointer};
use crate::document::{self, Found};
use crate::frontend::butane::files::{LocalFiles, NoFiles};
use crate::frontend::{self, foreign};

/// A document as it is at hand: its text, and the files that it may name. Only Butane names any.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// What it says.
    pub text: &'a str,
    /// What may be read besides. For the same paths they always answer the same.
    pub files: &'a dyn LocalFiles,
}

impl<'a> Source<'a> {
    /// A document that has no files beside it, as any that reaches a machine.
    #[must_use]
    pub fn alone(text: &'a str) -> Self {
        Self {
            text,
            files: &NoFiles,
        }
    }

    /// Checks the document by the rules of its own version and translates it to the newest types.
    ///
    /// # Errors
    /// [`Rejected`]; its variants follow the order in which a document is read, so that one without a usable version is
    /// told nothing else.
    pub fn check(self) -> Result<Checked, Rejected> {
        self.examine()?.passed()
    }

    /// As [`Self::check`], but a document that breaks rules is told so and given all the same: for those who look for what
    /// else is wrong with it. No machine is made from such a config.
    ///
    /// # Errors
    /// [`Rejected`], where the document cannot be read.
    pub fn examine(self) -> Result<Examined, Rejected> {
        let text = self.text;
        if text.is_empty() {
            return Err(Rejected::Empty);
        }
        let version = document::syntax(text)
            .map_err(|error| syntax_finding(text, error))
            .and_then(|()| find_version(text));
        match version {
            Ok(version) => examine_ignition(text, version),
            Err(rejected) => match frontend::made(text, self.files) {
                None => Err(match foreign::finding(text) {
                    Some(finding) => Rejected::Invalid(vec![finding]),
                    None => rejected,
                }),
                Some(Ok(made)) => examine_made(&made, text.len()),
                Some(Err(findings)) => Err(Rejected::Invalid(errors_first(findings))),
            },
        }
    }

    /// Whether the document is in another language than Ignition 3, so that its members may have other names.
    #[must_use]
    pub fn is_translated(self) -> bool {
        frontend::made(self.text, self.files).is_some()
    }

    /// Where the author wrote what the config that it makes has at each of `pointers`, in one walk: the place as the
    /// document's own language has it, and its bytes if it is there.
    #[must_use]
    pub fn places(self, pointers: &[&Pointer]) -> Vec<(Pointer, Option<Found>)> {
        match frontend::made(self.text, self.files) {
            Some(Ok(made)) => pointers.iter().map(|at| made.origin(at)).collect(),
            // Nobody has pointers into the config of a text that makes none.
            Some(Err(_)) => pointers.iter().map(|at| ((*at).clone(), None)).collect(),
            None => {
                let found = document::locate(self.text, pointers.iter().copied());
                pointers.iter().map(|at| (*at).clone()).zip(found).collect()
            }
        }
    }

    /// Gives findings about the config that it makes their place in it.
    pub fn place(self, findings: &mut [Diagnostic]) {
        if findings.is_empty() {
            return;
        }
        let pointers: Vec<&Pointer> = findings.iter().map(|finding| &finding.at).collect();
        let places = self.places(&pointers);
        for (finding, (at, found)) in findings.iter_mut().zip(places) {
            finding.at = at;
            finding.span = found.map(|found| found.value);
        }
    }
}
