//! Where this machine may hold a config: firmware entries, drives, disks, files. Together with HTTP this is what a
//! platform may ask for ([`crate::fetch::HostAccess`]).

mod disc;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use kindling_config_spec::order;
use kindling_platforms::{AccessError, Drive, DriveName};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tracing::warn;

use super::uevent::Monitor;

/// The largest thing that is read for a config.
const LIMIT: u64 = 64 << 20;

/// File systems a config drive may have when the kernel lists nothing that fits, most likely first. Mounting one
/// loads its module.
const USUAL_FILE_SYSTEMS: [&str; 5] = ["iso9660", "vfat", "udf", "ext4", "xfs"];

/// Where the kernel and udev show things. The default is the running system; tests have directories of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPaths {
    /// The kernel's view of QEMU's firmware interface; absent while its module is not loaded.
    pub fw_cfg: PathBuf,
    /// udev's links by file system label.
    pub by_label: PathBuf,
    /// udev's links by identity.
    pub by_id: PathBuf,
    /// The kernel's list of block devices.
    pub blocks: PathBuf,
    /// Where their nodes are.
    pub nodes: PathBuf,
    /// The kernel's list of file systems.
    pub file_systems: PathBuf,
    /// Where mount points are made and removed again.
    pub scratch: PathBuf,
}

impl Default for MediaPaths {
    fn default() -> Self {
        Self {
            fw_cfg: "/sys/firmware/qemu_fw_cfg".into(),
            by_label: "/dev/disk/by-label".into(),
            by_id: "/dev/disk/by-id".into(),
            blocks: "/sys/class/block".into(),
            nodes: "/dev".into(),
            file_systems: "/proc/filesystems".into(),
            scratch: "/run".into(),
        }
    }
}

/// Why there are no firmware entries, though the module was asked for.
fn no_interface(loaded: Result<(), String>) -> AccessError {
    let what = "the firmware interface of QEMU".to_owned();
    match loaded {
        Ok(()) => {
            warn!("this machine does not have {what}");
            AccessError::Absent {
                what,
                waited: Duration::ZERO,
            }
        }
        Err(why) => AccessError::NoModule {
            what,
            module: "qemu_fw_cfg",
            why,
        },
    }
}

/// Makes the kernel load a module; the error is for people.
pub type LoadModule<'a> = &'a dyn Fn(&str) -> Result<(), String>;

