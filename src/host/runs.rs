//! What a stage downloads and which programs it starts, with the times of both: kept for the report of the boot.
//!
//! Times are of the clock that counts from the machine's start and cannot be set. A handle that nobody began keeps nothing
//! and costs nothing.

use std::cell::RefCell;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// How many of each kind are kept of one stage; the rest is counted. The report of a boot lies in memory and is read whole.
pub const KEPT: usize = 1000;

thread_local! {
    /// The step that this thread works on, by its place in the config.
    static STEP: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The time since the machine was started, sleep included (`CLOCK_BOOTTIME`).
#[must_use]
pub fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// Whole milliseconds, as records have them.
#[must_use]
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// One download, or one start of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The address without user, password and query; or the program's name alone, since arguments can be secrets.
    pub what: String,
    /// The step it was for, by its place in the merged config (RFC 6901); empty where it was for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// When it began, in milliseconds since the stage did.
    pub began: u64,
    /// How long it took.
    pub milliseconds: u64,
    /// How often a download was begun; 0 for a program.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u64,
    /// Bytes that a download brought, before they were unpacked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// Whether it ended with an error. A question whose answer is no is none.
    #[serde(default, skip_serializing_if = "is_false")]
    pub failed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// What one stage ran, in the order in which it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    /// Downloads and questions to metadata services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downloads: Vec<Run>,
    /// Programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<Run>,
    /// How many more there were than [`KEPT`] of a kind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

impl Ran {
    /// Whether nothing was run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The time of a stage, and what it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    /// When it began, since the machine's start.
    pub began: Duration,
    /// How long it has taken so far.
    pub taken: Duration,
    /// What it ran.
    pub ran: Ran,
}

/// Who hears that a download waits.
type Waits = Arc<dyn Fn(&str) + Send + Sync>;

/// Where it is kept. Clones keep it in the same place.
#[derive(Clone, Default)]
pub struct Runs {
    timed: Option<Arc<Mutex<Timed>>>,
    waits: Option<Waits>,
}

impl Runs {
    /// A place to keep it, for a stage that begins now.
    #[must_use]
    pub fn begin() -> Self {
        let timed = Timed {
            began: since_boot(),
            ..Timed::default()
        };
        Self {
            timed: Some(Arc::new(Mutex::new(timed))),
            waits: None,
        }
    }

    /// The same, which lets `waits` hear of a download that has to be tried for long.
    #[must_use]
    pub fn heard_by(self, waits: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let waits: Option<Waits> = Some(Arc::new(waits));
        Self { waits, ..self }
    }

    /// Tells that a download still waits; `text` is fit to be shown.
    pub fn wait(&self, text: &str) {
        if let Some(waits) = &self.waits {
            waits(text);
        }
    }

    /// Another stage of the same process begins now.
    pub fn begin_anew(&self) {
        self.with(|timed| {
            *timed = Timed {
                began: since_boot(),
                ..Timed::default()
            };
        });
    }

    /// What has been kept since the beginning.
    #[must_use]
    pub fn timed(&self) -> Timed {
        let timed = self.with(|timed| timed.clone()).unwrap_or_default();
        Timed {
            taken: since_boot().saturating_sub(timed.began),
            ..timed
        }
    }

    /// Milliseconds from the stage's beginning to `moment`, a time since the machine's start.
    #[must_use]
    pub fn until(&self, moment: Duration) -> u64 {
        let began = self.with(|timed| timed.began).unwrap_or(moment);
        milliseconds(moment.saturating_sub(began))
    }

    /// Keeps the end of a program that was started at `began`.
    pub(super) fn program(&self, name: &str, began: Duration, failed: bool) {
        let run = Run {
            what: name.to_owned(),
            failed,
            ..Run::default()
        };
        self.keep(run, began, |ran| &mut ran.programs);
    }

    /// Keeps the end of a download that was begun at `began`, with its address, attempts, bytes and failure.
    pub fn download(&self, run: Run, began: Duration) {
        self.keep(run, began, |ran| &mut ran.downloads);
    }

    fn keep(&self, run: Run, began: Duration, list: fn(&mut Ran) -> &mut Vec<Run>) {
        let now = since_boot();
        self.with(|timed| {
            let place = list(&mut timed.ran);
            if place.len() < KEPT {
                place.push(Run {
                    config: STEP.with_borrow(String::clone),
                    began: milliseconds(began.saturating_sub(timed.began)),
                    milliseconds: milliseconds(now.saturating_sub(began)),
                    ..run
                });
            } else {
                timed.ran.more += 1;
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Timed) -> T) -> Option<T> {
        let mut timed = self
            .timed
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(work(&mut timed))
    }
}

/// Until it is dropped, what this thread runs is for one step.
pub struct OfStep(String);

impl OfStep {
    /// What this thread runs from now on is for the step at `config`, its place in the merged config.
    #[must_use]
    pub fn new(config: &str) -> Self {
        Self(STEP.with_borrow_mut(|step| mem::replace(step, config.to_owned())))
    }
}

impl Drop for OfStep {
    fn drop(&mut self) {
        STEP.with_borrow_mut(|step| *step = mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_is_of_the_step_of_its_thread() {
        let runs = Runs::begin();
        runs.program("blkid", since_boot(), false);
        std::thread::scope(|scope| {
            for device in ["/storage/filesystems/0", "/storage/filesystems/1"] {
                let runs = &runs;
                scope.spawn(move || {
                    let _of = OfStep::new(device);
                    runs.program("mkfs.ext4", since_boot(), true);
                });
            }
        });
        let programs = runs.timed().ran.programs;
        let of = |step: &str| programs.iter().filter(|run| run.config == step).count();
        let counts = ["", "/storage/filesystems/0", "/storage/filesystems/1"].map(of);
        assert_eq!(counts, [1, 1, 1]);
        runs.begin_anew();
        assert!(runs.timed().ran.is_empty());
    }

    #[test]
    fn ten_thousand_are_counted_and_not_kept() {
        let runs = Runs::begin();
        for _ in 0..10_000 {
            runs.download(Run::default(), since_boot());
        }
        let ran = runs.timed().ran;
        assert_eq!((ran.downloads.len(), ran.more), (KEPT, 9_000));
    }

    #[test]
    fn a_handle_that_nobody_began_keeps_nothing() {
        let runs = Runs::default();
        runs.program("blkid", since_boot(), false);
        assert!(runs.timed().ran.is_empty());
        assert_eq!(runs.until(since_boot()), 0);
    }
}
