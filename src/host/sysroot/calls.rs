//! The calls behind the tree: by descriptor, never following a link that was not asked for.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{self, Mode as Bits};
use nix::unistd::{Gid, Uid};

use kindling_config_spec::units::Mode;

use super::Access;
use crate::inventory::target::{Kind, Node};

/// Opens a directory that stands in `dir` itself: no link, and nothing that is mounted there (openat2(2)).
///
/// The device number would not tell: a bind mount can have the same, and a btrfs subvolume has another.
pub(super) fn enter<P: ?Sized + nix::NixPath>(dir: impl AsFd, name: &P) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_SYMLINKS);
    nix::fcntl::openat2(dir, name, how).map_err(|error| match error {
        Errno::EXDEV => Errno::EBUSY,
        other => other,
    })
}

/// Removes everything a directory holds, by descriptors, so that no link is followed and no mount entered.
pub(super) fn empty(dir: &OwnedFd) -> io::Result<()> {
    let mut entries = nix::dir::Dir::openat(dir, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, Bits::empty())?;
    for entry in entries.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        match nix::unistd::unlinkat(dir, name, nix::unistd::UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(Errno::EISDIR | Errno::EPERM) => {
                empty(&enter(dir, name)?)?;
                nix::unistd::unlinkat(dir, name, nix::unistd::UnlinkatFlags::RemoveDir)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The names in a directory, `.` and `..` left out.
pub(in crate::host) fn names(dir: OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in nix::dir::Dir::from_fd(dir)?.iter() {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Gives what was just made in `dir` the group of a directory that hands its own on. The kernel's file systems did, fuse2fs 1.47.0
/// did not.
pub(super) fn hand_group_on(dir: impl AsFd, name: &OsStr) -> nix::Result<()> {
    let above = stat::fstat(dir.as_fd())?;
    if above.st_mode & Bits::S_ISGID.bits() == 0 {
        return Ok(());
    }
    let made = stat::fstatat(dir.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if made.st_gid == above.st_gid {
        return Ok(());
    }
    let group = Some(Gid::from_raw(above.st_gid));
    nix::unistd::fchownat(dir, name, None, group, AtFlags::AT_SYMLINK_NOFOLLOW)
}

/// Waits for the write lock on a whole file, of the kind that lckpwdf(3) takes.
pub(super) fn lock(file: &File) -> nix::Result<()> {
    let short = |number: nix::libc::c_int| nix::libc::c_short::try_from(number).unwrap_or_default();
    let whole = nix::libc::flock {
        l_type: short(nix::libc::F_WRLCK),
        l_whence: short(nix::libc::SEEK_SET),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_SETLKW(&whole)).map(drop)
}

pub(super) fn set_access(file: &File, access: Access) -> nix::Result<()> {
    if access.uid.is_some() || access.gid.is_some() {
        nix::unistd::fchown(file, access.uid.map(Uid::from_raw), access.gid.map(Gid::from_raw))?;
    }
    if let Some(Mode(mode)) = access.mode {
        stat::fchmod(file, Bits::from_bits_truncate(mode))?;
    }
    Ok(())
}

pub(super) fn set_access_at(dir: impl AsFd, name: &std::ffi::OsStr, access: Access) -> nix::Result<()> {
    if access.uid.is_some() || access.gid.is_some() {
        let (uid, gid) = (access.uid.map(Uid::from_raw), access.gid.map(Gid::from_raw));
        nix::unistd::fchownat(dir.as_fd(), name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    if let Some(Mode(mode)) = access.mode {
        let bits = Bits::from_bits_truncate(mode);
        stat::fchmodat(dir.as_fd(), name, bits, stat::FchmodatFlags::NoFollowSymlink)?;
    }
    Ok(())
}

/// The same path without its leading slash, for the `*at` calls; `.` for the root itself.
pub(super) fn below(path: &Path) -> &Path {
    match path.strip_prefix("/") {
        Ok(rest) if rest.as_os_str().is_empty() => Path::new("."),
        Ok(rest) => rest,
        Err(_) => path,
    }
}

/// `target` as seen from `base`, cleaned; `..` at the root stays at the root.
pub(super) fn joined(base: &Path, target: &Path) -> PathBuf {
    let mut full = if target.is_absolute() {
        PathBuf::from("/")
    } else {
        base.to_owned()
    };
    for component in target.components() {
        match component {
            Component::Normal(name) => full.push(name),
            Component::ParentDir => {
                full.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    full
}

pub(super) fn node(at: &stat::FileStat, target: Option<PathBuf>) -> Node {
    let format = stat::SFlag::from_bits_truncate(at.st_mode) & stat::SFlag::S_IFMT;
    let kind = match (format, target) {
        (stat::SFlag::S_IFREG, _) => Kind::File,
        (stat::SFlag::S_IFDIR, _) => Kind::Directory,
        (_, Some(target)) => Kind::Symlink { target },
        _ => Kind::Other,
    };
    Node {
        kind,
        uid: at.st_uid,
        gid: at.st_gid,
        mode: Mode(at.st_mode & 0o7777),
        inode: (at.st_dev, at.st_ino),
    }
}
