//! Boundaries in memory, used by tests under their own name. They are never evidence for what a kernel or a
//! program does.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::devices::{DeviceError, Devices, Locks};
use super::process::{Output, ProcessError, Processes};
use crate::inventory::disks::{Disk, Probe};
use crate::inventory::stack::{Mapping, User};
use crate::invocation::{Invocation, Program};
use crate::plan::partitions::KernelView;
use crate::plan::step::TableWrite;

/// Programs that answer from a list, in order, and 0 with no output after its end.
#[derive(Default)]
pub struct Scripted {
    answers: Mutex<Vec<Output>>,
    calls: Mutex<Vec<String>>,
    inputs: Mutex<Vec<String>>,
}

impl Scripted {
    /// Answers with these statuses and standard outputs.
    #[must_use]
    pub fn answering(answers: &[(i32, &str)]) -> Self {
        let output = |(status, stdout): &(i32, &str)| Output {
            status: *status,
            stdout: stdout.as_bytes().to_vec(),
            stderr: String::new(),
        };
        let answers = answers.iter().rev().map(output).collect();
        Self {
            answers: Mutex::new(answers),
            calls: Mutex::default(),
            inputs: Mutex::default(),
        }
    }

    /// What was run so far.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().map(|calls| calls.clone()).unwrap_or_default()
    }
}

impl Scripted {
    /// What the programs that got a standard input got, in order.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.inputs
            .lock()
            .map(|inputs| inputs.clone())
            .unwrap_or_default()
    }
}

impl Processes for Scripted {
    fn is_installed(&self, _program: Program) -> bool {
        true
    }

    fn status(&self, call: &Invocation) -> Result<Output, ProcessError> {
        if let Ok(mut calls) = self.calls.lock() {
            calls.push(call.to_string());
        }
        if let (Some(input), Ok(mut inputs)) = (&call.stdin, self.inputs.lock()) {
            inputs.push(String::from_utf8_lossy(input).into_owned());
        }
        Ok(self
            .answers
            .lock()
            .ok()
            .and_then(|mut answers| answers.pop())
            .unwrap_or_default())
    }
}

/// Disks that only record what is done to them.
#[derive(Default)]
pub struct Disks {
    /// What was asked, in order.
    pub log: Mutex<Vec<String>>,
    /// Nodes that give a read error.
    pub unreadable: Vec<PathBuf>,
}

impl Disks {
    fn note(&self, line: String) {
        if let Ok(mut log) = self.log.lock() {
            log.push(line);
        }
    }
}

impl Devices for Disks {
    fn wait_for(&self, devices: &[PathBuf]) -> Result<(), DeviceError> {
        self.note(format!("wait for {}", devices.len()));
        Ok(())
    }

    fn node(&self, device: &Path) -> Result<PathBuf, DeviceError> {
        Ok(device.to_owned())
    }

    fn disk(&self, device: &Path) -> Result<Disk, DeviceError> {
        Err(DeviceError::Missing {
            missing: vec![device.to_owned()],
            waited: std::time::Duration::ZERO,
        })
    }

    fn readable(&self, probe: &Probe) -> Result<(), DeviceError> {
        if self.unreadable.contains(&probe.node) {
            return Err(DeviceError::Io {
                doing: "read",
                device: probe.node.clone(),
                source: std::io::ErrorKind::Other.into(),
            });
        }
        Ok(())
    }

    fn used_by(&self, _node: &Path) -> Result<Option<User>, DeviceError> {
        Ok(None)
    }

    fn is_there(&self, _node: &Path) -> bool {
        true
    }

    fn lock(&self, _nodes: &[PathBuf]) -> Result<Locks, DeviceError> {
        Ok(Locks::default())
    }

    fn arrays_on(&self, _node: &Path) -> Result<Vec<PathBuf>, DeviceError> {
        Ok(Vec::new())
    }

    fn mapping(&self, _name: &str) -> Result<Option<Mapping>, DeviceError> {
        Ok(None)
    }

    fn write_table(&self, node: &Path, write: &TableWrite) -> Result<(), DeviceError> {
        self.note(format!(
            "table {} with {} kernel changes",
            node.display(),
            write.kernel.len()
        ));
        Ok(())
    }

    fn hold(&self, node: &Path, _view: &KernelView) -> Result<(), DeviceError> {
        self.note(format!("hold {}", node.display()));
        Ok(())
    }

    fn settle(&self, nodes: &[PathBuf]) -> Result<(), DeviceError> {
        self.note(format!("settle {}", nodes.len()));
        Ok(())
    }
}
