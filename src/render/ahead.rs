//! Documents that are fetched before their turn.
//!
//! The references of one config are asked for at the same time, under the settings in force when the first of them is
//! about to be read. They are used one after the other, as without this: whatever an earlier document changes about
//! fetching makes the rest worthless, and they are fetched anew. So the result never depends on it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use kindling_config_spec::types::Resource;

use crate::fetch::{FetchError, Fetcher, Limits, Scheme, Stop, TransportSettings};

/// The largest document that is fetched ahead, in bytes: 256 of them may wait in memory. A larger one waits for its
/// turn, and its beginning is read twice.
const DOCUMENT_AHEAD: u64 = 256 << 10;

/// The references of one config, on their way. What nobody wants any more is given up when this is dropped.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    settings: TransportSettings,
    stop: Stop,
}

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    waiting: VecDeque<(usize, Resource)>,
    /// By the place in the list; `None` for what has not arrived, or is not fetched ahead.
    slots: Vec<Slot>,
}

enum Slot {
    /// Not of this module.
    Inline,
    Expected,
    Arrived(Result<Vec<u8>, FetchError>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ahead {
    /// Starts on `references`, but not on those that `skipped` says will be refused anyway.
    pub(super) fn start(
        fetcher: &Fetcher,
        references: &[Resource],
        skipped: impl Fn(&Resource) -> bool,
    ) -> Self {
        let stop = Stop::default();
        let is_remote = |reference: &Resource| {
            Scheme::of(reference.source.as_deref().unwrap_or_default()).needs_network()
        };
        let mut waiting = VecDeque::new();
        let mut slots = Vec::with_capacity(references.len());
        for (index, reference) in references.iter().enumerate() {
            let is_wanted = is_remote(reference) && !skipped(reference);
            if is_wanted {
                waiting.push_back((index, reference.clone()));
            }
            slots.push(if is_wanted { Slot::Expected } else { Slot::Inline });
        }
        let count = waiting.len();
        let shared = Arc::new(Shared {
            state: Mutex::new(State { waiting, slots }),
            arrived: Condvar::new(),
        });
        // A single document is fetched as fast in its turn.
        if count > 1 && !fetcher.settings().offline {
            for _ in 0..count.min(Limits::default().per_host) {
                let (shared, fetcher) = (Arc::clone(&shared), fetcher.stopped_by(&stop));
                thread::spawn(move || work(&shared, &fetcher));
            }
        } else {
            shared.lock().slots.clear();
        }
        Self {
            shared,
            settings: fetcher.settings().clone(),
            stop,
        }
    }

    /// Document `index`, when it was fetched under `settings`; waits for it. `None` where it has to be fetched now.
    pub(super) fn take(
        &self,
        index: usize,
        settings: &TransportSettings,
    ) -> Option<Result<Vec<u8>, FetchError>> {
        if *settings != self.settings {
            self.stop.set();
            return None;
        }
        let mut state = self.shared.lock();
        loop {
            let slot = state.slots.get_mut(index)?;
            match std::mem::replace(slot, Slot::Inline) {
                Slot::Inline
                | Slot::Arrived(Err(FetchError::TooLarge { .. } | FetchError::Stopped { .. })) => {
                    return None;
                }
                Slot::Arrived(result) => return Some(result),
                Slot::Expected => *slot = Slot::Expected,
            }
            state = self
                .shared
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop.set();
        self.shared.lock().waiting.clear();
    }
}

fn work(shared: &Shared, fetcher: &Fetcher) {
    loop {
        let Some((index, reference)) = shared.lock().waiting.pop_front() else {
            return;
        };
        let result = fetcher.buffer(&reference, DOCUMENT_AHEAD);
        if let Some(slot) = shared.lock().slots.get_mut(index) {
            *slot = Slot::Arrived(result);
        }
        shared.arrived.notify_all();
    }
}
