//! The process boundary: the only place that starts a program.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the module that runs an Invocation"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::invocation::{Invocation, Program};

/// How much of a program's standard error a report may carry, in bytes, counted from the end.
const STDERR_KEPT: usize = 4096;
/// How much standard output is read, in bytes. Nothing we run prints more than a few lines.
const STDOUT_KEPT: u64 = 1 << 20;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// No executable file of that name is on `PATH`.
    #[error("the program {program} is not in this initramfs")]
    NotInstalled {
        /// The missing program.
        program: Program,
    },
    /// The kernel refused to start it.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: Program,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A signal ended it.
    #[error("{program} was killed by signal {signal}{}", said(stderr))]
    Killed {
        /// The program.
        program: Program,
        /// The signal's number.
        signal: i32,
        /// The last 4 KiB of its standard error.
        stderr: String,
    },
    /// It ended by itself with another status than 0.
    #[error("{program} ended with status {status}{}", said(stderr))]
    Exited {
        /// The program.
        program: Program,
        /// Its exit status.
        status: i32,
        /// The last 4 KiB of its standard error.
        stderr: String,
    },
}

fn said(stderr: &str) -> String {
    let line = stderr.trim().replace('\n', " | ");
    if line.is_empty() {
        String::new()
    } else {
        format!(": {line}")
    }
}

/// What a program left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 0 unless the call came through [`Processes::status`].
    pub status: i32,
    /// Its standard output, at most 1 MiB.
    pub stdout: Vec<u8>,
    /// The last 4 KiB of its standard error.
    pub stderr: String,
}

/// The process boundary. `host::process::System` implements it; tests use `host::fake::Scripted`.
pub trait Processes: Sync {
    /// Whether the program is there to be run.
    fn is_installed(&self, program: Program) -> bool;

    /// Runs `call` to its end, whatever status it ends with.
    ///
    /// # Errors
    /// `NotInstalled`, `Start`, or `Killed` by a signal.
    fn status(&self, call: &Invocation) -> Result<Output, ProcessError>;

    /// Runs `call` to its end.
    ///
    /// # Errors
    /// Those of [`Processes::status`], and `Exited` with a non-zero status.
    fn run(&self, call: &Invocation) -> Result<Output, ProcessError> {
        let output = self.status(call)?;
        match output.status {
            0 => Ok(output),
            status => Err(ProcessError::Exited {
                program: call.program,
                status,
                stderr: output.stderr,
            }),
        }
    }
}

/// Programs found on a search path and run by the kernel.
pub struct System {
    path: OsString,
}

thread_local! {
    /// Lookups that were answered before, so that no directory is searched twice.
    static FOUND: RefCell<BTreeMap<Program, Option<PathBuf>>> = const { RefCell::new(BTreeMap::new()) };
}

impl System {
    /// Looks programs up in the directories of `path`, the value of `PATH`.
    #[must_use]
    pub fn new(path: OsString) -> Self {
        Self { path }
    }

    fn find(&self, program: Program) -> Option<PathBuf> {
        FOUND.with_borrow_mut(|found| {
            found
                .entry(program)
                .or_insert_with(|| {
                    std::env::split_paths(&self.path)
                        .map(|dir| dir.join(program.name()))
                        .find(|file| {
                            file.metadata()
                                .is_ok_and(|at| at.is_file() && at.permissions().mode() & 0o111 != 0)
                        })
                })
                .clone()
        })
    }
}

impl Processes for System {
    fn is_installed(&self, program: Program) -> bool {
        self.find(program).is_some()
    }

    fn status(&self, call: &Invocation) -> Result<Output, ProcessError> {
        let program = call.program;
        let file = self.find(program).ok_or(ProcessError::NotInstalled { program })?;
        tracing::debug!("executing: {call}");
        let started = |source| ProcessError::Start { program, source };
        let mut child = Command::new(file)
            .args(call.args.iter().map(crate::invocation::Arg::expose))
            .stdin(if call.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(started)?;
        let (stdout, stderr) = converse(&mut child, call.stdin.as_deref());
        let status = child.wait().map_err(started)?;
        let stderr = tail(&stderr);
        match status.code() {
            Some(status) => Ok(Output {
                status,
                stdout,
                stderr,
            }),
            None => Err(ProcessError::Killed {
                program,
                signal: status.signal().unwrap_or(0),
                stderr,
            }),
        }
    }
}

/// Feeds and drains the three streams at once, so that no full pipe stops either side.
fn converse(child: &mut std::process::Child, stdin: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        if let (Some(mut input), Some(bytes)) = (input, stdin) {
            // A program that ends without reading its input says why by its status, not by our EPIPE.
            scope.spawn(move || drop(input.write_all(bytes)));
        }
        let drained = errors.map(|mut errors| {
            scope.spawn(move || {
                let mut kept = Vec::new();
                drop(errors.read_to_end(&mut kept));
                kept
            })
        });
        if let Some(output) = output {
            let mut limited = output.take(STDOUT_KEPT);
            drop(limited.read_to_end(&mut stdout));
            drop(io::copy(&mut limited.into_inner(), &mut io::sink()));
        }
        if let Some(kept) = drained.and_then(|thread| thread.join().ok()) {
            stderr = kept;
        }
    });
    (stdout, stderr)
}

fn tail(stderr: &[u8]) -> String {
    let from = stderr.len().saturating_sub(STDERR_KEPT);
    String::from_utf8_lossy(stderr.get(from..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let none = System::new("/nonexistent".into());
        let error = none.run(&Invocation::new(Program::Wipefs)).unwrap_err();
        assert_eq!(error.to_string(), "the program wipefs is not in this initramfs");
    }

    #[test]
    fn the_end_of_standard_error_is_kept() {
        let long = "x".repeat(10_000) + "end";
        assert_eq!(tail(long.as_bytes()).len(), STDERR_KEPT);
        assert!(tail(long.as_bytes()).ends_with("end"));
    }
}
