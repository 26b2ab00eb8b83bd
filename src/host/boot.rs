//! File systems with boot entries: found, mounted where nobody else sees it, read, and changed so that a machine that
//! loses its power at any moment boots by the old entry or by the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kindling_config_spec::order::{Gather, OrderedSet};
use nix::mount::MntFlags;

use super::devices::{DeviceError, Devices};
use super::media::await_path;
use super::mounts::keep_to_ourselves;
use super::process::{ProcessError, Processes};
use super::usage;
use crate::inventory::disks::Probe;
use crate::invocation::{Invocation, Program};
use crate::plan::entries::{Device, OWN, may_hold_entries};

/// Where somebody may have mounted the file system already.
const MOUNTED: [&str; 5] = [
    "/sysroot/boot",
    "/sysroot/efi",
    "/sysroot/boot/efi",
    "/boot",
    "/efi",
];
/// By this label it is known where nothing else tells.
const LABELLED: &str = "/dev/disk/by-label/boot";
/// How long udev may need for it, once the disks are there.
const LABEL_DEADLINE: Duration = Duration::from_secs(10);
/// The partition that the boot loader came from, in UTF-16 behind four bytes of attributes (systemd's Boot Loader
/// Interface).
const LOADER: &str = "/sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// No entry is longer than this, in bytes: real ones have a few hundred.
const LONGEST: u64 = 1 << 20;
/// How long a machine may take to end everything for a reboot. systemd gives programs 90 s.
const REBOOT_DEADLINE: Duration = Duration::from_secs(180);

/// Boot entries could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// A device could not be looked at.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The kernel or a program did not answer.
    #[error("cannot look for boot entries on {}", on.display())]
    Look {
        /// A device or a file.
        on: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be mounted.
    #[error("cannot mount {}, which may hold boot entries", node.display())]
    Mount {
        /// The device.
        node: PathBuf,
        /// Why.
        source: ProcessError,
    },
    /// An entry cannot be read.
    #[error("cannot read the boot entry {}", file.display())]
    Read {
        /// The entry.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file system cannot be written to.
    #[error("cannot make {} writable, which holds the boot entries", node.display())]
    Writable {
        /// The device.
        node: PathBuf,
        /// Why.
        source: ProcessError,
    },
    /// An entry cannot be changed.
    #[error("cannot change the boot entry {}", file.display())]
    Write {
        /// The entry.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine was told to boot again, and does not.
    #[error("the machine did not boot again within {} s", .0.as_secs())]
    StillHere(Duration),
    /// The machine could not be told to.
    #[error("cannot boot the machine again")]
    Reboot(#[source] ProcessError),
}

impl BootError {
    /// Stable code, one row in docs/failure-states.md.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Device(_) | Self::Look { .. } | Self::Mount { .. } | Self::Read { .. } => "boot-unreadable",
            Self::Writable { .. } | Self::Write { .. } => "boot-unwritable",
            Self::StillHere(_) | Self::Reboot(_) => "reboot-failed",
        }
    }
}

/// One boot entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    file: PathBuf,
    /// Its place for people: the device and the path on it.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// One file system that may have entries.
struct Place {
    /// Where it is mounted, without links.
    dir: PathBuf,
    /// What people call it: its device, where it was mounted for this.
    name: PathBuf,
    is_ours: bool,
    /// The directories of it that have what boot loaders read.
    below: &'static [&'static str],
}

impl Place {
    /// Files of its directories `dir` whose name has that end, sorted. Boot loaders pass over hidden ones.
    fn files(&self, dir: &str, end: &str) -> OrderedSet<PathBuf> {
        let dirs = self.below.iter().map(|below| self.dir.join(below).join(dir));
        // A link of an image must not lead to what this machine has by that name. Its own may lead where it likes.
        let is_its = |dir: &PathBuf| !self.is_ours || dir.starts_with(&self.dir);
        let dirs = dirs.filter_map(|dir| dir.canonicalize().ok().filter(is_its));
        let found = dirs.flat_map(fs::read_dir).flatten().flatten();
        let is_one = |entry: &fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().to_lowercase();
            name.ends_with(end)
                && !name.starts_with('.')
                && entry.file_type().is_ok_and(|kind| kind.is_file())
        };
        found.filter(is_one).map(|entry| entry.path()).into_set()
    }
}

