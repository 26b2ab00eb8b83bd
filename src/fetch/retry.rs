//! Trying again: how long to wait, for how long to persist, and what the console hears of it.
//!
//! The pause starts at 200 ms and doubles up to 5 s, as in the reference, but each one is drawn between half and all
//! of that: machines that power on together must not come back together. A server that has more than it can do is left
//! alone for longer, up to 20 s: `tests/herd` shows what that is worth.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::info;

use super::FetchError;
use crate::host::console::WAITING;
use crate::host::runs::Runs;
use crate::host::transfer::{TELL_EVERY, TransferError, Waiting};

/// The first pause, before jitter.
pub const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause, before jitter.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The first pause after a server said that it cannot cope, before jitter.
pub const FIRST_PAUSE_OVERLOADED: Duration = Duration::from_secs(3);

/// The longest pause after a server said that it cannot cope, before jitter.
pub const LONGEST_PAUSE_OVERLOADED: Duration = Duration::from_secs(20);

/// How often a body that breaks off is begun again. A server that always cuts (a length it does not keep to) is not
/// cured by patience.
const BODY_ATTEMPTS: u32 = 16;

/// The longest wait that a server is granted (`Retry-After`), before jitter. A machine that is asked to come back
/// tomorrow would look dead.
pub const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// An attempt with less time than this tells nothing by running out of it.
const LEAST: Duration = Duration::from_secs(1);
/// From this attempt on, whoever the boot reports to hears that it waits: a server that restarts is nobody's news.
const FIRST_TOLD: u32 = 4;

/// After so many it is told no rarer: some minutes lie between.
const TOLD_EVERY: u32 = 32;

/// Whether the failure of an attempt is told beyond the log.
fn is_told(attempt: u32) -> bool {
    attempt >= FIRST_TOLD && (attempt.is_power_of_two() || attempt.is_multiple_of(TOLD_EVERY))
}

/// Time as retries see it.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// Lets `pause` pass.
    fn sleep(&self, pause: Duration);
}

/// The machine's own clock.
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a server that is down announces nothing when it is up again"
    )]
    fn sleep(&self, pause: Duration) {
        std::thread::sleep(pause);
    }
}

/// A clock that moves only when somebody sleeps.
#[derive(Debug, Default)]
pub struct SimulatedClock(Mutex<Duration>);

impl Clock for SimulatedClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, pause: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(pause);
    }
}

/// Where the time and the randomness of retries come from.
#[derive(Clone)]
pub struct Pace {
    clock: Arc<dyn Clock>,
    seeds: Arc<AtomicU64>,
}

impl Pace {
    /// The machine's clock, and pauses that differ between machines.
    #[must_use]
    pub fn real() -> Self {
        // The standard library seeds its hash maps from the kernel. That is random enough to spread machines.
        let seed = RandomState::new().build_hasher().finish();
        Self::new(Arc::new(SystemClock(Instant::now())), seed)
    }

    /// Another clock, and pauses that depend on `seed` alone.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            clock,
            seeds: Arc::new(AtomicU64::new(seed)),
        }
    }

    /// Time since some fixed moment.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Lets `pause` pass.
    pub fn sleep(&self, pause: Duration) {
        self.clock.sleep(pause);
    }

    /// The pauses of one matter.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.seeds.fetch_add(1, Ordering::Relaxed))
    }
}

/// How busy a server is, as far as a failed attempt tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Nothing is known of it.
    Usual,
    /// It answers that it cannot serve, or not in time.
    TooHigh,
}

impl Load {
    /// What `cause` tells.
    #[must_use]
    pub fn of(cause: &TransferError) -> Self {
        match cause {
            TransferError::Status(_) | TransferError::Busy { .. } => Self::TooHigh,
            TransferError::Timeout {
                waiting: Waiting::Headers,
                ..
            } => Self::TooHigh,
            _ => Self::Usual,
        }
    }
}

/// The pauses between attempts, without an end.
#[derive(Clone, Debug)]
pub struct Backoff {
    ceiling: Duration,
    state: u64,
}

