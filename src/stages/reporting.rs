//! The report sinks of a boot: who is told what, while a stage works.
//!
//! Each sink has a thread of its own, so that none waits for another, and the stage for none. What could not be told is
//! queued below the directory of this boot and tried by the next process. It is written before anybody is told: a process
//! that is killed leaves an event told twice, never one that is lost.

mod send;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::kindling::Sink;
use kindling_config_spec::types::{Config, Proxy};

use self::send::{Sent, Surroundings};
use super::context::recall_time;
use super::{Environment, Options};
use crate::host::machine::{self, Machine};
use crate::plan::Stage;
use crate::report::Failure;
use crate::report::event::{About, Event};
use crate::report::queue::{Queue, UNTOLD};
use crate::report::sinks::{self, KEPT, Kept};

/// For what waits, when nobody's boot waits for it.
const AGAIN: Duration = Duration::from_secs(10);

/// What a process tells of its stage. Without sinks, and where none can come any more, it does nothing.
#[derive(Clone)]
pub struct Reporter {
    /// `None` is one that does nothing.
    shared: Option<Arc<Shared>>,
}

/// How a try to tell what waits ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// So many events reached a sink.
    pub told: usize,
    /// So many still wait for one.
    pub untold: usize,
}

struct Shared {
    around: Surroundings,
    /// The stage; `None` between stages.
    stage: Option<Stage>,
    /// The sinks of the kernel command line.
    given: Config,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    kept: Kept,
    queue: Queue,
    workers: OrderedMap<String, Worker>,
    is_over: bool,
    /// Whether the whole config is known. Until then more sinks may come.
    is_settled: bool,
    is_provisioned: bool,
    /// Whether it was told that nothing can be kept.
    has_complained: bool,
}

/// The thread of one sink.
#[derive(Default)]
struct Worker {
    is_busy: bool,
    /// The number of the next event when the sink did not answer: it is asked again once there are more.
    gave_up: Option<u64>,
    has_warned: bool,
}

impl Reporter {
    /// One that does nothing.
    #[cfg(test)]
    pub(super) fn silent() -> Self {
        Self { shared: None }
    }

    /// A stage begins.
    #[must_use]
    pub fn begin(options: &Options, environment: &Environment) -> Self {
        let stage = options.stage;
        let mut shared = Shared::open(environment, Some(options));
        let state = shared.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let may_learn = matches!(stage, Stage::FetchOffline | Stage::Fetch | Stage::Join);
        if state.kept.sinks().is_empty() && !may_learn {
            return Self { shared: None };
        }
        options.platform.clone_into(&mut state.kept.platform);
        state.queue.stage_started(&machine::now(), stage);
        let shared = Arc::new(shared);
        Shared::employ(&shared, &mut shared.lock());
        Self { shared: Some(shared) }
    }

    /// A config was read: its sinks count from now on, whatever becomes of what it refers to.
    pub fn heard(&self, config: &Config) {
        let Some(shared) = &self.shared else { return };
        // Most documents say nothing of it.
        if config.kindling.report.sinks.is_empty() && config.ignition.proxy == Proxy::default() {
            return;
        }
        let mut state = shared.lock();
        let known = std::mem::take(&mut state.kept.config);
        state.kept.config = sinks::with(known, config);
        Shared::employ(shared, &mut state);
    }

