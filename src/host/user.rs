//! To act with another user's rights for a while.

use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups, setegid, seteuid, setgroups};

/// The kernel refused the change.
#[derive(Debug, thiserror::Error)]
#[error("cannot act as user {user:?}: {source}")]
pub struct BecomeError {
    user: String,
    source: nix::Error,
}

/// The process has a user's rights until this is dropped. All of its threads have, so nothing else may run meanwhile.
pub struct AsUser {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl AsUser {
    /// Takes the user's number and group; nothing changes for the user that this process has already.
    ///
    /// # Errors
    /// [`BecomeError`]; whatever was taken before is given back.
    pub fn become_user(user: &str, uid: u32, gid: u32) -> Result<Option<Self>, BecomeError> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        if geteuid() == uid {
            return Ok(None);
        }
        let refused = |source| BecomeError {
            user: user.to_owned(),
            source,
        };
        let before = Self {
            uid: geteuid(),
            gid: getegid(),
            groups: getgroups().map_err(refused)?,
        };
        // Groups beside the first one need the name service, and open nothing in the user's own home.
        setgroups(&[gid])
            .and_then(|()| setegid(gid))
            .and_then(|()| seteuid(uid))
            .map_err(refused)?;
        Ok(Some(before))
    }
}

impl Drop for AsUser {
    /// Rights that cannot be had back end the process: what follows would act as somebody else.
    fn drop(&mut self) {
        let back = seteuid(self.uid)
            .and_then(|()| setegid(self.gid))
            .and_then(|()| setgroups(&self.groups));
        assert!(back.is_ok(), "the rights of before cannot be had back");
    }
}