/// The file systems with the boot entries of this machine.
pub struct Boot<'a> {
    processes: &'a dyn Processes,
    scratch: &'a Path,
    places: Vec<Place>,
}

impl<'a> Boot<'a> {
    /// Finds them: what is mounted; else what the disk of the boot loader or of the `root` device has; else what has the
    /// label, which is waited for if it is `wanted`. Mount points are made in `scratch`, and only this process sees what is
    /// mounted there.
    ///
    /// # Errors
    /// `Look`, `Mount`.
    pub fn open(
        processes: &'a dyn Processes,
        devices: &dyn Devices,
        scratch: &'a Path,
        root: Option<PathBuf>,
        wanted: bool,
    ) -> Result<Self, BootError> {
        let mut boot = Self {
            processes,
            scratch,
            places: mounted(),
        };
        if !boot.places.is_empty() {
            return Ok(boot);
        }
        keep_to_ourselves().map_err(look("/proc/self/mountinfo"))?;
        if let Some(device) = loader_partition().or(root) {
            match devices.wait_for(std::slice::from_ref(&device)) {
                Ok(()) => boot.look_beside(&devices.node(&device)?)?,
                // The root may be one that a later stage makes.
                Err(DeviceError::Missing { .. }) => tracing::warn!("{} did not appear", device.display()),
                Err(error) => return Err(error.into()),
            }
        }
        if boot
            .places
            .iter()
            .all(|place| !place.dir.join("loader/entries").is_dir())
        {
            if wanted && boot.images().is_empty() {
                // It is found missing below.
                drop(await_path(Path::new(LABELLED), LABEL_DEADLINE));
            }
            if let Ok(node) = Path::new(LABELLED).canonicalize()
                && boot.places.iter().all(|place| place.name != node)
            {
                boot.mount(node.into())?;
            }
        }
        Ok(boot)
    }

    /// Those on `devices` of a machine that does not run, in mounts of this process's own.
    ///
    /// # Errors
    /// `Look`, `Mount`. Nothing stays mounted then.
    pub fn on(
        processes: &'a dyn Processes,
        scratch: &'a Path,
        devices: Vec<Device>,
    ) -> Result<Self, BootError> {
        let mut boot = Self {
            processes,
            scratch,
            places: Vec::new(),
        };
        for device in devices {
            if let Err(error) = boot.mount(device) {
                boot.close();
                return Err(error);
            }
        }
        Ok(boot)
    }

    /// Mounts what may have entries on the disks that `node` is on.
    fn look_beside(&mut self, node: &Path) -> Result<(), BootError> {
        let mut disks = OrderedSet::new();
        disks_of(node, &mut disks).map_err(look(node))?;
        for disk in disks {
            let parts = usage::partitions(&disk, None).map_err(look(&disk))?;
            // In one order whatever the kernel lists first.
            let parts: OrderedSet<PathBuf> = parts.into_iter().map(|(_, node)| node).into_set();
            for node in parts {
                let call = Probe {
                    node: node.clone(),
                    range: None,
                };
                let said = self.processes.status(&call.invocation());
                let said = said.map_err(|error| look(&node)(io::Error::other(error)))?;
                if may_hold_entries(&String::from_utf8_lossy(&said.stdout)) {
                    self.mount(node.into())?;
                }
            }
        }
        Ok(())
    }

