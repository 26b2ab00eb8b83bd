//! Ten thousand machines that power on within one second, and one config server. The pauses are the engine's own, the
//! clock is simulated, the server is a model: a queue of a hundred places in front of one that serves so many requests
//! a second, and a refusal (status 503) when the queue is full. Compared with the reference's schedule.
//!
//! `docs/herd.svg` and `docs/herd.md` are what this writes with `KINDLING_RENEW=1`; without, it compares them.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a simulation, and its picture"
)]

mod picture;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use kindling::fetch::{Backoff, Load};

const MACHINES: usize = 10_000;
const QUEUE: usize = 100;
/// A request needs this long to the server, and its answer back.
const WAY: Duration = Duration::from_millis(1);
const CAPACITIES: [u32; 3] = [50, 200, 1_000];

/// Whose pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schedule {
    /// The engine's.
    Ours,
    /// engine.md 3.2: 200 ms, doubled up to 5 s, without jitter.
    Reference,
}

enum Pauses {
    Ours(Backoff),
    Reference(Duration),
}

impl Pauses {
    fn of(schedule: Schedule, machine: usize) -> Self {
        match schedule {
            Schedule::Ours => Self::Ours(Backoff::new(machine as u64)),
            Schedule::Reference => Self::Reference(Duration::from_millis(200)),
        }
    }

    fn next(&mut self) -> Duration {
        match self {
            Self::Ours(backoff) => backoff.pause(Load::TooHigh),
            Self::Reference(next) => {
                let pause = *next;
                *next = (pause * 2).min(Duration::from_secs(5));
                pause
            }
        }
    }
}

/// What became of the herd.
struct Outcome {
    /// When each machine had its config, in order.
    done: Vec<Duration>,
    refused: usize,
    /// Requests that arrived, by second.
    load: Vec<u32>,
}

impl Outcome {
    fn percentile(&self, percent: usize) -> Duration {
        self.done[(self.done.len() * percent / 100).saturating_sub(1)]
    }
}

fn simulate(schedule: Schedule, capacity: u32) -> Outcome {
    let service = Duration::from_secs(1) / capacity;
    // Powered on within a second: evenly, in an order that has nothing to do with the seeds.
    let mut arrivals: BinaryHeap<Reverse<(Duration, usize)>> = (0..MACHINES)
        .map(|machine| {
            let place = (machine * 7_919) % MACHINES;
            Reverse((Duration::from_secs(1) * place as u32 / MACHINES as u32, machine))
        })
        .collect();
    let mut pauses: Vec<Pauses> = (0..MACHINES)
        .map(|machine| Pauses::of(schedule, machine))
        .collect();
    // When each request that is in the queue, or served now, will be done.
    let mut queue: VecDeque<Duration> = VecDeque::new();
    let mut outcome = Outcome {
        done: Vec::new(),
        refused: 0,
        load: Vec::new(),
    };
    while let Some(Reverse((now, machine))) = arrivals.pop() {
        let second = now.as_secs() as usize;
        outcome.load.resize(outcome.load.len().max(second + 1), 0);
        outcome.load[second] += 1;
        while queue.front().is_some_and(|done| *done <= now) {
            queue.pop_front();
        }
        if queue.len() > QUEUE {
            outcome.refused += 1;
            let back = now + 2 * WAY + pauses[machine].next();
            arrivals.push(Reverse((back, machine)));
            continue;
        }
        let done = queue.back().copied().unwrap_or(now).max(now) + service;
        queue.push_back(done);
        outcome.done.push(done + WAY);
    }
    outcome.done.sort_unstable();
    outcome
}

#[test]
fn a_herd_is_served_sooner_and_refused_less_than_with_the_references_pauses() {
    let mut pairs = Vec::new();
    for capacity in CAPACITIES {
        let ours = simulate(Schedule::Ours, capacity);
        let reference = simulate(Schedule::Reference, capacity);
        println!("{}", picture::row(capacity, "ours", &ours));
        println!("{}", picture::row(capacity, "reference", &reference));
        assert_eq!(ours.done.len(), MACHINES);
        assert!(
            ours.percentile(100) <= reference.percentile(100),
            "{capacity}/s: ours is later"
        );
        assert!(
            ours.refused * 3 <= reference.refused,
            "{capacity}/s: ours is refused too often"
        );
        pairs.push((capacity, ours, reference));
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in [
        ("docs/herd.md", picture::page(&pairs)),
        ("docs/herd.svg", picture::svg(&pairs)),
    ] {
        let path = root.join(name);
        if std::env::var_os("KINDLING_RENEW").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap_or_default() == text,
            "{name} is not what the simulation gives: run it with KINDLING_RENEW=1"
        );
    }
}
