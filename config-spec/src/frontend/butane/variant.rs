//! Which Butane configs there are, and what each becomes.

use crate::version::Version::{
    self, V3_0_0, V3_1_0, V3_2_0, V3_3_0, V3_4_0, V3_5_0, V3_6_0, V3_7_0Experimental,
};

/// The distribution a config is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Fcos,
    Flatcar,
    Openshift,
    R4e,
    Fiot,
}

/// One kind of config: a variant in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) family: Family,
    /// The text of `version`, which is compared as a whole.
    pub(crate) version: &'static str,
    /// The version of Ignition that comes of it.
    pub(crate) spec: Version,
    /// Which generation of the language without a distribution it builds on: `4` is 0.4. They count from 1.
    pub(crate) base: u8,
    /// Which generation of the members of Fedora CoreOS it has: `7` is 1.7. `None` without those.
    pub(crate) fcos: Option<u8>,
    /// Which generation of OpenShift it is for: `18` is 4.18. `None` for the others.
    pub(crate) openshift: Option<u8>,
}

impl Family {
    /// The text of `variant`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fcos => "fcos",
            Self::Flatcar => "flatcar",
            Self::Openshift => "openshift",
            Self::R4e => "r4e",
            Self::Fiot => "fiot",
        }
    }
}

impl Variant {
    /// The one of that name and version.
    pub(crate) fn of(name: &str, version: &str) -> Option<&'static Self> {
        ALL.iter()
            .find(|variant| variant.family.name() == name && variant.version == version)
    }

    /// Its versions, oldest first; none for a name that no variant has.
    pub(crate) fn versions(name: &str) -> impl Iterator<Item = &'static str> {
        ALL.iter()
            .filter(move |variant| variant.family.name() == name)
            .map(|variant| variant.version)
    }
}

const fn fcos(version: &'static str, spec: Version, base: u8, minor: u8) -> Variant {
    Variant {
        family: Family::Fcos,
        version,
        spec,
        base,
        fcos: Some(minor),
        openshift: None,
    }
}

const fn plain(family: Family, version: &'static str, spec: Version, base: u8) -> Variant {
    Variant {
        family,
        version,
        spec,
        base,
        fcos: None,
        openshift: None,
    }
}

const fn openshift(version: &'static str, minor: u8, spec: Version, base: u8, parent: u8) -> Variant {
    Variant {
        openshift: Some(minor),
        family: Family::Openshift,
        ..fcos(version, spec, base, parent)
    }
}

/// All of them.
pub(crate) static ALL: [Variant; 33] = [
    fcos("1.0.0", V3_0_0, 1, 0),
    fcos("1.1.0", V3_1_0, 2, 1),
    fcos("1.2.0", V3_2_0, 3, 2),
    fcos("1.3.0", V3_2_0, 3, 3),
    fcos("1.4.0", V3_3_0, 4, 4),
    fcos("1.5.0", V3_4_0, 5, 5),
    fcos("1.6.0", V3_5_0, 6, 6),
    fcos("1.7.0", V3_6_0, 7, 7),
    fcos("1.8.0-experimental", V3_7_0Experimental, 8, 8),
    plain(Family::Flatcar, "1.0.0", V3_3_0, 4),
    plain(Family::Flatcar, "1.1.0", V3_4_0, 5),
    plain(Family::Flatcar, "1.2.0-experimental", V3_7_0Experimental, 8),
    openshift("4.8.0", 8, V3_2_0, 3, 3),
    openshift("4.9.0", 9, V3_2_0, 3, 3),
    openshift("4.10.0", 10, V3_2_0, 3, 3),
    openshift("4.11.0", 11, V3_2_0, 3, 3),
    openshift("4.12.0", 12, V3_2_0, 3, 3),
    openshift("4.13.0", 13, V3_2_0, 3, 3),
    openshift("4.14.0", 14, V3_4_0, 5, 5),
    openshift("4.15.0", 15, V3_4_0, 5, 5),
    openshift("4.16.0", 16, V3_4_0, 5, 5),
    openshift("4.17.0", 17, V3_4_0, 5, 5),
    openshift("4.18.0", 18, V3_4_0, 5, 5),
    openshift("4.19.0", 19, V3_5_0, 6, 6),
    openshift("4.20.0", 20, V3_5_0, 6, 6),
    openshift("4.21.0", 21, V3_5_0, 6, 6),
    openshift("4.22.0", 22, V3_5_0, 6, 6),
    openshift("4.23.0-experimental", 23, V3_7_0Experimental, 8, 8),
    plain(Family::R4e, "1.0.0", V3_3_0, 4),
    plain(Family::R4e, "1.1.0", V3_4_0, 5),
    plain(Family::R4e, "1.2.0-experimental", V3_7_0Experimental, 8),
    plain(Family::Fiot, "1.0.0", V3_4_0, 5),
    plain(Family::Fiot, "1.1.0-experimental", V3_7_0Experimental, 8),
];
