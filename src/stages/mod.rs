//! One stage: observe → plan → apply. Each runs in a process of its own; what passes between them is the cached
//! config and the state file.

mod attempts;
pub mod boot_entries;
mod context;
pub mod delete_config;
pub mod discovery;
mod disks;
pub mod dry_run;
pub mod emergency;
mod error;
pub mod expand;
mod fetch;
mod files;
pub mod first_boot;
mod given;
pub mod join;
mod kept_program;
mod last_failure;
mod leftovers;
mod mount;
mod node;
pub mod offline;
mod places;
mod pools;
pub mod preflight;
pub mod receipt;
mod reporting;
mod success;
mod telling;
mod values;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kindling_config_spec::json;

pub use context::{Context, fetcher};
pub use error::StageError;
pub use last_failure::last_failure;
pub use reporting::{Again, Reporter, tell_again};
pub use success::begin;
pub use telling::tell;

use crate::apply::{Applied, Noted, Tally};
use crate::fetch::SystemDirs;
use crate::host::{log, machine};
use crate::plan::accounts::KeyFile;
use crate::plan::{Plan, Stage, check, show};
use crate::report::Failure;
use crate::report::progress::{self, StageRecord};

/// Where stages leave what only kindling reads; entered by root alone.
pub const RUN_DIR: &str = "/run/kindling";

/// The record of the failure of a boot, in that directory.
const FAILURE: &str = "failure.json";

/// An empty file beside it once everybody was told of it who could be.
const TOLD: &str = "failure-told";

/// What a stage waits for, while it does.
const WAITING: &str = "waiting";

/// What a stage is asked to do: the command line, resolved.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which stage.
    pub stage: Stage,
    /// The platform, as `ignition.platform.id` names it.
    pub platform: String,
    /// The target's root; empty in the stages that do not need it.
    pub root: PathBuf,
    /// The rendered config.
    pub config_cache: PathBuf,
    /// The state file.
    pub state_file: PathBuf,
    /// The marker that asks for the network.
    pub neednet: PathBuf,
    /// Time for the first config, zero for no limit.
    pub fetch_timeout: Duration,
}

/// What the environment says, read once at the edge.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Directories of base configs and `user.ign`.
    pub dirs: SystemDirs,
    /// The kernel command line's file.
    pub command_line: PathBuf,
    /// The config of the platform `file`.
    pub config_file: PathBuf,
    /// Where SSH keys go.
    pub key_file: KeyFile,
    /// Where programs are looked up.
    pub path: OsString,
    /// Where reports of this boot go.
    pub run_dir: PathBuf,
}

/// How a stage ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its work is done.
    Done(Applied),
    /// `fetch-offline` found that the network is needed, and left the marker.
    NeedsNetwork,
}

/// What a stage that did not fail leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Nothing.
    Done,
    /// The same once the network is up.
    NeedsNetwork,
}

/// Runs a stage and records it in the reports of the boot; `reporter` tells of it.
///
/// # Errors
/// [`StageError`] with the exit status and, unless the command line was wrong, the failure record.
pub fn run(
    options: &Options,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<Finished, StageError> {
    run_as(options, environment, reporter, &|noted| {
        execute(options, environment, reporter, noted)
    })
}

/// Does `work` as a run of the stage of `options`.
fn run_as(
    options: &Options,
    environment: &Environment,
    reporter: &Reporter,
    work: &dyn Fn(&Noted) -> Result<Ended, StageError>,
) -> Result<Finished, StageError> {
    let mut noted = Noted::begin();
    noted.runs = noted.runs.heard_by(on_wait(environment, reporter));
    if options.stage == Stage::FetchOffline {
        last_failure::recall();
    }
    let ended = work(&noted).map_err(|error| places::in_stage(error, options, environment).fit());
    let (applied, error) = match ended {
        Ok(Ended::Done(applied)) => (Some(applied), None),
        Ok(Ended::NeedsNetwork) => (None, None),
        Err(error) => (None, Some(error)),
    };
    let outcome = match (&applied, &error) {
        (_, Some(error)) => error.code(),
        (Some(_), None) => progress::OK,
        (None, None) => progress::NEEDS_NETWORK,
    };
    let finished = match applied {
        Some(_) => Finished::Done,
        None => Finished::NeedsNetwork,
    };
    let applied = applied.unwrap_or_else(|| noted.take_unfinished());
    let Tally { changed, already_so } = applied.tally;
    let record = StageRecord::new(options.stage, noted.runs.timed(), applied, outcome);
    let milliseconds = record.milliseconds;
    let failure = error.as_ref().and_then(StageError::failure);
    if error.is_none() {
        log::stage_ended(&record);
        tracing::info!("{outcome}: {changed} changed, {already_so} already so, {milliseconds} ms");
    }
    note(&environment.run_dir, record, failure);
    let is_last = options.stage == Stage::Umount && failure.is_none();
    let success = is_last.then(|| success::of(environment)).flatten();
    reporter.ended(outcome, milliseconds, failure, success.is_some());
    if let Some(failure) = failure {
        last_failure::keep(failure);
    }
    if let Some(milliseconds) = success {
        success::settle(options, environment, milliseconds);
    }
    error.map_or(Ok(finished), Err)
}

/// Tells the sinks what the stage waits for, and keeps it for a boot that comes to no end.
fn on_wait(environment: &Environment, reporter: &Reporter) -> impl Fn(&str) + Send + Sync + use<> {
    /// Many downloads may wait for one server: one of them tells for all.
    const QUIET: Duration = Duration::from_secs(5);
    let (reporter, run_dir) = (reporter.clone(), environment.run_dir.clone());
    let told: Mutex<Option<Instant>> = Mutex::default();
    move |text| {
        let mut last = told.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < QUIET) {
            return;
        }
        *last = Some(Instant::now());
        let kept = machine::private_dir(&run_dir)
            .and_then(|()| machine::replace(&run_dir.join(WAITING), text.as_bytes(), 0o600));
        if let Err(error) = kept {
            tracing::warn!("cannot keep what this stage waits for: {error}");
        }
        reporter.waits(text);
    }
}