    /// Read-only, until something is to be changed.
    fn mount(&mut self, device: Device) -> Result<(), BootError> {
        let Device { node, name, below } = device;
        let dir = self.scratch.join(format!("boot-{}", self.places.len()));
        let dir = fs::create_dir_all(&dir)
            .and_then(|()| dir.canonicalize())
            .map_err(look(&dir))?;
        let call = |mode| {
            let call = Invocation::new(Program::Mount).args(["-o", mode]);
            call.arg(&node).arg(&dir)
        };
        let mounted = self.processes.run(&call("ro,nosuid,nodev,noexec"));
        // The kernel mounts no device read-only that is mounted writable elsewhere.
        let mounted = mounted.or_else(|error| {
            let mounted = self.processes.run(&call("nosuid,nodev,noexec"));
            mounted.map_err(|_| error)
        });
        match mounted {
            Ok(_) => {
                let is_ours = true;
                self.places.push(Place {
                    dir,
                    name,
                    is_ours,
                    below,
                });
                Ok(())
            }
            Err(source) => {
                drop(fs::remove_dir(dir));
                Err(BootError::Mount { node: name, source })
            }
        }
    }

    /// Every entry, also those of rescue systems and those that a boot loader counts the tries of in the name.
    ///
    /// # Errors
    /// `Read`.
    pub fn entries(&self) -> Result<Vec<Entry>, BootError> {
        let mut entries = Vec::new();
        for place in &self.places {
            for file in place.files("loader/entries", ".conf") {
                let text = read(&file).map_err(|source| BootError::Read {
                    file: file.clone(),
                    source,
                })?;
                let below = file.strip_prefix(&place.dir).unwrap_or(&file);
                let name = format!("{}: {}", place.name.display(), below.display());
                entries.push(Entry { file, name, text });
            }
        }
        Ok(entries)
    }

    /// Kernels with their arguments in one image.
    #[must_use]
    pub fn images(&self) -> Vec<String> {
        let found = self
            .places
            .iter()
            .flat_map(|place| place.files("EFI/Linux", ".efi"));
        let names = found.filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
        names.collect()
    }

    /// Where entries were looked for.
    #[must_use]
    pub fn looked(&self) -> String {
        let names = self.places.iter().map(|place| place.name.display().to_string());
        names.collect::<Vec<_>>().join(", ")
    }

    /// Puts each text in the place of its entry: all of them lie beside the entries, on the medium, before the first of them
    /// gets its name. `now` is called between the two.
    ///
    /// # Errors
    /// `Writable`, `Write`. If not from `now` on, every entry is as before.
    pub fn replace(
        &self,
        changes: &[(Entry, String)],
        now: &dyn Fn() -> Result<(), BootError>,
    ) -> Result<(), BootError> {
        let of = |place: &&Place| {
            changes
                .iter()
                .any(|(entry, _)| entry.file.starts_with(&place.dir))
        };
        let places: Vec<&Place> = self.places.iter().filter(of).collect();
        for place in places.iter().filter(|place| place.is_ours) {
            let call = Invocation::new(Program::Mount)
                .args(["-o", "remount,rw"])
                .arg(&place.dir);
            let writable = self.processes.run(&call);
            writable.map_err(|source| BootError::Writable {
                node: place.name.clone(),
                source,
            })?;
        }
        let each = |call: &dyn Fn(&Path, &str) -> io::Result<()>| {
            let mut changes = changes.iter();
            changes.try_for_each(|(entry, text)| call(&entry.file, text).map_err(write(entry)))
        };
        let renamed = each(&stage)
            .and_then(|()| now())
            .and_then(|()| each(&|file, _| fs::rename(beside(file), file)));
        if renamed.is_err() {
            for (entry, _) in changes {
                drop(fs::remove_file(beside(&entry.file)));
            }
        }
        renamed?;
        for (entry, _) in changes {
            let dir = entry.file.parent().unwrap_or(&entry.file);
            let synced = File::open(dir).and_then(|dir| {
                dir.sync_all()?;
                Ok(nix::unistd::syncfs(&dir)?)
            });
            synced.map_err(write(entry))?;
        }
        Ok(())
    }

