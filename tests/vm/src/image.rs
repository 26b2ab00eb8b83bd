//! The root disk: a minimal Debian 12 with the image's own units, as an ext4 file system on a disk without partitions.
//!
//! Two layers, each kept under the digest of its recipe: the *base* (packages, a directory) and the *root disk* (base
//! plus `tests/vm/image`). A change to the image's units so costs seconds, not a new installation.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::digest::{DigestError, Recipe};
use crate::run::{self, RunError};

const BASE_SCRIPT: &str = include_str!("../scripts/base.sh");
const ROOT_SCRIPT: &str = concat!(
    include_str!("../scripts/tree.sh"),
    include_str!("../scripts/root.sh")
);
const ESP_SCRIPT: &str = include_str!("../scripts/esp.sh");

/// The base root, unpacked.
#[derive(Clone, Debug)]
pub struct Base {
    /// The directory that is `/` of guests.
    pub root: PathBuf,
    /// Digest of what it was made from.
    pub key: String,
}

/// What guests boot: never written to, each guest gets a copy.
#[derive(Clone, Debug)]
pub struct RootDisk {
    /// Raw image.
    pub path: PathBuf,
    /// The distribution's kernel.
    pub kernel: PathBuf,
}

/// An image that could not be made or looked into.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A recipe could not be read.
    #[error("cannot tell whether the image is current")]
    Recipe(#[from] DigestError),
    /// The packages could not be installed into the base root.
    #[error("cannot build the base root")]
    Base(#[source] RunError),
    /// The root disk could not be filled.
    #[error("cannot build the root disk")]
    Root(#[source] RunError),
    /// A file of the image could not be read, made or moved.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The base root holds no kernel, or more than one.
    #[error("expected one kernel in {}, found {count}", folder.display())]
    Kernel {
        /// Where kernels are.
        folder: PathBuf,
        /// How many there were.
        count: usize,
    },
    /// The live root could not be made.
    #[error("cannot build the live root")]
    Live(#[source] RunError),
    /// The disk that firmware starts from could not be filled.
    #[error("cannot build the disk with the boot loader")]
    Esp(#[source] RunError),
    /// A disk could not be looked into.
    #[error("cannot look into the disk {}", disk.display())]
    Look {
        /// The disk.
        disk: PathBuf,
        /// Why.
        source: RunError,
    },
}

pub(crate) fn file_error(path: &Path) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.to_path_buf();
    move |source| ImageError::File { path, source }
}

/// The base root, made if it is not there, after telling `progress`. About 40 s and 400 MB the first time.
///
/// # Errors
/// [`ImageError::Base`] with the end of the log, [`ImageError::File`].
pub fn base(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<Base, ImageError> {
    let key = Recipe::default().text(BASE_SCRIPT).name();
    let root = cache.join(format!("base-{key}"));
    if !root.is_dir() {
        progress("building the base root: a minimal Debian from its packages; about a minute");
        prune(cache, "base-")?;
        let half_made = cache.join("base.unfinished");
        remove_tree(&half_made)?;
        let args = [half_made.clone().into_os_string()];
        run::script("base.sh", &[], BASE_SCRIPT, &args, &cache.join("base.log")).map_err(ImageError::Base)?;
        fs::rename(&half_made, &root).map_err(file_error(&root))?;
    }
    Ok(Base { root, key })
}

/// The root disk, made if it is not there, after telling `progress`. About 6 s the first time.
///
/// # Errors
/// [`ImageError`].
pub fn root_disk(cache: &Path, base: &Base, progress: &mut dyn FnMut(&str)) -> Result<RootDisk, ImageError> {
    let files = crate::workspace::root().join("tests/vm/image");
    let key = Recipe::default()
        .text(&base.key)
        .text(ROOT_SCRIPT)
        .folder(&files)?
        .name();
    let path = cache.join(format!("root-{key}.img"));
    if !path.is_file() {
        progress("building the root disk: the base and the image's own units, as ext4; some seconds");
        prune(cache, "root-")?;
        let work = cache.join("root.work");
        empty_folder(&work)?;
        let half_made = cache.join("root.unfinished");
        // Made here, so that it belongs to the user although root fills it.
        fs::File::create(&half_made).map_err(file_error(&half_made))?;
        let args = [&base.root, &files, &work, &half_made].map(|path| path.clone().into_os_string());
        run::script("root.sh", &[], ROOT_SCRIPT, &args, &cache.join("root.log")).map_err(ImageError::Root)?;
        fs::rename(&half_made, &path).map_err(file_error(&path))?;
    }
    Ok(RootDisk {
        path,
        kernel: kernel(base)?,
    })
}

/// Makes a folder to work in; what an interrupted build left there goes.
pub(crate) fn empty_folder(path: &Path) -> Result<(), ImageError> {
    remove_tree(path)?;
    fs::create_dir(path).map_err(file_error(path))
}

fn kernel(base: &Base) -> Result<PathBuf, ImageError> {
    let folder = base.root.join("boot");
    let mut found: Vec<PathBuf> = fs::read_dir(&folder)
        .map_err(file_error(&folder))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"vmlinuz-"))
        })
        .collect();
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (_, others) => Err(ImageError::Kernel {
            folder,
            count: others + 1,
        }),
    }
}

