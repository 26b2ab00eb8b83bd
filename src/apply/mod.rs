//! Runs the steps of a plan: the only place, with `host`, where a machine is changed.
//!
//! It decides nothing. A step that finds its work done reports [`Outcome::AlreadySo`], so that a stage which
//! was cut short ends, run again, in the state of an uninterrupted one.

mod accounts;
mod content;
mod disks;
mod error;
mod files;
mod mounts;
mod native;
mod preset;
mod receipt;
mod relabel;
mod secrets;
mod skeleton;
mod stacks;
mod volumes;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};

pub use error::{ApplyError, Failed};
pub use secrets::Secrets;
use serde::{Deserialize, Serialize};

use crate::fetch::{Fetcher, Origin};
use crate::host::devices::Devices;
use crate::host::journal::Journal;
use crate::host::process::Processes;
use crate::host::runs::{OfStep, Runs, since_boot};
use crate::host::sysroot::Sysroot;
use crate::inventory::stack::StackKind;
use crate::invocation::{Key, Program};
use crate::plan::show;
use crate::plan::step::{Planned, PresetLine, Stage};
use crate::plan::{Plan, Step};
use crate::report::progress::Paths;
use crate::report::receipt::{Heading, StepRecord};

/// What became of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The machine was changed.
    Changed,
    /// The machine already was as the step leaves it.
    AlreadySo,
    /// It is the step that the stage failed at.
    Failed,
}

/// How many steps changed something, and how many found it done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Steps that changed the machine.
    pub changed: usize,
    /// Steps that found their work done.
    pub already_so: usize,
}

impl Tally {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Changed => self.changed += 1,
            Outcome::AlreadySo => self.already_so += 1,
            Outcome::Failed => {}
        }
    }
}

/// What a stage leaves for later ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Counts.
    pub tally: Tally,
    /// Directories that the mount stage made.
    pub made_directories: Vec<std::path::PathBuf>,
    /// Documents that a fetch stage read.
    pub documents: Vec<Origin>,
    /// Every step that is no node of the target's tree.
    pub steps: Vec<StepRecord>,
    /// All steps that are such nodes, in one.
    pub paths: Option<Paths>,
}

impl Applied {
    /// Adds a step that was begun at `began`.
    fn add(&mut self, planned: &Planned, outcome: Outcome, span: Span) {
        self.tally.add(outcome);
        self.steps.push(StepRecord {
            what: show::headline(&planned.step),
            config: planned.pointer.clone(),
            outcome,
            began: span.began,
            milliseconds: span.milliseconds,
        });
    }

    /// Adds what was done beside it.
    fn join(&mut self, part: Self) {
        self.tally.changed += part.tally.changed;
        self.tally.already_so += part.tally.already_so;
        self.steps.extend(part.steps);
    }
}

/// The time of one step.
#[derive(Clone, Copy)]
struct Span {
    /// In milliseconds since the stage began, where that is known.
    began: Option<u64>,
    milliseconds: u64,
}

/// Where a stage notes what its report is made of.
#[derive(Default)]
pub struct Noted {
    /// What it ran and downloaded, and when.
    pub runs: Runs,
    /// What it had done when a step failed, that step included.
    pub unfinished: Mutex<Applied>,
}

impl Noted {
    /// For a stage that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            runs: Runs::begin(),
            unfinished: Mutex::default(),
        }
    }

    /// What was done before a step failed.
    #[must_use]
    pub fn take_unfinished(&self) -> Applied {
        std::mem::take(&mut *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keys of encrypted volumes, by the volumes' names. They are made or fetched before the first write.
pub type Keys = OrderedMap<String, Key>;

/// The boundaries a stage acts through. Those it does not need are absent.
pub struct Host<'a> {
    /// Programs.
    pub processes: &'a dyn Processes,
    /// Disks.
    pub devices: &'a dyn Devices,
    /// Keys of encrypted volumes, by their names.
    pub keys: &'a Keys,
    /// The target's tree; absent in the stages before it is mounted.
    pub sysroot: Option<&'a Sysroot>,
    /// Remote content.
    pub fetcher: Option<&'a Fetcher>,
    /// What was written so far, kept in the target.
    pub journal: Option<&'a Journal<'a>>,
    /// What the receipt starts with; absent where none is written.
    pub receipt: Option<&'a Heading>,
    /// Where the stage notes its times; absent where nobody reads them.
    pub noted: Option<&'a Noted>,
}

impl Host<'_> {
    /// The time of a step that was begun at `began` and ends now.
    fn span(&self, began: Duration) -> Span {
        Span {
            began: self.noted.map(|noted| noted.runs.until(began)),
            milliseconds: crate::host::runs::milliseconds(since_boot().saturating_sub(began)),
        }
    }

    /// Runs one step and adds it, whether it fails or not.
    fn timed(
        &self,
        applied: &mut Applied,
        planned: &Planned,
        step: impl FnOnce(&mut Applied) -> Result<Outcome, ApplyError>,
    ) -> Result<(), Failed> {
        let began = since_boot();
        let done = {
            let _of = OfStep::new(&planned.pointer);
            step(applied)
        };
        let outcome = done.as_ref().copied().unwrap_or(Outcome::Failed);
        applied.add(planned, outcome, self.span(began));
        done.map(drop).map_err(|error| failed(planned, error))
    }

    fn sysroot(&self) -> Result<&Sysroot, ApplyError> {
        self.sysroot.ok_or(ApplyError::Unprepared {
            what: "the target's root",
        })
    }
}

