//! New objects: made under a name of their own, given owner and mode, and only then their real name.
//!
//! A killed run leaves such a name behind at most. The next run of the same config meets it at the same place and
//! starts it anew; it never goes on with one, for its owner and mode may be those of something else.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{self, Mode as Bits};
use nix::unistd::UnlinkatFlags;
use ring::digest::{SHA256, digest};

use super::calls::{hand_group_on, set_access, set_access_at};
use super::{Access, Sysroot, SysrootError, failed};
use crate::identity::hex;
use crate::inventory::target::Kind;

/// Where every name of an unfinished object starts.
const STAGED: &str = ".kindling.";

/// A file under a temporary name, on the file system where it will stay, while it gets its content.
#[derive(Debug)]
pub struct Filling {
    file: File,
    at: PathBuf,
}

impl Filling {
    /// The open file, to be filled.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Closes it: there may be more of them than a process may have open.
    #[must_use]
    pub fn filled(self) -> Staged {
        Staged { at: self.at }
    }
}

/// A file under a temporary name whose content is complete.
#[derive(Debug)]
pub struct Staged {
    at: PathBuf,
}

/// Whether a file's content is on the medium before the file has its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// The whole tree is forced later, once.
    Later,
    /// Before the name, since the name must never stand for half of it.
    First,
}

/// Where an unfinished object stands; every kind has a name of its own, for each is made by one thread at a time.
fn unfinished(kind: &str) -> OsString {
    OsString::from(format!("{STAGED}{kind}"))
}

/// The unfinished name of a file that may be filled beside others: its own.
fn own_name(real: &Path) -> OsString {
    let digest = hex(digest(&SHA256, real.as_os_str().as_bytes()).as_ref());
    unfinished(digest.get(..16).unwrap_or(&digest))
}

/// Makes a file that was not there, whatever an earlier run left.
fn fresh(dir: impl AsFd, name: &OsStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let create = || nix::fcntl::openat(dir.as_fd(), name, flags, Bits::from_bits_truncate(0o600));
    let made = match create() {
        Err(Errno::EEXIST) => {
            nix::unistd::unlinkat(dir.as_fd(), name, UnlinkatFlags::NoRemoveDir)?;
            create()
        }
        made => made,
    };
    made.and_then(|file| hand_group_on(dir, name).map(|()| file))
}

impl Sysroot {
    /// A new file under a temporary name in the directory where `path` will stand, or in the nearest parent
    /// of it that exists, which is on the same file system. It stands above all of `gone`, which is removed or
    /// moved before it gets its name. Mode 0600 until it is committed.
    ///
    /// # Errors
    /// The kernel's answer: no space, read-only, …
    pub fn stage(&self, path: &Path, gone: &[PathBuf]) -> Result<Filling, SysrootError> {
        let real = self.resolve(path)?;
        let name = own_name(&real);
        let gone: Vec<(&PathBuf, PathBuf)> = gone
            .iter()
            .map(|above| Ok((above, self.resolve(above)?)))
            .collect::<Result<_, SysrootError>>()?;
        // A link that goes away leads nowhere when the file gets its name.
        let links = gone.iter().filter(|(above, _)| path.starts_with(above));
        let first = links
            .map(|(_, at)| at.as_path())
            .min_by_key(|at| at.as_os_str().len());
        let mut dir = first.unwrap_or(&real).parent().unwrap_or(Path::new("/"));
        let is_gone = |dir: &Path| gone.iter().any(|(_, at)| dir.starts_with(at));
        while dir != Path::new("/")
            && (is_gone(dir) || self.look(dir)?.is_none_or(|node| node.kind != Kind::Directory))
        {
            dir = dir.parent().unwrap_or(Path::new("/"));
        }
        // A killed run may have staged it further up, when the directory was not there yet.
        for above in dir.ancestors().skip(1) {
            let above = self.dir(above)?;
            let _ = nix::unistd::unlinkat(&*above, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
        let at = dir.join(&name);
        let parent = self.dir(dir)?;
        let fd = fresh(&*parent, &name).map_err(failed("create a file beside", path))?;
        let file = File::from(fd);
        Ok(Filling { file, at })
    }

    /// Gives a staged file its owner, mode and name in one visible step.
    ///
    /// # Errors
    /// The kernel's answer. The staged file is removed then.
    pub fn commit(&self, staged: Staged, path: &Path, access: Access) -> Result<(), SysrootError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
        let done = self
            .open_in_root(&staged.at, flags, Bits::empty())
            .and_then(|fd| set_access(&File::from(fd), access))
            .map_err(failed("set owner and mode of", path));
        let done = done.and_then(|()| {
            let (from, temporary) = self.parent_and_name(&staged.at)?;
            let (dir, name) = self.parent_and_name(path)?;
            nix::fcntl::renameat(&*from, temporary.as_os_str(), &*dir, name.as_os_str())
                .map_err(failed("replace", path))
        });
        if done.is_err() {
            self.discard(staged);
        }
        done
    }

    /// The content of a staged file.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn reopen(&self, staged: &Staged) -> Result<File, SysrootError> {
        self.open_in_root(&staged.at, OFlag::O_RDONLY | OFlag::O_NOFOLLOW, Bits::empty())
            .map(File::from)
            .map_err(failed("read", &staged.at))
    }

