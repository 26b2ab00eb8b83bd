//! All rules: their names, their weight, and what the reference calls them.

use crate::diagnostic::{RuleId, Severity};

/// A rule as the reference page lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The stable name.
    pub id: RuleId,
    /// What a breach weighs.
    pub severity: Severity,
    /// The reference's identifier, where it has one.
    pub reference: Option<&'static str>,
    /// What a breach is, in one sentence.
    pub summary: &'static str,
}

const fn error(id: &'static str, reference: &'static str, summary: &'static str) -> Rule {
    Rule {
        id: RuleId(id),
        severity: Severity::Error,
        reference: Some(reference),
        summary,
    }
}

const fn warning(id: &'static str, reference: &'static str, summary: &'static str) -> Rule {
    Rule {
        id: RuleId(id),
        severity: Severity::Warning,
        reference: Some(reference),
        summary,
    }
}

/// A rule that the reference has too, but without an identifier.
const fn nameless(id: &'static str, severity: Severity, summary: &'static str) -> Rule {
    Rule {
        id: RuleId(id),
        severity,
        reference: None,
        summary,
    }
}

pub(crate) const DOCUMENT_EMPTY: Rule = error("document-empty", "ErrEmpty", "The document has no bytes.");
pub(crate) const JSON_SYNTAX: Rule = error("json-syntax", "ErrInvalid", "The document is not JSON.");
pub(crate) const VERSION_INVALID: Rule = error(
    "version-invalid",
    "ErrInvalidVersion",
    "`ignition.version` is missing or is not a version.",
);
pub(crate) const VERSION_UNKNOWN: Rule = error(
    "version-unknown",
    "ErrUnknownVersion",
    "`ignition.version` is a version that is not accepted.",
);
pub(crate) const TYPE_MISMATCH: Rule = error(
    "type-mismatch",
    "ErrInvalid",
    "A value is of the wrong JSON type, or an integer beyond 64 bits.",
);
pub(crate) const KEY_UNKNOWN: Rule = nameless(
    "key-unknown",
    Severity::Warning,
    "A member that the document's version does not have; it is ignored.",
);
pub(crate) const KEY_DUPLICATE: Rule = nameless(
    "key-duplicate",
    Severity::Warning,
    "A member given twice in one object; the last one counts.",
);
pub(crate) const OBJECT_NULL: Rule = nameless(
    "object-null",
    Severity::Warning,
    "`null` where an object is expected.",
);
pub(crate) const ENTRY_DUPLICATE: Rule = error(
    "entry-duplicate",
    "ErrDuplicate",
    "Two entries of a list have the same key.",
);
pub(crate) const SOURCE_MISSING: Rule = error(
    "source-missing",
    "ErrSourceRequired",
    "A config or authority to fetch has no source.",
);
pub(crate) const URL_INVALID: Rule = error("url-invalid", "ErrInvalidUrl", "A URL cannot be parsed.");
pub(crate) const URL_SCHEME_UNSUPPORTED: Rule = error(
    "url-scheme-unsupported",
    "ErrInvalidScheme",
    "A URL has a scheme that is not supported at its place.",
);
pub(crate) const S3_VERSION_EMPTY: Rule = error(
    "s3-version-empty",
    "ErrInvalidS3ObjectVersionId",
    "An S3 URL asks for an object version without naming it.",
);
pub(crate) const S3_ARN_INVALID: Rule = error(
    "s3-arn-invalid",
    "ErrInvalidS3ARN",
    "An ARN does not name an S3 object.",
);
pub(crate) const DATA_URL_INVALID: Rule = nameless(
    "data-url-invalid",
    Severity::Error,
    "A data URL cannot be decoded.",
);
pub(crate) const COMPRESSION_UNKNOWN: Rule = error(
    "compression-unknown",
    "ErrCompressionInvalid",
    "A compression other than gzip.",
);
pub(crate) const HASH_WITHOUT_SOURCE: Rule = error(
    "hash-without-source",
    "ErrVerificationAndNilSource",
    "A hash is given where there is no source.",
);
pub(crate) const HASH_MALFORMED: Rule = error(
    "hash-malformed",
    "ErrHashMalformed",
    "A hash is not a function's name, a hyphen and a digest.",
);
pub(crate) const HASH_FUNCTION_UNKNOWN: Rule = error(
    "hash-function-unknown",
    "ErrHashUnrecognized",
    "A hash function that the document's version does not have.",
);
pub(crate) const HASH_SIZE_MISMATCH: Rule = error(
    "hash-size-mismatch",
    "ErrHashWrongSize",
    "A digest that is not as long as its function makes them.",
);
pub(crate) const HEADER_SCHEME_UNSUPPORTED: Rule = error(
    "header-scheme-unsupported",
    "ErrUnsupportedSchemeForHTTPHeaders",
    "Headers for a source that is not fetched over HTTP.",
);
pub(crate) const HEADER_NAME_EMPTY: Rule = error(
    "header-name-empty",
    "ErrEmptyHTTPHeaderName",
    "A header without a name.",
);
pub(crate) const HEADER_VALUE_EMPTY: Rule = error(
    "header-value-empty",
    "ErrInvalidHTTPHeader",
    "A header with an empty value.",
);
pub(crate) const PROXY_SCHEME_UNSUPPORTED: Rule = error(
    "proxy-scheme-unsupported",
    "ErrInvalidProxy",
    "A proxy that is not reached over HTTP or HTTPS.",
);
pub(crate) const PROXY_INSECURE: Rule = warning(
    "proxy-insecure",
    "ErrInsecureProxy",
    "A proxy for HTTPS that is reached without TLS.",
);
pub(crate) const PATH_MISSING: Rule = error("path-missing", "ErrNoPath", "A path is empty.");
pub(crate) const PATH_RELATIVE: Rule = error(
    "path-relative",
    "ErrPathRelative",
    "A path does not start at the root.",
);
pub(crate) const PATH_UNCLEAN: Rule = error(
    "path-unclean",
    "ErrDirtyPath",
    "A path is not in its shortest form.",
);
pub(crate) const DEVICE_MISSING: Rule = error(
    "device-missing",
    "ErrDiskDeviceRequired",
    "A disk or an encrypted volume names no device.",
);
pub(crate) const PARTITION_NUMBER_COLLISION: Rule = error(
    "partition-number-collision",
    "ErrPartitionNumbersCollide",
    "Two partitions of a disk have the same number.",
);
pub(crate) const PARTITION_OVERLAP: Rule = error(
    "partition-overlap",
    "ErrPartitionsOverlap",
    "Two partitions of a disk overlap.",
);
pub(crate) const PARTITION_LABEL_COLLISION: Rule = error(
    "partition-label-collision",
    "ErrDuplicateLabels",
    "Two partitions of a disk have the same label.",
);
pub(crate) const PARTITION_UNNAMED: Rule = error(
    "partition-unnamed",
    "ErrNeedLabelOrNumber",
    "A partition has neither number nor label.",
);
pub(crate) const PARTITION_ABSENT_WITH_DETAILS: Rule = error(
    "partition-absent-with-details",
    "ErrShouldNotExistWithOthers",
    "A partition that shall not exist is described.",
);
pub(crate) const PARTITION_LABEL_TOO_LONG: Rule = error(
    "partition-label-too-long",
    "ErrLabelTooLong",
    "A partition label has more than 36 bytes.",
);
pub(crate) const PARTITION_LABEL_COLON: Rule = error(
    "partition-label-colon",
    "ErrLabelContainsColon",
    "A partition label contains a colon.",
);
pub(crate) const GUID_MALFORMED: Rule = error(
    "guid-malformed",
    "ErrDoesntMatchGUIDRegex",
    "A GUID is not of the form 8-4-4-4-12.",
);
pub(crate) const RAID_LEVEL_MISSING: Rule = error(
    "raid-level-missing",
    "ErrRaidLevelRequired",
    "An array has no level.",
);
pub(crate) const RAID_LEVEL_UNKNOWN: Rule = error(
    "raid-level-unknown",
    "ErrUnrecognizedRaidLevel",
    "An array has a level that mdadm does not know.",
);
pub(crate) const RAID_SPARES_UNSUPPORTED: Rule = error(
    "raid-spares-unsupported",
    "ErrSparesUnsupportedForLevel",
    "Spares in an array without redundancy.",
);
pub(crate) const RAID_DEVICES_MISSING: Rule = error(
    "raid-devices-missing",
    "ErrRaidDevicesRequired",
    "An array has no members.",
);
pub(crate) const FILESYSTEM_FORMAT_MISSING: Rule = error(
    "filesystem-format-missing",
    "ErrFormatNilWithOthers",
    "A file system is described without a format.",
);
pub(crate) const FILESYSTEM_FORMAT_UNKNOWN: Rule = error(
    "filesystem-format-unknown",
    "ErrFilesystemInvalidFormat",
    "A format that the document's version does not have.",
);
pub(crate) const FILESYSTEM_LABEL_WITHOUT_FORMAT: Rule = error(
    "filesystem-label-without-format",
    "ErrLabelNeedsFormat",
    "A label without a format.",
);
pub(crate) const EXT4_LABEL_TOO_LONG: Rule = error(
    "ext4-label-too-long",
    "ErrExt4LabelTooLong",
    "An ext4 label has more than 16 bytes.",
);
pub(crate) const BTRFS_LABEL_TOO_LONG: Rule = error(
    "btrfs-label-too-long",
    "ErrBtrfsLabelTooLong",
    "A btrfs label has more than 256 bytes.",
);
pub(crate) const XFS_LABEL_TOO_LONG: Rule = error(
    "xfs-label-too-long",
    "ErrXfsLabelTooLong",
    "An xfs label has more than 12 bytes.",
);
pub(crate) const SWAP_LABEL_TOO_LONG: Rule = error(
    "swap-label-too-long",
    "ErrSwapLabelTooLong",
    "A swap label has more than 15 bytes.",
);
pub(crate) const VFAT_LABEL_TOO_LONG: Rule = error(
    "vfat-label-too-long",
    "ErrVfatLabelTooLong",
    "A vfat label has more than 11 bytes.",
);
pub(crate) const VIRTIOFS_TAG_MISSING: Rule = error(
    "virtiofs-tag-missing",
    "ErrNoDevice",
    "A virtiofs share names no tag.",
);
pub(crate) const VIRTIOFS_TAG_TOO_LONG: Rule = error(
    "virtiofs-tag-too-long",
    "ErrVirtiofsDeviceTagTooLong",
    "A virtiofs tag has more than 36 bytes.",
);
pub(crate) const VIRTIOFS_LABEL_UNSUPPORTED: Rule = error(
    "virtiofs-label-unsupported",
    "ErrVirtiofsCannotHaveLabel",
    "A label for a virtiofs share.",
);
pub(crate) const FILESYSTEM_UUID_UNSUPPORTED: Rule = error(
    "filesystem-uuid-unsupported",
    "ErrUUIDNotSupportedForFormat",
    "A UUID for a virtiofs share.",
);
pub(crate) const FILESYSTEM_WIPE_UNSUPPORTED: Rule = error(
    "filesystem-wipe-unsupported",
    "ErrWipeNotSupportedForFormat",
    "Wiping a virtiofs share.",
);
pub(crate) const FILESYSTEM_OPTIONS_UNSUPPORTED: Rule = error(
    "filesystem-options-unsupported",
    "ErrMkfsOptionsNotSupportedForFormat",
    "mkfs options for a virtiofs share.",
);
pub(crate) const FILESYSTEM_ON_PARTITIONED_DISK: Rule = warning(
    "filesystem-on-partitioned-disk",
    "ErrPartitionsOverwritten",
    "A file system on a disk that also gets partitions.",
);
pub(crate) const FILESYSTEM_WIPE_IMPLIED: Rule = warning(
    "filesystem-wipe-implied",
    "ErrFilesystemImplicitWipe",
    "Wiping the disk's table wipes its file system too.",
);
pub(crate) const LUKS_NAME_SLASH: Rule = error(
    "luks-name-slash",
    "ErrLuksNameContainsSlash",
    "A volume's name contains a slash.",
);
pub(crate) const LUKS_LABEL_TOO_LONG: Rule = error(
    "luks-label-too-long",
    "ErrLuksLabelTooLong",
    "A volume's label has more than 47 bytes.",
);
pub(crate) const LUKS_KEY_FILE_INVALID: Rule = error(
    "luks-key-file-invalid",
    "ErrInvalidLuksKeyFile",
    "A key file's source is not a usable URL.",
);
pub(crate) const CLEVIS_CUSTOM_NOT_ALONE: Rule = error(
    "clevis-custom-not-alone",
    "ErrClevisCustomWithOthers",
    "A custom pin together with other pins.",
);
pub(crate) const CLEVIS_PIN_MISSING: Rule = error(
    "clevis-pin-missing",
    "ErrClevisPinRequired",
    "A custom pin without its name.",
);
pub(crate) const CLEVIS_PIN_UNKNOWN: Rule = error(
    "clevis-pin-unknown",
    "ErrUnknownClevisPin",
    "A custom pin that the document's version does not have.",
);
pub(crate) const CLEVIS_CONFIG_MISSING: Rule = error(
    "clevis-config-missing",
    "ErrClevisConfigRequired",
    "A custom pin without its configuration.",
);
pub(crate) const TANG_THUMBPRINT_MISSING: Rule = error(
    "tang-thumbprint-missing",
    "ErrTangThumbprintRequired",
    "A tang server without a thumbprint.",
);
pub(crate) const TANG_ADVERTISEMENT_INVALID: Rule = error(
    "tang-advertisement-invalid",
    "ErrInvalidTangAdvertisement",
    "A tang advertisement that is not JSON.",
);
pub(crate) const CEX_WITH_CLEVIS: Rule = error(
    "cex-with-clevis",
    "ErrCexWithClevis",
    "A crypto card together with clevis.",
);
pub(crate) const CEX_WITH_KEY_FILE: Rule = error(
    "cex-with-key-file",
    "ErrCexWithKeyFile",
    "A crypto card together with a key file.",
);
pub(crate) const MODE_ILLEGAL: Rule =
    error("mode-illegal", "ErrFileIllegalMode", "A mode outside 0 to 4095.");
