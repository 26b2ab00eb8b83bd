//! Replace and merge until no reference is left.
//!
//! A config that replaces itself is that other config. Otherwise its references are fetched in order, each rendered
//! in turn, and laid over what is there: a grandchild wins over its child, a later sibling over an earlier one. What
//! a config says about fetching (timeouts, authorities, proxy) holds for everything after it.

mod ahead;
mod documents;
mod error;
pub mod expand;
mod places;
mod rendered;
mod settings;
mod survey;

use std::borrow::Cow;

use kindling_config_spec::butane::files::NoFiles;
use kindling_config_spec::diagnostic::{self, Pointer, Severity};
use kindling_config_spec::types::{Config, Resource};
use kindling_config_spec::{Checked, Dialect, Source, check, check_merged, data_url, merge};
use tracing::{debug, info, warn};

use ahead::{Ahead, Room};
pub use documents::{Document, Documents};
pub use error::RenderError;
pub use places::Written;
pub use rendered::Rendered;
use settings::only_settings;
pub use survey::{Survey, survey};

use crate::fetch::{DOCUMENT_LIMIT, FetchError, Fetcher, Scheme, resource, shown};
pub use crate::fetch::{Origin, OriginKind};
use crate::identity::hex;

/// How deep references may nest. People use two levels, three at most.
pub const DEPTH_LIMIT: usize = 32;

/// How many documents one config may consist of, the first included.
pub const DOCUMENTS_LIMIT: usize = 256;

/// How much the documents that a config refers to may weigh together, in bytes of memory, about: as much as one
/// document may have. Packed and inline, a few kilobytes could be more than any machine holds.
const REFERENCED_LIMIT: u64 = DOCUMENT_LIMIT;

/// Says of a document in another language than Ignition 3 that it was taken, and as what.
pub fn log_dialect(name: &str, checked: &Checked) {
    let dialect = checked.dialect();
    if !matches!(dialect, Dialect::Ignition(_)) {
        let version = checked.version();
        let warnings = match checked.warnings().len() {
            1 => "1 warning".to_owned(),
            number => format!("{number} warnings"),
        };
        info!("config {name} is {dialect}: taken as Ignition {version}, with {warnings}");
    }
}

/// What the fetch settings of the result are called.
const MERGED: &str = "the merged config";

/// The first document of a config.
pub struct First<'a> {
    /// It, checked.
    pub checked: Checked,
    /// What it is called in findings.
    pub name: &'a str,
    /// What it says.
    pub source: Source<'a>,
    /// Who gave it.
    pub origin: Origin,
}

impl<'a> First<'a> {
    /// A document that a person gives at the desk, not a platform.
    #[must_use]
    pub fn given(checked: Checked, name: &'a str, source: Source<'a>) -> Self {
        let origin = Origin {
            kind: OriginKind::User,
            source: name.to_owned(),
            referenced: false,
            sha256: None,
        };
        Self {
            checked,
            name,
            source,
            origin,
        }
    }
}

/// Resolves every reference of `first`. Afterwards `fetcher` works under the settings of the result, and certificate
/// authorities are inline.
///
/// # Errors
/// See [`RenderError`].
pub fn render(first: First<'_>, fetcher: &mut Fetcher) -> Result<Rendered, RenderError> {
    render_with(first, fetcher, true, &|_| {})
}

/// The same; `heard` gets every document once it is valid, before what it refers to is fetched.
///
/// # Errors
/// See [`RenderError`].
pub fn render_heard(
    first: First<'_>,
    fetcher: &mut Fetcher,
    heard: &dyn Fn(&Config),
) -> Result<Rendered, RenderError> {
    heard(first.checked.config());
    render_with(first, fetcher, true, heard)
}

/// The same, one document after the other: what [`render`] must be equal to.
///
/// # Errors
/// See [`RenderError`].
pub fn render_in_turn(first: First<'_>, fetcher: &mut Fetcher) -> Result<Rendered, RenderError> {
    render_with(first, fetcher, false, &|_| {})
}

fn render_with(
    first: First<'_>,
    fetcher: &mut Fetcher,
    is_ahead: bool,
    heard: &dyn Fn(&Config),
) -> Result<Rendered, RenderError> {
    let config = first.checked.into_config();
    let mut rendering = Rendering::new(first.name, first.source, fetcher, Remote::Fetched);
    rendering.is_ahead = is_ahead;
    rendering.heard = Some(heard);
    rendering.origins.push(first.origin);
    rendering.configure(&config, first.name)?;
    let mut config = rendering.resolve(config, first.name.to_owned())?;
    rendering.configure(&config, MERGED)?;
    rendering.inline_bundles(&mut config)?;
    let Rendering {
        origins,
        mut warnings,
        documents,
        ..
    } = rendering;
    let findings = check_merged(&config);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        let rendered = documents.show(&config, &findings);
        return Err(RenderError::MergedInvalid { findings, rendered });
    }
    // Without references these are the first document's own warnings once more.
    if origins.len() > 1 && !findings.is_empty() {
        warnings.push(documents.show(&config, &findings));
    }
    let written = places::written(&config, &documents);
    Ok(Rendered {
        config,
        origins,
        warnings,
        written,
    })
}