impl MediaPaths {
    /// Mounts the drive read-only, reads `paths` below its root, unmounts it; see
    /// [`kindling_platforms::Access::drive`].
    ///
    /// # Errors
    /// `Absent` when it did not appear in time, `Failed`, `TooLarge`.
    pub fn read_drive(&self, drive: &Drive<'_>, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        match drive.name {
            DriveName::Label(label) => {
                let device = self.by_label.join(label);
                await_path(&device, drive.wait)?;
                let listed = fs::read_to_string(&self.file_systems).unwrap_or_default();
                let kinds = parse_file_systems(&listed);
                self.read_mounted(&device, &kinds, paths)?
                    .ok_or_else(|| AccessError::Failed {
                        what: device.display().to_string(),
                        why: "it has no file system that this kernel knows".to_owned(),
                    })
            }
            DriveName::FileSystem(kinds) => self.read_disc(kinds, drive.wait, paths),
        }
    }

    /// Every byte of the disk that udev calls `id`; see [`kindling_platforms::Access::block`].
    ///
    /// # Errors
    /// `Absent` when it did not appear in time, `Failed`, `TooLarge`.
    pub fn read_block(&self, id: &str, wait: Duration, load: LoadModule<'_>) -> Result<Vec<u8>, AccessError> {
        let device = self.by_id.join(id);
        if !device.exists() {
            // Where the driver is built in or udev loads it, this fails and does no harm.
            if let Err(why) = load("virtio_blk") {
                warn!("cannot load kernel module virtio_blk: {why}");
            }
        }
        await_path(&device, wait)?;
        let absent = || AccessError::Absent {
            what: id.to_owned(),
            waited: wait,
        };
        read_file(&device)?.ok_or_else(absent)
    }

    /// A firmware entry of QEMU, or `None`; see [`kindling_platforms::Access::fw_cfg`].
    ///
    /// # Errors
    /// `Absent` on a machine without that interface, `NoModule` where nobody knows; `Failed` when an entry has another length than
    /// the kernel said; `TooLarge`.
    pub fn read_fw_cfg(&self, name: &str, load: LoadModule<'_>) -> Result<Option<Vec<u8>>, AccessError> {
        let what = || format!("firmware entry {name}");
        let entries = self.fw_cfg.join("by_name");
        let entry = below(&entries, name);
        let mut size = read_file(&entry.join("size"))?;
        if size.is_none() {
            // The module makes the folder, the one in it when it finds a device, and the entries after that. Where somebody
            // loads it already, this waits for the end of it.
            let loaded = load("qemu_fw_cfg");
            size = read_file(&entry.join("size"))?;
            if size.is_none() && !entries.exists() {
                return Err(no_interface(loaded));
            }
        }
        let Some(size) = size else {
            return Ok(None);
        };
        let size = parse_size(&size).ok_or_else(|| AccessError::Failed {
            what: what(),
            why: "its size is not a number".to_owned(),
        })?;
        if size > LIMIT {
            return Err(AccessError::TooLarge {
                what: what(),
                limit: LIMIT,
            });
        }
        read_entry(&entry.join("raw"), name, size).map(Some)
    }

    /// Mounts `device` read-only, with the first file system type of `kinds` that fits; `false` when none does.
    fn mount(device: &Path, kinds: &[String], at: &Path) -> Result<bool, AccessError> {
        let (mut refusal, mut is_known) = (None, false);
        for kind in kinds {
            // Silent: a type that is not the drive's is no error of the machine, and must not be told as one on its console.
            let flags = MsFlags::MS_RDONLY
                | MsFlags::MS_NODEV
                | MsFlags::MS_NOSUID
                | MsFlags::MS_NOEXEC
                | MsFlags::MS_SILENT;
            match mount(Some(device), at, Some(kind.as_str()), flags, None::<&str>) {
                Ok(()) => return Ok(true),
                // Not this type, or no such type in this kernel: the next one. Anything else is worth telling.
                Err(nix::Error::EINVAL) => is_known = true,
                Err(nix::Error::ENODEV) => {}
                Err(error) => refusal = Some(error),
            }
        }
        let why = match refusal {
            None if is_known => return Ok(false),
            None => format!("this kernel has no file system {}", kinds.join(" or ")),
            Some(error) => format!("it cannot be mounted: {error}"),
        };
        Err(AccessError::Failed {
            what: device.display().to_string(),
            why,
        })
    }

    /// The files at `paths` of `device`; `None` when it has no file system of `kinds`.
    fn read_mounted(
        &self,
        device: &Path,
        kinds: &[String],
        paths: &[&str],
    ) -> Result<Option<Vec<Option<Vec<u8>>>>, AccessError> {
        // Below a directory that root alone may enter: everybody may read the files of most drives, and on a running system
        // everybody is there.
        let private = self
            .scratch
            .join(format!("kindling-drive-{}", std::process::id()));
        let at = private.join("mount");
        let made = fs::create_dir_all(&self.scratch)
            .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&private))
            .and_then(|()| fs::create_dir(&at));
        if let Err(error) = made {
            drop(fs::remove_dir(&private));
            return Err(failed(private.display().to_string(), &error));
        }
        let files = Self::mount(device, kinds, &at).and_then(|is_mounted| {
            if !is_mounted {
                return Ok(None);
            }
            let files: Result<_, _> = paths.iter().map(|path| read_file(&below(&at, path))).collect();
            // Reading is over; a mount that stays for a moment longer hurts nobody.
            if let Err(error) = umount2(&at, MntFlags::MNT_DETACH) {
                warn!("cannot unmount {}: {error}", at.display());
            }
            files.map(Some)
        });
        if let Err(error) = fs::remove_dir(&at).and_then(|()| fs::remove_dir(&private)) {
            warn!("cannot remove {}: {error}", private.display());
        }
        files
    }
}

