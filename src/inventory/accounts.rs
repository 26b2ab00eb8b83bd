//! What the planner must know of the target's accounts: those the config names, and what stands in the way of new ones.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedSet};
use kindling_config_spec::types::Config;

use super::observe::ObserveError;
use super::target::Target;
use crate::host::accounts::{self, Passwords};
use crate::host::process::Processes;
use crate::host::sysroot::Sysroot;
use crate::plan::accounts::named_accounts;
use crate::shadow::{Action, Database};

/// Reads it. Only numbers and names that the config has are asked for.
pub(super) fn observe(
    target: &mut Target,
    config: &Config,
    sysroot: &Sysroot,
    processes: &dyn Processes,
) -> Result<(), ObserveError> {
    let named = named_accounts(config);
    for user in named.users {
        if let Some(account) = accounts::user(sysroot, processes, user)? {
            target.users.insert(user.to_owned(), account);
        }
    }
    for group in named.groups {
        if let Some(gid) = accounts::group(sysroot, processes, group)? {
            target.groups.insert(group.to_owned(), gid);
        }
    }
    target.databases = accounts::databases(sysroot, Passwords::LeftOut)?;
    let programs = Action::ALL.iter().map(|action| action.program());
    target.missing_programs = programs
        .filter(|program| !processes.is_installed(*program))
        .into_set();
    foreign_numbers(target, config, sysroot, processes)?;
    homes(target, config, sysroot)?;
    target.accounts_known = true;
    Ok(())
}

fn foreign_numbers(
    target: &mut Target,
    config: &Config,
    sysroot: &Sysroot,
    processes: &dyn Processes,
) -> Result<(), ObserveError> {
    let passwd = &config.passwd;
    let users = passwd
        .users
        .iter()
        .filter(|user| user.should_exist != Some(false));
    let groups = passwd
        .groups
        .iter()
        .filter(|group| group.should_exist != Some(false));
    let number = |id: i64| u32::try_from(id).ok();
    let uids: OrderedSet<u32> = users.clone().filter_map(|user| number(user.uid?)).into_set();
    let by_number = users.flat_map(|user| user.groups.iter().chain(&user.primary_group));
    let gids: OrderedSet<u32> = groups
        .filter_map(|group| number(group.gid?))
        .chain(by_number.filter_map(|group| group.parse().ok()))
        .into_set();
    for (which, ids, foreign) in [
        (Database::Passwd, uids, &mut target.foreign_uids),
        (Database::Group, gids, &mut target.foreign_gids),
    ] {
        let table = target.databases.get(which);
        for id in ids {
            let is_own = table.is_some_and(|table| table.owner(id).is_some());
            if !is_own && accounts::has_number(sysroot, processes, which, id)? {
                foreign.insert(id);
            }
        }
    }
    Ok(())
}

/// What stands where homes are, and which new ones would be made.
fn homes(target: &mut Target, config: &Config, sysroot: &Sysroot) -> Result<(), ObserveError> {
    let base = target.databases.defaults.home_base().to_owned();
    let mut homes: OrderedSet<PathBuf> = target
        .users
        .values()
        .map(|account| account.home.clone())
        .into_set();
    for user in &config.passwd.users {
        let home = user.home_dir.as_deref().filter(|home| !home.is_empty());
        let home = home.map_or_else(|| PathBuf::from(&base).join(&user.name), PathBuf::from);
        if user.no_create_home != Some(true) && sysroot.look(&home)?.is_none() {
            target.new_homes.insert(user.name.clone(), home.clone());
        }
        homes.extend(home.parent().map(Path::to_owned));
        homes.insert(home);
    }
    for home in homes {
        let real = sysroot.resolve(&home)?;
        if let Some(node) = sysroot.look(&real)? {
            target.homes.insert(home.clone(), node);
        }
        target.resolved.insert(home, real);
    }
    Ok(())
}
