//! Image files as block devices.

use std::fs::File;
use std::path::{Path, PathBuf};

use kindling_config_spec::units::SectorSize;

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
        source: std::io::Error,
    },
    /// It is a device or a directory.
    #[error("{} is no regular file", .0.display())]
    NoFile(PathBuf),
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

/// A loop device. It ends with this value, and with the process at the latest: nothing else keeps it.
pub struct Loop {
    node: PathBuf,
    #[expect(dead_code, reason = "held for what closing it does")]
    device: File,
}

impl Loop {
    /// Makes `file` a block device with logical sectors of that size.
    ///
    /// # Errors
    /// `File`, `NoFile`, `Taken`, or `Attach` when losetup is missing, no loop device is free, or the kernel refuses.
    pub fn attach(processes: &dyn Processes, file: &Path, sector: SectorSize) -> Result<Self, LoopError> {
        let unreadable = |source| LoopError::File {
            file: file.to_owned(),
            source,
        };
        let found = File::open(file)
            .and_then(|file| file.metadata())
            .map_err(unreadable)?;
        // Of a device, who uses it could not be seen through the loop.
        if !found.is_file() {
            return Err(LoopError::NoFile(file.to_owned()));
        }
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
