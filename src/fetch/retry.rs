//! Trying again: how long to wait, for how long to persist, and what the console hears of it.
//!
//! The pause starts at 200 ms and doubles up to 5 s, as in the reference, but each one is drawn between half and all
//! of that: machines that power on together must not come back together.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::info;

use super::FetchError;
use crate::host::http::{HttpError, Waiting};

/// The first pause, before jitter.
pub const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause, before jitter.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often a body that breaks off is begun again. A server that always cuts (a length it does not keep to) is not
/// cured by patience.
const BODY_ATTEMPTS: u32 = 16;

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

    fn backoff(&self) -> Backoff {
        Backoff::new(self.seeds.fetch_add(1, Ordering::Relaxed))
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

    /// The next pause: between half of the current ceiling and all of it.
    pub fn pause(&mut self) -> Duration {
        let half = self.ceiling / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.ceiling = self.ceiling.saturating_mul(2).min(LONGEST_PAUSE);
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

/// Tells downloads that their result is no longer wanted.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks every holder to give up at the next opportunity.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why one attempt failed.
pub(super) enum Attempt {
    /// Another one would fail too.
    Permanent(FetchError),
    /// Another one may succeed.
    Transient(HttpError),
}

/// Calls `attempt` with the time it may take until it succeeds, fails for good, or `total` is over.
pub(super) fn persist<T>(
    pace: &Pace,
    stop: &Stop,
    total: Option<Duration>,
    what: &str,
    mut attempt: impl FnMut(Option<Duration>) -> Result<T, Attempt>,
) -> Result<T, FetchError> {
    let started = pace.clock.now();
    let mut backoff = pace.backoff();
    let mut attempts = 0_u32;
    let mut cuts = 0_u32;
    loop {
        if stop.is_set() {
            return Err(FetchError::Stopped { url: what.to_owned() });
        }
        attempts = attempts.saturating_add(1);
        let left = total.map(|total| total.saturating_sub(pace.clock.now().saturating_sub(started)));
        info!("GET {what}: attempt #{attempts}");
        let cause = match attempt(left) {
            Ok(result) => return Ok(result),
            Err(Attempt::Permanent(error)) => return Err(error),
            Err(Attempt::Transient(cause)) => cause,
        };
        if matches!(cause, HttpError::BodyCut { .. }) {
            cuts += 1;
            if cuts >= BODY_ATTEMPTS {
                return Err(FetchError::Http {
                    url: what.to_owned(),
                    source: cause,
                });
            }
        }
        let pause = backoff.pause();
        if let Some(after) = total {
            let left = after.saturating_sub(pace.clock.now().saturating_sub(started));
            let is_over = matches!(
                cause,
                HttpError::Timeout {
                    waiting: Waiting::Total,
                    ..
                }
            );
            if is_over || left <= pause {
                return Err(FetchError::TimedOut {
                    url: what.to_owned(),
                    after,
                    attempts,
                    source: cause,
                });
            }
        }
        info!(
            "GET {what}: attempt #{attempts} failed: {cause}; next try in {} ms",
            pause.as_millis()
        );
        pace.clock.sleep(pause);
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
            let pause = backoff.pause();
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
    }

    #[test]
    fn machines_do_not_come_back_together() {
        let pauses: std::collections::BTreeSet<_> = (0..100).map(|seed| Backoff::new(seed).pause()).collect();
        assert_eq!(pauses.len(), 100);
    }

    #[test]
    fn a_server_that_recovers_is_waited_for() {
        let (clock, pace) = simulated();
        let mut answers = [500, 503].into_iter();
        let result = persist(&pace, &Stop::default(), None, "http://h/", |left| {
            assert_eq!(left, None);
            answers
                .next()
                .map_or(Ok(7), |status| Err(Attempt::Transient(HttpError::Status(status))))
        });
        assert_eq!(result, Ok(7));
        assert!(clock.now() >= Duration::from_millis(300) && clock.now() <= Duration::from_millis(600));
    }

    #[test]
    fn the_total_time_bounds_all_attempts_and_the_last_cause_is_told() {
        let (clock, pace) = simulated();
        let total = Duration::from_secs(120);
        let mut longest = Duration::ZERO;
        let error = persist::<()>(&pace, &Stop::default(), Some(total), "http://h/", |left| {
            assert!(left.unwrap() > Duration::ZERO);
            longest = longest.max(total - left.unwrap());
            Err(Attempt::Transient(HttpError::Status(503)))
        })
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
        assert_eq!((source, after), (&HttpError::Status(503), &total));
        assert!((26..60).contains(attempts), "{attempts}");
        assert!(clock.now() <= total);
        assert_eq!(error.code(), "network-timeout");
    }

    #[test]
    fn a_server_that_always_cuts_is_given_up() {
        let (_, pace) = simulated();
        let error = persist::<()>(&pace, &Stop::default(), None, "http://h/", |_| {
            Err(Attempt::Transient(HttpError::BodyCut {
                after: 1,
                why: "end".to_owned(),
            }))
        })
        .unwrap_err();
        assert_eq!(error.code(), "body-cut");
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_tried_again() {
        let (_, pace) = simulated();
        let stop = Stop::default();
        let error = persist::<()>(&pace, &stop, None, "http://h/", |_| {
            stop.set();
            Err(Attempt::Transient(HttpError::Status(500)))
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
