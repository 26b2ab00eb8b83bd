//! Where this machine may hold a config: firmware entries, drives, disks, files. Together with HTTP this is what a
//! platform may ask for ([`crate::fetch::HostAccess`]).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

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
            file_systems: "/proc/filesystems".into(),
            scratch: "/run".into(),
        }
    }
}

/// Makes the kernel load a module; the error is for people.
pub type LoadModule<'a> = &'a dyn Fn(&str) -> Result<(), String>;

impl MediaPaths {
    /// Mounts the drive read-only, reads `paths` below its root, unmounts it; see
    /// [`kindling_platforms::Access::drive`].
    ///
    /// # Errors
    /// `Absent` when it did not appear in time, `Failed`, `TooLarge`; `NotBuilt` for drives that are known by their
    /// file system alone.
    pub fn read_drive(&self, drive: &Drive<'_>, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        match drive.name {
            DriveName::Label(label) => {
                let device = self.by_label.join(label);
                await_path(&device, drive.wait)?;
                self.read_mounted(&device, paths)
            }
            DriveName::FileSystem(kind) => Err(AccessError::NotBuilt {
                what: format!("finding a drive by its file system ({kind})"),
            }),
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
    /// `Failed` when the kernel cannot show entries or shows one of another length than it said, `TooLarge`.
    pub fn read_fw_cfg(&self, name: &str, load: LoadModule<'_>) -> Result<Option<Vec<u8>>, AccessError> {
        let what = || format!("firmware entry {name}");
        if !self.fw_cfg.exists() {
            load("qemu_fw_cfg").map_err(|why| AccessError::Failed {
                what: "the firmware interface of QEMU".to_owned(),
                why: format!("kernel module qemu_fw_cfg cannot be loaded: {why}"),
            })?;
            if !self.fw_cfg.exists() {
                warn!(
                    "this machine has no firmware interface of QEMU, so it has no {}",
                    what()
                );
            }
        }
        let entry = below(&self.fw_cfg.join("by_name"), name);
        let Some(size) = read_file(&entry.join("size"))? else {
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

    /// Mounts `device` read-only, with the first file system type that fits.
    fn mount(&self, device: &Path, at: &Path) -> Result<(), AccessError> {
        let listed = fs::read_to_string(&self.file_systems).unwrap_or_default();
        let mut refusal = None;
        for kind in parse_file_systems(&listed) {
            // Silent: a type that is not the drive's is no error of the machine, and must not be told as one on its console.
            let flags = MsFlags::MS_RDONLY
                | MsFlags::MS_NODEV
                | MsFlags::MS_NOSUID
                | MsFlags::MS_NOEXEC
                | MsFlags::MS_SILENT;
            match mount(Some(device), at, Some(kind.as_str()), flags, None::<&str>) {
                Ok(()) => return Ok(()),
                // Not this type, or no such type in this kernel: the next one. Anything else is worth telling.
                Err(nix::Error::EINVAL | nix::Error::ENODEV) => {}
                Err(error) => refusal = Some(error),
            }
        }
        let why = refusal.map_or_else(
            || "it has no file system that this kernel knows".to_owned(),
            |error| format!("it cannot be mounted: {error}"),
        );
        Err(AccessError::Failed {
            what: device.display().to_string(),
            why,
        })
    }

    fn read_mounted(&self, device: &Path, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        let at = self
            .scratch
            .join(format!("kindling-drive-{}", std::process::id()));
        let what = || at.display().to_string();
        fs::create_dir_all(&at).map_err(|error| failed(what(), &error))?;
        let files = self.mount(device, &at).and_then(|()| {
            let files = paths.iter().map(|path| read_file(&below(&at, path))).collect();
            // Reading is over; a mount that stays for a moment longer hurts nobody.
            if let Err(error) = umount2(&at, MntFlags::MNT_DETACH) {
                warn!("cannot unmount {}: {error}", at.display());
            }
            files
        });
        if let Err(error) = fs::remove_dir(&at) {
            warn!("cannot remove {}: {error}", at.display());
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
#[expect(clippy::disallowed_methods, reason = "tests fill a directory of their own")]
mod tests {
    use super::*;

    struct Host {
        root: tempfile::TempDir,
    }

    impl Host {
        fn new() -> Self {
            Self {
                root: tempfile::tempdir().unwrap(),
            }
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn paths(&self) -> MediaPaths {
            let at = |name: &str| self.root.path().join(name);
            MediaPaths {
                fw_cfg: at("fw_cfg"),
                by_label: at("by-label"),
                by_id: at("by-id"),
                file_systems: at("filesystems"),
                scratch: at("scratch"),
            }
        }

        fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, AccessError> {
            self.paths().read_fw_cfg(name, &refuse)
        }
    }

    fn refuse(_module: &str) -> Result<(), String> {
        Err("no such module".to_owned())
    }

    const ENTRY: &str = "opt/com.coreos/config";

    #[test]
    fn a_firmware_entry_is_read_whole() {
        let host = Host::new();
        host.put("fw_cfg/by_name/opt/com.coreos/config/size", "5\n");
        host.put("fw_cfg/by_name/opt/com.coreos/config/raw", "hello");
        assert_eq!(host.fw_cfg(ENTRY), Ok(Some(b"hello".to_vec())));
        assert_eq!(host.fw_cfg("opt/other"), Ok(None));
        assert_eq!(host.fw_cfg("../../fw_cfg"), Ok(None));
    }

    #[test]
    fn a_wrong_size_is_an_error() {
        for (size, why) in [
            ("4\n", "it is longer than the 4 bytes the kernel announced"),
            ("6\n", "it is shorter than the 6 bytes the kernel announced"),
            ("abc", "its size is not a number"),
        ] {
            let host = Host::new();
            host.put("fw_cfg/by_name/opt/com.coreos/config/size", size);
            host.put("fw_cfg/by_name/opt/com.coreos/config/raw", "hello");
            let what = "firmware entry opt/com.coreos/config".to_owned();
            assert_eq!(
                host.fw_cfg(ENTRY),
                Err(AccessError::Failed {
                    what,
                    why: why.to_owned()
                })
            );
        }
    }

    #[test]
    fn an_absurd_size_is_refused_before_memory_is_asked_for() {
        let host = Host::new();
        host.put(
            "fw_cfg/by_name/opt/com.coreos/config/size",
            "18446744073709551615",
        );
        let what = "firmware entry opt/com.coreos/config".to_owned();
        assert_eq!(
            host.fw_cfg(ENTRY),
            Err(AccessError::TooLarge { what, limit: LIMIT })
        );
    }

    #[test]
    fn without_the_firmware_interface_the_missing_module_is_named() {
        let error = Host::new().fw_cfg(ENTRY).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the firmware interface of QEMU: kernel module qemu_fw_cfg cannot be loaded: no such module"
        );
    }

    #[test]
    fn a_machine_without_the_firmware_interface_has_no_entry() {
        let loaded = Host::new().paths().read_fw_cfg(ENTRY, &|module| {
            assert_eq!(module, "qemu_fw_cfg");
            Ok(())
        });
        assert_eq!(loaded, Ok(None));
    }

    #[test]
    fn a_disk_is_read_by_its_id_and_its_absence_is_timed() {
        let host = Host::new();
        host.put("by-id/virtio-ignition", "config");
        assert_eq!(
            host.paths()
                .read_block("virtio-ignition", Duration::ZERO, &refuse),
            Ok(b"config".to_vec())
        );
        let wait = Duration::from_millis(60);
        let error = AccessError::Absent {
            what: "other".to_owned(),
            waited: wait,
        };
        assert_eq!(host.paths().read_block("other", wait, &refuse), Err(error));
    }

    #[test]
    fn a_drive_that_is_no_file_system_is_an_error_and_leaves_nothing_behind() {
        let host = Host::new();
        host.put("by-label/IGN", "not a file system");
        let drive = Drive {
            name: DriveName::Label("IGN"),
            wait: Duration::ZERO,
        };
        let error = host.paths().read_drive(&drive, &["/config.ign"]).unwrap_err();
        assert!(matches!(error, AccessError::Failed { .. }), "{error}");
        assert_eq!(fs::read_dir(host.root.path().join("scratch")).unwrap().count(), 0);
    }

    #[test]
    fn an_absent_file_is_not_an_error() {
        let host = Host::new();
        host.put("etc/user.ign", "{}");
        let at = |name: &str| host.root.path().join(name);
        assert_eq!(read_file(&at("etc/user.ign")), Ok(Some(b"{}".to_vec())));
        assert_eq!(read_file(&at("etc/user.ign/below-a-file")), Ok(None));
        assert_eq!(read_file(&at("run/user.ign")), Ok(None));
        assert!(matches!(read_file(&at("etc")), Err(AccessError::Failed { .. })));
    }

    #[test]
    fn file_systems_without_a_device_are_not_tried() {
        let kinds = parse_file_systems("nodev\tsysfs\nnodev\ttmpfs\n\text4\n\tbtrfs\n");
        assert_eq!(kinds, ["ext4", "btrfs", "iso9660", "vfat", "udf", "xfs"]);
    }

    #[test]
    fn paths_stay_below_their_root() {
        assert_eq!(below(Path::new("/m"), "/../a/./b"), Path::new("/m/a/b"));
    }
}
