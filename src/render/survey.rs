//! A config at the desk, as far as it can be had.

use kindling_config_spec::diagnostic::Pointer;
use kindling_config_spec::types::Config;

use super::{Documents, First, Remote, RenderError, Rendering, only_settings};
use crate::fetch::Fetcher;

/// A config at the desk: what it consists of, as far as that can be had.
pub struct Survey<'a> {
    /// The documents that were read, in the order of merging.
    pub documents: Documents<'a>,
    /// Addresses of documents that were not fetched, as they may be shown.
    pub left_out: Vec<String>,
    /// What the documents make together; or why it is not known, and the reference that is to blame: the number of its
    /// document and its place there.
    pub config: Result<Config, (RenderError, Option<(usize, Pointer)>)>,
}

/// Resolves the references of `first` as far as `remote` says. Nothing is refused for what the documents make
/// together: that is looked at by the caller.
pub fn survey<'a>(first: First<'a>, fetcher: &mut Fetcher, remote: Remote) -> Survey<'a> {
    let config = first.checked.into_config();
    let mut rendering = Rendering::new(first.name, first.source, fetcher, remote);
    rendering.origins.push(first.origin);
    let settings = only_settings(&config);
    let config = rendering
        .configure(&settings, first.name)
        .and_then(|()| rendering.resolve(config, first.name.to_owned()));
    let reference = rendering
        .reference
        .and_then(|(parent, at)| Some((rendering.documents.number_of(&parent)?, at)));
    Survey {
        documents: rendering.documents,
        left_out: rendering.left_out,
        config: config.map_err(|error| (error, reference)),
    }
}