/// Keeps the record of the stage. A report that cannot be written must not stop a boot.
fn note(run_dir: &Path, record: StageRecord, failure: Option<&Failure>) {
    let list = run_dir.join(progress::LIST);
    // The umount stage also runs because something else has failed: that record stays, however this stage ends.
    let is_of_another = |failure: Failure| failure.stage != Stage::Umount;
    let follows_failure =
        record.stage == Stage::Umount && emergency::known(run_dir).is_some_and(is_of_another);
    let is_join = record.stage == Stage::Join;
    let kept = machine::private_dir(run_dir).and_then(|()| {
        // What is left over of it is history, and no reason to keep no record.
        drop(machine::remove(&run_dir.join(WAITING)));
        let before = std::fs::read_to_string(&list).ok();
        machine::replace(&list, progress::with(before.as_deref(), record).as_bytes(), 0o600)?;
        match failure {
            _ if follows_failure => Ok(()),
            Some(failure) => machine::remove(&run_dir.join(TOLD)).and_then(|()| {
                machine::replace(&run_dir.join(FAILURE), json::text(failure).as_bytes(), 0o600)
            }),
            // Whatever still runs when the time is over does not win any more.
            None if emergency::is_over_time(run_dir) => Ok(()),
            // The join is nobody's later try but its own.
            None if is_join
                && emergency::known(run_dir).is_none_or(|failure| failure.stage != Stage::Join) =>
            {
                Ok(())
            }
            // A failure that a later try has overcome is no failure of this boot.
            None => {
                machine::remove(&run_dir.join(FAILURE)).and_then(|()| machine::remove(&run_dir.join(TOLD)))
            }
        }
    });
    if let Err(error) = kept {
        tracing::warn!(
            "cannot keep the record of this stage in {}: {error}",
            run_dir.display()
        );
    }
}

fn execute(
    options: &Options,
    environment: &Environment,
    reporter: &Reporter,
    noted: &Noted,
) -> Result<Ended, StageError> {
    let context = || Context::open(options, environment, noted);
    match options.stage {
        Stage::FetchOffline | Stage::Fetch => fetch::run(context()?, reporter),
        Stage::Kargs => mount::kargs(context()?).map(Ended::Done),
        Stage::Disks => disks::run(context()?).map(Ended::Done),
        Stage::Mount => mount::run(context()?).map(Ended::Done),
        Stage::Files => files::run(context()?).map(Ended::Done),
        Stage::Umount => mount::umount(context()?).map(Ended::Done),
        Stage::Join => join::execute(options, environment, reporter),
    }
}

/// Says in the journal what will be done, before it is done.
///
/// # Errors
/// When the finished plan contradicts itself: our bug, caught before it can hurt.
fn announce(plan: &Plan) -> Result<(), Failure> {
    tracing::info!("plan:\n{}", show::show(plan));
    let faults = check::faults(plan);
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failure {
        code: "internal".to_owned(),
        stage: plan.stage,
        what: "the plan contradicts itself".to_owned(),
        place: None,
        why: faults,
        next: "this is a defect of kindling: report it with this record; nothing was changed".to_owned(),
    })
}
