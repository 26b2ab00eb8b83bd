//! The console of a boot: what a person in front of the machine, or its serial line, sees.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::libc;

/// The target of events that somebody who waits in front of the machine should hear of.
pub const WAITING: &str = "kindling::waiting";

/// No two lines about waiting come closer than this: dozens of downloads may wait at the same time.
const APART: Duration = Duration::from_secs(4);

/// Shows a text on the console, in the initramfs: the journal of a boot that ends there is gone.
pub fn show(text: &str) {
    if let Some(console) = Console::of_initramfs() {
        console.write(&format!("\n{text}"));
    }
}

/// A console that is told what the machine waits for.
pub(super) struct Console {
    path: PathBuf,
    /// When it was told something last.
    told: Mutex<Option<Instant>>,
}

impl Console {
    /// The machine's own, while the initramfs runs.
    pub(super) fn of_initramfs() -> Option<Self> {
        Path::new("/etc/initrd-release")
            .exists()
            .then(|| Self::at("/dev/console"))
    }

    fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            told: Mutex::new(None),
        }
    }

    /// Shows `line`, unless another one came a moment ago.
    pub(super) fn tell(&self, line: &str) {
        let now = Instant::now();
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_some_and(|told| now.duration_since(told) < APART) {
                return;
            }
            *told = Some(now);
        }
        self.write(line);
    }

    fn write(&self, text: &str) {
        // A serial line whose other end has stopped it must not stop the boot.
        let mut options = OpenOptions::new();
        options
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        if let Ok(mut console) = options.open(&self.path) {
            // A console that does not take it is one channel less, not another failure.
            drop(write!(console, "{}\r\n", text.replace('\n', "\r\n")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_that_wait_at_once_make_one_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let console = Console::at(file.path());
        for number in 0..100 {
            console.tell(&format!("waiting for {number}"));
        }
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "waiting for 0\r\n");
    }
}
