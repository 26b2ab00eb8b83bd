//! Why references do not end in a valid config.

use kindling_config_spec::Rejected;
use kindling_config_spec::diagnostic::{self, Diagnostic, Severity};

use super::{DEPTH_LIMIT, DOCUMENTS_LIMIT, REFERENCED_LIMIT};
use crate::fetch::FetchError;

/// References that do not end in a valid config.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// A document cannot be fetched.
    #[error("cannot fetch config {document}, to which {parent} refers")]
    Fetch {
        /// The address as it may be shown.
        document: String,
        /// The document that refers to it.
        parent: String,
        /// The cause.
        source: Box<FetchError>,
    },
    /// The settings for fetching cannot be applied.
    #[error("cannot apply the fetch settings of {document}")]
    Settings {
        /// The document they stand in.
        document: String,
        /// The cause.
        source: Box<FetchError>,
    },
    /// A reference without an address.
    #[error("{parent} refers to a config without a source")]
    NoSource {
        /// The document.
        parent: String,
    },
    /// A reference to nothing. The reference engine boots an empty machine then.
    #[error("config {document}, to which {parent} refers, is empty")]
    Empty {
        /// The address as it may be shown.
        document: String,
        /// The document that refers to it.
        parent: String,
    },
    /// A document that is not text.
    #[error("config {document} is not UTF-8 text")]
    NotText {
        /// The document.
        document: String,
        /// Where it stops being text.
        source: std::str::Utf8Error,
    },
    /// A document with findings.
    #[error("{document} is not valid\n{rendered}")]
    Invalid {
        /// The document.
        document: String,
        /// Whether it is its version that nobody knows.
        is_version: bool,
        /// The findings.
        findings: Vec<Diagnostic>,
        /// The findings with their source lines.
        rendered: String,
    },
    /// Valid documents whose sum is not.
    #[error("the merged config is not valid\n{rendered}")]
    MergedInvalid {
        /// The findings, which point into the merged config.
        findings: Vec<Diagnostic>,
        /// The findings as text.
        rendered: String,
    },
    /// A config that comes back to itself.
    #[error("configs refer to each other in a circle: {}", chain.join(" → "))]
    Cycle {
        /// The documents from the first to the one that comes again.
        chain: Vec<String>,
    },
    /// Nested too deep.
    #[error("configs are nested more than {DEPTH_LIMIT} deep, the last is {document}")]
    TooDeep {
        /// The document that was not fetched.
        document: String,
    },
    /// Too much in all documents together.
    #[error("the documents of the config take more than {} MiB together, the last is {document}", REFERENCED_LIMIT >> 20)]
    TooHeavy {
        /// The first document that is too much.
        document: String,
    },
    /// Too many documents.
    #[error("the config consists of more than {DOCUMENTS_LIMIT} documents, the last is {document}")]
    TooMany {
        /// The document that was not fetched.
        document: String,
    },
}

impl RenderError {
    /// A document that was refused, with its findings; `name` is what to call it, `text` what it says.
    #[must_use]
    pub fn of_rejected(name: &str, text: &str, rejected: &Rejected) -> Self {
        let findings = rejected.diagnostics().into_owned();
        Self::Invalid {
            document: name.to_owned(),
            is_version: matches!(
                rejected,
                Rejected::UnknownVersion { .. } | Rejected::InvalidVersion { .. }
            ),
            rendered: diagnostic::render(name, text, &findings),
            findings,
        }
    }

    /// Whether the same config can be rendered once the network is up.
    #[must_use]
    pub fn needs_network(&self) -> bool {
        match self {
            Self::Fetch { source, .. } | Self::Settings { source, .. } => source.needs_network(),
            _ => false,
        }
    }

    /// The stable name of this failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fetch { source, .. } => match **source {
                FetchError::HashMismatch { .. } => "config-hash-mismatch",
                FetchError::TooLarge { .. } => "config-too-large",
                _ => source.code(),
            },
            Self::Settings { source, .. } => source.code(),
            Self::NoSource { .. } => "config-source-missing",
            Self::Empty { .. } => "config-empty",
            Self::NotText { .. } => "config-not-text",
            Self::Invalid { is_version: true, .. } => "config-version-unknown",
            Self::Invalid { .. } => "config-invalid",
            Self::MergedInvalid { .. } => "config-merged-invalid",
            Self::Cycle { .. } => "config-cycle",
            Self::TooDeep { .. } => "config-too-deep",
            Self::TooHeavy { .. } => "config-too-large",
            Self::TooMany { .. } => "config-too-many",
        }
    }

    /// What the operator does next.
    #[must_use]
    pub fn next(&self) -> String {
        match self {
            Self::Fetch { source, .. } | Self::Settings { source, .. } => source.next(),
            Self::NoSource { parent } => format!("give every entry of ignition.config.merge in {parent} a source"),
            Self::Empty { document, .. } => {
                format!("put a config at {document}; the smallest is {{\"ignition\":{{\"version\":\"3.4.0\"}}}}")
            }
            Self::NotText { document, .. } => {
                format!("write {document} in UTF-8; if it is compressed, set compression in the reference")
            }
            Self::Invalid {
                document, findings, ..
            } => of_errors(findings).unwrap_or_else(|| {
                format!("correct {document} at the lines shown; \"kindling plan\" shows the same before a boot")
            }),
            Self::MergedInvalid { .. } => {
                "change one of the documents so that their sum is valid; \"kindling plan\" shows it beforehand".to_owned()
            }
            Self::Cycle { .. } => "remove one of the references in the circle".to_owned(),
            Self::TooHeavy { .. } => {
                "refer to large contents by address in place of inlining them, or ship them as one archive".to_owned()
            }
            Self::TooDeep { .. } | Self::TooMany { .. } => {
                "join some of the documents; check that the server does not invent new addresses".to_owned()
            }
        }
    }
}

/// What to write instead, where a finding that stops the boot says so.
fn of_errors(findings: &[Diagnostic]) -> Option<String> {
    let mut errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors.find_map(|finding| finding.help.clone())
}