/// A copy of `disk` at `path` that shares or skips the empty blocks.
///
/// # Errors
/// [`ImageError::Root`].
pub fn copy(disk: &RootDisk, path: &Path) -> Result<(), ImageError> {
    let cp = run::get("cp").map_err(ImageError::Root)?;
    let mut command = Command::new(cp);
    command
        .args(["--sparse=always", "--reflink=auto", "--no-preserve=mode"])
        .arg(&disk.path)
        .arg(path);
    run::to_end("cp", &mut command, &path.with_extension("log")).map_err(ImageError::Root)
}

/// Whether the root disk still carries the stamp that makes the next boot the first. This is the boot loader's question;
/// the harness loads the kernel in its place and so asks it in its place.
///
/// # Errors
/// [`ImageError::Look`].
pub fn has_firstboot_stamp(disk: &Path) -> Result<bool, ImageError> {
    exists(disk, "/boot/ignition.firstboot")
}

/// Whether `path` exists on a root disk that no guest uses at the moment.
///
/// # Errors
/// [`ImageError::Look`].
pub fn exists(disk: &Path, path: &str) -> Result<bool, ImageError> {
    // It exits with 0 either way.
    Ok(look(disk, &format!("stat {path}"))?.contains("Inode:"))
}

/// Mode and owner of a file on a disk that no guest uses at the moment, as debugfs tells them.
///
/// # Errors
/// [`ImageError::Look`].
pub fn status(disk: &Path, path: &str) -> Result<String, ImageError> {
    look(disk, &format!("stat {path}"))
}

/// The text of a file on a disk that no guest uses at the moment, behind a line of debugfs's own.
///
/// # Errors
/// [`ImageError::Look`].
pub fn read(disk: &Path, path: &str) -> Result<String, ImageError> {
    look(disk, &format!("cat {path}"))
}

/// Makes an ext4 file system with what is in `tree` on the disk.
///
/// # Errors
/// [`ImageError::Root`].
pub fn fill(disk: &Path, label: &str, tree: &Path) -> Result<(), ImageError> {
    let mut command = Command::new(run::get("mke2fs").map_err(ImageError::Root)?);
    command
        .args(["-q", "-t", "ext4", "-F", "-L", label, "-d"])
        .arg(tree)
        .arg(disk);
    run::to_end("mke2fs", &mut command, &disk.with_extension("log")).map_err(ImageError::Root)
}

/// Makes a disk at `disk` whose EFI system partition has what is in `tree`.
///
/// # Errors
/// [`ImageError::Esp`].
pub fn esp(disk: &Path, tree: &Path) -> Result<(), ImageError> {
    let args = [disk, tree].map(|path| path.as_os_str().to_owned());
    run::script("esp.sh", &[], ESP_SCRIPT, &args, &disk.with_extension("log")).map_err(ImageError::Esp)
}

/// The text of a file on such a partition, while no guest uses it.
///
/// # Errors
/// [`ImageError::Look`].
pub fn read_esp(disk: &Path, path: &str) -> Result<String, ImageError> {
    let mut partition = disk.as_os_str().to_owned();
    partition.push("@@1M");
    let path = OsString::from(format!("::{path}"));
    said("mtype", &["-i".into(), partition, path], disk)
}

fn look(disk: &Path, request: &str) -> Result<String, ImageError> {
    said("debugfs", &["-R".into(), request.into(), disk.into()], disk)
}

/// What a program says of `disk`.
fn said(program: &str, args: &[OsString], disk: &Path) -> Result<String, ImageError> {
    let failed = |source| ImageError::Look {
        disk: disk.to_path_buf(),
        source,
    };
    let log = disk.with_extension("look.log");
    let mut command = Command::new(run::get(program).map_err(failed)?);
    run::to_end(program, command.args(args), &log).map_err(failed)?;
    fs::read_to_string(&log).map_err(file_error(&log))
}

/// Removes images of recipes that nobody has used for a day. Younger ones may be another checkout state's, to which
/// somebody goes back and forth.
///
/// # Errors
/// [`ImageError::File`], or [`ImageError::Base`] for a removal.
pub fn prune(cache: &Path, prefix: &str) -> Result<(), ImageError> {
    for entry in fs::read_dir(cache).map_err(file_error(cache))?.flatten() {
        let age = entry
            .metadata()
            .and_then(|about| about.modified())
            .ok()
            .and_then(|made| made.elapsed().ok());
        let is_ours = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_bytes());
        if is_ours && age.is_some_and(|age| age > Duration::from_secs(24 * 60 * 60)) {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes what an interrupted build left; it may belong to root.
fn remove_tree(path: &Path) -> Result<(), ImageError> {
    if !path.exists() {
        return Ok(());
    }
    let mut rm = run::as_root("rm").map_err(ImageError::Base)?;
    rm.args(["-rf", "--one-file-system"]).arg(path);
    run::to_end("rm", &mut rm, &path.with_extension("rm.log")).map_err(ImageError::Base)
}
