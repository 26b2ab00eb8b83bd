//! The files stage.

use std::fs;
use std::path::{Path, PathBuf};

use kindling_config_spec::data_url::DataUrlError;
use kindling_config_spec::order::{self, OrderedSet};
use kindling_config_spec::types::Config;

use super::node::{self, Fetching};
use super::{Context, Environment, StageError, announce, first_boot, pools};
use crate::apply::{Applied, Host, Secrets, apply_with};
use crate::fetch::Origin;
use crate::host::channels;
use crate::host::journal::Journal;
use crate::host::machine::Machine;
use crate::host::mounts;
use crate::host::sysroot::Sysroot;
use crate::inventory::observe;
use crate::invocation::Program;
use crate::plan::Stage;
use crate::plan::files::{Known, RESULT_FILE, plan_files};
use crate::plan::offline::Extent;
use crate::plan::origins::Origins;
use crate::plan::step::Secret;
use crate::report::Failure;
use crate::report::progress::{self, StageRecord};
use crate::report::receipt::{self, Heading};
use crate::state::State;

/// Runs the stage.
pub(super) fn run(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (mut config, digest) = context.cached()?;
    pools::add(&context.state.provider_output_files, &mut config);
    let settled = node::settle(&config, &context.fetcher, Fetching::All)?;
    let mut origins = Origins::default();
    if let Some(settled) = &settled {
        let expanded = settled.expand(config, &node::program(context.environment)?);
        (config, origins) = (expanded.config, expanded.origins);
    }
    let secrets = secrets(&context)?;
    let keys = secrets.names();
    let sysroot = context.sysroot()?;
    let mut made = context.state.notated_directories.clone();
    order::sort(&mut made);
    let list = fs::read_to_string(context.environment.run_dir.join(progress::LIST)).ok();
    let stages = progress::read(list.as_deref());
    let job = Job {
        config: &config,
        digest,
        made_by_mount: &made,
        user_config_provided: context.state.user_config_provided(),
        keys: &keys,
        secrets: &secrets,
        environment: context.environment,
        machine: &context.machine,
        documents: stages.iter().flat_map(|stage| stage.documents.clone()).collect(),
        stages,
        extent: None,
        is_part: false,
        origins: &origins,
    };
    let host = Host {
        sysroot: Some(&sysroot),
        ..context.host()
    };
    let applied = job.run(&sysroot, &host)?;
    // The homes are handed over; nobody needs to know any more which directories were made for them.
    sysroot
        .remove(Path::new(mounts::NOTED))
        .map_err(|error| unreadable(&error))?;
    context.state.drop_secrets();
    context.save()?;
    if let Some(settled) = settled {
        settled.hand_over(context.environment, &sysroot)?;
    }
    first_boot::keep_for_real_root(&context, &sysroot)?;
    if let Err(error) = channels::forget_kept(&context.environment.run_dir) {
        tracing::warn!("a copy of the config is left in /run, for root alone: {error}");
    }
    Ok(applied)
}

/// What a root gets, and what is known beside it.
pub(super) struct Job<'a> {
    pub(super) config: &'a Config,
    /// Names the config in the journal.
    pub(super) digest: String,
    pub(super) made_by_mount: &'a [PathBuf],
    pub(super) user_config_provided: bool,
    pub(super) keys: &'a OrderedSet<Secret>,
    pub(super) secrets: &'a Secrets,
    pub(super) environment: &'a Environment,
    pub(super) machine: &'a Machine,
    pub(super) documents: Vec<Origin>,
    /// What was done before.
    pub(super) stages: Vec<StageRecord>,
    pub(super) extent: Option<Extent>,
    pub(super) is_part: bool,
    pub(super) origins: &'a Origins,
}

