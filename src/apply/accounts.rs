//! Groups, users and what belongs to them.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::units::{Bytes, Mode};

use super::{ApplyError, Host, Outcome};
use crate::host::accounts;
use crate::host::journal::Line;
use crate::host::process::ProcessError;
use crate::host::sysroot::Access;
use crate::inventory::target::{Account, AccountWork};
use crate::plan::step::Id;

/// A key file of this size is no key file.
const KEYS_LIMIT: Bytes = Bytes(16 << 20);

/// Names that were looked up in the target.
#[derive(Default)]
pub(super) struct Names {
    users: OrderedMap<String, Account>,
    groups: OrderedMap<String, u32>,
}

impl Names {
    /// After a change of the accounts, every name is looked up anew.
    pub(super) fn forget(&mut self) {
        self.users.clear();
        self.groups.clear();
    }

    /// The number behind an owner; `None` leaves the owner.
    pub(super) fn uid(&mut self, host: &Host<'_>, id: &Id) -> Result<Option<u32>, ApplyError> {
        match id {
            Id::Keep => Ok(None),
            Id::Number(number) => Ok(Some(*number)),
            Id::Name(name) => Ok(Some(self.user(host, name)?.uid)),
        }
    }

    /// The number behind a group; `None` leaves the group.
    pub(super) fn gid(&mut self, host: &Host<'_>, id: &Id) -> Result<Option<u32>, ApplyError> {
        let name = match id {
            Id::Keep => return Ok(None),
            Id::Number(number) => return Ok(Some(*number)),
            Id::Name(name) => name,
        };
        if let Some(known) = self.groups.get(name) {
            return Ok(Some(*known));
        }
        let found = accounts::group(host.sysroot()?, host.processes, name)?;
        let gid = found.ok_or_else(|| ApplyError::UnknownName {
            kind: "group",
            name: name.clone(),
        })?;
        self.groups.insert(name.clone(), gid);
        Ok(Some(gid))
    }

    /// The home directory of a user.
    pub(super) fn home(&mut self, host: &Host<'_>, name: &str) -> Result<PathBuf, ApplyError> {
        Ok(self.user(host, name)?.home)
    }

    fn user(&mut self, host: &Host<'_>, name: &str) -> Result<Account, ApplyError> {
        if let Some(known) = self.users.get(name) {
            return Ok(known.clone());
        }
        let found = accounts::user(host.sysroot()?, host.processes, name)?;
        let user = found.ok_or_else(|| ApplyError::UnknownName {
            kind: "user",
            name: name.to_owned(),
        })?;
        self.users.insert(name.to_owned(), user.clone());
        Ok(user)
    }
}

/// Runs one account program, or does its work. What it does counts as half done until it ends.
pub(super) fn run(
    host: &Host<'_>,
    already: bool,
    work: &AccountWork,
    act: impl FnOnce() -> Result<(), ApplyError>,
) -> Result<Outcome, ApplyError> {
    if already {
        return Ok(Outcome::AlreadySo);
    }
    let record = |line: Line| host.journal.map_or(Ok(()), |journal| journal.record(&[line]));
    record(Line::Begun(work.clone()))?;
    if let Err(error) = act() {
        let ended = matches!(
            error,
            ApplyError::Run(ProcessError::Exited { .. }) | ApplyError::Account(_)
        );
        if ended && made_nothing(host, work) {
            record(Line::NotBegun(work.clone()))?;
        }
        return Err(error);
    }
    if let AccountWork::NewUser { home: Some(home), .. } = work {
        // The programs sync their databases, not the home, and nobody comes back to a user who is done.
        host.sysroot()?.sync(home)?;
    }
    record(Line::Done(work.clone()))?;
    Ok(Outcome::Changed)
}

/// Whether a program that ended by itself left nothing of what it was to make.
fn made_nothing(host: &Host<'_>, work: &AccountWork) -> bool {
    let Some(sysroot) = host.sysroot else {
        return false;
    };
    let no_user = |name: &str| matches!(accounts::user(sysroot, host.processes, name), Ok(None));
    let no_group = |name: &str| matches!(accounts::group(sysroot, host.processes, name), Ok(None));
    match work {
        AccountWork::NewUser {
            name,
            home,
            own_group,
        } => {
            let no_home = |home: &PathBuf| matches!(sysroot.look(home), Ok(None));
            no_user(name) && home.as_ref().is_none_or(no_home) && (!own_group || no_group(name))
        }
        AccountWork::NewGroup { name } => no_group(name),
        // It is done once more in any case, and it took its locks away.
        AccountWork::Change { .. } => true,
    }
}

/// Gives the directories at and below the user's home to the user, mode 0700.
pub(super) fn hand_over(
    host: &Host<'_>,
    names: &mut Names,
    made: &[PathBuf],
    user: &str,
) -> Result<Outcome, ApplyError> {
    let account = names.user(host, user)?;
    let mut outcome = Outcome::AlreadySo;
    for path in made.iter().filter(|path| path.starts_with(&account.home)) {
        let access = Access {
            uid: Some(account.uid),
            gid: Some(account.gid),
            mode: Some(Mode(0o700)),
        };
        host.sysroot()?.set_access(path, access)?;
        outcome = Outcome::Changed;
    }
    Ok(outcome)
}

/// Writes the key file with its directories, all of them the user's own and nobody else's to read.
pub(super) fn authorized_keys(
    host: &Host<'_>,
    names: &mut Names,
    user: &str,
    file: &Path,
    keys: &[String],
) -> Result<Outcome, ApplyError> {
    let sysroot = host.sysroot()?;
    let account = names.user(host, user)?;
    let path = account.home.join(file);
    if sysroot.look(&account.home)?.is_none() {
        return Err(ApplyError::NoHome {
            user: user.to_owned(),
            home: account.home,
        });
    }
    let mut text = keys.join("\n");
    text.push('\n');
    if sysroot.read_bytes(&path, KEYS_LIMIT)?.as_deref() == Some(text.as_bytes()) {
        return Ok(Outcome::AlreadySo);
    }
    let own = |mode| Access {
        uid: Some(account.uid),
        gid: Some(account.gid),
        mode: Some(Mode(mode)),
    };
    sysroot.make_dirs_as(path.parent().unwrap_or(&path), own(0o700))?;
    sysroot.put(&path, text.as_bytes(), own(0o600))?;
    crate::host::log::ssh_keys_written(user, &crate::plan::mounts::below(sysroot.path(), &path));
    Ok(Outcome::Changed)
}