pub(crate) const MODE_SPECIAL_BITS: Rule = warning(
    "mode-special-bits",
    "ErrModeSpecialBits",
    "Special mode bits in a version that drops them.",
);
pub(crate) const OWNER_AMBIGUOUS: Rule = error(
    "owner-ambiguous",
    "ErrBothIDAndNameSet",
    "An owner given by id and by name.",
);
pub(crate) const OVERWRITE_WITHOUT_SOURCE: Rule = error(
    "overwrite-without-source",
    "ErrOverwriteAndNilSource",
    "A file to overwrite with nothing.",
);
pub(crate) const FILE_BELOW_LINK: Rule =
    error("file-below-link", "ErrFileUsedSymlink", "A file below a link.");
pub(crate) const DIRECTORY_BELOW_LINK: Rule = error(
    "directory-below-link",
    "ErrDirectoryUsedSymlink",
    "A directory below a link.",
);
pub(crate) const LINK_BELOW_LINK: Rule =
    error("link-below-link", "ErrLinkUsedSymlink", "A link below a link.");
pub(crate) const LINK_TARGET_MISSING: Rule = error(
    "link-target-missing",
    "ErrLinkTargetRequired",
    "A link without a target.",
);
pub(crate) const HARD_LINK_TO_DIRECTORY: Rule = error(
    "hard-link-to-directory",
    "ErrHardLinkToDirectory",
    "A hard link to a directory.",
);
pub(crate) const HARD_LINK_OWNER_IGNORED: Rule = warning(
    "hard-link-owner-ignored",
    "ErrHardLinkSpecifiesOwner",
    "An owner for a hard link, which has that of its target.",
);
pub(crate) const PATH_OF_UNIT: Rule = error(
    "path-of-unit",
    "ErrPathConflictsSystemd",
    "A path that a unit or drop-in of the config is written to.",
);
pub(crate) const UNIT_EXTENSION_UNKNOWN: Rule = error(
    "unit-extension-unknown",
    "ErrInvalidSystemdExt",
    "A unit's name without an extension that systemd knows.",
);
pub(crate) const DROPIN_EXTENSION_UNKNOWN: Rule = error(
    "dropin-extension-unknown",
    "ErrInvalidSystemdDropinExt",
    "A drop-in's name that does not end in `.conf`.",
);
pub(crate) const UNIT_SYNTAX: Rule = nameless(
    "unit-syntax",
    Severity::Error,
    "A unit or drop-in that systemd cannot read.",
);
pub(crate) const UNIT_WITHOUT_INSTALL: Rule = nameless(
    "unit-without-install",
    Severity::Warning,
    "An enabled unit without an Install section.",
);
pub(crate) const TEMPLATE_WITHOUT_INSTALL: Rule = nameless(
    "template-without-install",
    Severity::Warning,
    "An enabled instance of a template without an Install section.",
);

