//! What stands in the way of accounts, found before the first write.

use std::path::Path;

use kindling_config_spec::order::{Gather, OrderedMap};
use kindling_config_spec::types::{Config, Owner};

use crate::inventory::target::{AccountWork, Kind, Target};
use crate::plan::{Conflict, nodes};
use crate::shadow::{Action, Database, Edit, NAME_LIMIT, Names, Why};

/// Every name that no step before its use can resolve.
pub fn check_names(conflicts: &mut Vec<Conflict>, config: &Config, target: &Target) {
    if !target.accounts_known {
        return;
    }
    // Whether they shall exist; of several of one name, the first says it.
    let users = config.passwd.users.iter().rev();
    let users: OrderedMap<&str, bool> = users
        .map(|user| (user.name.as_str(), user.should_exist != Some(false)))
        .into_map();
    let groups = config.passwd.groups.iter().rev();
    let groups: OrderedMap<&str, bool> = groups
        .map(|group| (group.name.as_str(), group.should_exist != Some(false)))
        .into_map();
    let user_exists = |name: &str| match users.get(name) {
        Some(shall_exist) => *shall_exist,
        None => target.users.contains_key(name),
    };
    let group_exists = |name: &str| match groups.get(name) {
        Some(shall_exist) => *shall_exist,
        // A user's own group is created with the user.
        None => target.groups.contains_key(name) || users.contains_key(name),
    };
    let mut check = |kind: &str, pointer: String, name: Option<&str>, exists: &dyn Fn(&str) -> bool| {
        let Some(name) = name.filter(|name| !name.is_empty() && !exists(name)) else {
            return;
        };
        conflicts.push(Conflict::new(
            pointer,
            "account-unknown",
            format!("the target has no {kind} {name:?}, and the config creates none"),
            format!("create the {kind} in the config's passwd section, or use a number"),
        ));
    };
    for (pointer, user, group) in nodes::owners(config) {
        let named = |owner: &Owner| owner.id.is_none().then(|| owner.name.clone()).flatten();
        check(
            "user",
            format!("{pointer}/user/name"),
            named(user).as_deref(),
            &user_exists,
        );
        check(
            "group",
            format!("{pointer}/group/name"),
            named(group).as_deref(),
            &group_exists,
        );
    }
    let by_name = |name: &str| group_exists(name) || name.bytes().all(|byte| byte.is_ascii_digit());
    for (index, user) in config.passwd.users.iter().enumerate() {
        let pointer = format!("/passwd/users/{index}");
        let wanted = user.should_exist != Some(false);
        let primary = user.primary_group.as_deref().filter(|_| wanted);
        check("group", format!("{pointer}/primaryGroup"), primary, &by_name);
        for (nth, group) in user.groups.iter().enumerate().filter(|_| wanted) {
            check("group", format!("{pointer}/groups/{nth}"), Some(group), &by_name);
        }
    }
}

/// What the target's name service knows of the names and numbers of the config.
struct Foreign<'a>(&'a Target);

impl Names for Foreign<'_> {
    fn gid(&self, group: &str) -> Option<u32> {
        let own = self.0.databases.get(Database::Group);
        let is_own = own.is_some_and(|table| table.has(group));
        self.0.groups.get(group).filter(|_| !is_own).copied()
    }

    fn has_uid(&self, uid: u32) -> bool {
        self.0.foreign_uids.contains(&uid)
    }

    fn has_gid(&self, gid: u32) -> bool {
        self.0.foreign_gids.contains(&gid)
    }
}

