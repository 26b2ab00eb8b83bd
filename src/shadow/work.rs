//! An edit while it is done: what groups and users have in common, and groups.

use super::Databases;
use super::edit::{Edit, Effect, Names};
use super::ids::Range;
use super::refusal::{Refusal, Why};
use super::table::{Database, Table};

/// What stands for a password that is in the other database.
pub(super) const ELSEWHERE: &str = "x";

/// One edit while it is done.
pub(super) struct Work<'a> {
    pub(super) edit: &'a Edit,
    pub(super) on: &'a mut Databases,
    pub(super) names: &'a dyn Names,
    /// In days since 1970; empty where the clock stands before that.
    pub(super) today: String,
}

impl Work<'_> {
    pub(super) fn table(&self, which: Database) -> Option<&Table> {
        self.on.get(which)
    }

    pub(super) fn has_shadow(&self, which: Database) -> bool {
        self.table(which).is_some() || self.on.defaults.says_yes("FORCE_SHADOW")
    }

    /// The number that the edit asks for, which nobody may have.
    pub(super) fn wanted(&self, which: Database, kind: &'static str) -> Result<Option<u32>, Refusal> {
        let Some(id) = self.edit.id else {
            return Ok(None);
        };
        let number = u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        let id = number.ok_or_else(|| Why::Id { id }.at(kind))?;
        let by = self.table(which).and_then(|table| table.owner(id));
        let elsewhere = || match which {
            Database::Passwd => self.names.has_uid(id),
            _ => self.names.has_gid(id),
        };
        if by.as_ref() != Some(&self.edit.name) && (by.is_some() || elsewhere()) {
            return Err(Why::Taken { kind, id, by }.at(kind));
        }
        Ok(Some(id))
    }

    /// The row of the account, which must be in the file.
    pub(super) fn row(&self, which: Database) -> Result<usize, Refusal> {
        let name = self.edit.name.clone();
        let row = match self.table(which) {
            Some(table) => table.row(&name)?,
            None => None,
        };
        Ok(row.ok_or(Why::NotLocal {
            name,
            database: which,
        })?)
    }

    pub(super) fn new_group(&mut self) -> Result<Effect, Refusal> {
        let gid = match self.wanted(Database::Group, "gid")? {
            Some(gid) => gid,
            None => {
                let range = Range::new(&self.on.defaults, "GID", self.edit.system)?;
                self.choose(range, Database::Group, "GID")?
            }
        };
        let password = self.edit.password.as_deref();
        self.write_group(gid, password.unwrap_or(ELSEWHERE), password.unwrap_or("!"))?;
        Ok(Effect::default())
    }

    pub(super) fn choose(&self, range: Range, which: Database, what: &'static str) -> Result<u32, Why> {
        let elsewhere = |id| match which {
            Database::Passwd => self.names.has_uid(id),
            _ => self.names.has_gid(id),
        };
        range
            .choose(self.table(which), elsewhere)
            .ok_or(Why::NoneLeft { what })
    }

    /// Writes the lines of a new group. `open` is the password where there is no other database for it.
    pub(super) fn write_group(&mut self, gid: u32, open: &str, hidden: &str) -> Result<(), Why> {
        let name = &self.edit.name;
        let mut shown = open;
        if self.has_shadow(Database::Gshadow) {
            self.on
                .made(Database::Gshadow)
                .put(name, format!("{name}:{hidden}::"))?;
            shown = ELSEWHERE;
        }
        self.on
            .made(Database::Group)
            .put(name, format!("{name}:{shown}:{gid}:"))
    }

    pub(super) fn change_group(&mut self) -> Result<Effect, Refusal> {
        let wanted = self.wanted(Database::Group, "gid")?;
        let row = self.row(Database::Group)?;
        let (name, has_gshadow) = (&self.edit.name, self.has_shadow(Database::Gshadow));
        let group = self.on.made(Database::Group);
        group.tidy_list(row, 3);
        let old = group.id(row, 2);
        if let Some(gid) = wanted.filter(|gid| *gid != old) {
            group.set(row, 2, gid.to_string().as_bytes());
            if let Some(passwd) = self.on.get_mut(Database::Passwd) {
                let theirs = passwd.entries().filter(|(row, _)| passwd.id(*row, 3) == old);
                for row in theirs.map(|(row, _)| row).collect::<Vec<_>>() {
                    passwd.set(row, 3, gid.to_string().as_bytes());
                }
            }
        }
        let Some(password) = self.edit.password.as_deref() else {
            return Ok(Effect::default());
        };
        let group = self.on.made(Database::Group);
        if !has_gshadow || group.field(row, 1) != ELSEWHERE.as_bytes() {
            group.set(row, 1, password.as_bytes());
        }
        let (shown, members) = (group.text(row, 1), group.text(row, 3));
        if has_gshadow {
            let gshadow = self.on.made(Database::Gshadow);
            match gshadow.row(name)? {
                Some(row) => {
                    gshadow.set(row, 1, password.as_bytes());
                    gshadow.tidy_list(row, 2);
                    gshadow.tidy_list(row, 3);
                }
                None if shown == ELSEWHERE => gshadow.put(name, format!("{name}:{password}::{members}"))?,
                None => {}
            }
        }
        Ok(Effect::default())
    }

    pub(super) fn delete_group(&mut self) -> Result<Effect, Refusal> {
        let row = self.row(Database::Group)?;
        let gid = self.on.made(Database::Group).id(row, 2);
        let user = self.table(Database::Passwd).and_then(|passwd| {
            let theirs = passwd.entries().find(|(row, _)| passwd.id(*row, 3) == gid);
            theirs.map(|(row, _)| passwd.text(row, 0))
        });
        if let Some(user) = user {
            let group = self.edit.name.clone();
            return Err(Why::Busy { group, user }.into());
        }
        self.remove_from(&[Database::Group, Database::Gshadow])?;
        Ok(Effect::default())
    }

    pub(super) fn remove_from(&mut self, databases: &[Database]) -> Result<(), Why> {
        for which in databases {
            if let Some(table) = self.on.get_mut(*which) {
                table.remove(&self.edit.name)?;
            }
        }
        Ok(())
    }

    /// The number of a group by its name or number, if the target has it.
    pub(super) fn gid_of(&self, group: &str) -> Option<u32> {
        let table = self.table(Database::Group);
        if let Ok(gid) = group.parse() {
            let is_there = table.is_some_and(|table| table.owner(gid).is_some());
            return (is_there || self.names.has_gid(gid)).then_some(gid);
        }
        let row = table.and_then(|table| table.row(group).ok()?);
        let here = table.zip(row).map(|(table, row)| table.id(row, 2));
        here.or_else(|| self.names.gid(group))
    }
}
