//! Many downloads at once, bounded overall and per host.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use kindling_config_spec::order::OrderedMap;

use super::{Fetcher, Stop};
use crate::host::workers;

/// How many downloads run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all. Also the number of threads.
    pub overall: usize,
    /// From one host.
    pub per_host: usize,
    /// From one host, once any has said that it cannot cope: more would take turns in its queue and be refused.
    pub per_busy_host: usize,
}

impl Default for Limits {
    /// 32, be they from one host; 8 from one host after an overload.
    fn default() -> Self {
        Self {
            overall: 32,
            per_host: 32,
            per_busy_host: 8,
        }
    }
}

impl Limits {
    /// Where there are others, one host leaves places to them: while it is down, they shall not wait for it, and what
    /// they fail with for good shall be heard.
    fn shared(self, waiting: &VecDeque<(usize, Option<String>)>) -> Self {
        let mut hosts = waiting.iter().filter_map(|(_, host)| host.as_ref());
        let first = hosts.next();
        let left = if hosts.any(|host| Some(host) != first) {
            self.per_busy_host
        } else {
            0
        };
        Self {
            per_host: self.per_host.min(self.overall.saturating_sub(left)),
            ..self
        }
    }

    /// How many from one host at the same time, as things are for the downloads that `stop` is shared by.
    pub(crate) fn at_one_host(self, stop: &Stop) -> usize {
        let most = if stop.is_overloaded() {
            self.per_busy_host
        } else {
            self.per_host
        };
        most.max(1)
    }
}

/// Runs `work` on every job and returns the results in the order of the jobs. `host` names the host a job loads;
/// jobs without one (inline data) count only overall.
///
/// `work` gets a fetcher that gives up as soon as another job has failed for good; without that, one server that is
/// down would hide the failure of another for as long as it is retried.
///
/// # Errors
/// That of the first job that failed (in time), and none of those that were given up because of it.
pub fn download<J, T, E>(
    fetcher: &Fetcher,
    limits: Limits,
    jobs: &[J],
    host: impl Fn(&J) -> Option<String>,
    work: impl Fn(&J, &Fetcher) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E>
where
    J: Sync,
    T: Send,
    E: Send,
{
    let stop = Stop::default();
    let fetcher = fetcher.stopped_by(&stop);
    let waiting: VecDeque<(usize, Option<String>)> = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| (index, host(job)))
        .collect();
    let limits = limits.shared(&waiting);
    let queue = Queue {
        state: Mutex::new(State {
            waiting,
            active: OrderedMap::new(),
            failed: None,
        }),
        freed: Condvar::new(),
        limits,
        stop: &stop,
    };
    let results: Vec<Mutex<Option<T>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let worker = || {
        while let Some((index, host)) = queue.next() {
            let (Some(job), Some(result)) = (jobs.get(index), results.get(index)) else {
                return;
            };
            let outcome = work(job, &fetcher);
            let failure = match outcome {
                Ok(value) => {
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                    None
                }
                Err(error) => Some(error),
            };
            queue.done(host, failure);
        }
    };
    workers::run(limits.overall.min(jobs.len()), &worker);
    if let Some(error) = queue
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .failed
    {
        return Err(error);
    }
    // Without a failure every worker went on until nothing was waiting, so every result is there.
    Ok(results
        .into_iter()
        .filter_map(|cell| cell.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect())
}

struct Queue<'a, E> {
    state: Mutex<State<E>>,
    freed: Condvar,
    limits: Limits,
    stop: &'a Stop,
}

struct State<E> {
    waiting: VecDeque<(usize, Option<String>)>,
    active: OrderedMap<String, usize>,
    failed: Option<E>,
}

