//! Bytes from elsewhere that nothing checks.

use super::{Setting, lint};
use crate::rules::Findings;
use crate::rules::resources::{Place, all};
use crate::types::Config;
use crate::url_syntax;

/// What `place` may be fetched by without a hash: configs and authorities often come from the cluster's own server,
/// which its certificate proves; files are meant to stay the same.
fn is_trusted(place: Place<'_>, scheme: &str) -> bool {
    match place {
        Place::Merge(_) | Place::Replace | Place::Authority(_) => !matches!(scheme, "http" | "tftp"),
        Place::Contents(_) | Place::Append(..) | Place::KeyFile(_) => scheme == "data",
        Place::ClusterAuthority(_)
        | Place::TokenSource
        | Place::SinkAuthority(..)
        | Place::ClientCertificate(_)
        | Place::ClientKey(_) => !matches!(scheme, "http" | "tftp"),
    }
}

pub(super) fn remote_bytes_are_verified(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    for (place, resource) in all(config) {
        let source = resource.source.as_deref().unwrap_or_default();
        let Ok(url) = url_syntax::parse(source) else {
            continue;
        };
        if source.is_empty() || resource.verification.hash.is_some() || is_trusted(place, &url.scheme) {
            continue;
        }
        let (message, help) = match url.scheme.as_ref() {
            scheme @ ("http" | "tftp") => (
                format!("whoever is on the way of {scheme} can replace what arrives, and no hash would tell"),
                "add verification.hash: sha512- and what sha512sum prints of the uncompressed bytes; or serve it over https",
            ),
            _ => (
                "no hash tells when what is at the source has changed".to_owned(),
                "add verification.hash: sha512- and what sha512sum prints of the uncompressed bytes",
            ),
        };
        findings
            .report(lint::RESOURCE_UNVERIFIED.rule, place.at().key("source"), message)
            .help(help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::expect;

    #[test]
    fn what_must_be_verified() {
        let file =
            |resource: &str| format!(r#""storage":{{"files":[{{"path":"/a","contents":{{{resource}}}}}]}}"#);
        let told: &[&str] = &["warning $.storage.files.0.contents.source resource-unverified"];
        for source in ["http://h/a", "https://h/a", "tftp://h/a", "s3://b/a", "gs://b/a"] {
            let members = file(&format!(r#""source":"{source}""#));
            expect(&Setting::default(), &[(&members, told)]);
        }
        let digest = "0".repeat(64);
        let hash = format!(r#""source":"http://h/a","verification":{{"hash":"sha256-{digest}"}}"#);
        for resource in [hash.as_str(), r#""source":"data:,a""#, r#""source":"""#, ""] {
            expect(&Setting::default(), &[(&file(resource), &[])]);
        }
        expect(
            &Setting::default(),
            &[
                (
                    r#""storage":{"files":[{"path":"/a","append":[{"source":"https://h/a"}]}]}"#,
                    &["warning $.storage.files.0.append.0.source resource-unverified"],
                ),
                (
                    r#""storage":{"luks":[{"name":"a","device":"/dev/vda","keyFile":{"source":"https://h/a"}}]}"#,
                    &["warning $.storage.luks.0.keyFile.source resource-unverified"],
                ),
            ],
        );
    }

    #[test]
    fn configs_from_a_proven_server_need_no_hash() {
        for (scheme, told) in [("https", false), ("s3", false), ("http", true), ("tftp", true)] {
            let members = format!(
                r#""ignition":{{"version":"3.6.0","config":{{"merge":[{{"source":"{scheme}://h/a"}}]}}}}"#
            );
            let expected: &[&str] = if told {
                &["warning $.ignition.config.merge.0.source resource-unverified"]
            } else {
                &[]
            };
            expect(&Setting::default(), &[(&members, expected)]);
        }
    }
}
