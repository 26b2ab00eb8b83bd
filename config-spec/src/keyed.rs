//! The key by which an entry of a list is known: merging joins entries with equal keys, checking refuses twins.

use std::borrow::Cow;

use crate::types::kindling::Sink;
use crate::types::{
    Directory, Disk, Dropin, File, Filesystem, Group, HttpHeader, Link, Luks, Partition, Raid, Resource,
    Tang, Unit, User,
};

/// An entry of a list that is known by a key.
pub(crate) trait Keyed {
    /// The key; an absent one is empty.
    fn key(&self) -> Cow<'_, str>;
}

macro_rules! keyed_by {
    ($($kind:ty: $member:ident),+ $(,)?) => {
        $(impl Keyed for $kind {
            fn key(&self) -> Cow<'_, str> {
                Cow::Borrowed(&self.$member)
            }
        })+
    };
}

keyed_by! {
    Directory: path,
    Disk: device,
    Dropin: name,
    File: path,
    Filesystem: device,
    Group: name,
    HttpHeader: name,
    Link: path,
    Luks: name,
    Raid: name,
    Tang: url,
    Unit: name,
    User: name,
}

impl Keyed for Resource {
    fn key(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.source.as_deref().unwrap_or_default())
    }
}

impl Keyed for Sink {
    /// The type and the addresses, of which a valid sink has one. No type has a space in it.
    fn key(&self) -> Cow<'_, str> {
        let address = |part: &Option<String>| part.clone().unwrap_or_default();
        let addresses = [&self.url, &self.path, &self.port].map(address).join(" ");
        Cow::Owned(format!("{} {addresses}", self.kind))
    }
}

impl Keyed for Partition {
    /// The number, else the label. The prefixes keep a label `1` apart from the number 1.
    fn key(&self) -> Cow<'_, str> {
        match (self.number, &self.label) {
            (0, None) => Cow::Borrowed(""),
            (0, Some(label)) => Cow::Owned(format!("label:{label}")),
            (number, _) => Cow::Owned(format!("number:{number}")),
        }
    }
}

impl Keyed for String {
    fn key(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}