    /// Unmounts what was mounted. What is on the medium does not depend on it.
    pub fn close(self) {
        for Place { dir, is_ours, .. } in self.places {
            if is_ours {
                if let Err(error) = nix::mount::umount2(&dir, MntFlags::UMOUNT_NOFOLLOW) {
                    tracing::warn!("cannot unmount {}: {error}", dir.display());
                }
                drop(fs::remove_dir(dir));
            }
        }
    }
}

/// Tells the machine to boot again, and waits until it does: whoever waits for this process must not go on.
///
/// # Errors
/// `Reboot`; `StillHere` when it comes to that.
#[expect(clippy::disallowed_methods, reason = "the event is the end of this process")]
#[must_use]
pub fn reboot(processes: &dyn Processes) -> BootError {
    let call = Invocation::new(Program::Systemctl).args(["reboot", "--force"]);
    match processes.run(&call) {
        Err(error) => BootError::Reboot(error),
        Ok(_) => {
            std::thread::sleep(REBOOT_DEADLINE);
            BootError::StillHere(REBOOT_DEADLINE)
        }
    }
}

fn look(on: impl AsRef<Path>) -> impl FnOnce(io::Error) -> BootError {
    let on = on.as_ref().to_owned();
    move |source| BootError::Look { on, source }
}

fn write(entry: &Entry) -> impl FnOnce(io::Error) -> BootError {
    let file = PathBuf::from(&entry.name);
    move |source| BootError::Write { file, source }
}

/// Directories with entries that are not of the initramfs itself.
fn mounted() -> Vec<Place> {
    let own = fs::metadata("/").map(|root| root.dev()).ok();
    let dirs = MOUNTED.iter().map(PathBuf::from);
    let dirs =
        dirs.filter(|dir| fs::metadata(dir.join("loader/entries")).is_ok_and(|at| Some(at.dev()) != own));
    let place = |name: PathBuf| Place {
        dir: name.canonicalize().unwrap_or_else(|_| name.clone()),
        name,
        is_ours: false,
        below: OWN,
    };
    dirs.map(place).collect()
}

fn loader_partition() -> Option<PathBuf> {
    let bytes = fs::read(LOADER).ok()?;
    let letters = bytes.get(4..)?.iter().copied().filter(|byte| *byte != 0);
    let uuid = String::from_utf8(letters.collect()).ok()?.to_lowercase();
    (uuid.len() == 36).then(|| Path::new("/dev/disk/by-partuuid").join(uuid))
}

/// The disks that a device is, is a partition of, or is made of.
fn disks_of(node: &Path, disks: &mut OrderedSet<PathBuf>) -> io::Result<()> {
    let shown = Path::new("/sys/class/block").join(node.file_name().unwrap_or_default());
    let shown = shown.canonicalize()?;
    let below = usage::below(node).unwrap_or_default();
    if shown.join("partition").exists() {
        let disk = shown.parent().and_then(Path::file_name).unwrap_or_default();
        disks.insert(Path::new("/dev").join(disk));
    } else if below.is_empty() {
        disks.insert(node.to_owned());
    }
    below.iter().try_for_each(|node| disks_of(node, disks))
}

fn read(file: &Path) -> io::Result<String> {
    if fs::metadata(file)?.len() > LONGEST {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    fs::read_to_string(file)
}

/// No boot loader reads a name like this.
fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.new"))
}

fn stage(file: &Path, text: &str) -> io::Result<()> {
    let like = fs::metadata(file)?;
    // What a killed run left goes, and no link of an image's is followed.
    match fs::remove_file(beside(file)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut new = File::create_new(beside(file))?;
    new.write_all(text.as_bytes())?;
    new.set_permissions(like.permissions())?;
    new.sync_all()
}
