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

/// Declares each rule and lists them all, so that none can be left out of the list.
macro_rules! rules {
    ($($name:ident = $weight:ident($($argument:expr),+);)+) => {
        $(/** The rule of that name. */
        pub const $name: Rule = $weight($($argument),+);)+

        /// Every rule, in the order of the reference page.
        pub const ALL: &[Rule] = &[$($name),+];
    };
}

rules! {
    DOCUMENT_EMPTY = error("document-empty", "ErrEmpty", "The document has no bytes.");
    USER_DATA_FOREIGN = nameless("user-data-foreign", Severity::Error,
        "The document is something else: for cloud-init, a script, an object of Kubernetes, a web page.");
    JSON_SYNTAX = error("json-syntax", "ErrInvalid", "The document is not JSON.");
    YAML_SYNTAX = nameless("yaml-syntax", Severity::Error,
        "The document is not YAML, or has more of something than a document may.");
    YAML_KEY_DUPLICATE = nameless("yaml-key-duplicate", Severity::Error,
        "A key given twice in one mapping of YAML.");
    VERSION_INVALID = error("version-invalid", "ErrInvalidVersion",
        "`ignition.version` is missing or is not a version.");
    VERSION_UNKNOWN = error("version-unknown", "ErrUnknownVersion",
        "`ignition.version` is a version that is not accepted.");
    TYPE_MISMATCH = error("type-mismatch", "ErrInvalid",
        "A value is of the wrong JSON type, or an integer beyond 64 bits.");
    KEY_UNKNOWN = nameless("key-unknown", Severity::Warning,
        "A member that the document's version does not have; it is ignored.");
    KEY_DUPLICATE = nameless("key-duplicate", Severity::Warning,
        "A member given twice in one object; the last one counts.");
    OBJECT_NULL = nameless("object-null", Severity::Warning, "`null` where an object is expected.");
    ENTRY_DUPLICATE = error("entry-duplicate", "ErrDuplicate", "Two entries of a list have the same key.");
    SOURCE_MISSING = error("source-missing", "ErrSourceRequired",
        "A config or authority to fetch has no source.");
    URL_INVALID = error("url-invalid", "ErrInvalidUrl", "A URL cannot be parsed.");
    URL_SCHEME_UNSUPPORTED = error("url-scheme-unsupported", "ErrInvalidScheme",
        "A URL has a scheme that is not supported at its place.");
    S3_VERSION_EMPTY = error("s3-version-empty", "ErrInvalidS3ObjectVersionId",
        "An S3 URL asks for an object version without naming it.");
    S3_ARN_INVALID = error("s3-arn-invalid", "ErrInvalidS3ARN", "An ARN does not name an S3 object.");
    DATA_URL_INVALID = nameless("data-url-invalid", Severity::Error, "A data URL cannot be decoded.");
    COMPRESSION_UNKNOWN = error("compression-unknown", "ErrCompressionInvalid",
        "A compression other than gzip.");
    HASH_WITHOUT_SOURCE = error("hash-without-source", "ErrVerificationAndNilSource",
        "A hash is given where there is no source.");
    HASH_MALFORMED = error("hash-malformed", "ErrHashMalformed",
        "A hash is not a function's name, a hyphen and a digest.");
    HASH_FUNCTION_UNKNOWN = error("hash-function-unknown", "ErrHashUnrecognized",
        "A hash function that the document's version does not have.");
    HASH_SIZE_MISMATCH = error("hash-size-mismatch", "ErrHashWrongSize",
        "A digest that is not as long as its function makes them.");
    HEADER_SCHEME_UNSUPPORTED = error("header-scheme-unsupported", "ErrUnsupportedSchemeForHTTPHeaders",
        "Headers for a source that is not fetched over HTTP.");
    HEADER_NAME_EMPTY = error("header-name-empty", "ErrEmptyHTTPHeaderName", "A header without a name.");
    HEADER_VALUE_EMPTY = error("header-value-empty", "ErrInvalidHTTPHeader", "A header with an empty value.");
    PROXY_SCHEME_UNSUPPORTED = error("proxy-scheme-unsupported", "ErrInvalidProxy",
        "A proxy that is not reached over HTTP or HTTPS.");
    PROXY_INSECURE = warning("proxy-insecure", "ErrInsecureProxy",
        "A proxy for HTTPS that is reached without TLS.");
    PATH_MISSING = error("path-missing", "ErrNoPath", "A path is empty.");
    PATH_RELATIVE = error("path-relative", "ErrPathRelative", "A path does not start at the root.");
    PATH_UNCLEAN = error("path-unclean", "ErrDirtyPath", "A path is not in its shortest form.");
    DEVICE_MISSING = error("device-missing", "ErrDiskDeviceRequired",
        "A disk or an encrypted volume names no device.");
    PARTITION_NUMBER_COLLISION = error("partition-number-collision", "ErrPartitionNumbersCollide",
        "Two partitions of a disk have the same number.");
    PARTITION_OVERLAP = error("partition-overlap", "ErrPartitionsOverlap",
        "Two partitions of a disk overlap.");
    PARTITION_LABEL_COLLISION = error("partition-label-collision", "ErrDuplicateLabels",
        "Two partitions of a disk have the same label.");
    PARTITION_UNNAMED = error("partition-unnamed", "ErrNeedLabelOrNumber",
        "A partition has neither number nor label.");
    PARTITION_ABSENT_WITH_DETAILS = error("partition-absent-with-details", "ErrShouldNotExistWithOthers",
        "A partition that shall not exist is described.");
    PARTITION_LABEL_TOO_LONG = error("partition-label-too-long", "ErrLabelTooLong",
        "A partition label has more than 36 bytes.");
    PARTITION_LABEL_COLON = error("partition-label-colon", "ErrLabelContainsColon",
        "A partition label contains a colon.");
    GUID_MALFORMED = error("guid-malformed", "ErrDoesntMatchGUIDRegex",
        "A GUID is not of the form 8-4-4-4-12.");
    RAID_LEVEL_MISSING = error("raid-level-missing", "ErrRaidLevelRequired", "An array has no level.");
    RAID_LEVEL_UNKNOWN = error("raid-level-unknown", "ErrUnrecognizedRaidLevel",
        "An array has a level that mdadm does not know.");
    RAID_SPARES_UNSUPPORTED = error("raid-spares-unsupported", "ErrSparesUnsupportedForLevel",
        "Spares in an array without redundancy.");
    RAID_DEVICES_MISSING = error("raid-devices-missing", "ErrRaidDevicesRequired",
        "An array has no members.");
    FILESYSTEM_FORMAT_MISSING = error("filesystem-format-missing", "ErrFormatNilWithOthers",
        "A file system is described without a format.");
    FILESYSTEM_FORMAT_UNKNOWN = error("filesystem-format-unknown", "ErrFilesystemInvalidFormat",
        "A format that the document's version does not have.");
    FILESYSTEM_LABEL_WITHOUT_FORMAT = error("filesystem-label-without-format", "ErrLabelNeedsFormat",
        "A label without a format.");
    EXT4_LABEL_TOO_LONG = error("ext4-label-too-long", "ErrExt4LabelTooLong",
        "An ext4 label has more than 16 bytes.");
    BTRFS_LABEL_TOO_LONG = error("btrfs-label-too-long", "ErrBtrfsLabelTooLong",
        "A btrfs label has more than 256 bytes.");
    XFS_LABEL_TOO_LONG = error("xfs-label-too-long", "ErrXfsLabelTooLong",
        "An xfs label has more than 12 bytes.");
    SWAP_LABEL_TOO_LONG = error("swap-label-too-long", "ErrSwapLabelTooLong",
        "A swap label has more than 15 bytes.");
    VFAT_LABEL_TOO_LONG = error("vfat-label-too-long", "ErrVfatLabelTooLong",
        "A vfat label has more than 11 bytes.");
    VIRTIOFS_TAG_MISSING = error("virtiofs-tag-missing", "ErrNoDevice", "A virtiofs share names no tag.");
    VIRTIOFS_TAG_TOO_LONG = error("virtiofs-tag-too-long", "ErrVirtiofsDeviceTagTooLong",
        "A virtiofs tag has more than 36 bytes.");
    VIRTIOFS_LABEL_UNSUPPORTED = error("virtiofs-label-unsupported", "ErrVirtiofsCannotHaveLabel",
        "A label for a virtiofs share.");
    FILESYSTEM_UUID_UNSUPPORTED = error("filesystem-uuid-unsupported", "ErrUUIDNotSupportedForFormat",
        "A UUID for a virtiofs share.");
    FILESYSTEM_WIPE_UNSUPPORTED = error("filesystem-wipe-unsupported", "ErrWipeNotSupportedForFormat",
        "Wiping a virtiofs share.");
    FILESYSTEM_OPTIONS_UNSUPPORTED = error("filesystem-options-unsupported", "ErrMkfsOptionsNotSupportedForFormat",
        "mkfs options for a virtiofs share.");
    FILESYSTEM_ON_PARTITIONED_DISK = warning("filesystem-on-partitioned-disk", "ErrPartitionsOverwritten",
        "A file system on a disk that also gets partitions.");
    FILESYSTEM_WIPE_IMPLIED = warning("filesystem-wipe-implied", "ErrFilesystemImplicitWipe",
        "Wiping the disk's table wipes its file system too.");
    LUKS_NAME_SLASH = error("luks-name-slash", "ErrLuksNameContainsSlash",
        "A volume's name contains a slash.");
    LUKS_LABEL_TOO_LONG = error("luks-label-too-long", "ErrLuksLabelTooLong",
        "A volume's label has more than 47 bytes.");
    LUKS_KEY_FILE_INVALID = error("luks-key-file-invalid", "ErrInvalidLuksKeyFile",
        "A key file's source is not a usable URL.");
    CLEVIS_CUSTOM_NOT_ALONE = error("clevis-custom-not-alone", "ErrClevisCustomWithOthers",
        "A custom pin together with other pins.");
    CLEVIS_PIN_MISSING = error("clevis-pin-missing", "ErrClevisPinRequired",
        "A custom pin without its name.");
    CLEVIS_PIN_UNKNOWN = error("clevis-pin-unknown", "ErrUnknownClevisPin",
        "A custom pin that the document's version does not have.");
    CLEVIS_CONFIG_MISSING = error("clevis-config-missing", "ErrClevisConfigRequired",
        "A custom pin without its configuration.");
    TANG_THUMBPRINT_MISSING = error("tang-thumbprint-missing", "ErrTangThumbprintRequired",
        "A tang server without a thumbprint.");
    TANG_ADVERTISEMENT_INVALID = error("tang-advertisement-invalid", "ErrInvalidTangAdvertisement",
        "A tang advertisement that is not JSON.");
    CEX_WITH_CLEVIS = error("cex-with-clevis", "ErrCexWithClevis", "A crypto card together with clevis.");
    CEX_WITH_KEY_FILE = error("cex-with-key-file", "ErrCexWithKeyFile",
        "A crypto card together with a key file.");
    MODE_ILLEGAL = error("mode-illegal", "ErrFileIllegalMode", "A mode outside 0 to 4095.");
    MODE_SPECIAL_BITS = warning("mode-special-bits", "ErrModeSpecialBits",
        "Special mode bits in a version that drops them.");
    OWNER_AMBIGUOUS = error("owner-ambiguous", "ErrBothIDAndNameSet", "An owner given by id and by name.");
    OVERWRITE_WITHOUT_SOURCE = error("overwrite-without-source", "ErrOverwriteAndNilSource",
        "A file to overwrite with nothing.");
    FILE_BELOW_LINK = error("file-below-link", "ErrFileUsedSymlink", "A file below a link.");
    DIRECTORY_BELOW_LINK = error("directory-below-link", "ErrDirectoryUsedSymlink",
        "A directory below a link.");
    LINK_BELOW_LINK = error("link-below-link", "ErrLinkUsedSymlink", "A link below a link.");
    LINK_TARGET_MISSING = error("link-target-missing", "ErrLinkTargetRequired", "A link without a target.");
    HARD_LINK_TO_DIRECTORY = error("hard-link-to-directory", "ErrHardLinkToDirectory",
        "A hard link to a directory.");
    HARD_LINK_OWNER_IGNORED = warning("hard-link-owner-ignored", "ErrHardLinkSpecifiesOwner",
        "An owner for a hard link, which has that of its target.");
    PATH_OF_UNIT = error("path-of-unit", "ErrPathConflictsSystemd",
        "A path that a unit or drop-in of the config is written to.");
    UNIT_EXTENSION_UNKNOWN = error("unit-extension-unknown", "ErrInvalidSystemdExt",
        "A unit's name without an extension that systemd knows.");
    DROPIN_EXTENSION_UNKNOWN = error("dropin-extension-unknown", "ErrInvalidSystemdDropinExt",
        "A drop-in's name that does not end in `.conf`.");
    UNIT_SYNTAX = nameless("unit-syntax", Severity::Error, "A unit or drop-in that systemd cannot read.");
    UNIT_WITHOUT_INSTALL = nameless("unit-without-install", Severity::Warning,
        "An enabled unit without an Install section.");
    TEMPLATE_WITHOUT_INSTALL = nameless("template-without-install", Severity::Warning,
        "An enabled instance of a template without an Install section.");

    // Butane as a language, then its sugar.
    BUTANE_VERSION = nameless("butane-version", Severity::Error,
        "The variant or the version of a Butane config is missing, or there is none of that name.");
    BUTANE_ALIAS = nameless("butane-alias", Severity::Info,
        "An alias or a merge key of YAML; it counts, but the reference's translator warns of it.");
    BUTANE_SOURCES_SEVERAL = nameless("butane-sources-several", Severity::Error,
        "Contents in a Butane config have several sources.");
    BUTANE_LOCAL = nameless("butane-local", Severity::Error,
        "A local file that a Butane config names cannot be had; at boot there are none.");
    BUTANE_TREE = nameless("butane-tree", Severity::Error,
        "A tree of local files in a Butane config lacks its directory, or has what cannot be taken over.");
    BUTANE_MOUNT_UNIT = nameless("butane-mount-unit", Severity::Error,
        "A file system of a Butane config asks for a mount unit and lacks what that needs.");
    BUTANE_MODE_DECIMAL = nameless("butane-mode-decimal", Severity::Warning,
        "A mode in a Butane config is decimal, and its digits look octal.");
    BUTANE_CHILD_INVALID = nameless("butane-child-invalid", Severity::Error,
        "A config that stands in a Butane config is not valid.");
    BUTANE_CHILD_SUSPECT = nameless("butane-child-suspect", Severity::Warning,
        "A config that stands in a Butane config is valid, and something in it is suspicious.");
    BUTANE_CHILD_VERSION = nameless("butane-child-version", Severity::Warning,
        "A config that stands in a Butane config is of another version than that becomes, and was not looked at.");
    BUTANE_MEMBER_FORBIDDEN = nameless("butane-member-forbidden", Severity::Error,
        "A Butane config has or makes a member that its variant does not take.");
    BUTANE_BOOT_DEVICE = nameless("butane-boot-device", Severity::Error,
        "`boot_device` of a Butane config asks for a boot device that cannot be made.");
    BUTANE_BOOT_LAYOUT = nameless("butane-boot-layout", Severity::Warning,
        "A mirrored `boot_device` of a Butane config without a layout, which is then taken to be x86_64.");
    BUTANE_GRUB = nameless("butane-grub", Severity::Error,
        "A user of GRUB in a Butane config without a name, or without a password hash.");
    BUTANE_GRUB_CONTENTS = nameless("butane-grub-contents", Severity::Warning,
        "A Butane config gives contents to the file that its users of GRUB are written to; those replace them.");
    BUTANE_QUADLET = nameless("butane-quadlet", Severity::Error,
        "A quadlet of a Butane config that cannot be written.");
    BUTANE_PARTITION_LABEL = nameless("butane-partition-label", Severity::Warning,
        "A partition of a Butane config has a label of the system's, and not the number that goes with it.");
    BUTANE_PARTITION_REUSE = nameless("butane-partition-reuse", Severity::Warning,
        "A partition of a Butane config is known by its label alone, on a disk whose table stays.");
    BUTANE_ROOT_SIZE = nameless("butane-root-size", Severity::Warning,
        "The root partition of a Butane config is small, or nothing keeps it from being cut short.");
    BUTANE_OPENSHIFT = nameless("butane-openshift", Severity::Error,
        "A Butane config says what OpenShift does not take, or lacks what it needs.");
    BUTANE_OPENSHIFT_UNUSED = nameless("butane-openshift-unused", Severity::Warning,
        "A setting of OpenShift in a Butane config of which only the Ignition config is taken.");

    // Documents of Ignition 2, and 1.
    V2_INVALID = nameless("v2-invalid", Severity::Error, "What Ignition 2 itself refuses.");
    V2_INEXPRESSIBLE = nameless("v2-inexpressible", Severity::Error,
        "What Ignition 2 takes, and nothing in Ignition 3 means.");
    V2_CHANGED = nameless("v2-changed", Severity::Warning, "What works otherwise than with Ignition 2.");
    V2_DOUBTFUL = nameless("v2-doubtful", Severity::Warning,
        "What Ignition 2 takes, although it does hardly what is meant.");
    V2_FILESYSTEM_ELSEWHERE = nameless("v2-filesystem-elsewhere", Severity::Warning,
        "A file system's name that the document does not define, so that another one must.");
    V2_FILESYSTEM_UNDEFINED = nameless("v2-filesystem-undefined", Severity::Error,
        "A file system's name that none of the merged documents defines.");
    V2_FILESYSTEM_AMBIGUOUS = nameless("v2-filesystem-ambiguous", Severity::Error,
        "A file system's name that two of the merged documents give to different devices.");
    V2_FORM = nameless("v2-form", Severity::Info,
        "What is written otherwise in Ignition 3; only `kindling validate` tells it.");

    // The extension; the reference knows nothing of it.
    EXTENSION_KEY_UNKNOWN = nameless("extension-key-unknown", Severity::Error,
        "A member that the extension does not have.");
    EXTENSION_VERSION_MISSING = nameless("extension-version-missing", Severity::Error,
        "The extension is used without naming its version.");
    EXTENSION_VERSION_UNKNOWN = nameless("extension-version-unknown", Severity::Error,
        "The extension's version is one that is not accepted.");
    EXTENSION_VALUE_UNFIT = nameless("extension-value-unfit", Severity::Error,
        "A value that its member of the extension does not take.");
    EXTENSION_ENTRY_UNREADABLE = nameless("extension-entry-unreadable", Severity::Error,
        "The file that stands for the extension does not hold it in plain sight.");
    EXTENSION_FILE_UNKNOWN = nameless("extension-file-unknown", Severity::Error,
        "The extension speaks of a file that the config does not have.");
    EXTENSION_FILE_COMPRESSED_TWICE = nameless("extension-file-compressed-twice", Severity::Error,
        "A file has a compression in the extension and another one in its contents.");
    TOKEN_AMBIGUOUS = nameless("token-ambiguous", Severity::Error,
        "A bootstrap token is given as text and by its source.");
    TOKEN_WITHOUT_SERVER = nameless("token-without-server", Severity::Error,
        "A bootstrap token is given, but no server to show it to.");
    SERVER_UNVERIFIABLE = nameless("server-unverifiable", Severity::Error,
        "A cluster's server is given, and nothing to know it by.");
    CA_HASHES_WITHOUT_TOKEN = nameless("ca-hashes-without-token", Severity::Error,
        "A cluster is known by digests of its authorities alone, and there is no token to ask it for them with.");
    NATIVE_INCOMPLETE = nameless("native-incomplete", Severity::Error,
        "Mode `native` lacks the server or the token.");
    NATIVE_MEMBER_UNUSED = nameless("native-member-unused", Severity::Warning,
        "A member counts in mode `native` only, and the mode is another.");
    LABEL_REFUSED = nameless("label-refused", Severity::Error,
        "A label that no kubelet may give its own node: it would end at its start.");
    TAINT_DUPLICATE = nameless("taint-duplicate", Severity::Error,
        "Two taints have the same key and effect, which the API server refuses.");
    KUBELET_CONFIG_TWICE = nameless("kubelet-config-twice", Severity::Error,
        "`kubelet.config` says what another member of `kubelet` says.");
    SWAP_CONTRADICTED = nameless("swap-contradicted", Severity::Warning,
        "The config asks for swap, and for a node that does not start with it.");
    PREFLIGHT_CHECK_UNKNOWN = nameless("preflight-check-unknown", Severity::Error,
        "A preflight check is ignored that there is not.");
    SINK_MEMBER_MISSING = nameless("sink-member-missing", Severity::Error,
        "A sink lacks the address that its type needs.");
    SINK_MEMBER_UNSUPPORTED = nameless("sink-member-unsupported", Severity::Error,
        "A sink has a member, or a URL of a scheme, that its type does not take.");
    CLIENT_IDENTITY_INCOMPLETE = nameless("client-identity-incomplete", Severity::Error,
        "A client certificate without its key, or a key without its certificate.");
}

#[cfg(test)]
mod tests {
    use crate::order::OrderedSet;

    use super::*;

    #[test]
    fn rules_have_distinct_names_and_plain_summaries() {
        let ids: OrderedSet<_> = ALL.iter().map(|rule| rule.id).collect();
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
