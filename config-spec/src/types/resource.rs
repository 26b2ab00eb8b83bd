//! A reference to bytes kept elsewhere.

use serde::{Deserialize, Serialize};

use super::absent;

/// A reference to bytes kept elsewhere, and how to check them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Resource {
    /// How the fetched bytes are compressed: `gzip`, or empty for not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// Headers of the request; keyed by name.
    #[serde(deserialize_with = "absent::list", skip_serializing_if = "Vec::is_empty")]
    pub http_headers: Vec<HttpHeader>,
    /// Where the bytes are, as a URL. Empty is an empty body, absent is no body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How to check the bytes.
    #[serde(deserialize_with = "absent::or_default")]
    pub verification: Verification,
}

/// A header of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpHeader {
    /// The header's name.
    #[serde(deserialize_with = "absent::or_default")]
    pub name: String,
    /// The header's value; absent means: remove the header of that name when merging.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// How to check fetched bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Verification {
    /// `sha512-` or `sha256-` and the hex digest of the bytes after decompression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}
