//! What the programs of shadow(8) do, where the initramfs has none of them: the databases, and the files of their users.
//!
//! A new user's line is written first and a deleted one's last, and homes are moved and given away before the line says
//! so. So whatever run is killed, the next one sees from the databases that it must go on.

use std::path::{Path, PathBuf};

use kindling_config_spec::units::Mode;

use super::{ApplyError, Host};
use crate::host::accounts::{self, Passwords};
use crate::host::machine;
use crate::host::sysroot::{Access, Sysroot};
use crate::inventory::target::Kind;
use crate::shadow::{Action, Database, Databases, Edit, Effect, Names, Owner, Refusal, Why};

const SECONDS_OF_A_DAY: u64 = 86_400;
/// A home on its way to another file system, beside where it will be.
const COPIED: &str = ".kindling.home";
/// The home that was copied, beside where it was.
const LEFT: &str = ".kindling.left";

/// The target's name service. Where it does not answer, nobody is taken to be there: as the programs do.
struct NameService<'a>(&'a Host<'a>);

impl NameService<'_> {
    fn has(&self, which: Database, id: u32) -> bool {
        let Some(sysroot) = self.0.sysroot else {
            return false;
        };
        accounts::has_number(sysroot, self.0.processes, which, id).unwrap_or(false)
    }
}

impl Names for NameService<'_> {
    fn gid(&self, group: &str) -> Option<u32> {
        accounts::group(self.0.sysroot?, self.0.processes, group)
            .ok()
            .flatten()
    }

    fn has_uid(&self, uid: u32) -> bool {
        self.has(Database::Passwd, uid)
    }

    fn has_gid(&self, gid: u32) -> bool {
        self.has(Database::Group, gid)
    }
}

/// Does one edit.
pub(super) fn edit(host: &Host<'_>, edit: &Edit) -> Result<(), ApplyError> {
    let sysroot = host.sysroot()?;
    let locked = accounts::lock(sysroot)?;
    let mut databases = accounts::databases(sysroot, Passwords::Read)?;
    let today = machine::seconds_since_1970() / SECONDS_OF_A_DAY;
    let effect = edit.apply(&mut databases, &NameService(host), today)?;
    let files = Files {
        sysroot,
        edit,
        databases: &databases,
    };
    let order = edit.action.order();
    match effect {
        Effect {
            before: Some(before),
            after: Some(after),
        } => {
            files.change(&before, &after)?;
            locked.write(&databases, order)?;
        }
        Effect {
            before: Some(before),
            after: None,
        } => {
            files.delete(&before)?;
            locked.write(&databases, order)?;
        }
        Effect { before: None, after } => {
            locked.write(&databases, order)?;
            if let Some(after) = after.filter(|_| edit.action == Action::NewUser) {
                files.make(&after)?;
            }
        }
    }
    Ok(())
}

/// The files of the user of an edit.
struct Files<'a> {
    sysroot: &'a Sysroot,
    edit: &'a Edit,
    databases: &'a Databases,
}

fn owned(uid: u32, gid: u32, mode: Option<Mode>) -> Access {
    Access {
        uid: Some(uid),
        gid: Some(gid),
        mode,
    }
}

