//! The files beside a config at the desk: everything below one directory, and nothing outside of it.
//!
//! Paths are cleaned as text, then opened below the directory's own descriptor by openat2(2), so that neither dots nor a chain
//! of links lead out, not even one that changes meanwhile. What was read once is not read again: a config that is looked at
//! twice says the same twice.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use kindling_config_spec::butane::files::{Entry, EntryKind, LocalFiles};
use kindling_config_spec::order::{self, OrderedMap};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{self, FileStat, Mode as Bits, SFlag};

use super::sysroot::names;

/// How deep directories of a tree may stand in each other: each level holds a descriptor.
const DEPTH: usize = 64;
/// How many entries a tree may have: as many as a document.
const ENTRIES: usize = 131_072;

/// A directory whose files a config may name.
pub struct LocalDirectory {
    path: PathBuf,
    root: OwnedFd,
    how: ResolveFlag,
    /// How many bytes may still be read, of all files together.
    left: Cell<u64>,
    most: u64,
    files: RefCell<OrderedMap<String, Result<Vec<u8>, String>>>,
    trees: RefCell<OrderedMap<String, Result<Vec<Entry>, String>>>,
}

impl LocalDirectory {
    /// Opens the directory. All that is read of it may have `most` bytes.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn open(path: &Path, most: u64) -> std::io::Result<Self> {
        let path = path.canonicalize()?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(&path, flags, Bits::empty())?;
        // Nothing is outside of the root, and below it links from the root are as good as others.
        let within = if path == Path::new("/") {
            ResolveFlag::RESOLVE_IN_ROOT
        } else {
            ResolveFlag::RESOLVE_BENEATH
        };
        Ok(Self {
            path,
            root,
            how: within | ResolveFlag::RESOLVE_NO_MAGICLINKS,
            left: Cell::new(most),
            most,
            files: RefCell::default(),
            trees: RefCell::default(),
        })
    }

    /// The path from the directory to what the config calls `path`.
    fn below(&self, path: &str) -> Result<PathBuf, String> {
        let mut full = self.path.clone();
        for component in Path::new(path).components() {
            match component {
                Component::Normal(name) => full.push(name),
                Component::ParentDir => drop(full.pop()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        match full.strip_prefix(&self.path) {
            Ok(rest) if rest.as_os_str().is_empty() => Ok(".".into()),
            Ok(rest) => Ok(rest.to_owned()),
            Err(_) => Err("it is outside of the directory for local files".to_owned()),
        }
    }

    fn open_at<P: ?Sized + nix::NixPath>(
        &self,
        dir: impl AsFd,
        path: &P,
        flags: OFlag,
    ) -> Result<OwnedFd, String> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(self.how);
        nix::fcntl::openat2(dir, path, how).map_err(told)
    }

    fn read_below(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.below(path)?;
        let file = self.open_at(&self.root, &path, CONTENTS)?;
        self.contents(file)
    }

    /// What the file holds, if it is a regular one and there is room for it.
    fn contents(&self, file: OwnedFd) -> Result<Vec<u8>, String> {
        match kind(&stat::fstat(&file).map_err(told)?) {
            SFlag::S_IFREG => {}
            SFlag::S_IFDIR => return Err("it is a directory".to_owned()),
            _ => return Err("it is no regular file".to_owned()),
        }
        let (left, mut bytes) = (self.left.get(), Vec::new());
        let read = File::from(file)
            .take(left.saturating_add(1))
            .read_to_end(&mut bytes);
        let read = read.map_err(|error| error.to_string())?;
        let rest = u64::try_from(read).ok().and_then(|read| left.checked_sub(read));
        let too_large = || format!("all local files together are larger than {} MiB", self.most >> 20);
        self.left.set(rest.ok_or_else(too_large)?);
        Ok(bytes)
    }

    fn walk_below(&self, path: &str) -> Result<Vec<Entry>, String> {
        let path = self.below(path)?;
        let mut entries = Vec::new();
        self.enter(&self.root, &path, String::new(), DEPTH, &mut entries)?;
        Ok(entries)
    }

    /// Adds what stands at `name` in `dir`, and all below it; `path` is what the tree calls it.
    fn enter(
        &self,
        dir: &OwnedFd,
        name: &Path,
        path: String,
        depth: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<(), String> {
        let within = |why: String| {
            if path.is_empty() {
                why
            } else {
                format!("{path}: {why}")
            }
        };
        if entries.len() == ENTRIES {
            return Err(format!("it has more than {ENTRIES} entries"));
        }
        let here = self
            .open_at(dir, name, OFlag::O_PATH | OFlag::O_NOFOLLOW)
            .map_err(within)?;
        let at = stat::fstat(&here).map_err(told).map_err(within)?;
        let is_directory = kind(&at) == SFlag::S_IFDIR;
        let kind = match kind(&at) {
            SFlag::S_IFDIR => EntryKind::Directory,
            SFlag::S_IFREG => EntryKind::File {
                contents: self
                    .open_at(dir, name, CONTENTS | OFlag::O_NOFOLLOW)
                    .and_then(|file| self.contents(file)),
                is_executable: at.st_mode & 0o111 != 0,
            },
            SFlag::S_IFLNK => {
                let target = nix::fcntl::readlinkat(&here, "").map_err(told);
                let target = target.and_then(|target| target.into_string().map_err(|_| no_text()));
                EntryKind::Link(target.map_err(within)?)
            }
            _ => EntryKind::Other,
        };
        entries.push(Entry {
            path: path.clone(),
            kind,
        });
        if !is_directory {
            return Ok(());
        }
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| within(format!("it is more than {DEPTH} directories deep")))?;
        let listed = self.open_at(
            dir,
            name,
            OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW,
        );
        let listed = listed.and_then(|dir| names(dir).map_err(|error| error.to_string()));
        let mut names = listed.map_err(within)?;
        order::by(&mut names, |one, other| one.as_bytes().cmp(other.as_bytes()));
        for name in names {
            let text = name.to_str().ok_or_else(no_text).map_err(within)?;
            let below = if path.is_empty() {
                text.to_owned()
            } else {
                format!("{path}/{text}")
            };
            self.enter(&here, Path::new(&name), below, depth, entries)?;
        }
        Ok(())
    }
}

impl LocalFiles for LocalDirectory {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut known = self.files.borrow_mut();
        known
            .entry(path.to_owned())
            .or_insert_with(|| self.read_below(path))
            .clone()
    }

    fn walk(&self, path: &str) -> Result<Vec<Entry>, String> {
        let mut known = self.trees.borrow_mut();
        known
            .entry(path.to_owned())
            .or_insert_with(|| self.walk_below(path))
            .clone()
    }
}

