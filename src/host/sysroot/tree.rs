//! Whole directories: copied, moved, given to somebody else. By descriptors, so that no link is followed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{self, FileStat, Mode as Bits, SFlag, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use kindling_config_spec::units::Mode;

use super::calls::{below, enter, names, set_access_at};
use super::{Access, Sysroot, SysrootError, failed};

/// Owner and group to the new ones.
type Owners<'a> = &'a dyn Fn(u32, u32) -> (u32, u32);

impl Sysroot {
    /// Copies what a directory holds into another one, with modes and times. Extended attributes stay behind, and
    /// names of one file become files.
    ///
    /// # Errors
    /// The kernel's answer, `AlreadyExists` among them.
    pub fn copy_tree(&self, from: &Path, to: &Path, owners: Owners<'_>) -> Result<(), SysrootError> {
        let (source, target) = (self.open_tree(from)?, self.open_tree(to)?);
        copy(&source, &target, owners, (from, to)).map_err(failed("copy a directory to", to))
    }

    /// Changes the owners of a directory and of all it holds.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn change_owners(&self, path: &Path, owners: Owners<'_>) -> Result<(), SysrootError> {
        let dir = self.open_tree(path)?;
        hand_over(&dir, owners).map_err(failed("set the owner of what is in", path))
    }

    /// Gives an object another name. `false` where that is on another file system.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn rename_to(&self, from: &Path, to: &Path) -> Result<bool, SysrootError> {
        let (from, real) = (self.resolve(from)?, self.resolve(to)?);
        let renamed = nix::fcntl::renameat(&self.root, below(&from), &self.root, below(&real));
        self.forget_resolved();
        match renamed {
            Ok(()) => Ok(true),
            Err(Errno::EXDEV) => Ok(false),
            Err(error) => Err(failed("move a directory to", to)(error)),
        }
    }

    fn open_tree(&self, path: &Path) -> Result<OwnedFd, SysrootError> {
        self.open_in_root(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Bits::empty())
            .map_err(failed("open the directory", path))
    }
}

fn kind(at: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(at.st_mode) & SFlag::S_IFMT
}

fn copy(source: &OwnedFd, target: &OwnedFd, owners: Owners<'_>, paths: (&Path, &Path)) -> io::Result<()> {
    for name in names(enter(source, ".")?)? {
        let name = name.as_os_str();
        let at = stat::fstatat(source, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let (uid, gid) = owners(at.st_uid, at.st_gid);
        let is_link = kind(&at) == SFlag::S_IFLNK;
        match kind(&at) {
            SFlag::S_IFDIR => {
                stat::mkdirat(target, name, Bits::S_IRWXU)?;
                copy(&enter(source, name)?, &enter(target, name)?, owners, paths)?;
            }
            SFlag::S_IFLNK => {
                let leads = std::path::PathBuf::from(readlinkat(source, name)?);
                // A link into the directory itself leads into the copy.
                let leads = leads
                    .strip_prefix(paths.0)
                    .map_or(leads.clone(), |rest| paths.1.join(rest));
                nix::unistd::symlinkat(&leads, target, name)?;
            }
            SFlag::S_IFREG => {
                let read = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let mut from = File::from(openat(source, name, read, Bits::empty())?);
                let make = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
                let mut to = File::from(openat(target, name, make, Bits::S_IRUSR | Bits::S_IWUSR)?);
                io::copy(&mut from, &mut to)?;
            }
            special => stat::mknodat(target, name, special, Bits::empty(), at.st_rdev)?,
        }
        let access = Access {
            uid: Some(uid),
            gid: Some(gid),
            mode: (!is_link).then_some(Mode(at.st_mode & 0o7777)),
        };
        set_access_at(target.as_fd(), name, access)?;
        let (read, written) = (
            TimeSpec::new(at.st_atime, at.st_atime_nsec),
            TimeSpec::new(at.st_mtime, at.st_mtime_nsec),
        );
        utimensat(target, name, &read, &written, UtimensatFlags::NoFollowSymlink)?;
    }
    Ok(())
}

fn hand_over(dir: &OwnedFd, owners: Owners<'_>) -> io::Result<()> {
    for name in names(enter(dir, ".")?)? {
        let name = name.as_os_str();
        let at = stat::fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if kind(&at) == SFlag::S_IFDIR {
            // The directory itself comes last: what is still the old owner's shows that not all is done.
            hand_over(&enter(dir, name)?, owners)?;
        } else if let Some(access) = changed(&at, owners) {
            set_access_at(dir.as_fd(), name, access)?;
        }
    }
    match changed(&stat::fstat(dir)?, owners) {
        Some(access) => Ok(set_access_at(dir.as_fd(), ".".as_ref(), access)?),
        None => Ok(()),
    }
}

fn changed(at: &FileStat, owners: Owners<'_>) -> Option<Access> {
    let (uid, gid) = owners(at.st_uid, at.st_gid);
    ((uid, gid) != (at.st_uid, at.st_gid)).then_some(Access {
        uid: Some(uid),
        gid: Some(gid),
        mode: None,
    })
}
