//! Rules for the extension. Words, numbers and forms of single values are the table's (`fields`), which the walk over
//! the document holds them to; here is what takes more than one look.

mod node;
mod sinks;

use super::{Check, Findings, catalog as rule, resources};
use crate::diagnostic::Pointer;
use crate::order::{Gather, OrderedSet};
use crate::preflight;
use crate::suggest::{quoted, similar};
use crate::types::Config;
use crate::types::kindling::VERSION;
use crate::version::Version;

pub(super) const CHECKS: &[Check] = &[
    version_is_known,
    authorities_have_sources,
    token_is_given_once,
    checks_are_known,
    sinks::have_what_they_need,
    sinks::headers_are_whole,
];

/// A part of a config need not satisfy these: what is missing may stand in another part.
pub(super) const WHOLE_CHECKS: &[Check] = &[
    node::token_has_a_server,
    node::server_is_known,
    node::native_has_what_it_needs,
    node::native_members_count,
    node::labels_are_the_kubelets,
    node::taints_are_apart,
    node::kubelet_config_says_it_once,
    node::swap_is_meant,
    identities_are_complete,
    files_are_there,
    files_are_compressed_once,
];

fn root() -> Pointer {
    Pointer::root().key("kindling")
}

/// A missing version is told by the walk over the document.
fn version_is_known(config: &Config, _: Version, findings: &mut Findings) {
    let version = config.kindling.version.as_str();
    if !matches!(version, "" | VERSION) {
        let message = format!("version {} of the extension is not supported", quoted(version));
        findings
            .report(rule::EXTENSION_VERSION_UNKNOWN, root().key("version"), message)
            .help(format!("supported is {VERSION}: write \"{VERSION}\""));
    }
}

fn authorities_have_sources(config: &Config, _: Version, findings: &mut Findings) {
    for (place, resource) in resources::all(config) {
        let is_authority = matches!(
            place,
            resources::Place::ClusterAuthority(_) | resources::Place::SinkAuthority(..)
        );
        if is_authority && resource.source.as_deref().unwrap_or_default().is_empty() {
            findings
                .report(rule::SOURCE_MISSING, place.at(), "an authority has no source")
                .help("give it a source, or remove the entry");
        }
    }
}

fn token_is_given_once(config: &Config, _: Version, findings: &mut Findings) {
    let bootstrap = &config.kindling.node.bootstrap;
    if bootstrap.token.is_some() && bootstrap.token_source.source.is_some() {
        let at = root().key("node").key("bootstrap").key("token");
        findings
            .report(
                rule::TOKEN_AMBIGUOUS,
                at,
                "the bootstrap token is given as text and by its source",
            )
            .help("keep tokenSource, so that the token is in no config");
    }
}

/// A check that is misspelt would not be ignored, and the machine would not join.
fn checks_are_known(config: &Config, _: Version, findings: &mut Findings) {
    for (index, id) in config.kindling.node.preflight.ignore.iter().enumerate() {
        if preflight::CHECKS.contains(&id.as_str()) {
            continue;
        }
        let at = root().key("node").key("preflight").key("ignore").index(index);
        let message = format!("there is no preflight check {}", quoted(id));
        let help = match similar(id, preflight::CHECKS.into_iter()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => {
                "docs/preflight.md lists the checks; `kindling preflight` shows those that find something"
                    .to_owned()
            }
        };
        findings
            .report(rule::PREFLIGHT_CHECK_UNKNOWN, at, message)
            .help(help);
    }
}

fn identities_are_complete(config: &Config, _: Version, findings: &mut Findings) {
    for (host, identity) in &config.kindling.transport.hosts {
        let has_certificate = identity.client_certificate.source.is_some();
        let has_key = identity.client_key.source.is_some();
        let (missing, message) = match (has_certificate, has_key) {
            (true, false) => ("clientKey", "a client certificate has no key"),
            (false, true) => ("clientCertificate", "a client key has no certificate"),
            (false, false) | (true, true) => continue,
        };
        let at = root().key("transport").key("hosts").key(host).key(missing);
        findings
            .report(rule::CLIENT_IDENTITY_INCOMPLETE, at, message)
            .help("give both, or none");
    }
}

fn files_are_there(config: &Config, _: Version, findings: &mut Findings) {
    let files: OrderedSet<&str> = config
        .storage
        .files
        .iter()
        .map(|file| file.path.as_str())
        .into_set();
    for path in config.kindling.files.keys() {
        if !files.contains(path.as_str()) {
            let message = format!("storage.files has no file {}", quoted(path));
            findings
                .report(
                    rule::EXTENSION_FILE_UNKNOWN,
                    root().key("files").key(path),
                    message,
                )
                .help("write the path as it is in storage.files, or remove the member");
        }
    }
}

fn files_are_compressed_once(config: &Config, _: Version, findings: &mut Findings) {
    for file in &config.storage.files {
        let compression = file.contents.compression.as_deref().unwrap_or_default();
        let extra = config.kindling.files.get(&file.path);
        if !compression.is_empty() && extra.is_some_and(|extra| extra.compression.is_some()) {
            let at = root().key("files").key(&file.path).key("compression");
            let message = format!("the contents of {} have two compressions", quoted(&file.path));
            findings
                .report(rule::EXTENSION_FILE_COMPRESSED_TWICE, at, message)
                .help("remove one of them");
        }
    }
}

#[cfg(test)]
mod tests;
