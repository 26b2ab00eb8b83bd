//! Replace and merge until no reference is left.
//!
//! A config that replaces itself is that other config. Otherwise its references are fetched in order, each rendered
//! in turn, and laid over what is there: a grandchild wins over its child, a later sibling over an earlier one. What
//! a config says about fetching (timeouts, authorities, proxy) holds for everything after it.

use kindling_config_spec::diagnostic::{self, Diagnostic, Severity};
use kindling_config_spec::types::{Config, Ignition, Resource};
use kindling_config_spec::{Checked, Rejected, check, check_merged, data_url, merge};
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use crate::fetch::{DOCUMENT_LIMIT, FetchError, Fetcher, resource, shown};
pub use crate::fetch::{Origin, OriginKind};
use crate::identity::hex;

/// How deep references may nest. People use two levels, three at most.
pub const DEPTH_LIMIT: usize = 32;

/// How many documents one config may consist of, the first included.
pub const DOCUMENTS_LIMIT: usize = 256;

/// How much the documents that a config refers to may weigh together, in bytes of memory, about: as much as one
/// document may have. Packed and inline, a few kilobytes could be more than any machine holds.
const REFERENCED_LIMIT: u64 = DOCUMENT_LIMIT;

/// What findings call the result. It has no text, so they point into it by pointer alone.
const MERGED: &str = "the merged config";

/// A config without open references: what the stages work from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendered {
    config: Config,
    origins: Vec<Origin>,
    #[serde(skip)]
    warnings: Vec<String>,
}

impl Rendered {
    /// What a source without a config renders to.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_cache(Config::default(), Vec::new())
    }

    /// What an earlier stage rendered and stored, which is the one other way to a rendered config.
    #[must_use]
    pub fn from_cache(config: Config, origins: Vec<Origin>) -> Self {
        Self {
            config,
            origins,
            warnings: Vec::new(),
        }
    }

    /// The config.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The documents it consists of, in the order they were read. Empty when there was none.
    #[must_use]
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// What is doubtful in it, one text per document with source lines. The first document's own warnings are in
    /// its [`Checked`].
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

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
                format!("write {document} as JSON in UTF-8; if it is compressed, set compression in the reference")
            }
            Self::Invalid {
                document, findings, ..
            } => findings.iter().find_map(|finding| finding.help.clone()).unwrap_or_else(|| {
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

/// Resolves every reference of `checked`, which was read from `origin` and is called `name` in findings. Afterwards
/// `fetcher` works under the settings of the result, and certificate authorities are inline.
///
/// # Errors
/// See [`RenderError`].
pub fn render(
    checked: Checked,
    name: &str,
    origin: Origin,
    fetcher: &mut Fetcher,
) -> Result<Rendered, RenderError> {
    let config = checked.into_config();
    let mut rendering = Rendering {
        fetcher,
        origins: vec![origin],
        warnings: Vec::new(),
        chain: Vec::new(),
        left: REFERENCED_LIMIT,
    };
    rendering.configure(&config.ignition, name)?;
    let mut config = rendering.resolve(config, name.to_owned())?;
    rendering.configure(&config.ignition, MERGED)?;
    rendering.inline_authorities(&mut config)?;
    let Rendering {
        origins,
        mut warnings,
        ..
    } = rendering;
    let findings = check_merged(&config);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        let rendered = diagnostic::render(MERGED, "", &findings);
        return Err(RenderError::MergedInvalid { findings, rendered });
    }
    // Without references these are the first document's own warnings once more, and without its lines.
    if origins.len() > 1 && !findings.is_empty() {
        warnings.push(diagnostic::render(MERGED, "", &findings));
    }
    Ok(Rendered {
        config,
        origins,
        warnings,
    })
}

/// One rendering under way.
struct Rendering<'a> {
    fetcher: &'a mut Fetcher,
    origins: Vec<Origin>,
    warnings: Vec<String>,
    /// The references that lead from the first document to the current one.
    chain: Vec<Resource>,
    /// What the documents still to be fetched may weigh.
    left: u64,
}

/// A document that was fetched and is valid.
struct Document {
    config: Config,
    name: String,
}