/// What is done about documents that are not inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// They are fetched.
    Fetched,
    /// Their addresses are noted, and what they would say is missing.
    LeftOut,
}

/// One rendering under way.
struct Rendering<'a, 'f> {
    fetcher: &'f mut Fetcher,
    remote: Remote,
    /// Who wants to know every document.
    heard: Option<&'f dyn Fn(&Config)>,
    /// Whether documents are fetched before their turn.
    is_ahead: bool,
    /// For documents that are fetched before their turn.
    room: Room,
    left_out: Vec<String>,
    /// The reference that was looked at last: its document and its place there.
    reference: Option<(String, Pointer)>,
    origins: Vec<Origin>,
    warnings: Vec<String>,
    /// All documents that count: what is replaced does not.
    documents: Documents<'a>,
    /// The references that lead from the first document to the current one.
    chain: Vec<Resource>,
    /// What the documents still to be fetched may weigh.
    left: u64,
}

/// A document that was fetched and is valid.
struct Child {
    config: Config,
    name: String,
}

/// Where a document stands that refers to another.
struct Place<'n> {
    parent: &'n str,
    at: Pointer,
}

impl<'a, 'f> Rendering<'a, 'f> {
    fn new(name: &str, source: Source<'a>, fetcher: &'f mut Fetcher, remote: Remote) -> Self {
        Self {
            fetcher,
            remote,
            heard: None,
            is_ahead: true,
            room: Room::default(),
            left_out: Vec::new(),
            reference: None,
            origins: Vec::new(),
            warnings: Vec::new(),
            documents: Documents::of(Document {
                name: name.to_owned(),
                text: Cow::Borrowed(source.text),
                files: source.files,
            }),
            chain: Vec::new(),
            left: REFERENCED_LIMIT,
        }
    }

    fn resolve(&mut self, config: Config, name: String) -> Result<Config, RenderError> {
        let replace = &config.ignition.config.replace;
        // An empty source counts: it is a reference, to nothing.
        if replace.source.is_some() {
            let replace = replace.clone();
            info!(
                "{name} is replaced by {}",
                shown(replace.source.as_deref().unwrap_or_default())
            );
            let at = Pointer::root().key("ignition").key("config").key("replace");
            let place = Place { parent: &name, at };
            let Some(child) = self.fetch(&replace, &place, None)? else {
                return Ok(config);
            };
            self.documents.replace_last_but_one();
            self.configure(&child.config, &child.name)?;
            return self.descend(replace, child);
        }
        let references = config.ignition.config.merge.clone();
        let ahead = self.ahead(&references);
        let mut merged = config;
        for (index, reference) in references.into_iter().enumerate() {
            let at = Pointer::root().key("ignition").key("config").key("merge");
            let place = Place {
                parent: &name,
                at: at.index(index),
            };
            let early = ahead.as_ref().map(|ahead| (ahead, index));
            let Some(child) = self.fetch(&reference, &place, early)? else {
                continue;
            };
            // Only the settings of the sum matter here, so only they are merged.
            let settings = merge(only_settings(&merged), only_settings(&child.config));
            self.configure(&settings, &child.name)?;
            let child = self.descend(reference, child)?;
            merged = merge(merged, child);
        }
        Ok(merged)
    }

    /// The documents of `references`, on their way, where that is worth it.
    fn ahead(&self, references: &[Resource]) -> Option<Ahead> {
        let is_worth_it = self.remote == Remote::Fetched && self.is_ahead && references.len() > 1;
        if !is_worth_it || self.chain.len() >= DEPTH_LIMIT {
            return None;
        }
        // No more than may be used at all.
        let most = DOCUMENTS_LIMIT
            .saturating_sub(self.origins.len())
            .min(references.len());
        let references = references.get(..most).unwrap_or_default();
        Some(Ahead::start(self.fetcher, references, &self.room, |one| {
            self.is_in_chain(one)
        }))
    }

    fn descend(&mut self, reference: Resource, child: Child) -> Result<Config, RenderError> {
        self.chain.push(reference);
        let resolved = self.resolve(child.config, child.name);
        self.chain.pop();
        resolved
    }

