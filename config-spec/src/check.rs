//! Text → checked config: grammar, version, members and types, rules, twins, translation; in that order.

use std::borrow::Cow;
use std::ops::Range;

use crate::diagnostic::{Diagnostic, Pointer, Severity};
use crate::document::{self, Found, SyntaxError, conform::conform};
use crate::extension;
use crate::frontend::{Dialect, Edition, Made};
use crate::order;
use crate::rules::{self, Findings, catalog as rule};
use crate::source::Source;
use crate::types::Config;
use crate::version::{NEWEST, Parts, Version, VersionError};
use crate::versions;

/// A document that passed; only [`check`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    config: Config,
    version: Version,
    dialect: Dialect,
    warnings: Vec<Diagnostic>,
    weight: usize,
}

/// What an entry of a list takes in memory besides its text, in bytes, as a round number above that of most.
const ENTRY_WEIGHT: usize = 512;

impl Checked {
    /// The config, translated to the newest types.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The config, translated to the newest types.
    #[must_use]
    pub fn into_config(self) -> Config {
        self.config
    }

    /// The version the document was written in; of one in another language, the version of what it makes.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The language the document was written in.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// About how many bytes the config takes in memory. Whoever joins many documents watches the sum.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// What is suspicious, but no reason to stop.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }
}

/// A document that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It has no bytes.
    #[error("the config is empty")]
    Empty,
    /// `ignition.version` is missing or not a version.
    #[error("the config names no valid ignition.version")]
    InvalidVersion {
        /// What is there instead, if it is a string.
        found: Option<String>,
        /// Where it is, or else the nearest place that is there.
        span: Option<Range<usize>>,
    },
    /// `ignition.version` is a version, but none of the accepted ones.
    #[error("the config has the unsupported version {found:?}")]
    UnknownVersion {
        /// The version.
        found: String,
        /// Where it is.
        span: Option<Range<usize>>,
    },
    /// It is not JSON, or breaks rules. The findings include warnings, and at least one error.
    #[error("the config is invalid: {}", summary(.0))]
    Invalid(Vec<Diagnostic>),
}

/// The first error, and how many more there are.
fn summary(findings: &[Diagnostic]) -> String {
    let mut errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    let Some(first) = errors.next() else {
        return "no reason is known".to_owned();
    };
    match errors.count() {
        0 => format!("{} ({})", first.message, first.at.dollar()),
        more => format!("{} ({}), and {more} more", first.message, first.at.dollar()),
    }
}

impl Rejected {
    /// The reference's identifier for this kind of refusal.
    #[must_use]
    pub fn reference(&self) -> &'static str {
        match self {
            Self::Empty => "ErrEmpty",
            Self::InvalidVersion { .. } => "ErrInvalidVersion",
            Self::UnknownVersion { .. } => "ErrUnknownVersion",
            Self::Invalid(_) => "ErrInvalid",
        }
    }

    /// The same as findings, so that every refusal is shown in one form.
    #[must_use]
    pub fn diagnostics(&self) -> Cow<'_, [Diagnostic]> {
        let at_version = || Pointer::root().key("ignition").key("version");
        let mut findings = Findings::default();
        match self {
            Self::Invalid(findings) => return Cow::Borrowed(findings),
            Self::Empty => {
                findings
                    .report(rule::DOCUMENT_EMPTY, Pointer::root(), "the config is empty")
                    .help(format!(
                        "the smallest config is {{\"ignition\":{{\"version\":\"{}\"}}}}",
                        STABLE.as_str()
                    ));
            }
            Self::InvalidVersion { found, span } => {
                let message = match found {
                    Some(found) => format!("{} is not a version", crate::suggest::quoted(found)),
                    None => "ignition.version is missing".to_owned(),
                };
                let report = findings
                    .report(rule::VERSION_INVALID, at_version(), message)
                    .help(format!(
                        "write \"ignition\": {{\"version\": \"{}\"}}",
                        STABLE.as_str()
                    ));
                if let Some(span) = span {
                    report.span(span.clone());
                }
            }
            Self::UnknownVersion { found, span } => {
                let message = format!("version {} is not supported", crate::suggest::quoted(found));
                let report = findings
                    .report(rule::VERSION_UNKNOWN, at_version(), message)
                    .help(version_help(found));
                if let Some(span) = span {
                    report.span(span.clone());
                }
            }
        }
        Cow::Owned(findings.into_inner())
    }
}

const STABLE: Version = crate::version::NEWEST_STABLE;

