//! Edits of users.

use super::Defaults;
use super::edit::{Action, Effect, Owner};
use super::ids::{Range, add_range};
use super::refusal::{Refusal, Why};
use super::table::{Database, Table};
use super::work::{ELSEWHERE, Work};

impl Work<'_> {
    fn primary(&self) -> Result<Option<u32>, Refusal> {
        let resolve = |name: &String| {
            let gid = self.gid_of(name);
            gid.ok_or_else(|| Why::NoGroup { name: name.clone() }.at("primaryGroup"))
        };
        self.edit.primary.as_ref().map(resolve).transpose()
    }

    /// The further groups by their names in the file. Those of a new user must be in the file.
    fn groups(&self) -> Result<Vec<String>, Refusal> {
        let table = self.table(Database::Group);
        let mut found = Vec::new();
        for (nth, name) in self.edit.groups.iter().enumerate() {
            let here = match (name.parse(), table) {
                (Ok(gid), Some(table)) => table.owner(gid),
                (Err(_), Some(table)) => table.has(name).then(|| name.clone()),
                (_, None) => None,
            };
            match here {
                Some(name) => found.push(name),
                None if self.edit.action == Action::ChangeUser && self.gid_of(name).is_some() => {}
                None => return Err(Why::NoGroup { name: name.clone() }.at(format!("groups/{nth}"))),
            }
        }
        Ok(found)
    }

    /// Makes the user a member of these groups and, if `only`, of no others.
    fn join(&mut self, groups: &[String], only: bool) {
        let name = &self.edit.name;
        for which in [Database::Group, Database::Gshadow] {
            let Some(table) = self.on.get_mut(which) else {
                continue;
            };
            let rows: Vec<usize> = table.entries().map(|(row, _)| row).collect();
            for row in rows {
                let is_member = groups.contains(&table.text(row, 0));
                if is_member || only {
                    table.set_member(row, 3, name, is_member);
                }
            }
        }
    }

    pub(super) fn new_user(&mut self) -> Result<Effect, Refusal> {
        let (edit, name) = (self.edit, &self.edit.name);
        let groups = self.groups()?;
        let primary = self.primary()?;
        let defaults = self.on.defaults.clone();
        let has_own = primary.is_none() && !edit.no_user_group && defaults.says_yes("USERGROUPS_ENAB");
        if has_own && self.group_is_there() {
            let name = name.clone();
            return Err(Why::GroupThere { name }.at("name"));
        }
        let uid = match self.wanted(Database::Passwd, "uid")? {
            Some(uid) => uid,
            None => self.choose(
                Range::new(&defaults, "UID", edit.system)?,
                Database::Passwd,
                "UID",
            )?,
        };
        let gid = match primary {
            Some(gid) => gid,
            None if has_own => {
                let range = Range::new(&defaults, "GID", edit.system)?;
                let is_taken = self.names.has_gid(uid)
                    || self
                        .table(Database::Group)
                        .is_some_and(|group| group.owner(uid).is_some());
                if range.allows(uid) && !is_taken {
                    uid
                } else {
                    self.choose(range, Database::Group, "GID")?
                }
            }
            None => defaults
                .useradd("GROUP")
                .and_then(|group| self.gid_of(group))
                .unwrap_or(100),
        };
        if has_own {
            self.write_group(gid, "!", "!")?;
        }
        self.write_ranges(&defaults)?;
        let password = edit.password.as_deref().unwrap_or("!");
        let mut shown = password;
        if self.has_shadow(Database::Shadow) {
            let ages = if edit.system {
                ":::::".to_owned()
            } else {
                ages(&defaults)?
            };
            let line = format!("{name}:{password}:{}:{ages}", self.today);
            self.on.made(Database::Shadow).put(name, line)?;
            shown = ELSEWHERE;
        }
        let home = edit.home.clone();
        let home = home.unwrap_or_else(|| format!("{}/{name}", defaults.home_base()));
        let shell = edit
            .shell
            .as_deref()
            .or(defaults.useradd("SHELL"))
            .unwrap_or("/bin/bash");
        let comment = edit.comment.as_deref().unwrap_or_default();
        let line = format!("{name}:{shown}:{uid}:{gid}:{comment}:{home}:{shell}");
        self.on.made(Database::Passwd).put(name, line)?;
        self.join(&groups, false);
        let after = Some(Owner { uid, gid, home });
        Ok(Effect { before: None, after })
    }

    fn group_is_there(&self) -> bool {
        let name = &self.edit.name;
        self.table(Database::Group).is_some_and(|group| group.has(name)) || self.names.gid(name).is_some()
    }

    /// Ranges of further ids, where the target keeps such and the user is a person.
    fn write_ranges(&mut self, defaults: &Defaults) -> Result<(), Why> {
        let asked = self
            .edit
            .id
            .and_then(|id| u64::try_from(id).ok())
            .filter(|id| *id != 0);
        let people = defaults.unsigned("UID_MIN", 1000)..=defaults.unsigned("UID_MAX", 60_000);
        if self.edit.system || asked.is_some_and(|uid| !people.contains(&uid)) {
            return Ok(());
        }
        for (which, count) in [
            (Database::Subuid, "SUB_UID_COUNT"),
            (Database::Subgid, "SUB_GID_COUNT"),
        ] {
            let count = defaults.unsigned(count, 65_536);
            if count > 0 {
                add_range(self.on, which, &self.edit.name, count)?;
            }
        }
        Ok(())
    }

    pub(super) fn change_user(&mut self) -> Result<Effect, Refusal> {
        let edit = self.edit;
        let row = self.row(Database::Passwd)?;
        let (uid, primary, groups) = (
            self.wanted(Database::Passwd, "uid")?,
            self.primary()?,
            self.groups()?,
        );
        let has_shadow = self.has_shadow(Database::Shadow);
        let passwd = self.on.made(Database::Passwd);
        let owner = |passwd: &Table| Owner {
            uid: passwd.id(row, 2),
            gid: passwd.id(row, 3),
            home: passwd.text(row, 5),
        };
        let before = owner(passwd);
        let home = edit.home.as_deref().map(|home| match home.strip_suffix('/') {
            Some(rest) if !rest.is_empty() && home != before.home => rest,
            _ => home,
        });
        for (at, value) in [
            (2, uid.map(|uid| uid.to_string())),
            (3, primary.map(|gid| gid.to_string())),
            (4, edit.comment.clone()),
            (5, home.map(str::to_owned)),
            (6, edit.shell.clone()),
        ] {
            if let Some(value) = value.filter(|value| passwd.field(row, at) != value.as_bytes()) {
                passwd.set(row, at, value.as_bytes());
            }
        }
        let after = owner(passwd);
        if let Some(password) = edit.password.as_deref() {
            passwd.touch();
            let is_shown = passwd.field(row, 1) != ELSEWHERE.as_bytes();
            if !has_shadow || is_shown {
                passwd.set(row, 1, password.as_bytes());
            }
            if has_shadow {
                self.change_password(password, is_shown)?;
            }
        }
        if !edit.groups.is_empty() {
            self.join(&groups, true);
        }
        Ok(Effect {
            before: Some(before),
            after: Some(after),
        })
    }

    fn change_password(&mut self, password: &str, is_shown: bool) -> Result<(), Why> {
        let (name, today) = (&self.edit.name, self.today.clone());
        let ages = self.on.defaults.clone();
        let shadow = self.on.made(Database::Shadow);
        match shadow.row(name)? {
            Some(row) => {
                shadow.set(row, 1, password.as_bytes());
                shadow.set(row, 2, today.as_bytes());
                let last = shadow.text(row, 8);
                shadow.set(row, 8, last.as_bytes());
            }
            None if is_shown => {}
            None => {
                let line = format!("{name}:{password}:{today}:{}:::", password_ages(&ages));
                shadow.put(name, line)?;
            }
        }
        Ok(())
    }

    pub(super) fn delete_user(&mut self) -> Result<Effect, Refusal> {
        let row = self.row(Database::Passwd)?;
        let name = &self.edit.name;
        let passwd = self.on.made(Database::Passwd);
        let before = Owner {
            uid: passwd.id(row, 2),
            gid: passwd.id(row, 3),
            home: passwd.text(row, 5),
        };
        let is_shared = passwd
            .entries()
            .any(|(other, _)| other != row && passwd.id(other, 3) == before.gid);
        self.remove_from(&[Database::Passwd, Database::Shadow])?;
        for which in [Database::Subuid, Database::Subgid] {
            if let Some(table) = self.on.get_mut(which) {
                table.remove_all(name);
            }
        }
        self.join(&[], true);
        let keeps_group =
            self.edit.no_user_group || is_shared || !self.on.defaults.says_yes("USERGROUPS_ENAB");
        if let Some(group) = self.on.get_mut(Database::Group)
            && let Some(row) = group.row(name)?
            && !keeps_group
            && group.id(row, 2) == before.gid
            && group.field(row, 3).is_empty()
        {
            self.remove_from(&[Database::Group, Database::Gshadow])?;
        }
        if let Some(gshadow) = self.on.get_mut(Database::Gshadow) {
            for row in gshadow.entries().map(|(row, _)| row).collect::<Vec<_>>() {
                gshadow.set_member(row, 2, name, false);
            }
        }
        Ok(Effect {
            before: Some(before),
            after: None,
        })
    }
}

/// The fields of shadow(5) for how long a password may, must and can be kept.
fn password_ages(defaults: &Defaults) -> String {
    let age = |name: &str| {
        let days = defaults.number(name).filter(|days| *days != -1);
        days.map_or_else(String::new, |days| days.to_string())
    };
    [age("PASS_MIN_DAYS"), age("PASS_MAX_DAYS"), age("PASS_WARN_AGE")].join(":")
}

/// All the fields of shadow(5) behind the day of the last change.
fn ages(defaults: &Defaults) -> Result<String, Why> {
    let days = |name: &str| defaults.useradd(name).unwrap_or_default();
    let inactive = days("INACTIVE").parse::<i64>().ok().filter(|days| *days >= 0);
    let inactive = inactive.map_or_else(String::new, |days| days.to_string());
    let expire = match days("EXPIRE") {
        "" | "-1" => String::new(),
        value if value.bytes().all(|byte| byte.is_ascii_digit()) => value.to_owned(),
        value => {
            let value = value.to_owned();
            return Err(Why::Expire { value });
        }
    };
    Ok(format!("{}:{inactive}:{expire}:", password_ages(defaults)))
}
