//! All lint rules: their names, their weight, and what they need to know.

use std::fmt;

use crate::diagnostic::{Diagnostic, Pointer, RuleId, Severity};
use crate::rules::Findings;
use crate::rules::catalog::Rule;

/// A lint rule as the reference page lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LintRule {
    /// Name, weight and summary. The reference has no such rule.
    pub rule: Rule,
    /// What must be known beside the config.
    pub needs: Needs,
}

/// What a rule must be told beside the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Today's date.
    Date,
    /// The size of a disk.
    DiskSize,
    /// The platform the machine runs on.
    Platform,
    /// Facts about the target's root.
    Target,
}

impl LintRule {
    /// A breach of this rule, found where a caller knows what the config alone does not tell.
    #[must_use]
    pub fn finding(&self, at: Pointer, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
        let mut findings = Findings::default();
        findings.report(self.rule, at, message).help(help);
        findings.into_inner().remove(0)
    }
}

impl fmt::Display for Needs {
    /// The option of `kindling validate` that tells it; empty where nothing is needed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Nothing => "",
            Self::Date => "the date",
            Self::DiskSize => "--disk DEVICE=SIZE",
            Self::Platform => "--platform NAME",
            Self::Target => "--target FACTS",
        })
    }
}

/// A machine that boots with this fails.
const fn fails(id: &'static str, needs: Needs, summary: &'static str) -> LintRule {
    rule(id, Severity::Error, needs, summary)
}

/// A machine that boots with this most likely does not do what is wanted.
const fn doubtful(id: &'static str, needs: Needs, summary: &'static str) -> LintRule {
    rule(id, Severity::Warning, needs, summary)
}

const fn rule(id: &'static str, severity: Severity, needs: Needs, summary: &'static str) -> LintRule {
    LintRule {
        rule: Rule {
            id: RuleId(id),
            severity,
            reference: None,
            summary,
        },
        needs,
    }
}

/// Declares each rule and lists them all, so that none can be left out of the list.
macro_rules! lint_rules {
    ($($name:ident = $weight:ident($($argument:expr),+);)+) => {
        $(/** The rule of that name. */
        pub const $name: LintRule = $weight($($argument),+);)+

        /// Every lint rule, in the order of the reference page.
        pub const ALL: &[LintRule] = &[$($name),+];
    };
}

lint_rules! {
    CONFIG_UNLINTED = doubtful("config-unlinted", Needs::Nothing,
        "More accounts, units and devices than the lint looks through; only the rules were applied.");
    USER_DATA_TOO_LARGE = fails("user-data-too-large", Needs::Platform,
        "The document is larger than what the platform hands to a machine.");
    RESOURCE_UNVERIFIED = doubtful("resource-unverified", Needs::Nothing,
        "Bytes from elsewhere that no hash checks; of configs and authorities only those that come without TLS.");
    HASH_NOT_HEX = fails("hash-not-hex", Needs::Nothing, "A digest with other characters than hexadecimal digits.");
    HASH_MISMATCH = fails("hash-mismatch", Needs::Nothing,
        "A hash that is not that of the data URL beside it.");
    COMPRESSION_BROKEN = fails("compression-broken", Needs::Nothing,
        "A data URL that is said to be gzip, and is not, or not to its end.");
    COMPRESSION_MISSING = doubtful("compression-missing", Needs::Nothing,
        "A data URL that is gzip without saying so.");
    AUTHORITY_UNREADABLE = fails("authority-unreadable", Needs::Nothing,
        "A bundle of authorities in a data URL without a certificate, or with a broken one.");
    AUTHORITY_KEY = fails("authority-private-key", Needs::Nothing,
        "A private key in a bundle of authorities.");
    AUTHORITY_EXPIRED = fails("authority-expired", Needs::Date,
        "A bundle of authorities that have all expired.");
    AUTHORITY_EARLY = doubtful("authority-not-yet-valid", Needs::Date,
        "A bundle of authorities of which none is valid yet.");
    SECRET_READABLE = doubtful("secret-readable", Needs::Nothing,
        "A private key, token or password hash in a file that everybody may read.");
    OWNER_UNKNOWN = fails("owner-unknown", Needs::Target,
        "A user or group by name that neither the config nor the target has.");
    OWNER_MISSPELT = doubtful("owner-misspelt", Needs::Nothing,
        "A user or group by name that is nearly one of the config's own.");
    PASSWORD_INVALID = fails("password-hash-invalid", Needs::Nothing,
        "A password hash that crypt(3) cannot have made, for example the password itself.");
    PASSWORD_WEAK = doubtful("password-hash-weak", Needs::Nothing,
        "A password hash that is quickly guessed, or an empty one.");
    SSH_KEY_INVALID = fails("ssh-key-invalid", Needs::Nothing,
        "An SSH key that is none, is cut off, or is a private one.");
    PATH_LOST = doubtful("path-lost", Needs::Nothing,
        "A node below a directory that is mounted over when the machine switches to its root.");
    MODE_DECIMAL = doubtful("mode-decimal", Needs::Nothing,
        "A mode whose decimal digits read as the octal notation that was probably meant.");
    PATH_OCCUPIED = fails("path-occupied", Needs::Target,
        "A node where the target has something else, without permission to overwrite it.");
    PATH_READ_ONLY = fails("path-read-only", Needs::Target, "A node where the target cannot be written.");
    REFERENCE_UNRESOLVED = fails("reference-unresolved", Needs::Nothing,
        "A config to merge or to replace with that cannot be had, or that leads nowhere.");
    PARTITIONS_TOO_LARGE = fails("partitions-too-large", Needs::DiskSize,
        "Partitions that do not fit on the disk, or overlap once open places are filled.");
    DEVICE_UNMADE = doubtful("device-unmade", Needs::Nothing,
        "RAID, an encrypted volume or a file system on a device that only a config could make, and this one does not.");
    MOUNT_SHARED = doubtful("mount-shared", Needs::Nothing, "Two file systems on one path.");
    MOUNT_FORGOTTEN = doubtful("mount-forgotten", Needs::Nothing,
        "A file system whose path nothing mounts on later boots.");
    UNIT_SECTION_UNKNOWN = doubtful("unit-section-unknown", Needs::Nothing,
        "A section that systemd does not know in such a unit; it ignores the whole of it.");
    UNIT_DIRECTIVE_UNKNOWN = doubtful("unit-directive-unknown", Needs::Nothing,
        "A directive that systemd does not know in its section; it is ignored.");
    UNIT_MISSING = doubtful("unit-missing", Needs::Target,
        "A unit that is enabled, or has drop-ins, and that neither the config nor the target has.");
    PROGRAM_NOT_EXECUTABLE = fails("program-not-executable", Needs::Nothing,
        "A program of a unit that the config writes without the right to execute it.");
    PROGRAM_MISSING = doubtful("program-missing", Needs::Target,
        "A program of a unit that neither the config nor the target has.");
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::order::OrderedSet;
    use crate::rules::catalog as rules;

    #[test]
    fn lint_rules_have_names_of_their_own() {
        let ids: OrderedSet<_> = rules::ALL
            .iter()
            .map(|rule| rule.id)
            .chain(ALL.iter().map(|lint| lint.rule.id))
            .collect();
        assert_eq!(ids.len(), rules::ALL.len() + ALL.len());
        for lint in ALL {
            assert!(lint.rule.summary.ends_with('.'), "{}", lint.rule.id);
        }
    }
}
