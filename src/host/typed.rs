//! Somebody in front of the machine, or at its serial line, who presses Enter.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout};

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A line came.
    Line,
    /// The time is over.
    Time,
}

/// What is typed at the console.
pub struct Typed {
    /// Gone for good once it can no longer be read: a terminal that was hung up would be ready at every moment.
    console: Option<File>,
}

impl Typed {
    /// At the machine's console, without making it this process's terminal: nobody stops this process from there.
    #[must_use]
    pub fn at_console() -> Self {
        Self::at(Path::new("/dev/console"))
    }

    fn at(path: &Path) -> Self {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let console = OpenOptions::new().read(true).custom_flags(flags).open(path).ok();
        Self { console }
    }

    /// Waits for a line, for at most this time.
    pub fn wait(&mut self, at_most: Duration) -> Woken {
        let until = Instant::now() + at_most;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Woken::Time;
            }
            // A millisecond more, so that the last wait is not many of none.
            let step = PollTimeout::try_from(left.min(Duration::from_secs(3600)) + Duration::from_millis(1))
                .unwrap_or(PollTimeout::MAX);
            let mut fds: Vec<PollFd<'_>> = Vec::new();
            fds.extend(
                self.console
                    .as_ref()
                    .map(|console| PollFd::new(console.as_fd(), PollFlags::POLLIN)),
            );
            let ready = match nix::poll::poll(&mut fds, step) {
                Ok(count) => count > 0,
                Err(Errno::EINTR) => false,
                Err(_) => {
                    self.console = None;
                    false
                }
            };
            if ready && self.took_line() {
                return Woken::Line;
            }
        }
    }

    /// Takes what is there, and tells whether it was anything.
    fn took_line(&mut self) -> bool {
        let Some(console) = &mut self.console else {
            return false;
        };
        match console.read(&mut [0; 256]) {
            Ok(1..) => true,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                false
            }
            Ok(0) | Err(_) => {
                self.console = None;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_ends_a_wait_and_a_console_that_is_gone_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("console");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut typed = Typed::at(&path);
        let mut somebody = OpenOptions::new().write(true).open(&path).unwrap();
        somebody.write_all(b"\n").unwrap();
        assert_eq!(typed.wait(Duration::from_secs(3600)), Woken::Line);
        drop(somebody);
        assert_eq!(typed.wait(Duration::from_millis(20)), Woken::Time);
        assert!(typed.console.is_none());
        assert_eq!(
            Typed::at(&dir.path().join("none")).wait(Duration::ZERO),
            Woken::Time
        );
    }
}