/// To read a file: what is none answers at once.
const CONTENTS: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

fn kind(at: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(at.st_mode) & SFlag::S_IFMT
}

fn no_text() -> String {
    "a name or a link in it is not UTF-8 text".to_owned()
}

/// The kernel's answer in words.
fn told(error: Errno) -> String {
    match error {
        Errno::EXDEV => "a link leads out of the directory for local files".to_owned(),
        Errno::ELOOP => "its links lead in a circle, or out by way of a process".to_owned(),
        other => std::io::Error::from(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "files to be read")]

    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A directory `top/files` to read from, and what lies beside it and is nobody's business.
    fn desk() -> (tempfile::TempDir, LocalDirectory) {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("top/files/sub")).unwrap();
        fs::create_dir_all(at("top/files2")).unwrap();
        fs::write(at("top/files/sub/x"), "inside").unwrap();
        for outside in ["top/secret", "top/files2/secret", "secret"] {
            fs::write(at(outside), "planted").unwrap();
        }
        let files = LocalDirectory::open(&at("top/files"), 1 << 20).unwrap();
        (dir, files)
    }

    #[test]
    fn ways_within_lead_to_files() {
        let (dir, files) = desk();
        let at = |path: &str| dir.path().join("top/files").join(path);
        symlink("sub", at("way")).unwrap();
        symlink("../sub/x", at("sub/up")).unwrap();
        for path in [
            "sub/x",
            "/sub/x",
            "sub/../sub/./x",
            "../files/sub/x",
            "way/x",
            "sub/up",
            "sub//x",
        ] {
            assert_eq!(files.read(path).as_deref(), Ok(&b"inside"[..]), "{path}");
        }
    }

    #[test]
    fn no_way_leads_out() {
        let (dir, files) = desk();
        let at = |path: &str| dir.path().join("top/files").join(path);
        let outside = dir.path().join("top");
        for (name, target) in [
            ("absolute", outside.join("secret")),
            ("up", "../secret".into()),
            ("half", "sub".into()),
            ("climbs", "half/../../secret".into()),
            ("far", outside.clone()),
            ("chain", "far/secret".into()),
            ("process", "/proc/self/root".into()),
            ("open", "/proc/self/cwd".into()),
            ("round", "round".into()),
        ] {
            symlink(target, at(name)).unwrap();
        }
        let clean = "outside of the directory";
        let link = "a link leads out of";
        for (path, why) in [
            ("../secret", clean),
            ("sub/../../secret", clean),
            ("../files2/secret", clean),
            ("..", clean),
            ("../../secret", clean),
            ("absolute", link),
            ("up", link),
            ("climbs", link),
            ("far/secret", link),
            ("chain", link),
            ("process/etc/passwd", link),
            ("open/Cargo.toml", link),
            ("round", "circle"),
            ("absent", "No such file"),
            ("sub", "a directory"),
            ("", "a directory"),
        ] {
            let told = files.read(path).unwrap_err();
            assert!(told.contains(why), "{path}: {told}");
        }
        for path in ["..", "far", "../files2"] {
            let is_harmless = match files.walk(path) {
                Err(why) => why.contains(clean) || why.contains(link),
                // A link that is named itself is told as one.
                Ok(entries) => matches!(
                    entries.as_slice(),
                    [Entry {
                        kind: EntryKind::Link(_),
                        ..
                    }]
                ),
            };
            assert!(is_harmless, "{path}");
        }
        assert!(files.walk("far/files2").is_err());
    }

    #[test]
    fn the_root_is_a_directory_like_others() {
        let (dir, _) = desk();
        let at = |path: &str| dir.path().join(path).display().to_string();
        symlink(dir.path().join("secret"), dir.path().join("absolute")).unwrap();
        let files = LocalDirectory::open(Path::new("/"), 1 << 20).unwrap();
        for path in [at("secret"), at("absolute"), format!("../../{}", at("secret"))] {
            assert_eq!(files.read(&path).as_deref(), Ok(&b"planted"[..]), "{path}");
        }
        let by_process = format!("/proc/self/root{}", at("secret"));
        assert!(
            files
                .read(&by_process)
                .unwrap_err()
                .contains("by way of a process")
        );
    }

    #[test]
    fn only_regular_files_are_read_and_no_more_than_there_is_room_for() {
        let (dir, _) = desk();
        let at = |path: &str| dir.path().join("top/files").join(path);
        nix::unistd::mkfifo(&at("pipe"), Bits::S_IRWXU).unwrap();
        fs::write(at("sub/y"), "other").unwrap();
        let open = |most| LocalDirectory::open(&dir.path().join("top/files"), most).unwrap();
        assert_eq!(open(9).read("pipe").unwrap_err(), "it is no regular file");
        let files = open(11);
        assert!(files.read("sub/x").is_ok() && files.read("sub/y").is_ok());
        assert!(files.read("sub/x").is_ok(), "what was read is known");
        let files = open(10);
        assert!(files.read("sub/x").is_ok());
        assert!(files.read("sub/y").unwrap_err().contains("larger than"));
    }

    #[test]
    fn a_tree_is_walked_in_the_order_of_names_and_links_are_told() {
        let (dir, files) = desk();
        let at = |path: &str| dir.path().join("top/files").join(path);
        fs::create_dir_all(at("tree/b")).unwrap();
        fs::write(at("tree/b/deep"), "d").unwrap();
        fs::write(at("tree/b.conf"), "c").unwrap();
        fs::write(at("tree/a"), "a").unwrap();
        fs::set_permissions(at("tree/a"), fs::Permissions::from_mode(0o744)).unwrap();
        symlink("/etc/passwd", at("tree/link")).unwrap();
        nix::unistd::mkfifo(&at("tree/pipe"), Bits::S_IRWXU).unwrap();
        let told: Vec<String> = files
            .walk("tree")
            .unwrap()
            .into_iter()
            .map(|entry| match entry.kind {
                EntryKind::Directory => format!("{}/", entry.path),
                EntryKind::Link(target) => format!("{} -> {target}", entry.path),
                EntryKind::Other => format!("{}?", entry.path),
                EntryKind::File {
                    contents,
                    is_executable,
                } => format!(
                    "{}={}{}",
                    entry.path,
                    String::from_utf8(contents.unwrap()).unwrap(),
                    if is_executable { "*" } else { "" }
                ),
            })
            .collect();
        assert_eq!(
            told,
            [
                "/",
                "a=a*",
                "b/",
                "b/deep=d",
                "b.conf=c",
                "link -> /etc/passwd",
                "pipe?"
            ]
        );
    }

    #[test]
    fn deep_trees_end() {
        let (dir, files) = desk();
        fs::create_dir_all(dir.path().join("top/files").join("d/".repeat(DEPTH + 1))).unwrap();
        assert!(files.walk("d").unwrap_err().ends_with("64 directories deep"));
    }

    #[test]
    fn a_directory_that_becomes_a_link_meanwhile_leads_nowhere() {
        let (dir, _) = desk();
        let at = |path: &str| dir.path().join("top/files").join(path);
        fs::create_dir(at("real")).unwrap();
        fs::write(at("real/secret"), "inside").unwrap();
        symlink(dir.path().join("top"), at("link")).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for name in ["real", "link"] {
                        fs::rename(at(name), at("way")).unwrap();
                        fs::rename(at("way"), at(name)).unwrap();
                    }
                }
            });
            for _ in 0..2000 {
                // A new one each time: answers are kept.
                let files = LocalDirectory::open(&dir.path().join("top/files"), 1 << 20).unwrap();
                if let Ok(bytes) = files.read("way/secret") {
                    assert_eq!(bytes, b"inside");
                }
                for entry in files.walk("way").unwrap_or_default() {
                    if let EntryKind::File {
                        contents: Ok(bytes), ..
                    } = entry.kind
                    {
                        assert_eq!(bytes, b"inside");
                    }
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
