//! Which URLs may be a source.

use crate::data_url::{self, DataUrlError};
use crate::diagnostic::Pointer;
use crate::rules::{Findings, catalog as rule};
use crate::url_syntax::{self, Url, UrlError};
use crate::version::Version;

/// Why a URL cannot be a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rules) enum SourceError {
    Syntax(UrlError),
    /// The scheme, in lower case; empty for a bare path.
    Scheme(String),
    S3Version,
    S3Arn,
    Data(DataUrlError),
}

/// Whether `source`, which is not empty, is a URL that a document of `version` may fetch from.
pub(in crate::rules) fn validate(source: &str, version: Version) -> Result<(), SourceError> {
    let url = url_syntax::parse(source).map_err(SourceError::Syntax)?;
    match url.scheme.as_ref() {
        "http" | "https" | "tftp" => Ok(()),
        "data" => data_url::validate(source).map_err(SourceError::Data),
        "s3" => s3_version(&url),
        "gs" if version >= Version::V3_2_0 => Ok(()),
        "arn" if version >= Version::V3_4_0 => {
            s3_arn(&url)?;
            s3_version(&url)
        }
        other => Err(SourceError::Scheme(other.to_owned())),
    }
}

/// `versionId` may be absent, but not empty.
fn s3_version(url: &Url<'_>) -> Result<(), SourceError> {
    if url_syntax::query_value(url.query, "versionId") == Some("") {
        Err(SourceError::S3Version)
    } else {
        Ok(())
    }
}

/// `arn:partition:s3:region:account:bucket/key`, or `…:accesspoint/name/key`.
fn s3_arn(url: &Url<'_>) -> Result<(), SourceError> {
    // Partition, service, region and account; the resource may contain further colons.
    let mut fields = url.opaque.splitn(5, ':');
    let service = fields.nth(1);
    let Some(resource) = fields.nth(2) else {
        return Err(SourceError::S3Arn);
    };
    let needed = if resource.starts_with("accesspoint/") {
        2
    } else {
        1
    };
    let slashes = url.opaque.bytes().filter(|byte| *byte == b'/').count();
    if service == Some("s3") && slashes >= needed {
        Ok(())
    } else {
        Err(SourceError::S3Arn)
    }
}

/// Reports `source` at the given place unless it may be fetched from.
pub(super) fn check(source: &str, version: Version, at: impl FnOnce() -> Pointer, findings: &mut Findings) {
    if let Err(error) = validate(source, version) {
        report(&error, version, at(), findings);
    }
}

/// Reports what is wrong with a source. Nothing of the URL is quoted but its scheme: it may carry credentials.
fn report(error: &SourceError, version: Version, at: Pointer, findings: &mut Findings) {
    match error {
        SourceError::Syntax(error) => {
            findings.report(
                rule::URL_INVALID,
                at,
                format!("the source is not a valid URL: {error}"),
            );
        }
        SourceError::Scheme(scheme) => {
            let message = match scheme.as_str() {
                "" => "the source has no scheme".to_owned(),
                scheme => format!(
                    "version {version} cannot fetch from {}",
                    crate::suggest::quoted(scheme)
                ),
            };
            let help = match scheme.as_str() {
                "gs" => "set ignition.version to 3.2.0 or later",
                "arn" => "set ignition.version to 3.4.0 or later",
                _ => schemes(version),
            };
            findings
                .report(rule::URL_SCHEME_UNSUPPORTED, at, message)
                .help(help);
        }
        SourceError::S3Version => {
            findings
                .report(rule::S3_VERSION_EMPTY, at, "the source's versionId is empty")
                .help("name a version, or remove versionId from the URL");
        }
        SourceError::S3Arn => {
            findings
                .report(
                    rule::S3_ARN_INVALID,
                    at,
                    "the source is not the ARN of an S3 object",
                )
                .help("write arn:partition:s3:region:account:bucket/key");
        }
        SourceError::Data(error) => {
            findings.report(
                rule::DATA_URL_INVALID,
                at,
                format!("the data URL cannot be decoded: {error}"),
            );
        }
    }
}

fn schemes(version: Version) -> &'static str {
    match version {
        Version::V3_0_0 | Version::V3_1_0 => "use http, https, tftp, s3 or data",
        Version::V3_2_0 | Version::V3_3_0 => "use http, https, tftp, s3, gs or data",
        _ => "use http, https, tftp, s3, arn, gs or data",
    }
}
