//! A program that runs beside this process.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Output, ProcessError, STDERR_KEPT};
use crate::invocation::Program;

/// A program that runs. It is killed when this is dropped.
pub struct Running {
    program: Program,
    child: Child,
    /// Its standard error, in memory: nobody has to drain it.
    errors: File,
}

impl Running {
    pub(super) fn new(program: Program, child: Child, errors: File) -> Self {
        Self {
            program,
            child,
            errors,
        }
    }

    /// Waits until there are news of `other`, a file of procfs, or that time is over. `false` says that the program ended first.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn goes_on_until(&mut self, other: BorrowedFd<'_>, limit: Duration) -> io::Result<bool> {
        let Some(output) = self.child.stdout.as_mut() else {
            return Ok(false);
        };
        let mut polled = [
            PollFd::new(other, PollFlags::POLLPRI),
            PollFd::new(output.as_fd(), PollFlags::POLLIN),
        ];
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        match poll(&mut polled, limit) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let [_, ended] = polled;
        match ended.any() {
            Some(true) => Ok(output.read(&mut [0; 512])? > 0),
            _ => Ok(true),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// `Start` when the kernel does not say how it ended, `Killed` by a signal.
    pub fn end(&mut self) -> Result<Output, ProcessError> {
        let program = self.program;
        if let Some(output) = self.child.stdout.as_mut() {
            drop(io::copy(output, &mut io::sink()));
        }
        let ended = self.child.wait();
        let ended = ended.map_err(|source| ProcessError::Start { program, source })?;
        match ended.code() {
            Some(status) => Ok(Output {
                status,
                ..Output::default()
            }),
            None => Err(ProcessError::Killed {
                program,
                signal: ended.signal().unwrap_or(0),
                stderr: self.said(),
            }),
        }
    }

    /// How much it has written to its standard error, in bytes.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn has_said(&self) -> io::Result<u64> {
        Ok(self.errors.metadata()?.len())
    }

    /// The last 4 KiB of its standard error. To be called after its end: where that is read is where the program writes.
    pub fn said(&mut self) -> String {
        self.said_since(0)
    }

    /// The last 4 KiB of what is behind that many bytes of its standard error, as [`Self::said`].
    pub fn said_since(&mut self, before: u64) -> String {
        let end = self.has_said().unwrap_or(0);
        let kept = u64::try_from(STDERR_KEPT).unwrap_or(0);
        let mut bytes = Vec::new();
        drop(
            self.errors
                .seek(SeekFrom::Start(before.max(end.saturating_sub(kept)))),
        );
        drop(self.errors.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After its end this is nothing.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
