//! The files stage.

use std::path::Path;

use super::{Context, StageError, announce};
use crate::apply::{Applied, Host, apply};
use crate::host::journal::Journal;
use crate::host::mounts;
use crate::inventory::observe;
use crate::plan::Stage;
use crate::plan::files::{Known, RESULT_FILE, plan_files};
use crate::report::Failure;

/// Runs the stage.
pub(super) fn run(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, digest) = context.cached()?;
    let sysroot = context.sysroot()?;
    let journal = Journal::new(&sysroot, digest);
    let target = observe::target(&config, &sysroot, &context.processes, &journal)
        .map_err(|error| unreadable(&error))?;
    if target.previous_result.is_some() {
        tracing::warn!("this target was provisioned before: {RESULT_FILE} is there");
    }
    let mut made = context.state.notated_directories.clone();
    made.sort();
    let known = Known {
        target: &target,
        root: &context.options.root,
        made_by_mount: &made,
        key_file: context.environment.key_file,
        boot_id: &context.machine.boot_id,
        now: &context.machine.now,
        user_config_provided: context.state.user_config_provided(),
    };
    let plan =
        plan_files(&config, &known).map_err(|conflicts| Failure::of_conflicts(Stage::Files, &conflicts))?;
    announce(&plan)?;
    let host = Host {
        sysroot: Some(&sysroot),
        journal: Some(&journal),
        ..context.host()
    };
    let applied = apply(&plan, &host).map_err(|failed| Failure::of_step(Stage::Files, &failed))?;
    // The homes are handed over; nobody needs to know any more which directories were made for them.
    sysroot
        .remove(Path::new(mounts::NOTED))
        .map_err(|error| unreadable(&error))?;
    context.save()?;
    Ok(applied)
}

fn unreadable(error: &dyn std::error::Error) -> Failure {
    let next = "check the target's file system; the kernel log says more".to_owned();
    Failure::of(Stage::Files, "target-unreadable", error, next)
}
