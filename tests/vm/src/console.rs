//! A guest's serial console as lines with the time they came.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// One line of a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Since the guest was started.
    pub at: Duration,
    /// Without line end, colours and cursor movements.
    pub text: String,
}

/// What came next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A line.
    Line(Line),
    /// Nothing more will come: the guest is off.
    Closed,
    /// Nothing came in time.
    TimedOut,
}

/// A console that is being read by a thread of its own, so that a slow reader never slows the guest.
pub struct Console {
    lines: Receiver<Line>,
    seen: Vec<Line>,
}

impl Console {
    /// Reads `from` to its end and copies it to `log`.
    ///
    /// # Errors
    /// When `log` cannot be made.
    pub fn read(from: impl Read + Send + 'static, log: &Path) -> std::io::Result<Self> {
        let mut log = File::create(log)?;
        let (sender, lines) = mpsc::channel();
        let started = Instant::now();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(from);
            let mut raw = Vec::new();
            while reader.read_until(b'\n', &mut raw).is_ok_and(|count| count > 0) {
                let line = Line {
                    at: started.elapsed(),
                    text: plain(&String::from_utf8_lossy(&raw)),
                };
                raw.clear();
                // The log is for people; losing it is no reason to lose the run.
                drop(writeln!(log, "{:7.2} {}", line.at.as_secs_f32(), line.text));
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            lines,
            seen: Vec::new(),
        })
    }

    /// The next line, if one comes before `until`.
    pub fn next(&mut self, until: Instant) -> Next {
        match self
            .lines
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            Ok(line) => {
                self.seen.push(line.clone());
                Next::Line(line)
            }
            Err(RecvTimeoutError::Disconnected) => Next::Closed,
            Err(RecvTimeoutError::Timeout) => Next::TimedOut,
        }
    }

    /// All lines that [`Self::next`] has returned.
    #[must_use]
    pub fn take_seen(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.seen)
    }
}

/// A console line as people read it: escape sequences and control characters gone.
fn plain(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(next) = rest.next() {
        if next != '\u{1b}' {
            if next == '\t' || !next.is_control() {
                text.push(next);
            }
            continue;
        }
        // ESC [ parameters final, with the final byte in @ to ~ (ECMA-48, 5.4); other sequences have one byte after ESC.
        if rest.next() == Some('[') {
            for byte in rest.by_ref() {
                if ('@'..='~').contains(&byte) {
                    break;
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_carriage_returns_are_not_text() {
        assert_eq!(
            plain("[\u{1b}[0;1;31mFAILED\u{1b}[0m] Failed to start\u{1b}7 x.\r\n"),
            "[FAILED] Failed to start x."
        );
        assert_eq!(plain("\u{1b}["), "");
    }

    #[test]
    fn a_console_ends_with_closed_and_keeps_what_it_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut console = Console::read(&b"one\ntwo"[..], &dir.path().join("log")).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        let text = |next| match next {
            Next::Line(line) => line.text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(console.next(until)), "one");
        assert_eq!(text(console.next(until)), "two");
        assert_eq!(console.next(until), Next::Closed);
        assert_eq!(console.take_seen().len(), 2);
    }
}
