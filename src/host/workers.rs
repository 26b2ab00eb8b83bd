//! Independent work at the same time: as much of it at once as the machine has processors.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does every job, and returns the results in the order of the jobs. A failure is a result like any other: the jobs beside
/// it run to their ends, so that no device is left in the middle of something.
pub fn each<J: Send, T: Send>(jobs: Vec<J>, work: impl Fn(J) -> T + Sync) -> Vec<T> {
    let at_once = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(jobs.len());
    let results: Vec<Mutex<Option<T>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let queue = Mutex::new(jobs.into_iter().zip(&results));
    run(at_once, &|| {
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            let Some((job, result)) = next else { break };
            let done = work(job);
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        }
    });
    drop(queue);
    results
        .into_iter()
        .filter_map(|cell| cell.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

/// Runs a worker so many times at once, until all have ended. Not generic: what starts threads is in the binary once.
pub fn run(at_once: usize, worker: &(dyn Fn() + Sync)) {
    thread::scope(|scope| {
        // The calling thread is one of the workers, so that a single job costs no thread.
        for _ in 1..at_once {
            scope.spawn(worker);
        }
        worker();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_order_of_the_jobs() {
        for count in [0, 1, 2, 100] {
            let jobs: Vec<usize> = (0..count).collect();
            let twice: Vec<usize> = jobs.iter().map(|job| job * 2).collect();
            assert_eq!(each(jobs, |job| job * 2), twice);
        }
    }
}