    /// The document that `reference` means; `None` when it is left out.
    fn fetch(
        &mut self,
        reference: &Resource,
        place: &Place<'_>,
        early: Option<(&Ahead, usize)>,
    ) -> Result<Option<Child>, RenderError> {
        self.reference = Some((place.parent.to_owned(), place.at.clone()));
        let Some(source) = reference.source.as_deref() else {
            return Err(RenderError::NoSource {
                parent: place.parent.to_owned(),
            });
        };
        // Inline documents have no address but the place they stand at.
        let document = match Scheme::of(source) {
            Scheme::Data => format!("{}#{}", place.parent, place.at),
            _ => shown(source),
        };
        self.admit(reference, &document, place.parent)?;
        let Some(bytes) = self.read(reference, &document, place.parent, early)? else {
            return Ok(None);
        };
        if bytes.is_empty() {
            return Err(RenderError::Empty {
                document,
                parent: place.parent.to_owned(),
            });
        }
        debug!("config {document} has SHA-512 {}", resource::sha512_hex(&bytes));
        let sha256 = Some(hex(&resource::sha256(&bytes)));
        let text = String::from_utf8(bytes).map_err(|error| RenderError::NotText {
            document: document.clone(),
            source: error.utf8_error(),
        })?;
        let checked = self.check(&text, &document);
        self.documents.push(Document {
            name: document.clone(),
            text: Cow::Owned(text),
            files: &NoFiles,
        });
        self.origins.push(Origin {
            kind: OriginKind::User,
            source: crate::fetch::path_of(source),
            referenced: true,
            sha256,
        });
        Ok(Some(Child {
            config: checked?,
            name: document,
        }))
    }

    fn read(
        &mut self,
        reference: &Resource,
        document: &str,
        parent: &str,
        early: Option<(&Ahead, usize)>,
    ) -> Result<Option<Vec<u8>>, RenderError> {
        let left = self.left;
        let failed = |source| match source {
            FetchError::TooLarge { limit, .. } if limit < DOCUMENT_LIMIT => RenderError::TooHeavy {
                document: document.to_owned(),
            },
            source => RenderError::Fetch {
                document: document.to_owned(),
                parent: parent.to_owned(),
                source: Box::new(source),
            },
        };
        let is_remote = Scheme::of(reference.source.as_deref().unwrap_or_default()).needs_network();
        if is_remote && self.remote == Remote::LeftOut {
            self.left_out.push(document.to_owned());
            return Ok(None);
        }
        let early = early.and_then(|(ahead, index)| ahead.take(index, self.fetcher.settings()));
        let bytes = match early {
            // What was fetched ahead was not measured against what is left by now.
            Some(Ok(bytes)) if u64::try_from(bytes.len()).unwrap_or(u64::MAX) <= left => Ok(bytes),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => self.fetcher.buffer(reference, left),
        };
        bytes.map(Some).map_err(failed)
    }

    /// Refuses a reference that would never end.
    fn admit(&self, reference: &Resource, document: &str, parent: &str) -> Result<(), RenderError> {
        if self.is_in_chain(reference) {
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

    fn is_in_chain(&self, reference: &Resource) -> bool {
        let same = |other: &Resource| {
            other.source == reference.source && other.http_headers == reference.http_headers
        };
        self.chain.iter().any(same)
    }

    fn check(&mut self, text: &str, document: &str) -> Result<Config, RenderError> {
        match check(text) {
            Ok(checked) => {
                log_dialect(document, &checked);
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
                let config = checked.into_config();
                if let Some(heard) = self.heard {
                    heard(&config);
                }
                Ok(config)
            }
            Err(rejected) => Err(RenderError::of_rejected(document, text, &rejected)),
        }
    }

    fn configure(&mut self, config: &Config, document: &str) -> Result<(), RenderError> {
        // Without transfers there is nothing to set, and an authority may be remote itself.
        if self.remote == Remote::LeftOut {
            return Ok(());
        }
        self.fetcher
            .configure(&config.ignition)
            .and_then(|()| self.fetcher.identify(&config.kindling.transport))
            .map_err(|source| RenderError::Settings {
                document: document.to_owned(),
                source: Box::new(source),
            })
    }

    /// Puts every certificate authority and every client certificate and key into the config itself, so that later
    /// stages use the same ones without fetching them again. The digest stays: it is of the content, which has not
    /// changed.
    fn inline_bundles(&self, config: &mut Config) -> Result<(), RenderError> {
        let authorities = config.ignition.security.tls.certificate_authorities.iter_mut();
        let hosts = config.kindling.transport.hosts.values_mut();
        let identities =
            hosts.flat_map(|identity| [&mut identity.client_certificate, &mut identity.client_key]);
        for bundle in authorities.chain(identities) {
            let pem = self.fetcher.pem(bundle).map_err(|source| RenderError::Settings {
                document: MERGED.to_owned(),
                source: Box::new(source),
            })?;
            bundle.source = Some(data_url::encode(&pem));
            bundle.compression = None;
            bundle.http_headers = Vec::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