    /// Removes a staged file that is not wanted after all.
    pub fn discard(&self, staged: Staged) {
        // Nothing depends on it: a later run starts it anew.
        if let Ok((dir, name)) = self.parent_and_name(&staged.at) {
            let _ = nix::unistd::unlinkat(&*dir, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }

    /// Puts `bytes` at `path` as one visible step, whatever file or link stood there.
    ///
    /// # Errors
    /// The kernel's answer; `path` is untouched then.
    pub fn put(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), SysrootError> {
        self.put_as(path, access, Durability::Later, unfinished("new"), |file| {
            file.write_all(bytes)
        })
    }

    /// As [`Sysroot::put`]; after a power cut, `path` is as before or holds all of `bytes`.
    ///
    /// # Errors
    /// The kernel's answer; `path` is untouched then.
    pub fn put_durably(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), SysrootError> {
        self.put_as(path, access, Durability::First, unfinished("new"), |file| {
            file.write_all(bytes)
        })
    }

    /// As [`Sysroot::put_durably`], with all that can be read from `source`; `spent`, which is part of it, is removed
    /// before the name is given. What a killed run leaves is where [`Sysroot::stage`] starts anew.
    ///
    /// # Errors
    /// The kernel's answer; `path` is untouched then.
    pub fn put_from(
        &self,
        path: &Path,
        source: &mut dyn Read,
        spent: Option<&Staged>,
        access: Access,
    ) -> Result<(), SysrootError> {
        let fill = |file: &mut File| {
            io::copy(source, file)?;
            if let Some(Staged { at }) = spent {
                self.discard(Staged { at: at.clone() });
            }
            Ok(())
        };
        let temporary = own_name(&self.resolve(path)?);
        self.put_as(path, access, Durability::First, temporary, fill)
    }

    fn put_as(
        &self,
        path: &Path,
        access: Access,
        durability: Durability,
        temporary: OsString,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), SysrootError> {
        let (dir, name) = self.parent_and_name(path)?;
        let mut file = File::from(fresh(&*dir, &temporary).map_err(failed("create", path))?);
        let written = fill(&mut file)
            .and_then(|()| Ok(set_access(&file, access)?))
            .and_then(|()| match durability {
                Durability::Later => Ok(()),
                Durability::First => file.sync_data(),
            });
        self.rename(&dir, &temporary, &name, written)
            .map_err(failed("write", path))
    }

    /// Makes a symbolic link that holds `target` as it is written. Its mode is the kernel's.
    ///
    /// # Errors
    /// The kernel's answer, `AlreadyExists` among them where no owner is set.
    pub fn symlink(&self, path: &Path, target: &Path, access: Access) -> Result<(), SysrootError> {
        let access = Access { mode: None, ..access };
        let (dir, name) = self.parent_and_name(path)?;
        if access == Access::default() {
            return nix::unistd::symlinkat(target, &*dir, name.as_os_str())
                .and_then(|()| hand_group_on(&*dir, &name))
                .map_err(failed("link", path));
        }
        let temporary = unfinished("link");
        let link = || nix::unistd::symlinkat(target, &*dir, temporary.as_os_str());
        let made = match link() {
            Err(Errno::EEXIST) => {
                nix::unistd::unlinkat(&*dir, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir)
                    .and_then(|()| link())
            }
            made => made,
        };
        let made = made
            .and_then(|()| hand_group_on(&*dir, &temporary))
            .and_then(|()| set_access_at(&*dir, &temporary, access));
        self.rename(&dir, &temporary, &name, made.map_err(io::Error::from))
            .map_err(failed("link", path))
    }

    /// Gives `from` the name `to`, whatever file or link stood there.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn move_over(&self, from: &Path, to: &Path) -> Result<(), SysrootError> {
        let (old, name) = self.parent_and_name(from)?;
        let (new, wanted) = self.parent_and_name(to)?;
        nix::fcntl::renameat(&*old, name.as_os_str(), &*new, wanted.as_os_str())
            .map_err(failed("replace", to))
    }

    /// As [`Sysroot::make_dirs`], each new directory with `access` before it has its name.
    ///
    /// # Errors
    /// As there.
    pub fn make_dirs_as(&self, path: &Path, access: Access) -> Result<(), SysrootError> {
        for made in self.missing_dirs(path)? {
            let (dir, name) = self.parent_and_name(&made)?;
            let temporary = unfinished("dir");
            let new = match stat::mkdirat(&*dir, temporary.as_os_str(), Bits::from_bits_truncate(0o700)) {
                Ok(()) | Err(Errno::EEXIST) => {
                    hand_group_on(&*dir, &temporary).and_then(|()| set_access_at(&*dir, &temporary, access))
                }
                Err(error) => Err(error),
            };
            new.and_then(|()| nix::fcntl::renameat(&*dir, temporary.as_os_str(), &*dir, name.as_os_str()))
                .map_err(failed("make the directory", &made))?;
            self.forget_missing();
        }
        Ok(())
    }

    /// Gives an object in `dir` its real name if making it succeeded, and removes it otherwise.
    fn rename(&self, dir: &Arc<OwnedFd>, from: &OsStr, to: &OsStr, made: io::Result<()>) -> io::Result<()> {
        let done = made.and_then(|()| Ok(nix::fcntl::renameat(&**dir, from, &**dir, to)?));
        if done.is_err() {
            let _ = nix::unistd::unlinkat(&**dir, from, UnlinkatFlags::NoRemoveDir);
        }
        done
    }
}
