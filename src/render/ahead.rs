//! Documents that are fetched before their turn.
//!
//! The references of one config are asked for at the same time, under the settings in force when the first of them is
//! about to be read. They are used one after the other, as without this: whatever an earlier document changes about
//! fetching makes the rest worthless, and they are fetched anew. So the result never depends on it. A reference with
//! headers waits for its turn: what they open may open once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use kindling_config_spec::types::Resource;

use crate::fetch::{FetchError, Fetcher, Limits, Scheme, Stop, TransportSettings};

/// The largest document that is fetched ahead, in bytes. A larger one waits for its turn, and its beginning is read
/// twice.
const DOCUMENT_AHEAD: u64 = 256 << 10;

/// How many documents may be on their way or waiting in memory, over all levels of a rendering: 16 MiB of them.
const DOCUMENTS_AHEAD: usize = 64;

/// The room for documents that are ahead. Clones share it.
#[derive(Clone)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(DOCUMENTS_AHEAD)))
    }
}

impl Room {
    fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    fn give(&self, count: usize) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// The references of one config, on their way. What nobody wants any more is given up when this is dropped.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    settings: TransportSettings,
    stop: Stop,
    room: Room,
}

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    /// How many threads are at work.
    working: AtomicUsize,
}

struct State {
    waiting: VecDeque<(usize, Resource)>,
    /// By the place in the list.
    slots: Vec<Slot>,
}

enum Slot {
    /// Not fetched ahead, or taken.
    InTurn,
    /// It has its room.
    Expected,
    Arrived(Result<Vec<u8>, FetchError>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a thread goes on; one that does not is counted out. Nearly always all documents are of one host.
    fn has_place_for_me(&self, most: usize) -> bool {
        let fewer = |working: usize| (working > most).then(|| working - 1);
        self.working
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer)
            .is_err()
    }
}

impl Ahead {
    /// Starts on as many of `references` as there is `room` for, but not on those that `skipped` says will be refused
    /// anyway.
    pub(super) fn start(
        fetcher: &Fetcher,
        references: &[Resource],
        room: &Room,
        skipped: impl Fn(&Resource) -> bool,
    ) -> Self {
        let stop = Stop::default();
        let is_wanted = |reference: &Resource| {
            Scheme::of(reference.source.as_deref().unwrap_or_default()).needs_network()
                && reference.http_headers.is_empty()
                && !fetcher.settings().offline
                && !skipped(reference)
        };
        let mut waiting = VecDeque::new();
        let mut slots = Vec::with_capacity(references.len());
        for (index, reference) in references.iter().enumerate() {
            let is_ahead = is_wanted(reference) && room.take();
            if is_ahead {
                waiting.push_back((index, reference.clone()));
            }
            slots.push(if is_ahead { Slot::Expected } else { Slot::InTurn });
        }
        let count = waiting.len();
        let shared = Arc::new(Shared {
            state: Mutex::new(State { waiting, slots }),
            arrived: Condvar::new(),
            working: AtomicUsize::new(count.min(Limits::default().per_host)),
        });
        for _ in 0..shared.working.load(Ordering::Relaxed) {
            let (shared, fetcher, stop) = (Arc::clone(&shared), fetcher.stopped_by(&stop), stop.clone());
            thread::spawn(move || work(&shared, &fetcher, &stop));
        }
        Self {
            shared,
            settings: fetcher.settings().clone(),
            stop,
            room: room.clone(),
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
            match std::mem::replace(slot, Slot::InTurn) {
                Slot::InTurn => return None,
                Slot::Arrived(result) => {
                    self.room.give(1);
                    let is_for_its_turn = matches!(
                        result,
                        Err(FetchError::TooLarge { .. } | FetchError::Stopped { .. })
                    );
                    return (!is_for_its_turn).then_some(result);
                }
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
        let mut state = self.shared.lock();
        state.waiting.clear();
        let is_held = |slot: &&Slot| !matches!(slot, Slot::InTurn);
        let held = state.slots.iter().filter(is_held).count();
        state.slots.clear();
        self.room.give(held);
    }
}

fn work(shared: &Shared, fetcher: &Fetcher, stop: &Stop) {
    while shared.has_place_for_me(Limits::default().at_one_host(stop)) {
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
