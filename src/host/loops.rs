//! What a config is carried out on away from its machine: an image file as a block device, or a whole disk of this machine.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kindling_config_spec::units::{Bytes, SectorSize};
use nix::libc;

use super::block;
use super::process::{ProcessError, Processes};
use crate::invocation::{Invocation, Program};

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
}

impl Held {
    /// Takes `file`: a disk as it is, anything else as a loop device with logical sectors of that size.
    ///
    /// # Errors
    /// `File`, `NoDisk`; `InUse` for a disk; for a file `Taken`, or `Attach` when losetup is missing, no loop device is free,
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
            Bytes(_) => Ok(Self { node, device }),
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
        })
    }

    /// Its node.
    #[must_use]
    pub fn node(&self) -> &Path {
        &self.node
    }
}
