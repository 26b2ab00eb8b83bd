//! What a device or a part of one holds: nothing where all is zero, else blkid's answer, believed only as far as it can
//! be.

use std::path::PathBuf;

use super::devices::{DeviceError, Devices};
use super::process::{ProcessError, Processes};
use crate::inventory::disks::{Content, Probe, parse_blkid};

/// A device could not be looked into.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A program that answers about a device failed.
    #[error("cannot find out what {} holds", device.display())]
    Program {
        /// The device.
        device: PathBuf,
        /// Why.
        source: ProcessError,
    },
    /// A device without a signature cannot be read, so that it cannot be told whether it is blank.
    #[error(transparent)]
    Unreadable(#[from] DeviceError),
}

/// What a place holds.
///
/// # Errors
/// `Program` when blkid is missing or does not answer, `Unreadable` when it found nothing and the device cannot be read.
pub fn content(
    processes: &dyn Processes,
    devices: &dyn Devices,
    probe: &Probe,
) -> Result<Content, ProbeError> {
    // A start of blkid for each blank partition was most of the stage.
    if devices.is_zero(probe) {
        return Ok(Content::Blank);
    }
    let failed = |source| ProbeError::Program {
        device: probe.node.clone(),
        source,
    };
    let call = probe.invocation();
    let output = processes.status(&call).map_err(failed)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let content = parse_blkid(output.status, &stdout).ok_or_else(|| {
        let (program, status, stderr) = (call.program, output.status, output.stderr.clone());
        failed(ProcessError::Exited {
            program,
            status,
            stderr,
        })
    })?;
    if content == Content::Blank {
        devices.readable(probe)?;
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{Disks, Scripted};

    #[test]
    fn a_device_is_blank_only_if_it_can_be_read() {
        let probe = Probe {
            node: "/dev/vdb".into(),
            range: None,
        };
        let sound = Disks::default();
        let broken = Disks {
            unreadable: vec![probe.node.clone()],
            ..Disks::default()
        };
        let ask = |answer: (i32, &str), devices: &Disks| {
            content(&Scripted::answering(&[answer]), devices, &probe).ok()
        };
        assert_eq!(ask((2, ""), &sound), Some(Content::Blank));
        assert_eq!(ask((2, ""), &broken), None);
        assert_eq!(ask((0, ""), &broken), None);
        assert!(matches!(
            ask((0, "TYPE=ext4\n"), &broken),
            Some(Content::Known(_))
        ));
    }
}