/// The accepted version nearest to `found`, or all of them.
fn version_help(found: &str) -> String {
    let numbers = found.split(['-', '+']).next().unwrap_or_default();
    if Version::parse(numbers).is_ok() || Edition::of_version(numbers).is_some() {
        return format!("{numbers} is stable: write \"{numbers}\"");
    }
    if numbers == "3.7.0" {
        return format!("3.7.0 is not stable yet: write \"{NEWEST}\"");
    }
    if let Ok(Parts {
        numbers: [2, _, _], ..
    }) = Parts::of(found)
    {
        return format!("of Ignition 2, there are {}", Edition::SECOND.join(", "));
    }
    let all: Vec<_> = Version::ALL.iter().map(|version| version.as_str()).collect();
    format!("supported are {}", all.join(", "))
}

/// A document that can be read, whatever the rules say of it.
pub struct Examined {
    /// The config, translated to the newest types.
    pub config: Config,
    /// What is wrong with it, warnings and errors.
    pub findings: Vec<Diagnostic>,
    version: Version,
    dialect: Dialect,
    weight: usize,
}

impl Examined {
    /// The same as a document that passed, if it did.
    pub(crate) fn passed(self) -> Result<Checked, Rejected> {
        if self
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
        {
            return Err(Rejected::Invalid(match self.dialect {
                // Found in the order of the reference, which puts them so already.
                Dialect::Ignition(_) => self.findings,
                _ => errors_first(self.findings),
            }));
        }
        Ok(Checked {
            config: self.config,
            version: self.version,
            dialect: self.dialect,
            warnings: self.findings,
            weight: self.weight,
        })
    }
}

/// Checks a document by the rules of its own version and translates it to the newest types.
///
/// # Errors
/// [`Rejected`]; its variants follow the order in which a document is read, so that one without a usable version is
/// told nothing else.
pub fn check(text: &str) -> Result<Checked, Rejected> {
    Source::alone(text).check()
}

/// As [`check()`], but a document that breaks rules is told so and given all the same: for those who look for what else
/// is wrong with it. No machine is made from such a config.
///
/// # Errors
/// [`Rejected`], where the document cannot be read.
pub fn examine(text: &str) -> Result<Examined, Rejected> {
    Source::alone(text).examine()
}

/// A document that was made of one in another language, which has `length` bytes.
pub(crate) fn examine_made(made: &Made<'_>, length: usize) -> Result<Examined, Rejected> {
    let text = made.json();
    let mut findings = made.findings.clone();
    match examine_ignition(&text, made.version) {
        Ok(mut examined) => {
            made.settle(&mut examined.findings);
            findings.append(&mut examined.findings);
            in_order(&mut findings);
            Ok(Examined {
                findings,
                dialect: made.dialect,
                weight: examined.weight + length,
                ..examined
            })
        }
        Err(rejected) => {
            let mut refused = rejected.diagnostics().into_owned();
            made.settle(&mut refused);
            findings.append(&mut refused);
            in_order(&mut findings);
            Err(Rejected::Invalid(errors_first(findings)))
        }
    }
}

/// What the front end found and what was found in what it made, in the order of the author's text.
fn in_order(findings: &mut [Diagnostic]) {
    order::by_key(findings, |finding| finding.span.as_ref().map(|span| span.start));
}

/// A record has room for a few: what stops the boot comes before what is merely told.
pub(crate) fn errors_first(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    order::by_key(&mut findings, |finding| finding.severity != Severity::Error);
    findings
}

/// A document of Ignition 3, whose grammar was checked.
pub(crate) fn examine_ignition(text: &str, version: Version) -> Result<Examined, Rejected> {
    let conformity = conform(text, version).map_err(|error| syntax_finding(text, error))?;
    let unusable = conformity
        .findings
        .iter()
        .any(|finding| finding.rule == rule::TYPE_MISMATCH.id);
    if unusable {
        return Err(Rejected::Invalid(conformity.findings));
    }
    let mut config: Config =
        serde_json::from_str(&conformity.readable(text)).map_err(|error| read_finding(text, &error))?;
    let mut findings = rules::run(&config, version);
    if version == Version::V3_2_0 {
        let mut present = Findings::default();
        let given = versions::custom_pins_given(text, config.storage.luks.len());
        rules::custom_present_with_others(&config, &given, &mut present);
        findings.append(&mut present.into_inner());
    }
    findings.append(&mut rules::run_duplicates(&config));
    findings.append(&mut extension::adopt(&mut config));
    set_spans(&mut findings, text);
    findings.extend(conformity.findings);
    Ok(Examined {
        config: versions::translate(config, text, version),
        findings,
        version,
        dialect: Dialect::Ignition(version),
        weight: text.len() + ENTRY_WEIGHT * conformity.entries,
    })
}

/// Checks a config that was merged from several documents by the newest rules. Its findings have no spans.
///
/// Twins in lists are not looked for: merging makes none, and the reference does not look either.
#[must_use]
pub fn check_merged(config: &Config) -> Vec<Diagnostic> {
    let mut findings = rules::run(config, NEWEST);
    findings.append(&mut rules::run_whole(config));
    findings
}

