//! Rules for everything that is fetched: sources, compression, hashes, headers.

mod source;

use super::{Check, Findings, catalog as rule};
use crate::diagnostic::Pointer;
use crate::types::kindling::Kindling;
use crate::types::{Config, HttpHeader, Resource};
use crate::url_syntax;
use crate::version::{NEWEST, Version};

pub(super) use source::validate;

pub(super) const CHECKS: &[Check] = &[
    references_have_sources,
    sources_are_urls,
    compression_is_known,
    hashes_have_a_source,
    hashes_fit,
    headers_fit,
];

/// A place in a config that holds a resource.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Merge(usize),
    Replace,
    Authority(usize),
    Contents(usize),
    Append(usize, usize),
    KeyFile(usize),
    ClusterAuthority(usize),
    TokenSource,
    SinkAuthority(usize, usize),
    ClientCertificate(&'a str),
    ClientKey(&'a str),
}

impl Place<'_> {
    pub(crate) fn at(self) -> Pointer {
        let ignition = || Pointer::root().key("ignition");
        let storage = || Pointer::root().key("storage");
        let extension = || Pointer::root().key("kindling");
        let node = || extension().key("node");
        let host_at = |host| extension().key("transport").key("hosts").key(host);
        match self {
            Self::Merge(index) => ignition().key("config").key("merge").index(index),
            Self::Replace => ignition().key("config").key("replace"),
            Self::Authority(index) => ignition()
                .key("security")
                .key("tls")
                .key("certificateAuthorities")
                .index(index),
            Self::Contents(file) => storage().key("files").index(file).key("contents"),
            Self::Append(file, index) => storage().key("files").index(file).key("append").index(index),
            Self::KeyFile(volume) => storage().key("luks").index(volume).key("keyFile"),
            Self::ClusterAuthority(index) => node().key("cluster").key("certificateAuthorities").index(index),
            Self::TokenSource => node().key("bootstrap").key("tokenSource"),
            Self::SinkAuthority(sink, index) => extension()
                .key("report")
                .key("sinks")
                .index(sink)
                .key("certificateAuthorities")
                .index(index),
            Self::ClientCertificate(host) => host_at(host).key("clientCertificate"),
            Self::ClientKey(host) => host_at(host).key("clientKey"),
        }
    }

    pub(super) fn is_extension(self) -> bool {
        matches!(
            self,
            Self::ClusterAuthority(_)
                | Self::TokenSource
                | Self::SinkAuthority(..)
                | Self::ClientCertificate(_)
                | Self::ClientKey(_)
        )
    }

    /// The version by which a resource here is judged in a document of `version`: the extension has them all.
    fn version(self, version: Version) -> Version {
        if self.is_extension() { NEWEST } else { version }
    }

    /// Whether the resource is part of a file. In 3.0.0 those alone had the full set of rules.
    fn is_file(self) -> bool {
        matches!(self, Self::Contents(_) | Self::Append(..))
    }
}

/// All resources of a config with their places.
pub(crate) fn all(config: &Config) -> impl Iterator<Item = (Place<'_>, &Resource)> {
    let ignition = &config.ignition;
    let merge = ignition
        .config
        .merge
        .iter()
        .enumerate()
        .map(|(index, merge)| (Place::Merge(index), merge));
    let authorities = ignition.security.tls.certificate_authorities.iter().enumerate();
    let authorities = authorities.map(|(index, authority)| (Place::Authority(index), authority));
    let files = config
        .storage
        .files
        .iter()
        .enumerate()
        .flat_map(|(number, file)| {
            let append = file.append.iter().enumerate();
            let append = append.map(move |(index, fragment)| (Place::Append(number, index), fragment));
            append.chain([(Place::Contents(number), &file.contents)])
        });
    let keys = config.storage.luks.iter().enumerate();
    let keys = keys.map(|(index, volume)| (Place::KeyFile(index), &volume.key_file));
    merge
        .chain([(Place::Replace, &ignition.config.replace)])
        .chain(authorities)
        .chain(files)
        .chain(keys)
        .chain(of_extension(&config.kindling))
}

fn of_extension(kindling: &Kindling) -> impl Iterator<Item = (Place<'_>, &Resource)> {
    let authorities = kindling.node.cluster.certificate_authorities.iter().enumerate();
    let authorities = authorities.map(|(index, authority)| (Place::ClusterAuthority(index), authority));
    let sinks = kindling
        .report
        .sinks
        .iter()
        .enumerate()
        .flat_map(|(sink, entry)| {
            let authorities = entry.certificate_authorities.iter().enumerate();
            authorities.map(move |(index, authority)| (Place::SinkAuthority(sink, index), authority))
        });
    let hosts = kindling.transport.hosts.iter().flat_map(|(host, identity)| {
        [
            (Place::ClientCertificate(host), &identity.client_certificate),
            (Place::ClientKey(host), &identity.client_key),
        ]
    });
    authorities
        .chain([(Place::TokenSource, &kindling.node.bootstrap.token_source)])
        .chain(sinks)
        .chain(hosts)
}

fn is_empty(source: Option<&String>) -> bool {
    source.is_none_or(String::is_empty)
}

