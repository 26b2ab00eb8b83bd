//! Spec versions: which exist, and how the text of `ignition.version` is read.

use std::fmt;

use serde::Serialize;

/// A spec version that is accepted.
///
/// The set is closed: a version is in it or the document is refused. Experimental versions leave it when their
/// number becomes stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Version {
    /// 3.0.0, the first of this major version.
    #[serde(rename = "3.0.0")]
    V3_0_0,
    /// 3.1.0: proxies, headers, compression everywhere, mount options, sha256.
    #[serde(rename = "3.1.0")]
    V3_1_0,
    /// 3.2.0: LUKS, resizing, accounts that shall not exist, gs URLs.
    #[serde(rename = "3.2.0")]
    V3_2_0,
    /// 3.3.0: kernel arguments, the format `none`.
    #[serde(rename = "3.3.0")]
    V3_3_0,
    /// 3.4.0: LUKS discard and open options, tang advertisements, arn URLs.
    #[serde(rename = "3.4.0")]
    V3_4_0,
    /// 3.5.0: key protection by a crypto card.
    #[serde(rename = "3.5.0")]
    V3_5_0,
    /// 3.6.0: special mode bits, any clevis pin.
    #[serde(rename = "3.6.0")]
    V3_6_0,
    /// 3.7.0-experimental: virtiofs.
    #[serde(rename = "3.7.0-experimental")]
    V3_7_0Experimental,
}

/// The version every document is translated to.
pub const NEWEST: Version = Version::V3_7_0Experimental;

/// The newest version that will not change any more; requests for configs ask for it.
pub const NEWEST_STABLE: Version = Version::V3_6_0;

/// Why the text of a version is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The text is not three numbers with an optional pre-release and optional metadata.
    #[error("not a version of three numbers")]
    Malformed,
    /// The text is a version, but none that is accepted.
    #[error("not a supported version")]
    Unknown,
}

impl Version {
    /// All accepted versions, oldest first.
    pub const ALL: [Self; 8] = [
        Self::V3_0_0,
        Self::V3_1_0,
        Self::V3_2_0,
        Self::V3_3_0,
        Self::V3_4_0,
        Self::V3_5_0,
        Self::V3_6_0,
        Self::V3_7_0Experimental,
    ];

    /// The version as documents write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V3_0_0 => "3.0.0",
            Self::V3_1_0 => "3.1.0",
            Self::V3_2_0 => "3.2.0",
            Self::V3_3_0 => "3.3.0",
            Self::V3_4_0 => "3.4.0",
            Self::V3_5_0 => "3.5.0",
            Self::V3_6_0 => "3.6.0",
            Self::V3_7_0Experimental => "3.7.0-experimental",
        }
    }

    /// Reads the text of `ignition.version`.
    ///
    /// Leading zeros and empty suffixes vanish, as in the reference: `03.00.0` and `3.0.0-+` are 3.0.0.
    ///
    /// # Errors
    /// [`VersionError::Malformed`] and [`VersionError::Unknown`].
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let Parts {
            numbers,
            pre_release,
            metadata,
        } = Parts::of(text)?;
        let [major, minor, patch] = numbers;
        match (major, minor, patch, pre_release, metadata) {
            (3, 0, 0, "", "") => Ok(Self::V3_0_0),
            (3, 1, 0, "", "") => Ok(Self::V3_1_0),
            (3, 2, 0, "", "") => Ok(Self::V3_2_0),
            (3, 3, 0, "", "") => Ok(Self::V3_3_0),
            (3, 4, 0, "", "") => Ok(Self::V3_4_0),
            (3, 5, 0, "", "") => Ok(Self::V3_5_0),
            (3, 6, 0, "", "") => Ok(Self::V3_6_0),
            (3, 7, 0, "experimental", "") => Ok(Self::V3_7_0Experimental),
            _ => Err(VersionError::Unknown),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The parts of a version's text.
pub(crate) struct Parts<'a> {
    pub(crate) numbers: [i64; 3],
    /// What stands behind the hyphen; empty without one.
    pub(crate) pre_release: &'a str,
    /// What stands behind the plus sign; empty without one.
    pub(crate) metadata: &'a str,
}

impl<'a> Parts<'a> {
    /// Those of `text`, by the rules that [`Version::parse`] names.
    ///
    /// # Errors
    /// [`VersionError::Malformed`].
    pub(crate) fn of(text: &'a str) -> Result<Self, VersionError> {
        let (rest, metadata) = text.split_once('+').unwrap_or((text, ""));
        let (digits, pre_release) = rest.split_once('-').unwrap_or((rest, ""));
        if !is_suffix(metadata) || !is_suffix(pre_release) {
            return Err(VersionError::Malformed);
        }
        let mut numbers = [0_i64; 3];
        let mut parts = digits.split('.');
        for slot in &mut numbers {
            *slot = parts.next().and_then(number).ok_or(VersionError::Malformed)?;
        }
        if parts.next().is_some() {
            return Err(VersionError::Malformed);
        }
        Ok(Self {
            numbers,
            pre_release,
            metadata,
        })
    }
}

/// Digits only: a sign would be taken for the start of a pre-release by every other reader of versions.
fn number(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// Whether `text` is absent or dot-separated groups of letters, digits and hyphens.
fn is_suffix(text: &str) -> bool {
    text.is_empty()
        || text.split('.').all(|group| {
            !group.is_empty()
                && group
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_versions_read_back() {
        for version in Version::ALL {
            assert_eq!(Version::parse(version.as_str()), Ok(version));
        }
    }

    #[test]
    fn versions_are_read_as_the_reference_reads_them() {
        for (text, expected) in [
            ("03.00.0", Ok(Version::V3_0_0)),
            ("3.0.0-", Ok(Version::V3_0_0)),
            ("3.0.0+", Ok(Version::V3_0_0)),
            ("3.0.0-+", Ok(Version::V3_0_0)),
            ("3.7.0-experimental+", Ok(Version::V3_7_0Experimental)),
            ("3.4", Err(VersionError::Malformed)),
            ("3.4.0.0", Err(VersionError::Malformed)),
            ("v3.4.0", Err(VersionError::Malformed)),
            ("3.4.0 ", Err(VersionError::Malformed)),
            ("3..0", Err(VersionError::Malformed)),
            ("3.4.-0", Err(VersionError::Malformed)),
            ("-3.0.0", Err(VersionError::Malformed)),
            ("3.4.12345678901234567890", Err(VersionError::Malformed)),
            ("3.4.0-ex_p", Err(VersionError::Malformed)),
            ("", Err(VersionError::Malformed)),
            ("3.4.1", Err(VersionError::Unknown)),
            ("3.4.0-beta", Err(VersionError::Unknown)),
            ("3.4.0+x", Err(VersionError::Unknown)),
            ("3.7.0-experimental+a", Err(VersionError::Unknown)),
            ("3.7.0-Experimental", Err(VersionError::Unknown)),
            ("3.7.0", Err(VersionError::Unknown)),
            ("4.0.0", Err(VersionError::Unknown)),
            ("2.4.0", Err(VersionError::Unknown)),
        ] {
            assert_eq!(Version::parse(text), expected, "{text:?}");
        }
    }
}
