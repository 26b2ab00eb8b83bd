//! What a config is carried out on away from its machine: an image file as a block device, or a whole disk of this machine.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kindling_config_spec::units::{Bytes, SectorSize};
use nix::fcntl::{Flock, FlockArg};
use nix::libc;

use super::block;
use super::process::{ProcessError, Processes};
use crate::invocation::{Invocation, Program};

/// The loop devices of the kernel, among others.
pub(super) const BLOCK: &str = "/sys/block";

/// An image could not be made a block device.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// It is no file that can be read.
    #[error("cannot open {}", file.display())]
    File {
        /// The image.
        file: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It is a directory, a partition, or a device that nothing can be on.
    #[error("{} is neither a regular file nor a whole disk", .0.display())]
    NoDisk(PathBuf),
    /// It is a disk that this machine uses.
    #[error(
        "{} is in use: it or a partition of it is mounted, or belongs to an array, a mapping or the swap space",
        .0.display()
    )]
    InUse(PathBuf),
    /// Somebody else has it as a loop device.
    #[error("{} is a loop device already", .0.display())]
    Taken(PathBuf),
    /// Another run of ours has it.
    #[error("{} is being worked on already", .0.display())]
    Worked(PathBuf),
    /// losetup did not do it.
    #[error("cannot make {} a block device", file.display())]
    Attach {
        /// The image.
        file: PathBuf,
        /// Why.
        source: ProcessError,
    },
}

/// A block device with an image on it. A loop device ends with this value, and with the process at the latest: nothing
/// else keeps it.
pub struct Held {
    node: PathBuf,
    #[expect(dead_code, reason = "held for what closing it does")]
    device: File,
    #[expect(
        dead_code,
        reason = "held as long as the device is, so that no other run begins with the image"
    )]
    locked: Option<Flock<File>>,
}

/// The image, opened and locked: no other run of ours begins with it before this is closed, whoever runs it.
///
/// # Errors
/// The kernel's answer; `WouldBlock` where another run has it, or has just put another file in its place.
pub(super) fn lock(image: &Path) -> io::Result<Flock<File>> {
    let file = OpenOptions::new().read(true).write(true).open(image)?;
    let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)?;
    if is_same(&locked.metadata()?, &image.metadata()?) {
        return Ok(locked);
    }
    Err(io::ErrorKind::WouldBlock.into())
}

pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The loop devices of this machine by name, and the files that they are on, as `/sys/block` tells everybody
/// (Documentation/ABI/testing/sysfs-block-loop).
pub(super) fn all(block: &Path) -> Vec<(OsString, PathBuf)> {
    let devices = fs::read_dir(block).into_iter().flatten().flatten();
    let known = devices.filter_map(|device| {
        let mut file = fs::read(device.path().join("loop/backing_file")).ok()?;
        file.pop_if(|last| *last == b'\n');
        Some((device.file_name(), OsString::from_vec(file).into()))
    });
    known.collect()
}

/// Whether one of them is on that file, by whatever name.
pub(super) fn is_loop(block: &Path, file: &Metadata) -> bool {
    let is_it = |(_, other): &(_, PathBuf)| other.metadata().is_ok_and(|found| is_same(&found, file));
    all(block).iter().any(is_it)
}

impl Held {
    /// Takes `file`: a disk as it is, anything else as a loop device with logical sectors of that size.
    ///
    /// # Errors
    /// `File`, `NoDisk`; `InUse` for a disk; for a file `Worked`, `Taken`, or `Attach` when losetup is missing, no loop device is free,
    /// or the kernel refuses.
    pub fn take(processes: &dyn Processes, file: &Path, sector: SectorSize) -> Result<Self, LoopError> {
        let found = fs::metadata(file).map_err(|source| LoopError::File {
            file: file.to_owned(),
            source,
        })?;
        if found.file_type().is_block_device() {
            Self::disk(file)
        } else if found.is_file() {
            Self::attach(processes, file, sector)
        } else {
            Err(LoopError::NoDisk(file.to_owned()))
        }
    }

