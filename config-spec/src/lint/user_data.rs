//! Whether a document fits through the platform that carries it.

use super::{Check, Setting, catalog as lint};
use crate::diagnostic::Pointer;
use crate::rules::Findings;
use crate::types::Config;
use crate::units::Bytes;

pub(super) const CHECKS: &[Check] = &[user_data_fits];

/// What a platform hands to a machine, in bytes of the document itself. Platforms that are not listed put it on a disk
/// image or serve it without a limit worth naming.
///
/// Source: the vendors' documents, as collected in the capacity table of the project's cluster facts.
const LIMITS: [(&str, u64); 12] = [
    ("akamai", 16_384),
    ("aws", 16_384),
    ("azure", 65_535),
    ("azurestack", 65_535),
    // 65,535 characters of base64.
    ("brightbox", 49_149),
    ("cloudstack", 32_768),
    ("digitalocean", 65_536),
    ("gcp", 262_144),
    ("hetzner", 32_768),
    ("openstack", 49_149),
    ("oraclecloud", 32_000),
    ("vmware", 65_536),
];

/// Guest properties of recent VirtualBox releases end at about this size (coreos/ignition#2226).
const VIRTUALBOX: u64 = 1024;

fn limit(platform: &str) -> Option<Bytes> {
    if platform == "virtualbox" {
        return Some(Bytes(VIRTUALBOX));
    }
    LIMITS
        .iter()
        .find(|(name, _)| *name == platform)
        .map(|(_, limit)| Bytes(*limit))
}

fn user_data_fits(_: &Config, setting: &Setting<'_>, findings: &mut Findings) {
    let Some(data) = setting.user_data else { return };
    let Some(limit) = limit(data.platform).filter(|limit| data.length > *limit) else {
        return;
    };
    let message = format!(
        "the document has {} bytes ({} in base64), and {} hands over at most {}",
        data.length.0,
        data.length.0.div_ceil(3).saturating_mul(4),
        data.platform,
        limit.0
    );
    findings
        .report(lint::USER_DATA_TOO_LARGE.rule, Pointer::root(), message)
        .help(
            "put the config on a server, and refer to it with ignition.config.replace from a small document",
        );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::UserData;
    use crate::lint::told::told;

    #[test]
    fn documents_fit_their_platform() {
        for (platform, length, fits) in [
            ("aws", 16_384, true),
            ("aws", 16_385, false),
            ("virtualbox", 1_025, false),
            ("qemu", 100_000_000, true),
        ] {
            let setting = Setting {
                user_data: Some(UserData {
                    platform,
                    length: Bytes(length),
                }),
                ..Setting::default()
            };
            let expected: &[&str] = if fits { &[] } else { &["$ user-data-too-large"] };
            assert_eq!(told("\"storage\":{}", &setting), expected, "{platform} {length}");
        }
    }
}
