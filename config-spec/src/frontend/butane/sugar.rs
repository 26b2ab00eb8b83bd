//! The members that Butane has beside those of Ignition, which [`crate::fields`] tells of.

use super::variant::Variant;
use crate::fields::{CEX, OWNER, TANG, Table};

/// A member of Butane's own.
pub(super) struct Sugar {
    /// The kind of object it is a member of: a table of [`crate::fields`] by its name, or an object of Butane's own.
    within: &'static str,
    /// In camel case.
    pub(super) name: &'static str,
    since: Since,
    pub(super) kind: Kind,
}

/// Which configs have it.
#[derive(Clone, Copy)]
enum Since {
    Base(u8),
    Fcos(u8),
    Openshift,
}

/// What its value is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// A text, or bytes that are none.
    Contents,
    Integer,
    Boolean,
    Texts,
    /// An object of Butane's own.
    Object(&'static str),
    /// A list of them.
    Objects(&'static str),
    /// An object of Ignition's.
    Table(&'static Table),
    /// A list of them.
    Tables(&'static Table),
    /// Texts by names that the user gives.
    Labels,
}

impl Since {
    fn has(self, variant: &Variant) -> bool {
        match self {
            Self::Base(layer) => variant.base >= layer,
            Self::Fcos(minor) => variant.fcos.is_some_and(|fcos| fcos >= minor),
            Self::Openshift => variant.openshift.is_some(),
        }
    }
}

/// Those of objects of the kind `within`, in configs of any variant.
pub(super) fn of(within: &str) -> impl Iterator<Item = &'static Sugar> {
    ALL.iter().filter(move |sugar| sugar.within == within)
}

impl Sugar {
    /// Whether configs of the variant have it.
    pub(super) fn is_of(&self, variant: &Variant) -> bool {
        self.since.has(variant)
    }
}

const fn base(layer: u8, within: &'static str, name: &'static str, kind: Kind) -> Sugar {
    Sugar {
        within,
        name,
        since: Since::Base(layer),
        kind,
    }
}

const fn fcos(minor: u8, within: &'static str, name: &'static str, kind: Kind) -> Sugar {
    Sugar {
        within,
        name,
        since: Since::Fcos(minor),
        kind,
    }
}

const fn openshift(within: &'static str, name: &'static str, kind: Kind) -> Sugar {
    Sugar {
        within,
        name,
        since: Since::Openshift,
        kind,
    }
}

static ALL: [Sugar; 49] = [
    base(1, "config", "variant", Kind::Text),
    base(1, "config", "version", Kind::Text),
    base(1, "contents", "inline", Kind::Contents),
    base(2, "contents", "local", Kind::Text),
    base(2, "reference", "inline", Kind::Contents),
    base(2, "reference", "local", Kind::Text),
    base(2, "filesystem", "withMountUnit", Kind::Boolean),
    base(2, "storage", "trees", Kind::Objects("tree")),
    base(2, "tree", "local", Kind::Text),
    base(2, "tree", "path", Kind::Text),
    base(7, "tree", "user", Kind::Table(&OWNER)),
    base(7, "tree", "group", Kind::Table(&OWNER)),
    base(7, "tree", "fileMode", Kind::Integer),
    base(7, "tree", "dirMode", Kind::Integer),
    base(5, "unit", "contentsLocal", Kind::Text),
    base(5, "dropin", "contentsLocal", Kind::Text),
    base(5, "user", "sshAuthorizedKeysLocal", Kind::Texts),
    base(8, "systemd", "quadlets", Kind::Objects("quadlet")),
    base(8, "quadlet", "name", Kind::Text),
    base(8, "quadlet", "rootful", Kind::Boolean),
    base(8, "quadlet", "contents", Kind::Text),
    base(8, "quadlet", "contentsLocal", Kind::Text),
    base(8, "quadlet", "dropins", Kind::Objects("quadletDropin")),
    base(8, "quadletDropin", "name", Kind::Text),
    base(8, "quadletDropin", "contents", Kind::Text),
    base(8, "quadletDropin", "contentsLocal", Kind::Text),
    fcos(3, "config", "bootDevice", Kind::Object("bootDevice")),
    fcos(3, "bootDevice", "layout", Kind::Text),
    fcos(3, "bootDevice", "luks", Kind::Object("bootLuks")),
    fcos(3, "bootLuks", "tang", Kind::Tables(&TANG)),
    fcos(3, "bootLuks", "threshold", Kind::Integer),
    fcos(3, "bootLuks", "tpm2", Kind::Boolean),
    fcos(5, "bootLuks", "discard", Kind::Boolean),
    fcos(6, "bootLuks", "device", Kind::Text),
    fcos(6, "bootLuks", "cex", Kind::Table(&CEX)),
    fcos(3, "bootDevice", "mirror", Kind::Object("bootMirror")),
    fcos(3, "bootMirror", "devices", Kind::Texts),
    fcos(5, "config", "grub", Kind::Object("grub")),
    fcos(5, "grub", "users", Kind::Objects("grubUser")),
    fcos(5, "grubUser", "name", Kind::Text),
    fcos(5, "grubUser", "passwordHash", Kind::Text),
    openshift("config", "metadata", Kind::Object("metadata")),
    openshift("metadata", "name", Kind::Text),
    openshift("metadata", "labels", Kind::Labels),
    openshift("config", "openshift", Kind::Object("openshift")),
    openshift("openshift", "kernelType", Kind::Text),
    openshift("openshift", "fips", Kind::Boolean),
    openshift("openshift", "extensions", Kind::Texts),
    openshift("openshift", "kernelArguments", Kind::Texts),
];
