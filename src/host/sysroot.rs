//! The target's tree: everything below one directory, and nothing outside it.
//!
//! A path is first resolved inside the root by reading its links ourselves, then opened with
//! `RESOLVE_IN_ROOT` (openat2(2)), so that no chain of links leads out, not even one that changes
//! between the two. New content appears under its name by rename, complete and with its final
//! owner and mode, or not at all.

mod calls;
mod staged;
mod tree;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{self, Mode as Bits};
use ring::digest::{Algorithm, Context, SHA256, SHA512};

use kindling_config_spec::units::{Bytes, Mode};

use crate::identity::{ContentDigest, Hashed, hex};
use crate::inventory::target::{Kind, Node};
pub(in crate::host) use calls::names;
use calls::{below, empty, enter, hand_group_on, joined, lock, node, set_access_at};
pub use staged::{Filling, Staged};

/// How many links one path may go through, as the kernel's own limit (`MAXSYMLINKS`, linux/namei.h).
const LINKS_FOLLOWED: usize = 40;

/// An operation on the target that did not work.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct SysrootError {
    /// The verb: `create`, `read`, `replace`, …
    pub doing: &'static str,
    /// The path inside the target.
    pub path: PathBuf,
    /// The kernel's answer.
    pub source: io::Error,
}

impl SysrootError {
    /// The kernel's answer by its number.
    fn number(&self) -> Errno {
        self.source.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
    }
}