/// Runs a whole plan.
///
/// # Errors
/// The first step that fails, with its place in the config. A program that is missing is told before the
/// first step.
pub fn apply(plan: &Plan, host: &Host<'_>) -> Result<Applied, Failed> {
    apply_with(plan, host, &Secrets::default())
}

/// Runs a whole plan whose files hold keys.
///
/// # Errors
/// As [`apply`].
pub fn apply_with(plan: &Plan, host: &Host<'_>, secrets: &Secrets) -> Result<Applied, Failed> {
    preflight(plan, host)?;
    let mut applied = Applied::default();
    let ended = match plan.stage {
        Stage::Disks => disks::apply(plan, host, &mut applied),
        Stage::Files => files::apply(plan, host, secrets, &mut applied),
        Stage::FetchOffline | Stage::Fetch | Stage::Kargs | Stage::Mount | Stage::Umount | Stage::Join => {
            one_by_one(plan, host, &mut applied)
        }
    };
    match (ended, host.noted) {
        (Ok(()), _) => Ok(applied),
        (Err(failed), None) => Err(failed),
        (Err(failed), Some(noted)) => {
            *noted.unfinished.lock().unwrap_or_else(PoisonError::into_inner) = applied;
            Err(failed)
        }
    }
}

/// A missing program must not strike after the first write.
fn preflight(plan: &Plan, host: &Host<'_>) -> Result<(), Failed> {
    for planned in &plan.steps {
        for program in programs(&planned.step) {
            if !host.processes.is_installed(program) {
                let error = ApplyError::Run(crate::host::process::ProcessError::NotInstalled { program });
                return Err(failed(planned, error));
            }
        }
    }
    Ok(())
}

/// What erases, and looks again.
fn erasing() -> [Program; 2] {
    [Program::Wipefs, Program::Blkid]
}

/// The programs a step runs.
fn programs(step: &Step) -> OrderedSet<Program> {
    match step {
        Step::KernelArguments { call }
        | Step::ApplyPresets { call }
        | Step::MakeFilesystem { call, .. }
        | Step::FinishVolume { call, .. }
        | Step::KeepVolume {
            refresh: Some(call), ..
        } => [call.program].into(),
        Step::Account {
            call, already: false, ..
        } => [call.program].into(),
        Step::Mount {
            call,
            mounted,
            labels,
            ..
        } => {
            let mount = (!mounted).then_some(call.program);
            let setfiles = labels.as_ref().map(|_| Program::Setfiles);
            mount.into_iter().chain(setfiles).into_set()
        }
        Step::WipeSignatures { .. } => erasing().into(),
        Step::TakeDown { stack, erase } => {
            let needed = stack.iter().map(|stacked| match stacked.kind {
                StackKind::Array => Program::Mdadm,
                StackKind::Mapping => Program::Dmsetup,
            });
            let erasing = erasing().into_iter().filter(|_| !erase.is_empty());
            needed.chain(erasing).into_set()
        }
        Step::CreateArray { call, .. } => erasing().into_iter().chain([call.program]).into_set(),
        Step::FormatVolume { calls, erase, .. } => {
            let erasing = erasing().into_iter().filter(|_| erase.is_some());
            calls.iter().map(|call| call.program).chain(erasing).into_set()
        }
        // Partitions that are mappings.
        Step::WriteTable { write, .. } if write.view.mappings.is_some() => [Program::Dmsetup].into(),
        Step::KeepTable { view, .. } if view.mappings.is_some() => [Program::Dmsetup].into(),
        Step::Relabel { .. } => [Program::Setfiles].into(),
        Step::Preset { lines }
            if lines
                .iter()
                .any(|line| matches!(line, PresetLine::DisableIfEnabled(_))) =>
        {
            [Program::Systemctl].into()
        }
        _ => OrderedSet::new(),
    }
}

fn failed(planned: &Planned, error: ApplyError) -> Failed {
    Failed {
        pointer: planned.pointer.clone(),
        step: show::headline(&planned.step),
        error,
    }
}

fn one_by_one(plan: &Plan, host: &Host<'_>, applied: &mut Applied) -> Result<(), Failed> {
    for planned in &plan.steps {
        host.timed(applied, planned, |applied| match &planned.step {
            Step::KernelArguments { call } => disks::run(host, call),
            Step::Mount {
                path,
                call,
                mounted,
                labels,
            } => {
                let labels = labels.as_ref();
                mounts::mount(host, path, call, *mounted, labels, &mut applied.made_directories)
            }
            Step::Unmount { path, point, absent } => mounts::unmount(path, point, *absent),
            _ => Err(ApplyError::Unprepared {
                what: "a step of another stage",
            }),
        })?;
    }
    Ok(())
}
