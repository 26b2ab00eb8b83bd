//! A config judged at the desk: by the rules, by the lint, and as the sum of all the documents it refers to.
//!
//! The flow: every document is checked on its own, the references are resolved as far as that is wished, what they make
//! together is checked and linted, and the findings about it go back to the document and line they come from.

mod disks;
mod report;
mod sarif;

use kindling_config_spec::diagnostic::{Diagnostic, Pointer, Severity};
use kindling_config_spec::lint::catalog::REFERENCE_UNRESOLVED;
use kindling_config_spec::lint::{self, LintRule, Setting};
use kindling_config_spec::rules::catalog::KEY_UNKNOWN;
use kindling_config_spec::types::Config;
use kindling_config_spec::{Rejected, check, check_merged, document};

use crate::fetch::{Fetcher, Origin, OriginKind};
use crate::render::{Documents, First, Remote, RenderError, survey};
use crate::report::failure::chain;

pub use report::{json, text};
pub use sarif::sarif;

/// What a config is judged by.
pub struct Bench<'a> {
    /// What is known beside the config.
    pub setting: Setting<'a>,
    /// Whether a member that the spec does not know is only suspicious, as the engine takes it.
    pub lenient: bool,
    /// Whether remote documents are fetched.
    pub remote: Remote,
}

/// A config and what there is to say of it.
pub struct Judged {
    /// Its documents, the given one first.
    pub documents: Vec<Document>,
    /// Addresses of documents that were not fetched.
    pub left_out: Vec<String>,
    /// Rules that were not applied, since nobody told what they need.
    pub skipped: Vec<&'static LintRule>,
}

/// One document.
pub struct Document {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub text: String,
    /// What is wrong with it, in the order of the document.
    pub findings: Vec<Diagnostic>,
}

impl Judged {
    /// How many findings of this weight there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.documents.iter().flat_map(|document| &document.findings);
        findings.filter(|finding| finding.severity == severity).count()
    }
}

/// Judges `text`, which is called `name`. With [`Remote::Fetched`] its references are fetched by `fetcher`, and the
/// time that takes is the servers'.
#[must_use]
pub fn judge(name: &str, text: &str, bench: &Bench<'_>, fetcher: &mut Fetcher) -> Judged {
    let mut judged = match check(text) {
        Err(rejected) => Judged {
            documents: vec![page(name, text, rejected.diagnostics().into_owned())],
            left_out: Vec::new(),
            skipped: Vec::new(),
        },
        Ok(checked) => {
            let origin = Origin {
                kind: OriginKind::User,
                source: name.to_owned(),
                referenced: false,
                sha256: None,
            };
            let first = First {
                checked,
                name,
                text,
                origin,
            };
            judge_all(first, bench, fetcher)
        }
    };
    for finding in judged
        .documents
        .iter_mut()
        .flat_map(|document| &mut document.findings)
    {
        if finding.rule == KEY_UNKNOWN.id && !bench.lenient {
            finding.severity = Severity::Error;
        }
    }
    judged
}

fn page(name: &str, text: &str, findings: Vec<Diagnostic>) -> Document {
    Document {
        name: name.to_owned(),
        text: text.to_owned(),
        findings,
    }
}

fn judge_all(first: First<'_>, bench: &Bench<'_>, fetcher: &mut Fetcher) -> Judged {
    let survey = survey(first, fetcher, bench.remote);
    let mut documents: Vec<Document> = survey
        .documents
        .iter()
        .map(|read| page(&read.name, &read.text, of_its_own(&read.text)))
        .collect();
    match &survey.config {
        Ok(config) => add(
            &mut documents,
            &survey.documents,
            config,
            &of_the_whole(config, bench),
        ),
        Err((error, reference)) => {
            if let Some(finding) = unresolved(error) {
                let (number, mut finding) = match reference {
                    Some((number, at)) => (
                        *number,
                        Diagnostic {
                            at: at.clone(),
                            ..finding
                        },
                    ),
                    None => (0, finding),
                };
                if let Some(document) = documents.get_mut(number) {
                    let found = document::locate(&document.text, [&finding.at]);
                    finding.span = found.into_iter().flatten().next().map(|found| found.value);
                    document.findings.push(finding);
                }
            }
        }
    }
    for document in &mut documents {
        // Findings of one place stay in the order they were made.
        document
            .findings
            .sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
    }
    Judged {
        documents,
        left_out: survey.left_out,
        skipped: lint::skipped(&bench.setting),
    }
}

/// The findings of a document by itself.
fn of_its_own(text: &str) -> Vec<Diagnostic> {
    match check(text) {
        Ok(checked) => checked.warnings().to_vec(),
        Err(Rejected::Invalid(findings)) => findings,
        Err(rejected) => rejected.diagnostics().into_owned(),
    }
}

/// The findings about what all documents make together.
fn of_the_whole(config: &Config, bench: &Bench<'_>) -> Vec<Diagnostic> {
    let mut findings = check_merged(config);
    findings.extend(lint::lint(config, &bench.setting));
    findings.extend(disks::lint(config, &bench.setting));
    findings
}

/// Gives the findings about the whole to the documents they come from; what a document was told already is not repeated.
fn add(documents: &mut [Document], read: &Documents<'_>, config: &Config, findings: &[Diagnostic]) {
    for (number, findings) in read.attribute(config, findings) {
        let Some(document) = documents.get_mut(number) else {
            continue;
        };
        for finding in findings {
            let same = |known: &Diagnostic| known.rule == finding.rule && known.at == finding.at;
            if !document.findings.iter().any(same) {
                document.findings.push(finding);
            }
        }
    }
}

/// The finding about a reference that leads nowhere. A document that is not valid has findings of its own.
fn unresolved(error: &RenderError) -> Option<Diagnostic> {
    if matches!(error, RenderError::Invalid { .. }) {
        return None;
    }
    let why = chain(error).join(": ");
    Some(REFERENCE_UNRESOLVED.finding(Pointer::root(), why, error.next()))
}