impl Job<'_> {
    /// Looks at the root, plans, says what will be done, and does it.
    ///
    /// # Errors
    /// The record. Nothing was changed if it is of the plan.
    pub(super) fn run(self, sysroot: &Sysroot, host: &Host<'_>) -> Result<Applied, Failure> {
        let applies_presets = self.applies_presets(host);
        let mut heading = Heading {
            format: receipt::FORMAT,
            kindling: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: self.machine.boot_id.clone(),
            date: self.machine.now.clone(),
            config: self.digest.clone(),
            begun_with: None,
            documents: self.documents,
            stages: self.stages,
        };
        let digest = self.digest.clone();
        let journal = Journal::new(sysroot, self.digest);
        let mut target = observe::target(self.config, sysroot, host.processes, &journal)
            .map_err(|error| unreadable(&error))?;
        let volumes = observe::volumes(self.config, host.processes, host.devices);
        target.volumes = Some(volumes.map_err(|error| {
            let next = "check the device; the kernel log says more".to_owned();
            Failure::of(Stage::Files, "device-unreadable", &error, next)
        })?);
        if target.previous_result.is_some() && self.extent != Some(Extent::Bare) {
            tracing::warn!("this target was provisioned before: {RESULT_FILE} is there");
        }
        heading.begun_with.clone_from(&target.begun_with);
        let changed = target.begun_with.as_ref().map(|other| {
            format!(
                "the config has changed: a first boot that was interrupted began to write this target with config sha256 \
                 {other}; this is config sha256 {digest}"
            )
        });
        if let Some(changed) = &changed {
            tracing::warn!("{changed}");
        }
        let known = Known {
            target: &target,
            root: sysroot.path(),
            made_by_mount: self.made_by_mount,
            key_file: self.environment.key_file,
            boot_id: &self.machine.boot_id,
            now: &self.machine.now,
            user_config_provided: self.user_config_provided,
            keys: Some(self.keys),
            extent: self.extent,
            is_part: self.is_part,
            applies_presets,
            origins: self.origins,
        };
        let plan = plan_files(self.config, &known).map_err(|conflicts| {
            let mut failure = Failure::of_conflicts(Stage::Files, &conflicts);
            failure.why.splice(0..0, changed);
            failure
        })?;
        announce(&plan)?;
        let host = Host {
            sysroot: Some(sysroot),
            // A root that somebody else finishes gets nothing of ours beside what its config asks for.
            journal: (self.extent != Some(Extent::Bare)).then_some(&journal),
            receipt: Some(&heading),
            ..*host
        };
        let applied = apply_with(&plan, &host, self.secrets)
            .map_err(|failed| Failure::of_step(Stage::Files, &failed))?;
        // The name of the result, and the labels behind it: a stage that reports success is not undone by a power cut.
        sysroot.sync(Path::new("/")).map_err(|error| unreadable(&error))?;
        Ok(applied)
    }
}

impl Job<'_> {
    /// Away from the machine, and for good, the units are enabled at once where systemctl is there to do it.
    fn applies_presets(&self, host: &Host<'_>) -> bool {
        let is_whole = matches!(self.extent, Some(Extent::Tree | Extent::Image)) && !self.is_part;
        let can = host.processes.is_installed(Program::Systemctl);
        if is_whole && !can {
            tracing::warn!(
                "systemctl is not here: units get enabled when the machine first boots, if its root is writable then"
            );
        }
        is_whole && can
    }
}

/// The keys that the disks stage left.
fn secrets(context: &Context<'_>) -> Result<Secrets, StageError> {
    let State {
        luks_persist_key_files: volumes,
        luks_persist_volume_key_files: secure,
        ..
    } = &context.state;
    let volumes = volumes
        .iter()
        .map(|(name, key)| (Secret::Volume(name.clone()), key));
    let secure = secure
        .iter()
        .map(|(name, key)| (Secret::SecureKey(name.clone()), key));
    let keys = volumes
        .chain(secure)
        .map(|(secret, key)| Ok((secret, key.decode()?)));
    keys.collect::<Result<_, _>>().map_err(|error: DataUrlError| {
        let path = context.options.state_file.display();
        let next = format!("remove {path} to start the first boot anew");
        let mut failure = Failure::of(Stage::Files, "state-unreadable", &error, next);
        failure.why.insert(0, std::mem::take(&mut failure.what));
        failure.what = format!("cannot read the keys in {path}");
        StageError::State(failure)
    })
}

pub(super) fn unreadable(error: &dyn std::error::Error) -> Failure {
    let next = "check the target's file system; the kernel log says more".to_owned();
    Failure::of(Stage::Files, "target-unreadable", error, next)
}
