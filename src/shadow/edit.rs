//! What one call of groupadd(8), useradd(8) and their kin is asked for, and what it makes of the databases.

use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::Databases;
use super::refusal::{Refusal, Why};
use super::table::Database;
use super::work::Work;
use crate::invocation::{Invocation, Program};

/// The longest name that shadow 4.13 takes, in bytes: that of a record of utmp(5). Later releases take longer ones.
pub const NAME_LIMIT: usize = 32;
/// The longest line of `passwd` that shadow reads and writes, in bytes.
pub const LINE_LIMIT: usize = 32_768;

/// Which program's work it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// groupadd
    #[default]
    NewGroup,
    /// groupmod
    ChangeGroup,
    /// groupdel
    DeleteGroup,
    /// useradd
    NewUser,
    /// usermod
    ChangeUser,
    /// userdel
    DeleteUser,
}

impl Action {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::NewGroup,
        Self::ChangeGroup,
        Self::DeleteGroup,
        Self::NewUser,
        Self::ChangeUser,
        Self::DeleteUser,
    ];

    /// In which order the databases are written, so that a run which begins again sees that it was not all of them:
    /// what is made is in the first one, and what goes or is changed is in the last one as it was.
    #[must_use]
    pub fn order(self) -> [Database; 6] {
        let [passwd, shadow, group, gshadow, subuid, subgid] = Database::ALL;
        match self {
            Self::NewGroup | Self::NewUser => Database::ALL,
            Self::ChangeGroup => [subuid, subgid, shadow, passwd, gshadow, group],
            Self::DeleteGroup | Self::ChangeUser | Self::DeleteUser => {
                [subgid, subuid, gshadow, group, shadow, passwd]
            }
        }
    }

    /// The program.
    #[must_use]
    pub fn program(self) -> Program {
        match self {
            Self::NewGroup => Program::Groupadd,
            Self::ChangeGroup => Program::Groupmod,
            Self::DeleteGroup => Program::Groupdel,
            Self::NewUser => Program::Useradd,
            Self::ChangeUser => Program::Usermod,
            Self::DeleteUser => Program::Userdel,
        }
    }
}

/// One call's worth of work on one account. What is not set is left, or the target's default.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// What is done.
    pub action: Action,
    /// With whom.
    pub name: String,
    /// The number.
    pub id: Option<i64>,
    /// The hash. It is in no text this module makes but the databases'.
    pub password: Option<String>,
    /// A number of the system's range, and no ageing of the password.
    pub system: bool,
    /// A home is made if there is none.
    pub create_home: bool,
    /// The home is deleted with the user.
    pub remove_home: bool,
    /// No group is made with the user. Of one that is deleted: the group of the same name stays.
    pub no_user_group: bool,
    /// Passed on.
    pub no_log_init: bool,
    /// The home; one that is there is moved.
    pub home: Option<String>,
    /// The comment.
    pub comment: Option<String>,
    /// The primary group, by name or number.
    pub primary: Option<String>,
    /// All further groups.
    pub groups: Vec<String>,
    /// The shell.
    pub shell: Option<String>,
}

/// What only the target's name service knows.
pub trait Names {
    /// The number of a group.
    fn gid(&self, group: &str) -> Option<u32>;
    /// Whether a user has the number.
    fn has_uid(&self, uid: u32) -> bool;
    /// Whether a group has the number.
    fn has_gid(&self, gid: u32) -> bool;
}

/// A user, as files know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Home.
    pub home: String,
}

/// The user of an edit, before and after it: what must happen to their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Before.
    pub before: Option<Owner>,
    /// After.
    pub after: Option<Owner>,
}

impl fmt::Display for Edit {
    /// The call, without a root.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call(None).fmt(out)
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for Edit {
    /// As the call prints.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.call(None).serialize(to)
    }
}

impl Edit {
    /// The call of the program (engine.md 4.6.1, 4.6.2).
    #[must_use]
    pub fn call(&self, root: Option<&Path>) -> Invocation {
        let call = Invocation::new(self.action.program()).option("--root", root);
        let id = self.id.map(|id| id.to_string());
        let password = self.password.as_deref();
        let call = match self.action {
            Action::NewGroup => call
                .option("--gid", id)
                .secret_option("--password", password)
                .flag("--system", self.system),
            Action::ChangeGroup => call.option("--gid", id).secret_option("--password", password),
            Action::DeleteGroup => call,
            Action::DeleteUser => call.flag("--remove", self.remove_home),
            Action::NewUser | Action::ChangeUser => {
                let call = if self.action == Action::ChangeUser {
                    call.option("--home", self.home.as_deref())
                        .flag("--move-home", self.home.is_some())
                } else {
                    call.option("--home-dir", self.home.as_deref())
                        .flag("--create-home", self.create_home)
                        .flag("--no-create-home", !self.create_home)
                        .flag("--no-user-group", self.no_user_group)
                        .flag("--system", self.system)
                        .flag("--no-log-init", self.no_log_init)
                };
                call.secret_option("--password", password)
                    .option("--uid", id)
                    .option("--comment", self.comment.as_deref())
                    .option("--gid", self.primary.as_deref())
                    .option(
                        "--groups",
                        (!self.groups.is_empty()).then(|| self.groups.join(",")),
                    )
                    .option("--shell", self.shell.as_deref())
            }
        };
        call.arg(&self.name)
    }

    /// Whether it is a change of nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let bare = Self {
            action: self.action,
            name: self.name.clone(),
            ..Self::default()
        };
        matches!(self.action, Action::ChangeGroup | Action::ChangeUser) && *self == bare
    }

    /// Does it to the databases. `today` is in days since 1970. After a refusal they are worth nothing.
    ///
    /// # Errors
    /// What the program would refuse.
    pub fn apply(&self, on: &mut Databases, names: &dyn Names, today: u64) -> Result<Effect, Refusal> {
        self.check()?;
        let mut work = Work {
            edit: self,
            on,
            names,
            today: if today == 0 {
                String::new()
            } else {
                today.to_string()
            },
        };
        match self.action {
            Action::NewGroup => work.new_group(),
            Action::ChangeGroup => work.change_group(),
            Action::DeleteGroup => work.delete_group(),
            Action::NewUser => work.new_user(),
            Action::ChangeUser => work.change_user(),
            Action::DeleteUser => work.delete_user(),
        }
    }

    /// What can be told without looking at anything.
    fn check(&self) -> Result<(), Refusal> {
        let is_new = matches!(self.action, Action::NewGroup | Action::NewUser);
        let is_bad = |c: char| ":,".contains(c) || c.is_ascii_whitespace() || c.is_ascii_control();
        let name = self.name.as_str();
        let is_odd = name.is_empty() || name.len() > NAME_LIMIT || name.starts_with(['-', '~', '+']);
        if is_new && (is_odd || name.contains(is_bad)) {
            let name = name.to_owned();
            return Err(Why::Name { name }.at("name"));
        }
        for (what, text, first) in [
            ("passwordHash", &self.password, &[][..]),
            ("gecos", &self.comment, &[]),
            ("homeDir", &self.home, &['/']),
            ("shell", &self.shell, &['/', '*']),
        ] {
            let is_bad = |text: &str| {
                text.contains(|c: char| c == ':' || c.is_ascii_control())
                    || (!first.is_empty() && !text.is_empty() && !text.starts_with(first))
            };
            if text.as_deref().is_some_and(is_bad) {
                return Err(Why::Field { what }.at(what));
            }
        }
        Ok(())
    }
}
