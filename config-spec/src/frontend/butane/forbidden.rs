//! Members of Ignition that a variant does not take, by whatever they were made.

use super::remark::{Remark, Tell};
use super::variant::{Family, Variant};
use super::ways::each;
use crate::frontend::tree::Node;
use crate::rules::catalog as rule;

/// Members by their ways, for the variants between two versions: the generation of OpenShift, else the base layer.
struct Ban {
    families: &'static [Family],
    from: u8,
    to: u8,
    ways: &'static [&'static str],
}

const ALWAYS: u8 = u8::MAX;

static BANS: [Ban; 7] = [
    Ban {
        families: &[Family::Flatcar],
        from: 0,
        to: 5,
        ways: &["storage.luks.*.clevis"],
    },
    Ban {
        families: &[Family::Flatcar],
        from: 8,
        to: ALWAYS,
        ways: &["storage.luks.*.cex"],
    },
    Ban {
        families: &[Family::R4e, Family::Fiot],
        from: 0,
        to: ALWAYS,
        ways: &[
            "kernelArguments",
            "storage.disks",
            "storage.raid",
            "storage.filesystems",
            "storage.luks",
        ],
    },
    Ban {
        families: &[Family::Openshift],
        from: 0,
        to: ALWAYS,
        ways: &[
            "passwd.groups",
            "passwd.users.*.gecos",
            "passwd.users.*.groups",
            "passwd.users.*.homeDir",
            "passwd.users.*.noCreateHome",
            "passwd.users.*.noLogInit",
            "passwd.users.*.noUserGroup",
            "passwd.users.*.primaryGroup",
            "passwd.users.*.shell",
            "passwd.users.*.shouldExist",
            "passwd.users.*.system",
            "passwd.users.*.uid",
            "storage.directories",
            "storage.links",
            "storage.files.*.append",
            "storage.files.*.contents.httpHeaders",
        ],
    },
    Ban {
        families: &[Family::Openshift],
        from: 8,
        to: 12,
        ways: &["passwd.users.*.passwordHash"],
    },
    Ban {
        families: &[Family::Openshift],
        from: 8,
        to: 9,
        ways: &["storage.files.*.contents.compression"],
    },
    Ban {
        families: &[Family::Openshift],
        from: 14,
        to: ALWAYS,
        ways: &["kernelArguments"],
    },
];

/// Tells of the members of `document` that the variant does not take. Lists and objects that are empty were taken out
/// before.
pub(super) fn check(document: &Node<'_>, variant: &Variant, tell: &mut Tell<'_>) {
    let generation = variant.openshift.unwrap_or(variant.base);
    let bans = BANS
        .iter()
        .filter(|ban| ban.families.contains(&variant.family) && (ban.from..=ban.to).contains(&generation));
    for way in bans.flat_map(|ban| ban.ways) {
        each(document, way, &mut |member| {
            // An empty text is how the translation says that contents are not compressed.
            if way.ends_with(".compression") && member.as_text() == Some("") {
                return;
            }
            let (_, name) = way.rsplit_once('.').unwrap_or(("", way));
            let message = format!(
                "configs for {} {} cannot have {}",
                variant.family.name(),
                variant.version,
                super::names::snake(name),
            );
            tell(Remark::new(
                rule::BUTANE_MEMBER_FORBIDDEN,
                member.from,
                message,
                HELP,
            ));
        });
    }
}

const HELP: &str = "leave it out: that distribution does it another way, or not at all";