impl Backoff {
    /// Pauses that depend on `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            ceiling: FIRST_PAUSE,
            state: seed,
        }
    }

    /// The next pause: between half of the current ceiling and all of it. The ceiling grows further where `cause` is
    /// overload.
    pub fn pause(&mut self, cause: Load) -> Duration {
        let ceiling = match cause {
            Load::Usual => self.ceiling.min(LONGEST_PAUSE),
            Load::TooHigh => self
                .ceiling
                .clamp(FIRST_PAUSE_OVERLOADED, LONGEST_PAUSE_OVERLOADED),
        };
        let half = ceiling / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.ceiling = ceiling.saturating_mul(2);
        half + Duration::from_nanos(self.random() % spread)
    }

    /// SplitMix64, which needs no more state than one number.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// What downloads that run beside each other hear of each other: that their result is no longer wanted, and that a server
/// cannot cope.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    set: Arc<AtomicBool>,
    overloaded: Arc<AtomicBool>,
}

impl Stop {
    /// Asks every holder to give up at the next opportunity.
    pub fn set(&self) {
        self.set.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for those who know no more of fetching.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.set)
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// Whether a server said that it cannot cope.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.overloaded.load(Ordering::Relaxed)
    }
}

/// Why one attempt failed.
pub(super) enum Attempt {
    /// Another one would fail too.
    Permanent(FetchError),
    /// Another one may succeed.
    Transient(TransferError),
}

/// The attempts at one resource: what they may take together, and how many there have been.
pub(super) struct Trials<'a> {
    pace: &'a Pace,
    stop: &'a Stop,
    total: Option<Duration>,
    what: &'a str,
    started: Duration,
    backoff: Backoff,
    attempts: u32,
    /// Bodies that broke off one after the other without bringing anything new.
    cuts: u32,
    /// Why the attempt before the current one failed.
    last: Option<TransferError>,
    runs: Option<&'a Runs>,
}

impl<'a> Trials<'a> {
    /// None yet. `what` names the resource as it may be shown, `total` bounds all attempts with their pauses.
    pub(super) fn new(pace: &'a Pace, stop: &'a Stop, total: Option<Duration>, what: &'a str) -> Self {
        Self {
            pace,
            stop,
            total,
            what,
            started: pace.now(),
            backoff: pace.backoff(),
            attempts: 0,
            cuts: 0,
            last: None,
            runs: None,
        }
    }

    /// The same, which tell `runs` when they last.
    pub(super) fn told_to(self, runs: &'a Runs) -> Self {
        Self {
            runs: Some(runs),
            ..self
        }
    }

    /// How many there have been.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts.into()
    }

    /// What is left of the time for all attempts.
    pub(super) fn left(&self) -> Option<Duration> {
        let spent = self.pace.now().saturating_sub(self.started);
        self.total.map(|total| total.saturating_sub(spent))
    }

    /// Begins an attempt, and says what it may take.
    pub(super) fn begin(&mut self) -> Result<Option<Duration>, FetchError> {
        if self.stop.is_set() {
            return Err(FetchError::Stopped {
                url: self.what.to_owned(),
            });
        }
        self.attempts = self.attempts.saturating_add(1);
        info!("GET {}: attempt #{}", self.what, self.attempts);
        Ok(self.left())
    }

    /// Bytes came that had not come before: the next break is another one.
    pub(super) fn progressed(&mut self) {
        self.cuts = 0;
    }

    /// Waits for the next attempt, since the last one failed because of `cause`.
    pub(super) fn pause(&mut self, cause: TransferError) -> Result<(), FetchError> {
        let what = self.what;
        if matches!(cause, TransferError::BodyCut { .. }) {
            self.cuts += 1;
            if self.cuts >= BODY_ATTEMPTS {
                return Err(FetchError::Transfer {
                    url: what.to_owned(),
                    source: cause,
                });
            }
        }
        // A wish beyond the time that is left is granted by half of that: the server may be sooner than it thinks.
        let asked = match &cause {
            TransferError::Busy { wait, .. } => {
                let half = self.left().map_or(LONGEST_ASKED, |left| left / 2);
                (*wait).min(LONGEST_ASKED).min(half)
            }
            _ => Duration::ZERO,
        };
        let load = Load::of(&cause);
        if load == Load::TooHigh {
            self.stop.overloaded.store(true, Ordering::Relaxed);
        }
        // What a server asks for it asks of all machines: they still must not come back together.
        let pause = asked.saturating_add(self.backoff.pause(load));
        if let (Some(after), Some(left)) = (self.total, self.left()) {
            let is_over = matches!(
                cause,
                TransferError::Timeout {
                    waiting: Waiting::Total,
                    ..
                }
            );
            if is_over || left <= pause {
                // The one before it knows more.
                let said_nothing = matches!(cause, TransferError::Timeout { waiting: Waiting::Total, after } if after < LEAST);
                let cause = self.last.take().filter(|_| said_nothing).unwrap_or(cause);
                return Err(FetchError::TimedOut {
                    url: what.to_owned(),
                    after,
                    attempts: self.attempts,
                    source: cause,
                });
            }
        }
        let failed = format!("GET {what}: attempt #{} failed: {cause}", self.attempts);
        info!(target: WAITING, "{failed}; next try in {} ms", pause.as_millis());
        if let Some(runs) = self.runs.filter(|_| is_told(self.attempts)) {
            runs.wait(&failed);
        }
        self.sleep(pause, &cause);
        self.last = Some(cause);
        Ok(())
    }

    /// Lets `pause` pass, and says now and then that it does.
    fn sleep(&self, pause: Duration, cause: &TransferError) {
        let mut left = pause;
        while !self.stop.is_set() && !left.is_zero() {
            let step = left.min(TELL_EVERY);
            self.pace.clock.sleep(step);
            left = left.saturating_sub(step);
            if !left.is_zero() {
                info!(
                    target: WAITING,
                    "GET {}: waiting after attempt #{} ({cause}); next try in {} s",
                    self.what,
                    self.attempts,
                    left.as_secs()
                );
            }
        }
    }
}

