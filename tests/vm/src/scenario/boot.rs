//! One boot of a machine, once it is over.

use std::time::Duration;

use crate::console::Line;
use crate::report::Report;

/// The first words of the record of a failure.
const RECORD_HEADING: &str = "kindling: first boot FAILED";

/// How a boot ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Its power was taken away on purpose.
    Cut,
    /// The guest reported and powered itself off.
    Reported(Report),
    /// It powered off, or stopped, without a report.
    Stopped,
    /// It was ended at [`super::BOOT_LIMIT`].
    TimedOut,
}

/// One boot.
#[derive(Clone, Debug)]
pub struct Boot {
    /// How it ended.
    pub end: End,
    /// Whether the kernel arguments said that it is the first.
    pub was_first: bool,
    /// How long it took.
    pub took: Duration,
    /// Everything on the serial console.
    pub console: Vec<Line>,
}

impl Boot {
    /// The report.
    ///
    /// # Panics
    /// With the end of the console where the boot ended without one. For tests.
    #[must_use]
    pub fn report(&self) -> &Report {
        match &self.end {
            End::Reported(report) => report,
            other => panic!(
                "the guest did not report ({other:?}); its console ends with:\n{}",
                self.tail(40)
            ),
        }
    }

    /// The record of the failure that stands last on the console.
    ///
    /// # Panics
    /// With the end of the console where there is none. For tests.
    #[must_use]
    pub fn record(&self) -> String {
        let lines: Vec<&str> = self.console.iter().map(|line| line.text.trim_end()).collect();
        let first = lines.iter().rposition(|line| line.starts_with(RECORD_HEADING));
        let first = first.unwrap_or_else(|| panic!("no record:\n{}", self.tail(60)));
        let rest = lines[first + 1..]
            .iter()
            .take_while(|line| line.starts_with("  "));
        let record: Vec<&str> = std::iter::once(&lines[first]).chain(rest).copied().collect();
        record.join("\n") + "\n"
    }

    /// The last `count` lines of the console.
    #[must_use]
    pub fn tail(&self, count: usize) -> String {
        let from = self.console.len().saturating_sub(count);
        self.console[from..]
            .iter()
            .map(|line| format!("{}\n", line.text))
            .collect()
    }
}