/// Does the edits one after the other on what was read of the target, and tells all that will be refused.
///
/// What a program does with names, gaps between numbers or the target's settings differs between releases of shadow. So
/// of an edit that a program makes, only what every release refuses is told; the program has the last word.
pub fn check_edits(
    conflicts: &mut Vec<Conflict>,
    edits: &[(String, Edit)],
    config: &Config,
    target: &Target,
) {
    let mut databases = target.databases.clone();
    for (pointer, edit) in edits {
        let is_native = target.missing_programs.contains(&edit.action.program());
        let mut next = databases.clone();
        let refusal = match edit.apply(&mut next, &Foreign(target), 0) {
            Ok(_) => {
                databases = next;
                home(edit, target, is_native).map(|why| ("homeDir".to_owned(), why))
            }
            Err(refusal) if is_native || is_sure(&refusal.why, config, target) => {
                Some((refusal.at, refusal.why))
            }
            Err(_) => None,
        };
        let Some((at, why)) = refusal else {
            continue;
        };
        let at = match at.as_str() {
            "" => pointer.clone(),
            at => format!("{pointer}/{at}"),
        };
        if conflicts.iter().all(|told| told.pointer != at) {
            let message = match &why {
                Why::Name { .. } => why.to_string(),
                _ => format!("{}: {why}", edit.name),
            };
            conflicts.push(Conflict::new(at, why.code(), message, why.next()));
        }
    }
}

/// Whether every release of shadow refuses it.
fn is_sure(why: &Why, config: &Config, target: &Target) -> bool {
    let passwd = &config.passwd;
    match why {
        Why::Name { name } => name.len() <= NAME_LIMIT,
        // Whoever gets a number that nobody asked for may get another one.
        Why::Taken {
            kind: "uid",
            by: Some(by),
            ..
        } => {
            let mut users = passwd.users.iter();
            let made = users.find(|user| user.name == *by && !target.users.contains_key(by));
            made.is_none_or(|user| user.uid.is_some())
        }
        Why::Taken { by: Some(by), .. } => {
            let mut groups = passwd.groups.iter();
            let is_new = !target.groups.contains_key(by);
            let made = groups.find(|group| group.name == *by && is_new);
            let is_with_user = is_new && passwd.users.iter().any(|user| user.name == *by);
            made.map_or(!is_with_user, |group| group.gid.is_some())
        }
        Why::Taken { by: None, .. }
        | Why::Field { .. }
        | Why::Id { .. }
        | Why::GroupThere { .. }
        | Why::Busy { .. } => true,
        _ => false,
    }
}

/// What is in the way of a home that is moved or deleted.
fn home(edit: &Edit, target: &Target, is_native: bool) -> Option<Why> {
    let account = target.users.get(&edit.name)?;
    let found = |path: &Path| target.homes.get(path);
    match edit.action {
        Action::ChangeUser => {
            let new = edit
                .home
                .as_deref()
                .filter(|new| Path::new(new) != account.home)?;
            let name = edit.name.clone();
            let is_begun = target.unfinished.contains(&AccountWork::Change { name });
            let obstacle = if found(Path::new(new)).is_some() {
                // A run that was killed may have moved it already.
                let is_moved = is_native && is_begun && found(&account.home).is_none();
                let real = target.resolved.get(Path::new(new))?;
                let is_mounted = target.mount_points.contains(real);
                let there = if is_mounted {
                    "a file system is mounted there"
                } else {
                    "something is there"
                };
                Some(there).filter(|_| !is_moved)
            } else {
                let above = Path::new(new).parent()?;
                let is_made = |home: &std::path::PathBuf| home.starts_with(above) || above.starts_with(home);
                let is_there = found(above).is_some() || target.new_homes.values().any(is_made);
                let moves = found(&account.home).is_some() && !is_there;
                moves.then_some("the directory above it is not there")
            };
            let path = new.to_owned();
            obstacle.map(|obstacle| Why::HomeStays { path, obstacle })
        }
        Action::DeleteUser if edit.remove_home && is_native => {
            let home = found(&account.home)?;
            let is_theirs = home.kind == Kind::Directory && home.uid == account.uid;
            let path = account.home.display().to_string();
            (!is_theirs).then_some(Why::HomeForeign { path })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