/// Calls `attempt` with the time it may take until it succeeds, fails for good, or the trials are over.
pub(super) fn persist<T>(
    mut trials: Trials<'_>,
    mut attempt: impl FnMut(Option<Duration>) -> Result<T, Attempt>,
) -> Result<T, FetchError> {
    loop {
        let left = trials.begin()?;
        match attempt(left) {
            Ok(result) => return Ok(result),
            Err(Attempt::Permanent(error)) => return Err(error),
            Err(Attempt::Transient(cause)) => trials.pause(cause)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulated() -> (Arc<SimulatedClock>, Pace) {
        let clock = Arc::new(SimulatedClock::default());
        (Arc::clone(&clock), Pace::new(clock, 7))
    }

    #[test]
    fn pauses_double_up_to_five_seconds_and_stay_above_half() {
        let mut backoff = Backoff::new(42);
        let mut ceiling = 200_u64;
        for _ in 0..50 {
            let pause = backoff.pause(Load::Usual);
            assert!(
                pause >= Duration::from_millis(ceiling / 2),
                "{pause:?} of {ceiling} ms"
            );
            assert!(
                pause <= Duration::from_millis(ceiling),
                "{pause:?} of {ceiling} ms"
            );
            ceiling = (ceiling * 2).min(5_000);
        }
        // A server that cannot cope is left alone for longer, and one that is merely gone again is not.
        let longest = (0..10).map(|_| backoff.pause(Load::TooHigh)).max().unwrap();
        assert!(
            longest > Duration::from_secs(10) && longest <= Duration::from_secs(20),
            "{longest:?}"
        );
        assert!(backoff.pause(Load::Usual) <= Duration::from_secs(5));
    }

    #[test]
    fn machines_do_not_come_back_together() {
        let pauses: kindling_config_spec::order::OrderedSet<_> = (0..100)
            .map(|seed| Backoff::new(seed).pause(Load::Usual))
            .collect();
        assert_eq!(pauses.len(), 100);
    }

    #[test]
    fn a_server_that_recovers_is_waited_for() {
        let (clock, pace) = simulated();
        let mut answers = [500, 503].into_iter();
        let result = persist(Trials::new(&pace, &Stop::default(), None, "http://h/"), |left| {
            assert_eq!(left, None);
            answers.next().map_or(Ok(7), |status| {
                Err(Attempt::Transient(TransferError::Status(status)))
            })
        });
        assert_eq!(result, Ok(7));
        assert!(clock.now() >= Duration::from_millis(4_500) && clock.now() <= Duration::from_secs(9));
    }

    #[test]
    fn an_attempt_at_the_very_end_hides_no_cause() {
        for (time, told) in [(500, TransferError::Status(503)), (1_500, late(1_500))] {
            let (_, pace) = simulated();
            let mut causes = [TransferError::Status(503), late(time)].into_iter();
            let total = Some(Duration::from_secs(60));
            let stop = Stop::default();
            let trials = Trials::new(&pace, &stop, total, "http://h/");
            let error = persist::<()>(trials, |_| Err(Attempt::Transient(causes.next().unwrap())));
            let FetchError::TimedOut { source, .. } = error.unwrap_err() else {
                panic!("it did not run out of time")
            };
            assert_eq!(source, told);
        }
    }

    fn late(milliseconds: u64) -> TransferError {
        TransferError::Timeout {
            waiting: Waiting::Total,
            after: Duration::from_millis(milliseconds),
        }
    }

    #[test]
    fn the_total_time_bounds_all_attempts_and_the_last_cause_is_told() {
        let (clock, pace) = simulated();
        let total = Duration::from_secs(120);
        let mut longest = Duration::ZERO;
        let error = persist::<()>(
            Trials::new(&pace, &Stop::default(), Some(total), "http://h/"),
            |left| {
                assert!(left.unwrap() > Duration::ZERO);
                longest = longest.max(total - left.unwrap());
                Err(Attempt::Transient(TransferError::Status(503)))
            },
        )
        .unwrap_err();
        let FetchError::TimedOut {
            attempts,
            source,
            after,
            ..
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!((source, after), (&TransferError::Status(503), &total));
        assert!((8..20).contains(attempts), "{attempts}");
        assert!(clock.now() <= total);
        assert_eq!(error.code(), "network-timeout");
    }

    #[test]
    fn a_long_wait_is_told_with_its_reason_and_rarer_the_longer_it_lasts() {
        let (_, pace) = simulated();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let runs = Runs::default().heard_by(move |text| ear.lock().unwrap().push(text.to_owned()));
        let stop = Stop::default();
        let mut attempts = 0;
        let trials = Trials::new(&pace, &stop, None, "http://h/").told_to(&runs);
        let result = persist(trials, |_| {
            attempts += 1;
            match attempts {
                100 => Ok(()),
                _ => Err(Attempt::Transient(TransferError::Status(500))),
            }
        });
        assert_eq!(result, Ok(()));
        let heard = heard.lock().unwrap();
        let expected = [4, 8, 16, 32, 64, 96].map(|attempt| {
            format!(
                "GET http://h/: attempt #{attempt} failed: {}",
                TransferError::Status(500)
            )
        });
        assert_eq!(*heard, expected);
        assert!(heard[0].contains("500"), "{heard:?}");
    }

    #[test]
    fn a_server_that_always_cuts_is_given_up() {
        let (_, pace) = simulated();
        let error = persist::<()>(Trials::new(&pace, &Stop::default(), None, "http://h/"), |_| {
            Err(Attempt::Transient(TransferError::BodyCut {
                after: 1,
                why: "end".to_owned(),
            }))
        })
        .unwrap_err();
        assert_eq!(error.code(), "body-cut");
    }

    #[test]
    fn a_server_that_says_when_to_come_back_is_obeyed_within_reason() {
        for (asked, least, most) in [(0, 1, 3), (30, 31, 33), (86_400, 301, 303)] {
            let (clock, pace) = simulated();
            let mut answers = [asked].into_iter();
            let result = persist(Trials::new(&pace, &Stop::default(), None, "http://h/"), |_| {
                answers.next().map_or(Ok(()), |seconds| {
                    Err(Attempt::Transient(TransferError::Busy {
                        status: 429,
                        wait: Duration::from_secs(seconds),
                    }))
                })
            });
            assert_eq!(result, Ok(()));
            let waited = clock.now();
            assert!(
                waited >= Duration::from_secs(least) && waited <= Duration::from_secs(most),
                "{waited:?}"
            );
        }
    }

    #[test]
    fn a_wish_beyond_the_time_that_is_left_is_not_the_end() {
        let (clock, pace) = simulated();
        let total = Some(Duration::from_secs(120));
        let mut attempts = 0;
        let result = persist(Trials::new(&pace, &Stop::default(), total, "http://h/"), |_| {
            attempts += 1;
            if attempts > 1 {
                return Ok(());
            }
            Err(Attempt::Transient(TransferError::Busy {
                status: 503,
                wait: Duration::from_secs(120),
            }))
        });
        assert_eq!(result, Ok(()));
        assert!(clock.now() >= Duration::from_secs(60) && clock.now() < Duration::from_secs(70));
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_tried_again() {
        let (_, pace) = simulated();
        let stop = Stop::default();
        let error = persist::<()>(Trials::new(&pace, &stop, None, "http://h/"), |_| {
            stop.set();
            Err(Attempt::Transient(TransferError::Status(500)))
        })
        .unwrap_err();
        assert_eq!(
            error,
            FetchError::Stopped {
                url: "http://h/".to_owned()
            }
        );
    }
}