impl Files<'_> {
    /// Makes home and mailbox where there are none.
    fn make(&self, user: &Owner) -> Result<(), ApplyError> {
        let (sysroot, defaults) = (self.sysroot, &self.databases.defaults);
        let home = Path::new(&user.home);
        if self.edit.create_home && sysroot.look(home)?.is_none() {
            sysroot.make_dirs(home.parent().unwrap_or(home))?;
            sysroot.make_dirs_as(home, owned(user.uid, user.gid, Some(Mode(defaults.home_mode()))))?;
            let skeleton = Path::new(defaults.skeleton());
            if sysroot
                .look(skeleton)?
                .is_some_and(|node| node.kind == Kind::Directory)
            {
                sysroot.copy_tree(skeleton, home, &|_, _| (user.uid, user.gid))?;
            }
        }
        let Some(dir) = defaults.new_mailbox().filter(|_| !self.edit.system) else {
            return Ok(());
        };
        let (dir, file) = (Path::new(dir), self.mailbox(Path::new(dir)));
        let has_dir = sysroot.look(dir)?.is_some_and(|node| node.kind != Kind::File);
        if has_dir && sysroot.look(&file)?.is_none() {
            let mail = self
                .databases
                .get(Database::Group)
                .and_then(|group| group.id_of("mail"));
            let access = match mail {
                Some(gid) => owned(user.uid, gid, Some(Mode(0o660))),
                None => owned(user.uid, user.gid, Some(Mode(0o600))),
            };
            sysroot.put_durably(&file, b"", access)?;
        }
        Ok(())
    }

    fn mailbox(&self, dir: &Path) -> PathBuf {
        dir.join(&self.edit.name)
    }

    /// The mailbox that is there and the user's own.
    fn own_mailbox(&self, uid: u32) -> Result<Option<PathBuf>, ApplyError> {
        let Some(dir) = self.databases.defaults.mail_dir() else {
            return Ok(None);
        };
        let file = self.mailbox(Path::new(dir));
        let found = self.sysroot.look(&file)?;
        Ok(found.is_some_and(|node| node.uid == uid).then_some(file))
    }

    /// Deletes mailbox and home, if that is wanted and both are the user's own.
    fn delete(&self, user: &Owner) -> Result<(), ApplyError> {
        if !self.edit.remove_home {
            return Ok(());
        }
        let home = Path::new(&user.home);
        let found = self.sysroot.look(home)?;
        if let Some(node) = &found
            && (node.kind != Kind::Directory || node.uid != user.uid || home.parent().is_none())
        {
            let path = user.home.clone();
            return Err(refusal(Why::HomeForeign { path }));
        }
        if let Some(mailbox) = self.own_mailbox(user.uid)? {
            self.sysroot.remove(&mailbox)?;
        }
        self.sysroot.remove(home)?;
        // The user's line goes on the medium next.
        Ok(self.sysroot.sync(home)?)
    }

    /// Moves the home, and gives it and the mailbox to the numbers that the user will have.
    fn change(&self, before: &Owner, after: &Owner) -> Result<(), ApplyError> {
        let (old, new) = (Path::new(&before.home), Path::new(&after.home));
        let has_moved = old != new;
        if has_moved {
            self.move_home(old, new)?;
        }
        let has_owner = (before.uid, before.gid) != (after.uid, after.gid);
        let found = self
            .sysroot
            .look(new)?
            .filter(|node| node.kind == Kind::Directory);
        if has_owner && found.is_some_and(|home| has_moved || [before.uid, after.uid].contains(&home.uid)) {
            self.sysroot.change_owners(new, &|uid, gid| {
                (
                    if uid == before.uid { after.uid } else { uid },
                    if gid == before.gid { after.gid } else { gid },
                )
            })?;
        }
        if before.uid != after.uid
            && let Some(mailbox) = self.own_mailbox(before.uid)?
        {
            let access = Access {
                uid: Some(after.uid),
                ..Access::default()
            };
            self.sysroot.set_access(&mailbox, access)?;
        }
        if has_moved || has_owner {
            self.sysroot.sync(new)?;
        }
        Ok(())
    }

    /// Moves a home. A run that was killed in between is gone on with: it is under one of four names at any moment.
    fn move_home(&self, old: &Path, new: &Path) -> Result<(), ApplyError> {
        let sysroot = self.sysroot;
        let beside = |path: &Path, name: &str| path.parent().unwrap_or(path).join(name);
        let (copied, left) = (beside(new, COPIED), beside(old, LEFT));
        if let Some(node) = sysroot.look(old)? {
            if node.kind != Kind::Directory || sysroot.look(new)?.is_some() {
                let path = new.display().to_string();
                let obstacle = "something is there, or the present one is no directory";
                return Err(refusal(Why::HomeStays { path, obstacle }));
            }
            if sysroot.rename_to(old, new)? {
                return Ok(());
            }
            sysroot.remove(&copied)?;
            sysroot.make_dirs_as(&copied, owned(node.uid, node.gid, Some(node.mode)))?;
            sysroot.copy_tree(old, &copied, &|uid, gid| (uid, gid))?;
            sysroot.sync(&copied)?;
            sysroot.rename_to(old, &left)?;
        }
        if sysroot.look(&copied)?.is_some() {
            sysroot.rename_to(&copied, new)?;
        }
        Ok(sysroot.remove(&left)?)
    }
}

fn refusal(why: Why) -> ApplyError {
    ApplyError::Account(Refusal::from(why))
}