/// Waits until `path` exists.
pub(super) fn await_path(path: &Path, wait: Duration) -> Result<(), AccessError> {
    if path.exists() {
        return Ok(());
    }
    let deadline = Instant::now() + wait;
    let unheard = |error: io::Error| failed("device events".to_owned(), &error);
    // Subscribed before the second look, so that nothing can appear between look and wait unseen.
    let monitor = Monitor::open(Path::new("/run/udev/control").exists()).map_err(unheard)?;
    while !path.exists() {
        if monitor.next(deadline).map_err(unheard)?.is_none() {
            return Err(AccessError::Absent {
                what: last_name(path),
                waited: wait,
            });
        }
    }
    Ok(())
}

/// Reads a firmware entry that is `size` bytes long. The whole entry is asked for in one read with one byte to
/// spare: the kernel starts at the beginning of the entry for each read, so that small reads cost the square of its
/// length, and the spare byte shows a size that is wrong.
fn read_entry(path: &Path, name: &str, size: u64) -> Result<Vec<u8>, AccessError> {
    let what = || format!("firmware entry {name}");
    let mut file = File::open(path).map_err(|error| failed(what(), &error))?;
    let expected = usize::try_from(size).unwrap_or(usize::MAX);
    let mut bytes = vec![0; expected.saturating_add(1)];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(what(), &error)),
        }
    }
    if filled == expected {
        bytes.truncate(filled);
        return Ok(bytes);
    }
    let how = if filled > expected { "longer" } else { "shorter" };
    Err(AccessError::Failed {
        what: what(),
        why: format!("it is {how} than the {size} bytes the kernel announced"),
    })
}

/// A decimal number and a line break, as the kernel writes it.
fn parse_size(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// The types worth trying: those of the kernel's list that live on a device, then the usual ones whose module is not
/// loaded yet.
fn parse_file_systems(listed: &str) -> Vec<String> {
    let on_devices = listed
        .lines()
        .filter(|line| !line.starts_with("nodev"))
        .map(str::trim);
    let mut kinds: Vec<String> = on_devices
        .filter(|kind| !kind.is_empty())
        .map(str::to_owned)
        .collect();
    for usual in USUAL_FILE_SYSTEMS {
        if !kinds.iter().any(|kind| kind == usual) {
            kinds.push(usual.to_owned());
        }
    }
    kinds
}

/// `path` below `root`, never beside it: only its plain components count.
fn below(root: &Path, path: &str) -> PathBuf {
    let plain = Path::new(path)
        .components()
        .filter(|part| matches!(part, Component::Normal(_)));
    plain.fold(root.to_owned(), |whole, part| whole.join(part))
}

/// The content of a file or device, or `None` when there is none.
///
/// # Errors
/// `Failed` when it exists and cannot be read, `TooLarge` above 64 MiB.
pub fn read_file(path: &Path) -> Result<Option<Vec<u8>>, AccessError> {
    let what = || path.display().to_string();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(what(), &error)),
    };
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(what(), &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= LIMIT) {
        Ok(Some(bytes))
    } else {
        Err(AccessError::TooLarge {
            what: what(),
            limit: LIMIT,
        })
    }
}

/// The names of what is in a directory, in order; none when it is not there.
///
/// # Errors
/// `Failed` when it exists and cannot be listed.
pub fn list(directory: &Path) -> Result<Vec<String>, AccessError> {
    let what = |error: io::Error| failed(directory.display().to_string(), &error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(what(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(what)?.file_name().to_string_lossy().into_owned());
    }
    order::sort(&mut names);
    Ok(names)
}

fn failed(what: String, error: &io::Error) -> AccessError {
    AccessError::Failed {
        what,
        why: error.to_string(),
    }
}

fn last_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
