//! The members of every object of the config language, and all there is to say about each.
//!
//! One table for all versions: [`crate::check()`] reads from it which members a document may have and of what type,
//! [`crate::schema()`] makes JSON Schema of it, and a test makes the reference page of it. So what a member means is
//! written here and nowhere else. Tests compare the table with the types and the rules.

mod ignition;
mod kernel_arguments;
mod kindling;
mod passwd;
mod patterns;
mod resource;
mod storage;
mod systemd;

use crate::types::kindling::VERSION;
use crate::version::Version::{self, V3_0_0, V3_3_0};
pub(crate) use kindling::KINDLING;
pub(crate) use patterns::Pattern;
pub(crate) use storage::{CEX, OWNER, TANG};

/// The members of one kind of object.
#[derive(Debug)]
pub(crate) struct Table {
    /// What such an object is called where several places share it.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
}

/// A member of an object.
#[derive(Debug)]
pub(crate) struct Field {
    /// The name in JSON.
    pub(crate) name: &'static str,
    /// The first version that has it. No version took one away. The extension has versions of its own, so its
    /// members are there from the first on.
    pub(crate) first: Version,
    pub(crate) shape: Shape,
    pub(crate) limit: Limit,
    pub(crate) need: Need,
    pub(crate) joining: Joining,
    /// A member that must be given inside the object or the objects of this one, and from which version on.
    pub(crate) demands: Option<(&'static str, Version)>,
    /// What it is, its unit, and what its absence means.
    pub(crate) about: &'static str,
    /// What an absent value stands for, as JSON, where it stands for a value.
    pub(crate) default: Option<&'static str>,
    /// A value, as JSON, where the limits do not show what one looks like.
    pub(crate) example: Option<&'static str>,
}

/// What a value must be. `null` is allowed everywhere and means absence.
#[derive(Debug)]
pub(crate) enum Shape {
    Text,
    Integer,
    Boolean,
    Texts,
    Object(&'static Table),
    Objects(&'static Table),
    /// An object in which, all the way down, unknown members are errors and limits are checked.
    Strict(&'static Table),
    /// An object whose members the user names. The pattern is that of the names.
    Map(&'static Pattern, &'static Shape),
    /// A JSON object of somebody else's format.
    Free,
}

/// What a text, an integer, or each text of a list is held to beyond its type.
///
/// Of the base language, this describes what the rules enforce; in the extension it is the rule.
#[derive(Debug)]
pub(crate) enum Limit {
    Nothing,
    /// A text must not be empty, in the extension too by a rule.
    Filled,
    /// One of these words, each with the version it came in.
    Words(&'static [(Version, &'static str)]),
    /// One of these words in documents before the version, anything since.
    WordsBefore(Version, &'static [&'static str]),
    /// Both ends included.
    Range(i64, i64),
    MaxBytes(usize),
    /// The text of a spec version. Some spellings of a version are odd, so it has no one text.
    Version,
    /// The text of a version of the extension, which a rule looks at.
    ExtensionVersion,
    Pattern(&'static Pattern),
}

/// Whether a document is refused without the member. A list that must be given must not be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Optional,
    Required,
    RequiredSince(Version),
}

/// How a list of the parent and one of the child become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    /// It is no list.
    NoList,
    /// Entries with equal keys are merged; the key is this member.
    By(&'static str),
    /// As [`Self::By`], and the lists named last share the keys: an entry of the child takes its key from all of them.
    ByAcross(&'static str, &'static str),
    /// The texts are their own keys.
    ByText,
    /// As [`Self::ByText`], and the list named shares the keys.
    ByTextAcross(&'static str),
    /// One list behind the other; twins stay.
    Append,
}

/// The whole document.
pub(crate) static ROOT: Table = Table {
    name: "config",
    fields: &[
        object(
            V3_0_0,
            "ignition",
            &ignition::IGNITION,
            "About the config itself: its version, the configs it refers to, and how to fetch.",
        )
        .required(),
        object(
            V3_3_0,
            "kernelArguments",
            &kernel_arguments::KERNEL_ARGUMENTS,
            "Kernel arguments of the installed system.",
        ),
        kindling::SECTION,
        object(
            V3_0_0,
            "passwd",
            &passwd::PASSWD,
            "Accounts: users and groups to create, change or delete.",
        ),
        object(
            V3_0_0,
            "storage",
            &storage::STORAGE,
            "Disks, and what is on them, down to single files.",
        ),
        object(
            V3_0_0,
            "systemd",
            &systemd::SYSTEMD,
            "Units of systemd, and drop-ins for them.",
        ),
    ],
};

const fn field(first: Version, name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field {
        name,
        first,
        shape,
        limit: Limit::Nothing,
        need: Need::Optional,
        joining: Joining::NoList,
        demands: None,
        about,
        default: None,
        example: None,
    }
}

const fn text(first: Version, name: &'static str, about: &'static str) -> Field {
    field(first, name, Shape::Text, about)
}

const fn integer(first: Version, name: &'static str, about: &'static str) -> Field {
    field(first, name, Shape::Integer, about)
}

/// A flag; every one of the language but `shouldExist` is false when absent, so that is not said each time.
const fn boolean(first: Version, name: &'static str, about: &'static str) -> Field {
    field(first, name, Shape::Boolean, about).default("false")
}

const fn texts(first: Version, name: &'static str, joining: Joining, about: &'static str) -> Field {
    Field {
        joining,
        ..field(first, name, Shape::Texts, about)
    }
}

const fn object(first: Version, name: &'static str, table: &'static Table, about: &'static str) -> Field {
    field(first, name, Shape::Object(table), about)
}

const fn objects(
    first: Version,
    name: &'static str,
    table: &'static Table,
    joining: Joining,
    about: &'static str,
) -> Field {
    Field {
        joining,
        ..field(first, name, Shape::Objects(table), about)
    }
}

impl Field {
    const fn required(self) -> Self {
        Self {
            need: Need::Required,
            ..self
        }
    }

    const fn required_since(self, version: Version) -> Self {
        Self {
            need: Need::RequiredSince(version),
            ..self
        }
    }

    const fn demands(self, member: &'static str, since: Version) -> Self {
        Self {
            demands: Some((member, since)),
            ..self
        }
    }

    const fn limit(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }

    const fn pattern(self, pattern: &'static Pattern) -> Self {
        self.limit(Limit::Pattern(pattern))
    }

    const fn default(self, json: &'static str) -> Self {
        Self {
            default: Some(json),
            ..self
        }
    }

    const fn no_default(self) -> Self {
        Self {
            default: None,
            ..self
        }
    }

    const fn example(self, json: &'static str) -> Self {
        Self {
            example: Some(json),
            ..self
        }
    }

    /// Whether a document of `version` is refused without it.
    pub(crate) fn is_required(&self, version: Version) -> bool {
        match self.need {
            Need::Optional => false,
            Need::Required => true,
            Need::RequiredSince(first) => version >= first,
        }
    }
}

impl Limit {
    /// What `text` should be instead; `None` when it is within the limit. Limits of the extension do not depend on
    /// the document's version.
    pub(crate) fn refuses_text(&self, text: &str) -> Option<String> {
        match self {
            Self::Words(words) if words.iter().all(|(_, word)| *word != text) => {
                let words = words.iter().map(|(_, word)| *word);
                let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
                Some(words.join(" or "))
            }
            // Of versions that are texts at all, a rule has more to say.
            Self::ExtensionVersion if text.is_empty() => Some(VERSION.to_owned()),
            Self::Pattern(pattern) => pattern.refuses(text).map(str::to_owned),
            _ => None,
        }
    }

    /// As [`Self::refuses_text`], for an integer.
    pub(crate) fn refuses_integer(&self, number: i64) -> Option<String> {
        match self {
            Self::Range(low, high) if !(*low..=*high).contains(&number) => {
                Some(format!("a number from {low} to {high}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
