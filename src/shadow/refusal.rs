//! Why an account cannot be as the config asks for. The programs of shadow(8) refuse the same.

use super::table::Database;

/// A refusal, with the member of the config's entry that is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// Below the entry, RFC 6901 without the leading slash; empty for the entry itself.
    pub at: String,
    /// Why.
    pub why: Why,
}

/// Why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No user or group can have the name.
    #[error("no user or group can be called {name:?}")]
    Name {
        /// The name.
        name: String,
    },
    /// A text that would break the line.
    #[error(
        "{what} cannot stand in the databases: it has a colon or a control character, no `/` in front, or is too long"
    )]
    Field {
        /// Which one.
        what: &'static str,
    },
    /// A number that no account can have.
    #[error("{id} is not a number an account can have")]
    Id {
        /// The number.
        id: i64,
    },
    /// Another account has the number.
    #[error("the {kind} {id} is in use: {} has it", by.as_deref().unwrap_or("the target's name service"))]
    Taken {
        /// `uid` or `gid`.
        kind: &'static str,
        /// The number.
        id: u32,
        /// Who has it; `None` where only that somebody has is known.
        by: Option<String>,
    },
    /// The group that is to be made with a user is there.
    #[error("a group {name} is there, so that none of that name can be made with the user")]
    GroupThere {
        /// The name.
        name: String,
    },
    /// A group that is not there.
    #[error("the target has no group {name:?}")]
    NoGroup {
        /// Its name or number.
        name: String,
    },
    /// A group that somebody's files have.
    #[error("the group {group} cannot be deleted: it is the primary group of {user}")]
    Busy {
        /// The group.
        group: String,
        /// The user.
        user: String,
    },
    /// An account that no file of the target has.
    #[error("{name} is not in /etc/{} of the target", database.name())]
    NotLocal {
        /// The account.
        name: String,
        /// Where it would have to be.
        database: Database,
    },
    /// An account that a file has twice.
    #[error("/etc/{} of the target has {name} twice", database.name())]
    Twice {
        /// The account.
        name: String,
        /// The file.
        database: Database,
    },
    /// The range is used up, or is none.
    #[error("/etc/login.defs of the target leaves no number between {what}_MIN and {what}_MAX")]
    NoneLeft {
        /// `UID`, `GID`, `SUB_UID` or `SUB_GID`.
        what: &'static str,
    },
    /// A setting nobody here can read.
    #[error("EXPIRE in /etc/default/useradd of the target is {value:?}, not a number of days")]
    Expire {
        /// What it says.
        value: String,
    },
    /// A home that cannot be moved.
    #[error("the home cannot be moved to {path}: {obstacle}")]
    HomeStays {
        /// The new home.
        path: String,
        /// What is in the way.
        obstacle: &'static str,
    },
    /// A home that would be deleted and is not the user's directory.
    #[error("the home {path} cannot be deleted with the user: it is not a directory of theirs")]
    HomeForeign {
        /// The home.
        path: String,
    },
}

impl Why {
    pub(super) fn at(self, at: impl Into<String>) -> Refusal {
        Refusal {
            at: at.into(),
            why: self,
        }
    }

    /// Stable code, one row in docs/failure-states.md.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "account-name-invalid",
            Self::Field { .. } | Self::Id { .. } => "account-field-invalid",
            Self::Taken { .. } => "account-id-taken",
            Self::GroupThere { .. } => "account-group-there",
            Self::NoGroup { .. } => "account-unknown",
            Self::Busy { .. } => "account-group-busy",
            Self::NotLocal { .. } | Self::Twice { .. } => "account-not-editable",
            Self::NoneLeft { .. } | Self::Expire { .. } => "account-settings",
            Self::HomeStays { .. } | Self::HomeForeign { .. } => "account-home",
        }
    }

    /// What the operator does next.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match self {
            Self::Name { .. } => "use letters, digits, `-`, `_` and `.`, a letter first, 32 at most",
            Self::Field { .. } | Self::Id { .. } => "correct it in the config",
            Self::Taken { .. } => "give another number, or leave it out to get one that is free",
            Self::GroupThere { .. } => "name the group as primaryGroup, or set noUserGroup",
            Self::NoGroup { .. } => {
                "create the group in the config's passwd section, or name one that is there"
            }
            Self::Busy { .. } => "delete the user as well, or give them another primaryGroup",
            Self::NotLocal { .. } | Self::Twice { .. } => {
                "correct the file in the image, or leave the account alone"
            }
            Self::NoneLeft { .. } | Self::Expire { .. } => {
                "correct the file in the image, or give a number in the config"
            }
            Self::HomeStays { .. } => "give another homeDir, or leave it out",
            Self::HomeForeign { .. } => {
                "leave the account alone, or correct the owner of its home in the image"
            }
        }
    }
}

impl From<Why> for Refusal {
    fn from(why: Why) -> Self {
        why.at("")
    }
}
