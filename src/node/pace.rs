//! How long to wait before the next try, as the kubelet does (cluster.md 2.5).

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(2);
/// The longest.
const LONGEST: Duration = Duration::from_secs(32);
/// Where somebody has to do something first: a token is made anew, a binding is added.
const SLOW: Duration = Duration::from_secs(10);

/// The pauses between the tries of one thing, without an end.
#[derive(Debug)]
pub struct Pauses {
    next: Duration,
    /// Between 0 and 1000: machines that were switched on together must not come back together.
    spread: u32,
}

impl Pauses {
    /// Those of the machine that drew `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            next: FIRST,
            spread: u32::try_from(seed % 1001).unwrap_or_default(),
        }
    }

    /// The next one: 2 s, twice as long each time up to 32 s, and up to a tenth more. A server that says for how long it wants to be
    /// left alone gets that, at most `half` of the time that is left.
    pub fn next(&mut self, asked: Option<Duration>, half: Duration) -> Duration {
        let base = self.next.max(asked.unwrap_or_default().min(half));
        self.next = (self.next * 2).min(LONGEST);
        self.spread = (self.spread * 31 + 7) % 1001;
        base + base * self.spread / 10_000
    }

    /// As [`Self::next`] where somebody has to do something first.
    pub fn slow(&mut self) -> Duration {
        self.next(Some(SLOW), SLOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_differ_by_a_tenth() {
        let mut pauses = Pauses::new(77);
        for base in [2, 4, 8, 16, 32, 32, 32] {
            let (base, pause) = (Duration::from_secs(base), pauses.next(None, Duration::ZERO));
            assert!(
                base <= pause && pause <= base + base / 10,
                "{pause:?} of {base:?}"
            );
        }
        let mut pauses = Pauses::new(78);
        let asked = Some(Duration::from_secs(60));
        assert!(pauses.next(asked, Duration::from_secs(20)) < Duration::from_secs(23));
        assert!(pauses.next(asked, Duration::from_secs(200)) >= Duration::from_secs(60));
        assert!(Pauses::new(0).slow() >= SLOW);
    }
}