/// As [`Source::places`], for a document that has no files beside it.
#[must_use]
pub fn places(text: &str, pointers: &[&Pointer]) -> Vec<(Pointer, Option<Found>)> {
    Source::alone(text).places(pointers)
}

/// As [`Source::place`], for a document that has no files beside it.
pub fn place(text: &str, findings: &mut [Diagnostic]) {
    Source::alone(text).place(findings);
}

/// As [`place()`], for a text of Ignition 3.
fn set_spans(findings: &mut [Diagnostic], text: &str) {
    let found = document::locate(text, findings.iter().map(|finding| &finding.at));
    for (finding, found) in findings.iter_mut().zip(found) {
        finding.span = found.map(|found| found.value);
    }
}

pub(crate) fn syntax_finding(text: &str, error: SyntaxError) -> Rejected {
    let letter = text
        .get(error.at..)
        .and_then(|rest| rest.chars().next())
        .map_or(0, char::len_utf8);
    let mut findings = Findings::default();
    findings
        .report(rule::JSON_SYNTAX, Pointer::root(), error.problem)
        .span(error.at..error.at + letter)
        .help(syntax_help(text, error));
    Rejected::Invalid(findings.into_inner())
}

/// What to look for. What is no JSON at all is named by [`crate::frontend::foreign`].
fn syntax_help(text: &str, error: SyntaxError) -> &'static str {
    if text.starts_with('\u{1f}') {
        "this looks compressed; a config that refers to it needs \"compression\": \"gzip\""
    } else if error.problem.contains("comma before") {
        "remove the comma"
    } else if error.problem.contains("nest more than") {
        "no section of a config nests like this: the document is damaged, or not a config"
    } else if error.problem.contains("more than 131072") {
        "ship large trees of files as one archive that a unit unpacks"
    } else if error.problem.contains("control character") {
        "write a line end as \\n, and other control characters as \\u and four hex digits"
    } else if text.starts_with('\u{feff}') {
        "save the file as UTF-8 without a byte-order mark"
    } else {
        "a config is strict JSON: double quotes, no comments, no trailing commas"
    }
}

/// A safety net: the walk over members and types has found everything that reading could stumble on.
fn read_finding(text: &str, error: &serde_json::Error) -> Rejected {
    let before: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let mut at = (before + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let mut findings = Findings::default();
    // The message of the JSON library may quote a value, so only its position is passed on.
    findings
        .report(
            rule::TYPE_MISMATCH,
            Pointer::root(),
            "the config cannot be read here",
        )
        .span(at..at);
    Rejected::Invalid(findings.into_inner())
}

pub(crate) fn find_version(text: &str) -> Result<Version, Rejected> {
    let root = Pointer::root();
    if !text.trim_start().starts_with('{')
        && let Some(found) = document::find(text, &root).filter(|found| !is_null(text, found))
    {
        return Err(mismatch(root, found.value, "expected an object"));
    }
    let ignition = root.key("ignition");
    let section = document::find(text, &ignition).filter(|found| !is_null(text, found));
    if let Some(found) = &section
        && !text.get(found.value.clone()).unwrap_or_default().starts_with('{')
    {
        return Err(mismatch(ignition, found.value.clone(), "expected an object"));
    }
    let at = ignition.key("version");
    let below = Pointer::root().key("version");
    let found = section.and_then(|section| document::find_below(text, section.value.start, &below));
    let nearest = || {
        document::locate(text, [&at])
            .into_iter()
            .flatten()
            .next()
            .map(|found| found.value)
    };
    let Some(found) = found else {
        return Err(Rejected::InvalidVersion {
            found: None,
            span: nearest(),
        });
    };
    let literal = text.get(found.value.clone()).unwrap_or_default();
    if literal == "null" {
        return Err(Rejected::InvalidVersion {
            found: None,
            span: Some(found.value),
        });
    }
    if !literal.starts_with('"') {
        return Err(mismatch(at, found.value, "expected a string"));
    }
    let version = document::decode(literal);
    Version::parse(&version).map_err(|error| match error {
        VersionError::Malformed => Rejected::InvalidVersion {
            found: Some(version.into_owned()),
            span: Some(found.value),
        },
        VersionError::Unknown => Rejected::UnknownVersion {
            found: version.into_owned(),
            span: Some(found.value),
        },
    })
}

fn is_null(text: &str, found: &document::Found) -> bool {
    text.get(found.value.clone()) == Some("null")
}

fn mismatch(at: Pointer, span: Range<usize>, message: &str) -> Rejected {
    let mut findings = Findings::default();
    findings.report(rule::TYPE_MISMATCH, at, message).span(span);
    Rejected::Invalid(findings.into_inner())
}

#[cfg(test)]
mod tests;