/// Since 3.1.0 a config to merge and an authority must say where they are, and a bad URL is told at the entry too.
fn references_have_sources(config: &Config, version: Version, findings: &mut Findings) {
    if version < Version::V3_1_0 {
        return;
    }
    let entries = all(config).filter(|(place, _)| matches!(place, Place::Merge(_) | Place::Authority(_)));
    for (place, resource) in entries {
        match &resource.source {
            Some(source) if !source.is_empty() => source::check(source, version, || place.at(), findings),
            _ => {
                let message = "an entry of a list of things to fetch has no source";
                findings
                    .report(rule::SOURCE_MISSING, place.at(), message)
                    .help("give it a source, or remove the entry");
            }
        }
    }
}

fn sources_are_urls(config: &Config, version: Version, findings: &mut Findings) {
    for (place, resource) in all(config) {
        let source = resource.source.as_deref().unwrap_or_default();
        // 3.0.0 had a plain string for authorities, so an absent source was an empty URL, which has no scheme.
        let required = version < Version::V3_1_0 && matches!(place, Place::Authority(_));
        if required || !source.is_empty() {
            source::check(
                source,
                place.version(version),
                || place.at().key("source"),
                findings,
            );
        }
    }
}

/// In the extension the table of fields sees to that.
fn compression_is_known(config: &Config, _: Version, findings: &mut Findings) {
    for (place, resource) in all(config).filter(|(place, _)| !place.is_extension()) {
        if let Some(compression) = &resource.compression
            && !matches!(compression.as_str(), "" | "gzip")
        {
            let message = format!("unknown compression {}", crate::suggest::quoted(compression));
            findings
                .report(rule::COMPRESSION_UNKNOWN, place.at().key("compression"), message)
                .help("write \"gzip\", or remove it");
        }
    }
}

fn at_hash(place: Place<'_>) -> Pointer {
    place.at().key("verification").key("hash")
}

fn hashes_have_a_source(config: &Config, version: Version, findings: &mut Findings) {
    for (place, resource) in all(config) {
        let checked = place.version(version) >= Version::V3_1_0 || place.is_file();
        if checked && resource.source.is_none() && resource.verification.hash.is_some() {
            findings
                .report(
                    rule::HASH_WITHOUT_SOURCE,
                    at_hash(place),
                    "a hash is given, but no source",
                )
                .help("give the source that the hash is of, or remove the hash");
        }
    }
}

/// The digest's text is only measured here; whether its letters are hexadecimal shows when it is compared.
fn hashes_fit(config: &Config, version: Version, findings: &mut Findings) {
    for (place, resource) in all(config) {
        let Some(hash) = &resource.verification.hash else {
            continue;
        };
        let Some((function, digest)) = hash.split_once('-') else {
            findings
                .report(
                    rule::HASH_MALFORMED,
                    at_hash(place),
                    "a hash has no hyphen after its function's name",
                )
                .help("write sha512-, then 128 hexadecimal digits");
            continue;
        };
        let version = place.version(version);
        let length = match function {
            "sha512" => 128,
            "sha256" if version >= Version::V3_1_0 => 64,
            _ => {
                let message = format!("unknown hash function {}", crate::suggest::quoted(function));
                let help = match (function, version) {
                    ("sha256", _) => "use sha512, or set ignition.version to 3.1.0 or later",
                    (_, Version::V3_0_0) => "use sha512",
                    _ => "use sha512 or sha256",
                };
                findings
                    .report(rule::HASH_FUNCTION_UNKNOWN, at_hash(place), message)
                    .help(help);
                continue;
            }
        };
        if digest.len() != length {
            let message = format!(
                "a {function} digest has {} digits instead of {length}",
                digest.len()
            );
            findings.report(rule::HASH_SIZE_MISMATCH, at_hash(place), message);
        }
    }
}

fn headers_fit(config: &Config, _: Version, findings: &mut Findings) {
    for (place, resource) in all(config) {
        if resource.http_headers.is_empty() {
            continue;
        }
        let at = || place.at().key("httpHeaders");
        let source = resource.source.as_ref();
        match source.map(|source| url_syntax::parse(source)) {
            Some(Ok(url)) if matches!(url.scheme.as_ref(), "http" | "https") => {}
            Some(Ok(_)) if !is_empty(source) => {
                findings
                    .report(
                        rule::HEADER_SCHEME_UNSUPPORTED,
                        at(),
                        "headers are sent to http and https sources only",
                    )
                    .help("remove the headers");
            }
            _ => {
                findings.report(
                    rule::URL_INVALID,
                    at(),
                    "headers are given for a source that is no URL",
                );
            }
        }
        headers_have_names(&resource.http_headers, at, findings);
    }
}

/// Looks at each header by itself.
pub(super) fn headers_have_names(headers: &[HttpHeader], at: impl Fn() -> Pointer, findings: &mut Findings) {
    for (index, header) in headers.iter().enumerate() {
        if header.name.is_empty() {
            findings.report(
                rule::HEADER_NAME_EMPTY,
                at().index(index).key("name"),
                "a header has no name",
            );
        }
        if header.value.as_deref() == Some("") {
            findings
                .report(
                    rule::HEADER_VALUE_EMPTY,
                    at().index(index).key("value"),
                    "a header's value is empty",
                )
                .help("leave the value out to remove an inherited header");
        }
    }
}

#[cfg(test)]
mod tests;
