//! Why a step failed.

use std::io;
use std::path::PathBuf;

use crate::fetch::FetchError;
use crate::host::accounts::LookupError;
use crate::host::devices::DeviceError;
use crate::host::journal::JournalError;
use crate::host::mounts::UnmountError;
use crate::host::process::ProcessError;
use crate::host::sysroot::SysrootError;
use crate::invocation::Program;
use crate::shadow::Refusal;

/// A step that failed, with its place in the rendered config.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// RFC 6901.
    pub pointer: String,
    /// The step, as the plan prints it.
    pub step: String,
    /// Why.
    pub error: ApplyError,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A program did not do its work.
    #[error(transparent)]
    Run(#[from] ProcessError),
    /// A device could not be changed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Something is still there after every signature was erased.
    #[error("{} still holds {found} after all signatures on it were erased", device.display())]
    SignatureStays {
        /// The device.
        device: PathBuf,
        /// What blkid finds.
        found: String,
    },
    /// The target's tree could not be changed.
    #[error(transparent)]
    Sysroot(#[from] SysrootError),
    /// The record of what was written could not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A name could not be looked up in the target.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// An account cannot be as the config asks for.
    #[error(transparent)]
    Account(#[from] Refusal),
    /// The target has no such user or group.
    #[error("the target has no {kind} {name:?}")]
    UnknownName {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A user without a home directory to put keys into.
    #[error("the home directory {} of {user} is not in the target", home.display())]
    NoHome {
        /// The user.
        user: String,
        /// Where the home should be.
        home: PathBuf,
    },
    /// Content could not be fetched.
    #[error("cannot get the content of {}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FetchError,
    },
    /// Content could not be put on the medium.
    #[error("cannot write the content of {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// What was fetched for the crypttab has a line of its own for a volume of the config.
    #[error("what was fetched for it has another line of the volume {volume}, and the first one counts")]
    OtherLine {
        /// The volume's name.
        volume: String,
    },
    /// A mount path goes through a link or a file of a file system that was mounted just before.
    #[error("{} goes through {}, which is {kind}", path.display(), obstacle.display())]
    MountPath {
        /// The path in the target.
        path: PathBuf,
        /// What is in the way.
        obstacle: PathBuf,
        /// What it is.
        kind: String,
    },
    /// A file system could not be unmounted.
    #[error(transparent)]
    Unmount(#[from] UnmountError),
    /// The stage was given a plan it cannot carry out: our bug.
    #[error("{what} was not prepared for this stage")]
    Unprepared {
        /// What is missing.
        what: &'static str,
    },
}

impl ApplyError {
    /// Stable code, one row in docs/failure-states.md.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Run(ProcessError::NotInstalled { .. }) => "program-missing",
            Self::Run(_) => "program-failed",
            Self::Device(DeviceError::Missing { .. }) => "device-missing",
            Self::Device(DeviceError::Locked { .. }) => "device-locked",
            Self::Device(DeviceError::Mapping {
                source: ProcessError::NotInstalled { .. },
                ..
            }) => "program-missing",
            Self::Device(_) => "device-failed",
            Self::SignatureStays { .. } => "signature-stays",
            Self::Sysroot(_) | Self::Write { .. } | Self::Journal(_) => "target-write-failed",
            Self::Lookup(_) => "account-lookup-failed",
            Self::Account(refusal) => refusal.why.code(),
            Self::UnknownName { .. } => "account-unknown",
            Self::NoHome { .. } => "home-missing",
            Self::Content { source, .. } => source.code(),
            Self::OtherLine { .. } => "crypttab-line-differs",
            Self::MountPath { .. } => "mount-path-not-a-directory",
            Self::Unmount(_) => "unmount-failed",
            Self::Unprepared { .. } => "internal",
        }
    }

    /// What the operator does next.
    #[must_use]
    pub fn next(&self) -> String {
        match self {
            Self::Run(ProcessError::NotInstalled { program })
            | Self::Device(DeviceError::Mapping {
                source: ProcessError::NotInstalled { program },
                ..
            }) => {
                format!("rebuild the initramfs with {program} in it, or remove from the config what needs it")
            }
            Self::Run(ProcessError::Exited { program: Program::Mount, .. }) => {
                "compare the file system's format, mountOptions and device with what mount said; the kernel log says more"
                    .to_owned()
            }
            Self::Run(_) => {
                "read what the program said; correct the config or the device it names".to_owned()
            }
            Self::Device(DeviceError::Missing { .. }) => {
                "check that the disk is attached and that the config names it as this machine does".to_owned()
            }
            Self::Device(_) => {
                "check the disk and its cabling or backing store; the kernel log says more".to_owned()
            }
            Self::SignatureStays { .. } => {
                "check whether another device or program writes to it, and the disk itself; the kernel log says more".to_owned()
            }
            Self::Sysroot(_) | Self::Write { .. } | Self::Journal(_) => {
                "check that the target's file system is mounted writable and has space left".to_owned()
            }
            Self::Lookup(_) => {
                "check /etc/passwd, /etc/group and /etc/nsswitch.conf of the target".to_owned()
            }
            Self::Account(refusal) => refusal.why.next().to_owned(),
            Self::UnknownName { kind, .. } => {
                format!("create the {kind} in the config's passwd section, or use a number")
            }
            Self::NoHome { .. } => {
                "leave noCreateHome out, or create the home directory in the config".to_owned()
            }
            Self::Content { source, .. } => source.next(),
            Self::OtherLine { .. } => "remove that line, or give the volume another name".to_owned(),
            Self::MountPath { .. } => "mount at the real directory, not through a link".to_owned(),
            Self::Unmount(UnmountError::Busy { .. }) => {
                "end what is named here; or reboot the machine: the stages go on from what they find".to_owned()
            }
            Self::Unmount(UnmountError::Refused { .. }) => {
                "look at the kernel log; or reboot the machine: the stages go on from what they find".to_owned()
            }
            Self::Unprepared { .. } => "this is a defect of kindling: report it with this record".to_owned(),
        }
    }
}