    fn disk(path: &Path) -> Result<Self, LoopError> {
        let unreadable = |source: io::Error| match source.raw_os_error() {
            Some(libc::EBUSY) => LoopError::InUse(path.to_owned()),
            _ => LoopError::File {
                file: path.to_owned(),
                source,
            },
        };
        let node = path.canonicalize().map_err(unreadable)?;
        let name = node.file_name().unwrap_or_default();
        if Path::new("/sys/class/block")
            .join(name)
            .join("partition")
            .exists()
        {
            return Err(LoopError::NoDisk(path.to_owned()));
        }
        // Exclusively, which the kernel refuses while anybody has the disk or a partition of it so (open(2)). Not for longer:
        // the mount of a file system on it asks for the same. Only to read: when a disk that was open for writing is closed,
        // udev has the kernel read its table again, and the nodes of its partitions are gone for a moment.
        let asked = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_EXCL)
            .open(&node);
        drop(asked.map_err(unreadable)?);
        let device = File::open(&node).map_err(unreadable)?;
        match block::size(&device).map_err(unreadable)? {
            Bytes(0) => Err(LoopError::NoDisk(path.to_owned())),
            Bytes(_) => Ok(Self {
                node,
                device,
                locked: None,
            }),
        }
    }

    fn attach(processes: &dyn Processes, file: &Path, sector: SectorSize) -> Result<Self, LoopError> {
        let unreadable = |source| LoopError::File {
            file: file.to_owned(),
            source,
        };
        let run = |call: &Invocation| {
            processes.run(call).map_err(|source| LoopError::Attach {
                file: file.to_owned(),
                source,
            })
        };
        let locked = lock(file).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => LoopError::Worked(file.to_owned()),
            _ => unreadable(error),
        })?;
        let call = Invocation::new(Program::Losetup).arg("--associated").arg(file);
        if !run(&call)?.stdout.is_empty() {
            return Err(LoopError::Taken(file.to_owned()));
        }
        // With --partscan, so that its partitions are gone when it is.
        let call = Invocation::new(Program::Losetup)
            .args(["--find", "--show", "--partscan", "--sector-size"])
            .arg(sector.bytes().to_string())
            .arg(file);
        let said = run(&call)?.stdout;
        let node = PathBuf::from(String::from_utf8_lossy(&said).trim());
        let device = File::open(&node).map_err(unreadable);
        // A device that is open is detached when it is closed for the last time (LO_FLAGS_AUTOCLEAR, linux/loop.h).
        run(&Invocation::new(Program::Losetup).arg("--detach").arg(&node))?;
        Ok(Self {
            device: device?,
            node,
            locked: Some(locked),
        })
    }

    /// Its node.
    #[must_use]
    pub fn node(&self) -> &Path {
        &self.node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "this stands for the kernel's own files")]
    fn a_file_is_a_loop_device_by_whatever_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["one", "other"] {
            fs::write(at(name), "").unwrap();
        }
        fs::hard_link(at("one"), at("same")).unwrap();
        for (device, file) in [
            ("loop1", Some(at("same"))),
            ("loop2", Some(at("gone"))),
            ("sda", None),
        ] {
            let device = at("block").join(device).join("loop");
            fs::create_dir_all(&device).unwrap();
            if let Some(file) = file {
                fs::write(device.join("backing_file"), format!("{}\n", file.display())).unwrap();
            }
        }
        let seen = ["one", "same", "other"].map(|name| is_loop(&at("block"), &at(name).metadata().unwrap()));
        assert_eq!(seen, [true, true, false]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "this stands for an image")]
    fn an_image_has_one_run_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk.img");
        fs::write(&image, "").unwrap();
        let first = lock(&image).unwrap();
        let kind = |ended: io::Result<Flock<File>>| ended.map(drop).map_err(|error| error.kind());
        assert_eq!(kind(lock(&image)), Err(io::ErrorKind::WouldBlock));
        drop(first);
        assert_eq!(kind(lock(&image)), Ok(()));
    }
}
