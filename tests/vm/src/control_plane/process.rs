//! The programs of a control plane. Each ends when its value is dropped, and when the thread that started it ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::ControlPlaneError;
use crate::run;

/// A program that runs, with its log.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with `arguments` in `folder`; what it says goes to `<name>.log` there.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        name: &str,
        program: &Path,
        arguments: &[String],
        folder: &Path,
    ) -> Result<Self, ControlPlaneError> {
        let log = folder.join(format!("{name}.log"));
        let file = |source| ControlPlaneError::File {
            path: log.clone(),
            source,
        };
        let out = File::create(&log).map_err(file)?;
        let err = out.try_clone().map_err(file)?;
        // Also when this process is killed: the kernel ends the program with the thread that started it.
        let child = Command::new(run::get("setpriv")?)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments.iter().map(OsString::from))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|source| ControlPlaneError::Start {
                program: program.to_path_buf(),
                source,
            })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Its bare name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its resident memory in bytes; 0 when it has ended.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .strip_suffix("kB")?
                    .trim()
                    .parse()
                    .ok()
            })
            .map_or(0, |kibibytes: u64| kibibytes * 1024)
    }

    /// Fails when it has ended, with the end of what it said.
    ///
    /// # Errors
    /// [`ControlPlaneError::Ended`].
    pub fn check(&mut self) -> Result<(), ControlPlaneError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(ControlPlaneError::Ended {
                program: self.name.clone(),
                status: status.to_string(),
                tail: run::tail(&self.said(), 15),
            }),
            Err(source) => Err(ControlPlaneError::Start {
                program: PathBuf::from(&self.name),
                source,
            }),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing of a run is kept, so nobody has to end in order.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
