//! A config judged at the desk: by the rules, by the lint, and as the sum of all the documents it refers to.
//!
//! The flow: every document is checked on its own, the references are resolved as far as that is wished, what they make
//! together is checked and linted, and the findings about it go back to the document and line they come from.

mod disks;
mod report;
mod sarif;

use std::borrow::Cow;

use kindling_config_spec::butane::files::LocalFiles;
use kindling_config_spec::diagnostic::{Diagnostic, Pointer, RuleId, Severity};
use kindling_config_spec::lint::catalog::REFERENCE_UNRESOLVED;
use kindling_config_spec::lint::{self, LintRule, Setting};
use kindling_config_spec::order::Gather;
use kindling_config_spec::order::{self, OrderedMap, OrderedSet};
use kindling_config_spec::rules::catalog::KEY_UNKNOWN;
use kindling_config_spec::types::Config;
use kindling_config_spec::{Rejected, Source, check, check_merged, explain};

use crate::fetch::Fetcher;
use crate::render::{First, Remote, RenderError, Survey, survey};
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
pub struct Judged<'a> {
    /// Its documents, the given one first.
    pub documents: Vec<Document<'a>>,
    /// Addresses of documents that were not fetched.
    pub left_out: Vec<String>,
    /// Rules that were not applied, since nobody told what they need.
    pub skipped: Vec<&'static LintRule>,
    /// How many errors there are.
    pub errors: usize,
    /// How many warnings there are.
    pub warnings: usize,
    /// How many notes there are: what an old language writes otherwise than Ignition 3. Nobody is to blame for them.
    pub notes: usize,
    /// How many of the findings are not listed, since nobody would read so many.
    pub unlisted: usize,
}

/// How many findings of one config are listed, over all its documents.
const LISTED: usize = 40_000;

/// One document.
pub struct Document<'a> {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub text: Cow<'a, str>,
    files: &'a dyn LocalFiles,
    /// What is wrong with it, in the order of the document.
    pub findings: Vec<Diagnostic>,
}

impl<'a> Judged<'a> {
    /// Counts and orders the findings, and cuts what is too many.
    fn of(mut documents: Vec<Document<'a>>, bench: &Bench<'_>) -> Self {
        let (mut errors, mut warnings, mut notes, mut room) = (0, 0, 0, LISTED);
        for document in &mut documents {
            document.findings.append(&mut explain(&document.text));
            for finding in &mut document.findings {
                if finding.rule == KEY_UNKNOWN.id && !bench.lenient {
                    finding.severity = Severity::Error;
                }
                match finding.severity {
                    Severity::Error => errors += 1,
                    Severity::Warning => warnings += 1,
                    Severity::Info => notes += 1,
                }
            }
            // Findings of one place stay in the order they were made.
            order::by_key(&mut document.findings, |finding| {
                finding.span.as_ref().map(|span| span.start)
            });
            document.findings.truncate(room);
            room -= document.findings.len();
        }
        Self {
            documents,
            left_out: Vec::new(),
            skipped: Vec::new(),
            errors,
            warnings,
            notes,
            unlisted: (errors + warnings + notes).saturating_sub(LISTED),
        }
    }
}

/// Judges `source`, which is called `name`. With [`Remote::Fetched`] its references are fetched by `fetcher`, and the
/// time that takes is the servers'.
#[must_use]
pub fn judge<'a>(name: &'a str, source: Source<'a>, bench: &Bench<'_>, fetcher: &mut Fetcher) -> Judged<'a> {
    match source.check() {
        Err(rejected) => judge_alone(name, source, rejected.diagnostics().into_owned(), bench),
        Ok(checked) => {
            let warnings = checked.warnings().to_vec();
            let first = First::given(checked, name, source);
            judge_all(survey(first, fetcher, bench.remote), warnings, bench)
        }
    }
}

/// A document that is not valid is linted by itself, as far as it can be read: its author wants to know all at once. It
/// has no sum with others.
fn judge_alone<'a>(
    name: &str,
    source: Source<'a>,
    findings: Vec<Diagnostic>,
    bench: &Bench<'_>,
) -> Judged<'a> {
    let mut document = Document {
        name: name.to_owned(),
        text: Cow::Borrowed(source.text),
        files: source.files,
        findings,
    };
    let mut skipped = Vec::new();
    if let Ok(examined) = source.examine() {
        document.add(of_the_machine(&examined.config, bench));
        skipped = lint::skipped(&bench.setting);
    }
    Judged {
        skipped,
        ..Judged::of(vec![document], bench)
    }
}

/// `warnings` are those of the first document.
fn judge_all<'a>(survey: Survey<'a>, warnings: Vec<Diagnostic>, bench: &Bench<'_>) -> Judged<'a> {
    let about_all = match &survey.config {
        Ok(config) => survey.documents.attribute(config, &of_the_whole(config, bench)),
        Err((error, reference)) => about_reference(error, reference.as_ref()),
    };
    // A config that is not known was not linted at all.
    let skipped = survey
        .config
        .as_ref()
        .map_or_else(|_| Vec::new(), |_| lint::skipped(&bench.setting));
    drop(survey.config);
    let mut first = Some(warnings);
    let mut documents: Vec<Document<'a>> = survey
        .documents
        .into_iter()
        .map(|read| Document {
            findings: first.take().unwrap_or_else(|| of_its_own(&read.text)),
            name: read.name,
            text: read.text,
            files: read.files,
        })
        .collect();
    for (number, findings) in about_all {
        if let Some(document) = documents.get_mut(number) {
            document.add(findings);
        }
    }
    Judged {
        left_out: survey.left_out,
        skipped,
        ..Judged::of(documents, bench)
    }
}

impl Document<'_> {
    /// Adds findings; what the document was told already is not repeated.
    fn add(&mut self, mut findings: Vec<Diagnostic>) {
        let told: OrderedSet<(RuleId, Pointer)> = self
            .findings
            .iter()
            .map(|finding| (finding.rule, finding.at.clone()))
            .into_set();
        let source = Source {
            text: &self.text,
            files: self.files,
        };
        source.place(&mut findings);
        findings.retain(|finding| !told.contains(&(finding.rule, finding.at.clone())));
        self.findings.append(&mut findings);
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
    findings.append(&mut of_the_machine(config, bench));
    findings
}

/// The findings about what a machine will make of it.
fn of_the_machine(config: &Config, bench: &Bench<'_>) -> Vec<Diagnostic> {
    let mut findings = lint::lint(config, &bench.setting);
    findings.append(&mut disks::lint(config, &bench.setting));
    findings
}

/// The finding about a reference that leads nowhere, by the number of the document it stands in. A document that is not
/// valid has findings of its own.
fn about_reference(
    error: &RenderError,
    reference: Option<&(usize, Pointer)>,
) -> OrderedMap<usize, Vec<Diagnostic>> {
    if matches!(error, RenderError::Invalid { .. }) {
        return OrderedMap::new();
    }
    let why = format!("{} [{}]", chain(error).join(": "), error.code());
    let (number, at) = reference.cloned().unwrap_or((0, Pointer::root()));
    OrderedMap::from([(number, vec![REFERENCE_UNRESOLVED.finding(at, why, error.next())])])
}
