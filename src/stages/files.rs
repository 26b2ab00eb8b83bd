//! The files stage.

use std::path::Path;

use kindling_config_spec::data_url::DataUrlError;
use kindling_config_spec::order;

use super::{Context, StageError, announce};
use crate::apply::{Applied, Host, Secrets, apply_with};
use crate::host::journal::Journal;
use crate::host::mounts;
use crate::inventory::observe;
use crate::plan::Stage;
use crate::plan::files::{Known, RESULT_FILE, plan_files};
use crate::plan::step::Secret;
use crate::report::Failure;
use crate::state::State;

/// Runs the stage.
pub(super) fn run(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, digest) = context.cached()?;
    let secrets = secrets(&context)?;
    let keys = secrets.names();
    let sysroot = context.sysroot()?;
    let journal = Journal::new(&sysroot, digest);
    let mut target = observe::target(&config, &sysroot, &context.processes, &journal)
        .map_err(|error| unreadable(&error))?;
    let volumes = observe::volumes(&config, &context.processes, &context.devices);
    target.volumes = Some(volumes.map_err(|error| {
        let next = "check the device; the kernel log says more".to_owned();
        Failure::of(Stage::Files, "device-unreadable", &error, next)
    })?);
    if target.previous_result.is_some() {
        tracing::warn!("this target was provisioned before: {RESULT_FILE} is there");
    }
    let mut made = context.state.notated_directories.clone();
    order::sort(&mut made);
    let known = Known {
        target: &target,
        root: &context.options.root,
        made_by_mount: &made,
        key_file: context.environment.key_file,
        boot_id: &context.machine.boot_id,
        now: &context.machine.now,
        user_config_provided: context.state.user_config_provided(),
        keys: Some(&keys),
    };
    let plan =
        plan_files(&config, &known).map_err(|conflicts| Failure::of_conflicts(Stage::Files, &conflicts))?;
    announce(&plan)?;
    let host = Host {
        sysroot: Some(&sysroot),
        journal: Some(&journal),
        ..context.host()
    };
    let applied =
        apply_with(&plan, &host, &secrets).map_err(|failed| Failure::of_step(Stage::Files, &failed))?;
    // The homes are handed over; nobody needs to know any more which directories were made for them.
    sysroot
        .remove(Path::new(mounts::NOTED))
        .map_err(|error| unreadable(&error))?;
    context.state.drop_keys();
    context.save()?;
    Ok(applied)
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

fn unreadable(error: &dyn std::error::Error) -> Failure {
    let next = "check the target's file system; the kernel log says more".to_owned();
    Failure::of(Stage::Files, "target-unreadable", error, next)
}