fn failed<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> SysrootError {
    move |source| SysrootError {
        doing,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// Owner and permission bits that a new or existing object gets; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Numeric user.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
    /// Permission bits.
    pub mode: Option<Mode>,
}

/// A directory, or why it cannot be opened.
type Opened = Result<Arc<OwnedFd>, Errno>;

/// The target's root directory.
pub struct Sysroot {
    path: PathBuf,
    root: OwnedFd,
    resolved: Mutex<HashMap<PathBuf, PathBuf>>,
    /// The last directory that was opened, or that is not there.
    last_dir: Mutex<Option<(PathBuf, Opened)>>,
}

impl Sysroot {
    /// Opens the root; an empty path means `/`.
    ///
    /// # Errors
    /// When `path` is not a directory that can be opened.
    pub fn open(path: &Path) -> Result<Self, SysrootError> {
        let path = if path.as_os_str().is_empty() {
            Path::new("/")
        } else {
            path
        };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(path, flags, Bits::empty()).map_err(failed("open the root", path))?;
        Ok(Self {
            path: path.to_owned(),
            root,
            resolved: Mutex::new(HashMap::new()),
            last_dir: Mutex::new(None),
        })
    }

    /// The directory on the host, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `path` with every link among its parents replaced, inside the root. The last component stays:
    /// a link there is an object of its own.
    ///
    /// # Errors
    /// More than 40 links, or a parent that cannot be read.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, SysrootError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(PathBuf::from("/"));
        };
        Ok(self.resolve_dir(parent, LINKS_FOLLOWED)?.join(name))
    }

    fn resolve_dir(&self, dir: &Path, links: usize) -> Result<PathBuf, SysrootError> {
        let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
            return Ok(PathBuf::from("/"));
        };
        if let Some(known) = self
            .resolved
            .lock()
            .ok()
            .and_then(|known| known.get(dir).cloned())
        {
            return Ok(known);
        }
        let parent = self.resolve_dir(parent, links)?;
        let full = parent.join(name);
        let link = self.dir(&parent).map(|dir| nix::fcntl::readlinkat(&*dir, name));
        let real = match link.unwrap_or_else(|error| Err(error.number())) {
            Ok(target) => {
                let links = links
                    .checked_sub(1)
                    .ok_or(Errno::ELOOP)
                    .map_err(failed("follow", dir))?;
                self.resolve_dir(&joined(&parent, Path::new(&target)), links)?
            }
            Err(Errno::EINVAL | Errno::ENOENT | Errno::ENOTDIR) => full,
            Err(error) => return Err(failed("look at", &full)(error)),
        };
        if let Ok(mut known) = self.resolved.lock() {
            known.insert(dir.to_owned(), real.clone());
        }
        Ok(real)
    }

    /// Forgets what was resolved and opened: after a mount, the same path is another directory.
    pub fn forget_resolved(&self) {
        if let Ok(mut known) = self.resolved.lock() {
            known.clear();
        }
        if let Ok(mut last) = self.last_dir.lock() {
            *last = None;
        }
    }

    fn open_in_root(&self, path: &Path, flags: OFlag, mode: Bits) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(mode)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        nix::fcntl::openat2(&self.root, below(path), how)
    }

    /// The directory `path`, opened once for a run of files inside it.
    fn dir(&self, path: &Path) -> Result<Arc<OwnedFd>, SysrootError> {
        let mut last = self
            .last_dir
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let opened = match last.as_ref() {
            Some((known, opened)) if known == path => opened.clone(),
            _ => {
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
                let opened = self.open_in_root(path, flags, Bits::empty()).map(Arc::new);
                *last = Some((path.to_owned(), opened.clone()));
                opened
            }
        };
        opened.map_err(failed("open the directory", path))
    }

    /// A directory was made: one that was not there may be there now.
    fn forget_missing(&self) {
        let last = self.last_dir.lock();
        let mut last = last.unwrap_or_else(std::sync::PoisonError::into_inner);
        last.take_if(|(_, opened)| opened.is_err());
    }

    fn parent_and_name(&self, path: &Path) -> Result<(Arc<OwnedFd>, OsString), SysrootError> {
        let real = self.resolve(path)?;
        let name = real
            .file_name()
            .ok_or(Errno::EISDIR)
            .map_err(failed("write to", path))?;
        let parent = real.parent().unwrap_or(Path::new("/"));
        Ok((self.dir(parent)?, name.to_owned()))
    }

    /// What stands at `path`, the last component not followed; `None` when nothing does.
    ///
    /// # Errors
    /// A parent that cannot be read. A parent that is missing or not a directory means `None`.
    pub fn look(&self, path: &Path) -> Result<Option<Node>, SysrootError> {
        let real = self.resolve(path)?;
        if real == Path::new("/") {
            let at = stat::fstat(&self.root).map_err(failed("look at", path))?;
            return Ok(Some(node(&at, None)));
        }
        let (dir, name) = match self.parent_and_name(&real) {
            Ok(found) => found,
            Err(error) if matches!(error.number(), Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(error) => return Err(error),
        };
        let at = match stat::fstatat(&*dir, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(at) => at,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(error) => return Err(failed("look at", path)(error)),
        };
        let is_link =
            stat::SFlag::from_bits_truncate(at.st_mode) & stat::SFlag::S_IFMT == stat::SFlag::S_IFLNK;
        let target = if is_link {
            let target = nix::fcntl::readlinkat(&*dir, name.as_os_str());
            Some(target.map_err(failed("read the link", path))?)
        } else {
            None
        };
        Ok(Some(node(&at, target.map(PathBuf::from))))
    }

    /// Opens a regular file for reading; links are followed inside the root. `None` when it is absent.
    ///
    /// # Errors
    /// Anything but absence.
    pub fn read(&self, path: &Path) -> Result<Option<File>, SysrootError> {
        match self.open_in_root(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Bits::empty()) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(error) => Err(failed("read", path)(error)),
        }
    }

    /// The whole content of a file of at most `limit` bytes; `None` when it is absent.
    ///
    /// # Errors
    /// `FileTooLarge` above the limit, or the kernel's answer.
    pub fn read_bytes(&self, path: &Path, limit: Bytes) -> Result<Option<Vec<u8>>, SysrootError> {
        let Some(file) = self.read(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(limit.0.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(failed("read", path))?;
        if bytes.len() as u64 > limit.0 {
            return Err(failed("read", path)(io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        Ok(Some(bytes))
    }

    /// As [`Sysroot::read_bytes`], as text: what is not UTF-8 becomes U+FFFD, for it stands in comments at most.
    ///
    /// # Errors
    /// As there.
    pub fn read_text(&self, path: &Path, limit: Bytes) -> Result<Option<String>, SysrootError> {
        let bytes = self.read_bytes(path, limit)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The digest of a regular file's content by the function that `like` is a digest of; `None` when it is absent.
    ///
    /// # Errors
    /// Anything but absence.
    pub fn digest(&self, path: &Path, like: &ContentDigest) -> Result<Option<ContentDigest>, SysrootError> {
        Ok(match like {
            ContentDigest::Sha256(_) => self.hashed(&SHA256, path)?.map(ContentDigest::Sha256),
            ContentDigest::Sha512(_) => self.hashed(&SHA512, path)?.map(ContentDigest::Sha512),
        })
    }

    fn hashed(&self, function: &'static Algorithm, path: &Path) -> Result<Option<String>, SysrootError> {
        let Some(mut file) = self.read(path)? else {
            return Ok(None);
        };
        let mut sum = Context::new(function);
        io::copy(&mut file, &mut Hashed(&mut sum)).map_err(failed("read", path))?;
        Ok(Some(hex(sum.finish().as_ref())))
    }

    /// Makes `path` and its missing parents as directories of mode 0755 less the umask, and returns those
    /// it made, shallowest first.
    ///
    /// # Errors
    /// `NotADirectory` when something else stands in the way, or the kernel's answer.
    pub fn make_dirs(&self, path: &Path) -> Result<Vec<PathBuf>, SysrootError> {
        let missing = self.missing_dirs(path)?;
        for dir in &missing {
            let (above, name) = self.parent_and_name(dir)?;
            let made = stat::mkdirat(&*above, name.as_os_str(), Bits::from_bits_truncate(0o755));
            match made.and_then(|()| hand_group_on(&*above, &name)) {
                Ok(()) | Err(Errno::EEXIST) => self.forget_missing(),
                Err(error) => return Err(failed("make the directory", dir)(error)),
            }
        }
        Ok(missing)
    }

    /// The directories that `path` needs and that are not there, its own included, shallowest first.
    fn missing_dirs(&self, path: &Path) -> Result<Vec<PathBuf>, SysrootError> {
        let real = self.resolve(path)?;
        let mut missing = Vec::new();
        let mut here = real.as_path();
        while here != Path::new("/") {
            match self.look(here)? {
                None => missing.push(here.to_owned()),
                Some(Node {
                    kind: Kind::Directory,
                    ..
                }) => break,
                Some(Node {
                    kind: Kind::Symlink { .. },
                    ..
                }) if missing.is_empty() => break,
                Some(_) => return Err(failed("make the directory", path)(Errno::ENOTDIR)),
            }
            here = here.parent().unwrap_or(Path::new("/"));
        }
        missing.reverse();
        Ok(missing)
    }

    /// Sets owner and mode of what stands at `path`; a link itself, not what it points to.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn set_access(&self, path: &Path, access: Access) -> Result<(), SysrootError> {
        if path == Path::new("/") {
            return set_access_at(&self.root, OsString::from(".").as_os_str(), access)
                .map_err(failed("set owner and mode of", path));
        }
        let (dir, name) = self.parent_and_name(path)?;
        set_access_at(&*dir, &name, access).map_err(failed("set owner and mode of", path))
    }

    /// Makes `path` another name of the file `existing`.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn hard_link(&self, path: &Path, existing: &Path) -> Result<(), SysrootError> {
        let (from, old) = self.parent_and_name(existing)?;
        let (dir, name) = self.parent_and_name(path)?;
        nix::unistd::linkat(&*from, old.as_os_str(), &*dir, name.as_os_str(), AtFlags::empty())
            .map_err(failed("link", path))
    }

    /// Removes what stands at `path`, a directory with all it holds. Nothing there is no error.
    ///
    /// # Errors
    /// The kernel's answer, for example `EBUSY` at a mount point.
    pub fn remove(&self, path: &Path) -> Result<(), SysrootError> {
        let Some(found) = self.look(path)? else {
            return Ok(());
        };
        self.forget_resolved();
        let (parent, name) = self.parent_and_name(path)?;
        let unlink = |kind| nix::unistd::unlinkat(&*parent, name.as_os_str(), kind).map_err(io::Error::from);
        let removed = if found.kind == Kind::Directory {
            enter(&*parent, name.as_os_str())
                .map_err(io::Error::from)
                .and_then(|fd| empty(&fd))
                .and_then(|()| unlink(nix::unistd::UnlinkatFlags::RemoveDir))
        } else {
            unlink(nix::unistd::UnlinkatFlags::NoRemoveDir)
        };
        self.forget_resolved();
        removed.map_err(failed("remove", path))
    }

    /// Adds `lines` to the end of a file of ours and forces them to the medium before it returns.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn append_durably(&self, path: &Path, lines: &[u8]) -> Result<(), SysrootError> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND | OFlag::O_NOFOLLOW;
        let fd = self
            .open_in_root(path, flags, Bits::from_bits_truncate(0o600))
            .map_err(failed("append to", path))?;
        let mut file = File::from(fd);
        file.write_all(lines)
            .and_then(|()| file.sync_data())
            .map_err(failed("append to", path))
    }

    /// The names in a directory; none when it is absent.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn names(&self, path: &Path) -> Result<Vec<OsString>, SysrootError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        match self.open_in_root(path, flags, Bits::empty()) {
            Ok(fd) => names(fd).map_err(failed("list", path)),
            Err(Errno::ENOENT) => Ok(Vec::new()),
            Err(error) => Err(failed("list", path)(error)),
        }
    }

    /// Waits until nobody else holds the lock on a file, makes the file where it is absent, and holds the lock
    /// until what is returned is dropped.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn lock(&self, path: &Path) -> Result<File, SysrootError> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW;
        let file = self
            .open_in_root(path, flags, Bits::from_bits_truncate(0o600))
            .map(File::from)
            .map_err(failed("lock", path))?;
        lock(&file).map_err(failed("lock", path))?;
        Ok(file)
    }

    /// Forces everything written to the file system that holds `path` to the medium. Where `path` is no directory,
    /// the one above it counts.
    ///
    /// # Errors
    /// The kernel's answer, for example an I/O error that earlier writes did not report.
    pub fn sync(&self, path: &Path) -> Result<(), SysrootError> {
        let mut dir = path;
        while self.look(dir)?.is_none_or(|node| node.kind != Kind::Directory) && dir != Path::new("/") {
            dir = dir.parent().unwrap_or(Path::new("/"));
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let fd = self
            .open_in_root(dir, flags, Bits::empty())
            .map_err(failed("open the directory", dir))?;
        nix::unistd::syncfs(fd).map_err(failed("sync", dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Sysroot) {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        (dir, sysroot)
    }

    #[test]
    fn a_chain_of_links_never_leads_out_of_the_root() {
        let (dir, sysroot) = root();
        let outside = tempfile::tempdir().unwrap();
        sysroot.make_dirs(Path::new("/inside")).unwrap();
        // Each link alone looks harmless; together they climb.
        sysroot
            .symlink(Path::new("/a"), Path::new("/b"), Access::default())
            .unwrap();
        sysroot
            .symlink(
                Path::new("/b"),
                &Path::new("../../../..").join(below(outside.path())),
                Access::default(),
            )
            .unwrap();
        sysroot.make_dirs(Path::new("/a")).unwrap();
        let real = sysroot.resolve(Path::new("/a/file")).unwrap();
        assert_eq!(real, outside.path().join("file"));
        sysroot.make_dirs(real.parent().unwrap()).unwrap();
        sysroot
            .put(Path::new("/a/file"), b"x", Access::default())
            .unwrap();
        assert!(!outside.path().join("file").exists());
        assert!(dir.path().join(below(&real)).exists());
    }

    #[test]
    fn a_loop_of_links_is_refused() {
        let (_dir, sysroot) = root();
        sysroot
            .symlink(Path::new("/a"), Path::new("/b"), Access::default())
            .unwrap();
        sysroot
            .symlink(Path::new("/b"), Path::new("/a"), Access::default())
            .unwrap();
        assert_eq!(sysroot.resolve(Path::new("/a/f")).unwrap_err().doing, "follow");
    }

    #[test]
    fn a_file_appears_with_its_mode_and_leaves_no_other_name() {
        let (dir, sysroot) = root();
        let access = Access {
            mode: Some(Mode(0o600)),
            ..Access::default()
        };
        sysroot.put(Path::new("/secret"), b"s", access).unwrap();
        assert_eq!(
            sysroot.look(Path::new("/secret")).unwrap().unwrap().mode,
            Mode(0o600)
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn removing_a_directory_does_not_follow_its_links() {
        let (dir, sysroot) = root();
        sysroot.make_dirs(Path::new("/keep")).unwrap();
        sysroot
            .put(Path::new("/keep/f"), b"x", Access::default())
            .unwrap();
        sysroot.make_dirs(Path::new("/gone/deep")).unwrap();
        sysroot
            .symlink(
                Path::new("/gone/deep/link"),
                Path::new("/keep"),
                Access::default(),
            )
            .unwrap();
        sysroot
            .symlink(
                Path::new("/gone/out"),
                &dir.path().join("keep"),
                Access::default(),
            )
            .unwrap();
        sysroot.remove(Path::new("/gone")).unwrap();
        assert!(sysroot.look(Path::new("/gone")).unwrap().is_none());
        assert!(dir.path().join("keep/f").exists());
    }

    #[test]
    fn a_staged_file_of_a_missing_directory_waits_in_the_nearest_one() {
        let (dir, sysroot) = root();
        let mut staged = sysroot.stage(Path::new("/not/yet/here"), &[]).unwrap();
        staged.file().write_all(b"content").unwrap();
        let staged = staged.filled();
        assert!(!dir.path().join("not").exists());
        sysroot.make_dirs(Path::new("/not/yet")).unwrap();
        sysroot
            .commit(staged, Path::new("/not/yet/here"), Access::default())
            .unwrap();
        assert_eq!(
            std::fs::read(dir.path().join("not/yet/here")).unwrap(),
            b"content"
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_staged_file_outlives_the_directories_that_are_removed() {
        let (dir, sysroot) = root();
        sysroot.make_dirs(Path::new("/d/deep")).unwrap();
        sysroot
            .symlink(Path::new("/link"), Path::new("/d"), Access::default())
            .unwrap();
        let gone = ["/d", "/link"].map(PathBuf::from);
        for path in ["/d/deep/file", "/link/deep/file"] {
            sysroot.make_dirs(Path::new("/d/deep")).unwrap();
            let mut staged = sysroot.stage(Path::new(path), &gone).unwrap();
            staged.file().write_all(b"content").unwrap();
            let staged = staged.filled();
            for path in &gone {
                sysroot.remove(path).unwrap();
            }
            let path = Path::new(path);
            sysroot.make_dirs(path.parent().unwrap()).unwrap();
            sysroot.commit(staged, path, Access::default()).unwrap();
            assert_eq!(std::fs::read(dir.path().join(below(path))).unwrap(), b"content");
        }
    }
}