    /// The whole config is known, `user` over `base`: its sinks and those of the kernel arguments count, and no others.
    /// `digest` names it.
    pub fn settled(&self, base: &Config, user: &Config, digest: impl FnOnce() -> String) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.lock();
        let given = shared.given.clone();
        state.kept.config = sinks::with(sinks::with(given, base), user);
        state.is_settled = true;
        if !state.kept.sinks().is_empty() {
            state.kept.digest = Some(digest());
        }
        Shared::employ(shared, &mut state);
        shared.changed.notify_all();
    }

    /// The stage waits for a server, as `text` says.
    pub(super) fn waits(&self, text: &str) {
        let (Some(shared), Some(stage)) = (&self.shared, self.stage()) else {
            return;
        };
        let mut state = shared.lock();
        state.queue.waiting(&machine::now(), stage, text);
        Shared::employ(shared, &mut state);
        shared.changed.notify_all();
    }

    /// The stage ended; with `is_success` the whole first boot did, and well.
    pub fn ended(&self, outcome: &str, milliseconds: u64, failure: Option<&Failure>, is_success: bool) {
        let (Some(shared), Some(stage)) = (&self.shared, self.stage()) else {
            return;
        };
        let now = machine::now();
        let mut state = shared.lock();
        state.queue.stage_ended(&now, stage, outcome, milliseconds);
        if let Some(failure) = failure {
            state.queue.failed(&now, failure);
        } else if is_success {
            state.queue.provisioned(&now, stage);
            state.is_provisioned = true;
        }
        Shared::employ(shared, &mut state);
        shared.changed.notify_all();
    }

    /// The join has come a step further; `is_last` is the end of it. `detail` says what it is about.
    pub fn join_step(&self, step: &str, detail: &str, is_last: bool) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.lock();
        state.queue.join_step(&machine::now(), step, detail, is_last);
        // Nobody comes after it.
        state.is_provisioned |= is_last;
        Shared::employ(shared, &mut state);
        shared.changed.notify_all();
    }

    fn stage(&self) -> Option<Stage> {
        self.shared.as_ref()?.stage
    }

    /// Waits until everything is told, but not beyond `end`; the process may end afterwards. A boot that goes on does not
    /// wait for a sink that did not answer before.
    pub fn wait(&self, end: Instant, failure: Option<&Failure>) {
        let Some(shared) = &self.shared else { return };
        shared.wait(end, failure.is_some());
    }
}

/// Tells of a failure that no stage has told, for a short while; who could not be told is told by [`tell_again`].
pub(super) fn tell_failure(environment: &Environment, failure: &Failure) {
    let shared = Arc::new(Shared::open(environment, None));
    {
        let mut state = shared.lock();
        state.queue.failed(&machine::now(), failure);
        Shared::employ(&shared, &mut state);
    }
    shared.wait(Instant::now() + AGAIN, true);
}

/// Tries once to tell what waits, while nothing else happens on this machine.
#[must_use]
pub fn tell_again(environment: &Environment) -> Again {
    let shared = Arc::new(Shared::open(environment, None));
    let before = {
        let mut state = shared.lock();
        Shared::employ(&shared, &mut state);
        state.untold()
    };
    shared.wait(Instant::now() + AGAIN, true);
    let untold = shared.lock().untold();
    Again {
        told: before.saturating_sub(untold),
        untold,
    }
}

