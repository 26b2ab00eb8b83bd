//! How finding out which boot this is, and ending a first boot, fail.

use std::io;
use std::path::PathBuf;

use super::VARIABLE;
use super::kept_program::KeepError;
use crate::host::devices::DeviceError;
use crate::host::probe::ProbeError;
use crate::host::process::ProcessError;
use crate::host::real_root::StampError;
use crate::plan::Stage;
use crate::plan::first_boot::{Refused, Unknown};
use crate::report::Failure;

/// Why it cannot be told which boot this is, or a first boot cannot be ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum FirstBootError {
    #[error(transparent)]
    Argument(#[from] Unknown),
    #[error("the kernel argument kindling.firstboot is not given")]
    NoArgument,
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("this machine has no variables of UEFI")]
    NoVariables,
    #[error("cannot read the variable {VARIABLE} of the firmware")]
    Variable(#[source] io::Error),
    #[error("{}", refused)]
    Refused { refused: Refused },
    #[error("cannot look at the root device")]
    Probe(#[from] ProbeError),
    #[error("cannot find out whether the file system on {} has a mark", node.display())]
    Root { node: PathBuf, source: io::Error },
    #[error("cannot look at the partition with the label {label:?}")]
    Partition { label: String, source: DeviceError },
    #[error("{} has no partition table with one partition that has the label {label:?}", disk.display())]
    NoPartition { label: String, disk: PathBuf },
    #[error("cannot keep {} for the end of the first boot", path.display())]
    Keep { path: PathBuf, source: io::Error },
    #[error(transparent)]
    KeepProgram(#[from] KeepError),
    #[error("this boot has not provisioned the machine: {} is not there or empty", path.display())]
    NotProvisioned { path: PathBuf },
    #[error("cannot set the variable {VARIABLE} of the firmware")]
    SetVariable(#[source] io::Error),
    #[error(transparent)]
    Stamp(#[from] StampError),
    #[error("cannot go on with {unit}")]
    Start {
        unit: &'static str,
        source: ProcessError,
    },
}

impl FirstBootError {
    /// Stable code, one row in docs/failure-states.md.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Argument(_) | Self::NoArgument => "firstboot-argument",
            Self::Unreadable { .. }
            | Self::NoVariables
            | Self::Variable(_)
            | Self::Probe(_)
            | Self::Root { .. } => "firstboot-unreadable",
            Self::Refused {
                refused: Refused::RootMissing,
            } => "firstboot-device-missing",
            Self::Refused { .. } | Self::NoPartition { .. } => "firstboot-unclear",
            Self::Partition { source, .. } => match source {
                DeviceError::Missing { .. } => "firstboot-device-missing",
                _ => "firstboot-unreadable",
            },
            Self::Keep { .. }
            | Self::KeepProgram(_)
            | Self::NotProvisioned { .. }
            | Self::SetVariable(_)
            | Self::Stamp(_) => "firstboot-unmarked",
            Self::Start { .. } => "program-failed",
        }
    }

    fn next(&self) -> &'static str {
        match self.code() {
            "firstboot-argument" => {
                "give kindling.firstboot=efi or kindling.firstboot=gpt:PARTLABEL, or ignition.firstboot=0 to boot as it is"
            }
            "firstboot-unmarked" => {
                "see to it that the mark can be written, and run `kindling first-boot done`: else the next boot is a first \
                 one again"
            }
            "program-failed" => "look at the log of systemd",
            _ => {
                "if the machine is to be provisioned anew, boot once with ignition.firstboot=1; if not, with \
                 ignition.firstboot=0"
            }
        }
    }

    pub(super) fn record(&self, stage: Stage) -> Failure {
        Failure::of(stage, self.code(), self, self.next().to_owned())
    }
}
