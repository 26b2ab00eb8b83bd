//! Accounts that nobody can log in to as meant, and names of accounts that are not there.

mod owners;
mod passwords;
mod ssh_keys;

use super::{Check, Setting, catalog as lint};
use crate::diagnostic::Pointer;
use crate::types::{Config, User};

pub(super) const CHECKS: &[Check] = &[
    owners::names_are_accounts,
    passwords::hashes_are_hashes,
    ssh_keys::keys_are_keys,
];

/// The users that shall exist, with their places.
fn users(config: &Config) -> impl Iterator<Item = (Pointer, &User)> {
    let at = |index| Pointer::root().key("passwd").key("users").index(index);
    let users = config.passwd.users.iter().enumerate();
    users
        .filter(|(_, user)| user.should_exist != Some(false))
        .map(move |(index, user)| (at(index), user))
}