impl Rendering<'_> {
    fn resolve(&mut self, config: Config, name: String) -> Result<Config, RenderError> {
        let replace = &config.ignition.config.replace;
        // An empty source counts: it is a reference, to nothing.
        if replace.source.is_some() {
            let replace = replace.clone();
            info!(
                "{name} is replaced by {}",
                shown(replace.source.as_deref().unwrap_or_default())
            );
            let child = self.fetch(&replace, &name)?;
            self.configure(&child.config.ignition, &child.name)?;
            return self.descend(replace, child);
        }
        let references = config.ignition.config.merge.clone();
        let mut merged = config;
        for reference in references {
            let child = self.fetch(&reference, &name)?;
            // Only the settings of the sum matter here, so only they are merged.
            let settings = merge(only_ignition(&merged), only_ignition(&child.config));
            self.configure(&settings.ignition, &child.name)?;
            let child = self.descend(reference, child)?;
            merged = merge(merged, child);
        }
        Ok(merged)
    }

    fn descend(&mut self, reference: Resource, child: Document) -> Result<Config, RenderError> {
        self.chain.push(reference);
        let resolved = self.resolve(child.config, child.name);
        self.chain.pop();
        resolved
    }

    fn fetch(&mut self, reference: &Resource, parent: &str) -> Result<Document, RenderError> {
        let Some(source) = reference.source.as_deref() else {
            return Err(RenderError::NoSource {
                parent: parent.to_owned(),
            });
        };
        let document = shown(source);
        self.admit(reference, &document, parent)?;
        let bytes = self
            .fetcher
            .buffer(reference, self.left)
            .map_err(|source| match source {
                FetchError::TooLarge { limit, .. } if limit < DOCUMENT_LIMIT => RenderError::TooHeavy {
                    document: document.clone(),
                },
                source => RenderError::Fetch {
                    document: document.clone(),
                    parent: parent.to_owned(),
                    source: Box::new(source),
                },
            })?;
        if bytes.is_empty() {
            return Err(RenderError::Empty {
                document,
                parent: parent.to_owned(),
            });
        }
        debug!("config {document} has SHA-512 {}", resource::sha512_hex(&bytes));
        let sha256 = Some(hex(&resource::sha256(&bytes)));
        let text = String::from_utf8(bytes).map_err(|error| RenderError::NotText {
            document: document.clone(),
            source: error.utf8_error(),
        })?;
        let config = self.check(&text, &document)?;
        self.origins.push(Origin {
            kind: OriginKind::User,
            source: crate::fetch::path_of(source),
            referenced: true,
            sha256,
        });
        Ok(Document {
            config,
            name: document,
        })
    }

    /// Refuses a reference that would never end.
    fn admit(&self, reference: &Resource, document: &str, parent: &str) -> Result<(), RenderError> {
        let same = |other: &Resource| {
            other.source == reference.source && other.http_headers == reference.http_headers
        };
        if self.chain.iter().any(same) {
            let names = self
                .chain
                .iter()
                .map(|one| shown(one.source.as_deref().unwrap_or_default()));
            let chain = names.chain([document.to_owned()]).collect();
            return Err(RenderError::Cycle { chain });
        }
        if self.chain.len() >= DEPTH_LIMIT {
            return Err(RenderError::TooDeep {
                document: document.to_owned(),
            });
        }
        if self.origins.len() >= DOCUMENTS_LIMIT {
            return Err(RenderError::TooMany {
                document: document.to_owned(),
            });
        }
        info!("config {parent} refers to {document}");
        Ok(())
    }

    fn check(&mut self, text: &str, document: &str) -> Result<Config, RenderError> {
        match check(text) {
            Ok(checked) => {
                let mut weight = checked.weight();
                if !checked.warnings().is_empty() {
                    let rendered = diagnostic::render(document, text, checked.warnings());
                    warn!("config {document} has warnings\n{rendered}");
                    weight += rendered.len();
                    self.warnings.push(rendered);
                }
                let weight = u64::try_from(weight).unwrap_or(u64::MAX);
                self.left = self.left.checked_sub(weight).ok_or(RenderError::TooHeavy {
                    document: document.to_owned(),
                })?;
                Ok(checked.into_config())
            }
            Err(rejected) => Err(RenderError::of_rejected(document, text, &rejected)),
        }
    }

    fn configure(&mut self, ignition: &Ignition, document: &str) -> Result<(), RenderError> {
        self.fetcher
            .configure(ignition)
            .map_err(|source| RenderError::Settings {
                document: document.to_owned(),
                source: Box::new(source),
            })
    }

    /// Puts every certificate authority into the config itself, so that later stages trust the same ones without
    /// fetching them again. The digest stays: it is of the content, which has not changed.
    fn inline_authorities(&self, config: &mut Config) -> Result<(), RenderError> {
        for authority in &mut config.ignition.security.tls.certificate_authorities {
            let pem = self
                .fetcher
                .authority(authority)
                .map_err(|source| RenderError::Settings {
                    document: MERGED.to_owned(),
                    source: Box::new(source),
                })?;
            authority.source = Some(data_url::encode(&pem));
            authority.compression = None;
            authority.http_headers = Vec::new();
        }
        Ok(())
    }
}

fn only_ignition(config: &Config) -> Config {
    Config {
        ignition: config.ignition.clone(),
        ..Config::default()
    }
}