/// Every rule, in the order of the reference page.
pub const ALL: &[Rule] = &[
    DOCUMENT_EMPTY,
    JSON_SYNTAX,
    VERSION_INVALID,
    VERSION_UNKNOWN,
    TYPE_MISMATCH,
    KEY_UNKNOWN,
    KEY_DUPLICATE,
    OBJECT_NULL,
    ENTRY_DUPLICATE,
    SOURCE_MISSING,
    URL_INVALID,
    URL_SCHEME_UNSUPPORTED,
    S3_VERSION_EMPTY,
    S3_ARN_INVALID,
    DATA_URL_INVALID,
    COMPRESSION_UNKNOWN,
    HASH_WITHOUT_SOURCE,
    HASH_MALFORMED,
    HASH_FUNCTION_UNKNOWN,
    HASH_SIZE_MISMATCH,
    HEADER_SCHEME_UNSUPPORTED,
    HEADER_NAME_EMPTY,
    HEADER_VALUE_EMPTY,
    PROXY_SCHEME_UNSUPPORTED,
    PROXY_INSECURE,
    PATH_MISSING,
    PATH_RELATIVE,
    PATH_UNCLEAN,
    DEVICE_MISSING,
    PARTITION_NUMBER_COLLISION,
    PARTITION_OVERLAP,
    PARTITION_LABEL_COLLISION,
    PARTITION_UNNAMED,
    PARTITION_ABSENT_WITH_DETAILS,
    PARTITION_LABEL_TOO_LONG,
    PARTITION_LABEL_COLON,
    GUID_MALFORMED,
    RAID_LEVEL_MISSING,
    RAID_LEVEL_UNKNOWN,
    RAID_SPARES_UNSUPPORTED,
    RAID_DEVICES_MISSING,
    FILESYSTEM_FORMAT_MISSING,
    FILESYSTEM_FORMAT_UNKNOWN,
    FILESYSTEM_LABEL_WITHOUT_FORMAT,
    EXT4_LABEL_TOO_LONG,
    BTRFS_LABEL_TOO_LONG,
    XFS_LABEL_TOO_LONG,
    SWAP_LABEL_TOO_LONG,
    VFAT_LABEL_TOO_LONG,
    VIRTIOFS_TAG_MISSING,
    VIRTIOFS_TAG_TOO_LONG,
    VIRTIOFS_LABEL_UNSUPPORTED,
    FILESYSTEM_UUID_UNSUPPORTED,
    FILESYSTEM_WIPE_UNSUPPORTED,
    FILESYSTEM_OPTIONS_UNSUPPORTED,
    FILESYSTEM_ON_PARTITIONED_DISK,
    FILESYSTEM_WIPE_IMPLIED,
    LUKS_NAME_SLASH,
    LUKS_LABEL_TOO_LONG,
    LUKS_KEY_FILE_INVALID,
    CLEVIS_CUSTOM_NOT_ALONE,
    CLEVIS_PIN_MISSING,
    CLEVIS_PIN_UNKNOWN,
    CLEVIS_CONFIG_MISSING,
    TANG_THUMBPRINT_MISSING,
    TANG_ADVERTISEMENT_INVALID,
    CEX_WITH_CLEVIS,
    CEX_WITH_KEY_FILE,
    MODE_ILLEGAL,
    MODE_SPECIAL_BITS,
    OWNER_AMBIGUOUS,
    OVERWRITE_WITHOUT_SOURCE,
    FILE_BELOW_LINK,
    DIRECTORY_BELOW_LINK,
    LINK_BELOW_LINK,
    LINK_TARGET_MISSING,
    HARD_LINK_TO_DIRECTORY,
    HARD_LINK_OWNER_IGNORED,
    PATH_OF_UNIT,
    UNIT_EXTENSION_UNKNOWN,
    DROPIN_EXTENSION_UNKNOWN,
    UNIT_SYNTAX,
    UNIT_WITHOUT_INSTALL,
    TEMPLATE_WITHOUT_INSTALL,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rules_have_distinct_names_and_plain_summaries() {
        let ids: BTreeSet<_> = ALL.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for rule in ALL {
            assert!(rule.summary.ends_with('.'), "{}", rule.id);
            assert!(
                rule.id
                    .as_str()
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
                "{}",
                rule.id
            );
        }
        assert_eq!(PARTITION_OVERLAP.id.reference(), Some("ErrPartitionsOverlap"));
        assert_eq!(KEY_UNKNOWN.id.reference(), None);
    }
}