impl<E> Queue<'_, E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first job whose host has room; waits while there are only others; `None` at the end or after a failure.
    fn next(&self) -> Option<(usize, Option<String>)> {
        let mut state = self.lock();
        loop {
            if state.failed.is_some() || state.waiting.is_empty() {
                return None;
            }
            let most = self.limits.at_one_host(self.stop);
            let has_room = |host: &Option<String>| {
                host.as_ref()
                    .is_none_or(|host| state.active.get(host).is_none_or(|n| *n < most))
            };
            if let Some(place) = state.waiting.iter().position(|(_, host)| has_room(host)) {
                let (index, host) = state.waiting.remove(place)?;
                if let Some(host) = &host {
                    *state.active.entry(host.clone()).or_default() += 1;
                }
                return Some((index, host));
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The others are stopped once the failure is noted: what they say then is not the cause.
    fn done(&self, host: Option<String>, failure: Option<E>) {
        let mut state = self.lock();
        if let Some(active) = host.and_then(|host| state.active.get_mut(&host)) {
            *active = active.saturating_sub(1);
        }
        if state.failed.is_none() {
            state.failed = failure;
        }
        if state.failed.is_some() {
            self.stop.set();
        }
        drop(state);
        self.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::fetch::{Pace, SimulatedClock, Transport, TransportSettings};
    use crate::host::http::{Answer, Connection, Request};
    use crate::host::transfer::TransferError;

    struct Silent;

    impl Transport for Silent {
        fn open(&self, _request: &Request, _connection: &Connection) -> Result<Answer, TransferError> {
            Err(TransferError::Status(404))
        }
    }

    fn fetcher() -> Fetcher {
        let pace = Pace::new(Arc::new(SimulatedClock::default()), 1);
        Fetcher::new(
            Arc::new(Silent),
            TransportSettings::first(Duration::ZERO, false),
            pace,
        )
    }

    #[test]
    fn results_keep_the_order_of_the_jobs() {
        let jobs: Vec<usize> = (0..1_000).collect();
        let results = download(
            &fetcher(),
            Limits::default(),
            &jobs,
            |_| None,
            |job, _| Ok::<_, ()>(job * 2),
        );
        assert_eq!(results, Ok(jobs.iter().map(|job| job * 2).collect()));
        assert_eq!(
            download(
                &fetcher(),
                Limits::default(),
                &[],
                |(): &()| None,
                |_, _| Ok::<(), ()>(())
            ),
            Ok(vec![])
        );
    }

    #[test]
    fn no_host_gets_more_than_its_share() {
        let jobs: Vec<usize> = (0..200).collect();
        let (active, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let limits = Limits {
            overall: 8,
            per_host: 3,
            per_busy_host: 1,
        };
        download(
            &fetcher(),
            limits,
            &jobs,
            |_| Some("h".to_owned()),
            |_, _| {
                most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                active.fetch_sub(1, Ordering::SeqCst);
                Ok::<(), ()>(())
            },
        )
        .unwrap();
        assert!(most.load(Ordering::SeqCst) <= 3);
    }

    /// Says once that it cannot cope, and is there the next time.
    struct Overloaded(AtomicUsize);

    impl Transport for Overloaded {
        fn open(&self, _request: &Request, _connection: &Connection) -> Result<Answer, TransferError> {
            let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
            Err(TransferError::Status(if first { 503 } else { 404 }))
        }
    }

    #[test]
    fn a_host_that_cannot_cope_gets_fewer_at_once() {
        let pace = Pace::new(Arc::new(SimulatedClock::default()), 1);
        let settings = TransportSettings::first(Duration::ZERO, false);
        let fetcher = Fetcher::new(Arc::new(Overloaded(AtomicUsize::new(0))), settings, pace);
        let jobs: Vec<usize> = (0..200).collect();
        let (active, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let heard = AtomicBool::new(false);
        let limits = Limits {
            overall: 8,
            per_host: 8,
            per_busy_host: 2,
        };
        download(
            &fetcher,
            limits,
            &jobs,
            |_| Some("h".to_owned()),
            |job, via| {
                let now = active.fetch_add(1, Ordering::SeqCst) + 1;
                if *job == 0 {
                    let resource = kindling_config_spec::types::Resource {
                        source: Some("http://h/".to_owned()),
                        ..Default::default()
                    };
                    let refused = via.buffer(&resource, 1).unwrap_err();
                    assert_eq!(refused.code(), "http-status");
                    heard.store(true, Ordering::SeqCst);
                } else if *job < 8 {
                    // Those that are under way when a host says so are not called back.
                    while !heard.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                } else {
                    most.fetch_max(now, Ordering::SeqCst);
                }
                std::thread::yield_now();
                active.fetch_sub(1, Ordering::SeqCst);
                Ok::<(), ()>(())
            },
        )
        .unwrap();
        assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
    }

    #[test]
    fn one_of_several_hosts_leaves_places_to_the_others() {
        let limits = Limits::default();
        let of = |hosts: &[Option<&str>]| {
            let hosts = hosts.iter().map(|host| host.map(str::to_owned));
            limits.shared(&hosts.enumerate().collect()).per_host
        };
        assert_eq!(of(&[Some("a"), None, Some("a")]), 32);
        assert_eq!(of(&[Some("a"), Some("b"), Some("a")]), 24);
        assert_eq!(of(&[]), 32);
    }

    #[test]
    fn a_failure_ends_the_others_and_is_the_one_that_is_told() {
        let jobs = ["fails", "never comes back"];
        let started = std::sync::Barrier::new(2);
        let error = download(
            &fetcher(),
            Limits::default(),
            &jobs,
            |_| None,
            |job, via| {
                started.wait();
                if *job == "fails" {
                    return Err("404".to_owned());
                }
                let patience = |via: &Fetcher| {
                    let resource = kindling_config_spec::types::Resource {
                        source: Some("http://h/".to_owned()),
                        ..Default::default()
                    };
                    via.buffer(&resource, 1)
                };
                loop {
                    match patience(via) {
                        Err(error) if error.code() == "download-stopped" => return Err(error.to_string()),
                        Err(_) | Ok(_) => std::thread::yield_now(),
                    }
                }
            },
        );
        assert_eq!(error, Err::<Vec<()>, _>("404".to_owned()));
    }
}