impl Shared {
    fn open(environment: &Environment, options: Option<&Options>) -> Self {
        let run_dir = &environment.run_dir;
        // A certificate may be judged from here on.
        recall_time(run_dir);
        let read = |name: &str| fs::read_to_string(run_dir.join(name)).ok();
        let mut kept = Kept::read(read(KEPT).as_deref());
        let queue = Queue::read(read(UNTOLD).as_deref());
        let command_line = fs::read_to_string(&environment.command_line).unwrap_or_default();
        let (given, wrong) = sinks::of_command_line(&command_line);
        for value in wrong {
            tracing::warn!(
                "kernel argument kindling.report names no sink: {value}; give http, https, tcp, tls or port:NAME"
            );
        }
        kept.config = sinks::with(given.clone(), &kept.config);
        let is_settled = kept.digest.is_some();
        Self {
            around: Surroundings {
                run_dir: run_dir.clone(),
                root: options.map(|options| options.root.clone()).unwrap_or_default(),
                is_online: options.is_none_or(|options| options.stage != Stage::FetchOffline),
                // Before, the target is not whole; after, its file systems go.
                has_target: options.is_some_and(|options| options.stage == Stage::Files),
            },
            stage: options.map(|options| options.stage),
            given,
            state: Mutex::new(State {
                kept,
                queue,
                workers: OrderedMap::new(),
                is_over: false,
                is_settled,
                is_provisioned: false,
                has_complained: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is to be told, and sees that every sink that can be told has a thread.
    fn employ(shared: &Arc<Self>, state: &mut State) {
        if state.kept.sinks().is_empty() {
            return;
        }
        shared.save(state);
        let can = |sink: &&Sink| shared.around.can_tell(sink);
        let keys: Vec<String> = state.kept.sinks().iter().filter(can).map(sinks::key).collect();
        for key in keys {
            if !state.workers.contains_key(&key) {
                state.workers.insert(key.clone(), Worker::default());
                let shared = Arc::clone(shared);
                // A thread that cannot be had is a sink less, and no end of the stage.
                if let Err(error) = thread::Builder::new().spawn(move || work(&shared, &key)) {
                    tracing::warn!("no report sink is told beside the stage's work: {error}");
                    return;
                }
            }
        }
    }

    fn wait(&self, end: Instant, is_for_all: bool) {
        let mut state = self.lock();
        let is_for_all = is_for_all || state.is_provisioned;
        while state.is_telling(is_for_all) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_over = true;
        self.changed.notify_all();
        // Who is still at it has not answered, as far as this boot can wait.
        let busy = state.workers.iter().filter(|(_, worker)| worker.is_busy);
        let busy: Vec<String> = busy.map(|(key, _)| key.clone()).collect();
        for key in busy {
            state.queue.note_answer(&key, false);
        }
        if state.is_provisioned {
            self.finish(&mut state);
        } else {
            self.keep(&mut state);
        }
    }

    /// Leaves what the next process needs.
    fn keep(&self, state: &mut State) {
        // Until then a sink may come that wants to hear how the boot began.
        if state.is_settled {
            let State { kept, queue, .. } = state;
            let keys: Vec<String> = kept.sinks().iter().map(sinks::key).collect();
            queue.drop_told(keys.iter().map(String::as_str));
        }
        let has_sinks = !state.kept.sinks().is_empty();
        match self.stage {
            _ if has_sinks => self.save(state),
            Some(Stage::FetchOffline) if !state.is_settled => self.save(state),
            // There are none, and an earlier stage left room for them, or an earlier run its own.
            Some(Stage::FetchOffline | Stage::Fetch) if state.is_settled => {
                let dir = &self.around.run_dir;
                let removed =
                    machine::remove(&dir.join(KEPT)).and_then(|()| machine::remove(&dir.join(UNTOLD)));
                state.complain(dir, removed);
            }
            _ => {}
        }
    }

    /// Drops what held secrets. Nobody comes after this.
    fn finish(&self, state: &mut State) {
        for sink in state.kept.sinks() {
            let due = state.queue.due(&sinks::key(sink)).len();
            if due > 0 {
                tracing::warn!("report sink {} was not told of {due} events", sinks::name(sink));
            }
        }
        state.queue.events.clear();
        state.queue.silent.clear();
        let kept = machine::remove(&self.around.run_dir.join(KEPT))
            .and_then(|()| machine::replace(&self.around.run_dir.join(UNTOLD), &state.queue.json(), 0o600));
        state.complain(&self.around.run_dir, kept);
    }

    fn save(&self, state: &mut State) {
        let dir = &self.around.run_dir;
        let kept = machine::private_dir(dir)
            .and_then(|()| machine::replace(&dir.join(KEPT), &state.kept.json(), 0o600))
            .and_then(|()| machine::replace(&dir.join(UNTOLD), &state.queue.json(), 0o600));
        state.complain(dir, kept);
    }

    /// The next events for a sink, and what they are told with; waits for them. `None` at the end.
    fn next(&self, key: &str) -> Option<(Sink, Sending)> {
        let mut state = self.lock();
        loop {
            let sink = state.kept.sink(key).cloned();
            let (false, Some(sink)) = (state.is_over, sink) else {
                state.workers.remove(key);
                self.changed.notify_all();
                return None;
            };
            if state.is_wanted(key) {
                let sending = Sending {
                    events: state.queue.due(key),
                    proxy: state.kept.config.ignition.proxy.clone(),
                    platform: state.kept.platform.clone(),
                    digest: state.kept.digest.clone(),
                    does_answer: state.queue.answers(key),
                    up_to: state.queue.next,
                };
                state.worker(key).is_busy = true;
                return Some((sink, sending));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, sink: &Sink, up_to: u64, sent: Sent) {
        let key = sinks::key(sink);
        let mut state = self.lock();
        for sequence in sent.told {
            state.queue.told(&key, sequence);
        }
        if let Some(authorities) = sent.authorities {
            // Another config may have come meanwhile.
            let mut known = state.kept.config.kindling.report.sinks.iter_mut();
            if let Some(known) = known.find(|known| *known == sink) {
                known.certificate_authorities = authorities;
            }
        }
        state.queue.note_answer(&key, sent.problem.is_none());
        let worker = state.worker(&key);
        worker.is_busy = false;
        if let Some(problem) = sent.problem {
            worker.gave_up = Some(up_to);
            if !std::mem::replace(&mut worker.has_warned, true) {
                tracing::warn!("report sink {} cannot be told: {problem}", sinks::name(sink));
            }
        }
        self.changed.notify_all();
    }
}

/// What one call of a sink is about.
struct Sending {
    events: Vec<Event>,
    proxy: Proxy,
    platform: String,
    digest: Option<String>,
    /// Whether the sink answered last.
    does_answer: bool,
    /// The number of the next event at that time.
    up_to: u64,
}

/// Tells one sink, as long as there is something to tell.
fn work(shared: &Shared, key: &str) {
    // Read and built once something is told, apart from the stage's own work.
    let mut own = None;
    while let Some((sink, sending)) = shared.next(key) {
        let (machine, line) = own.get_or_insert_with(|| (Machine::read(), send::line(&sending.platform)));
        let known = |text: &String| (!text.is_empty()).then(|| text.clone());
        let about = About {
            boot: known(&machine.boot_id),
            uuid: known(&machine.id),
            host: machine::hostname(),
            platform: sending.platform.clone(),
            digest: sending.digest.clone(),
        };
        let sent = shared.around.send(line, &sink, &sending, &about);
        shared.done(&sink, sending.up_to, sent);
    }
}

impl State {
    fn worker(&mut self, key: &str) -> &mut Worker {
        self.workers.entry(key.to_owned()).or_default()
    }

    /// Whether there is something for the sink, which it has not just refused.
    fn is_wanted(&self, key: &str) -> bool {
        let gave_up = self.workers.get(key).and_then(|worker| worker.gave_up);
        gave_up != Some(self.queue.next) && !self.queue.is_told(key)
    }

    /// Whether somebody is told something that is worth waiting for.
    fn is_telling(&self, is_for_all: bool) -> bool {
        let of_interest = |key: &String| is_for_all || self.queue.answers(key);
        self.workers
            .iter()
            .filter(|(key, _)| of_interest(key))
            .any(|(key, worker)| worker.is_busy || self.is_wanted(key))
    }

    fn untold(&self) -> usize {
        let sinks = self.kept.sinks().iter();
        sinks.map(|sink| self.queue.due(&sinks::key(sink)).len()).sum()
    }

    fn complain(&mut self, dir: &Path, kept: std::io::Result<()>) {
        if let Err(error) = kept
            && !std::mem::replace(&mut self.has_complained, true)
        {
            tracing::warn!(
                "cannot keep what the report sinks are told in {}: {error}",
                dir.display()
            );
        }
    }
}

/// The directory that the new root takes over: reports of this boot are below it.
fn run_of(run_dir: &Path) -> PathBuf {
    run_dir.parent().unwrap_or(Path::new("/run")).to_owned()
}
