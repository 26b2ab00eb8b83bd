//! The small stages: kargs, mount and umount.

use std::io::Read;
use std::path::{Path, PathBuf};

use kindling_config_spec::types::Config;

use super::{Context, StageError, announce};
use crate::apply::{Applied, ApplyError, Failed, Host, apply};
use crate::host::devices::Devices;
use crate::host::mounts;
use crate::host::process::{ProcessError, Processes};
use crate::host::sysroot::{Sysroot, SysrootError};
use crate::inventory::observe;
use crate::invocation::Key;
use crate::plan::disks::volumes::open;
use crate::plan::mounts::{candidates, devices, plan_mount, plan_umount};
use crate::plan::volumes::key_file;
use crate::plan::{Stage, kargs as kernel_arguments};
use crate::report::Failure;

/// Runs the kargs stage.
pub(super) fn kargs(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, _) = context.cached()?;
    let plan = kernel_arguments::plan_kargs(&config);
    announce(&plan)?;
    let applied = apply(&plan, &context.host())
        .map_err(|failed| told(&failed).unwrap_or_else(|| Failure::of_step(Stage::Kargs, &failed)))?;
    context.save()?;
    Ok(applied)
}

/// The record that our own hook ends with; another one has words of its own.
fn told(failed: &Failed) -> Option<Failure> {
    match &failed.error {
        ApplyError::Run(ProcessError::Exited { stderr, .. }) => Failure::printed(stderr, Stage::Kargs),
        _ => None,
    }
}

/// Runs the mount stage.
pub(super) fn run(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, _) = context.cached()?;
    open_stored(&context, &config)?;
    let mounted = mount(&config, &context.options.root, &context.host())?;
    for made in mounted.made {
        if !context.state.notated_directories.contains(&made) {
            context.state.notated_directories.push(made);
        }
    }
    context.save()?;
    Ok(mounted.applied)
}

/// The target with its file systems in place.
pub(super) struct MountedTarget {
    pub(super) applied: Applied,
    /// Directories that were made for them, by this run or by one that was interrupted.
    pub(super) made: Vec<PathBuf>,
}

/// Mounts the config's file systems at and below `root`.
///
/// # Errors
/// The record.
pub(super) fn mount(config: &Config, root: &Path, host: &Host<'_>) -> Result<MountedTarget, Failure> {
    let failed = |error: SysrootError| unreadable(Stage::Mount, &error);
    host.devices.wait_for(&devices(config)).map_err(|error| {
        let next = "check that the config's disks or filesystems section makes the device".to_owned();
        Failure::of(Stage::Mount, "device-missing", &error, next)
    })?;
    let sysroot = Sysroot::open(root).map_err(failed)?;
    let points = mounts::look(&sysroot, &wanted(config)).map_err(failed)?;
    let contexts = observe::selinux_contexts(&sysroot).map_err(|error| unreadable(Stage::Mount, &error))?;
    let plan = plan_mount(config, &points, contexts.as_deref(), root)
        .map_err(|conflicts| Failure::of_conflicts(Stage::Mount, &conflicts))?;
    announce(&plan)?;
    let host = Host {
        sysroot: Some(&sysroot),
        ..*host
    };
    let mut applied = apply(&plan, &host).map_err(|failed| Failure::of_step(Stage::Mount, &failed))?;
    let mut made = std::mem::take(&mut applied.made_directories);
    // Opened anew: the root may be one of the file systems that were mounted.
    let noted = Sysroot::open(root).and_then(|sysroot| mounts::noted(&sysroot));
    made.extend(noted.map_err(failed)?);
    Ok(MountedTarget { applied, made })
}

/// Opens the volumes whose keys are in the target. A boot that was cut off after it had stored them left them so, and the
/// disks stage, which runs before there is a target, could not.
fn open_stored(context: &Context<'_>, config: &Config) -> Result<(), Failure> {
    if config.storage.luks.is_empty() {
        return Ok(());
    }
    let sysroot = context.sysroot()?;
    for (index, volume) in config.storage.luks.iter().enumerate() {
        let (Some(file), Some(device)) = (key_file(volume), volume.device.as_deref()) else {
            continue;
        };
        let failed = |error: &dyn std::error::Error| {
            let next = "check the key in the target and the device".to_owned();
            let failure = Failure::of(Stage::Mount, "volume-not-opened", error, next);
            failure.at(
                format!("/storage/luks/{index}"),
                format!("cannot open the volume {} with {}", volume.name, file.display()),
            )
        };
        let is_open = context
            .devices
            .mapping(&volume.name)
            .map_err(|error| failed(&error))?
            .is_some();
        let key = if is_open {
            None
        } else {
            sysroot.read(&file).map_err(|error| failed(&error))?
        };
        let Some(mut key) = key else { continue };
        let mut bytes = Vec::new();
        key.read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        let call = open(volume, Path::new(device)).with_key(Some(&Key::new(bytes)));
        context.processes.run(&call).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Runs the umount stage.
pub(super) fn umount(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, _) = context.cached()?;
    let applied = unmount(&config, &context.options.root, &context.host())?;
    context.save()?;
    Ok(applied)
}

/// Unmounts the config's file systems at and below `root`.
///
/// # Errors
/// The record.
pub(super) fn unmount(config: &Config, root: &Path, host: &Host<'_>) -> Result<Applied, Failure> {
    // Closed again before the first step: the root may be one of the file systems that are unmounted.
    let points = Sysroot::open(root)
        .and_then(|sysroot| mounts::look(&sysroot, &wanted(config)))
        .map_err(|error| unreadable(Stage::Umount, &error))?;
    let plan = plan_umount(config, &points, root);
    announce(&plan)?;
    apply(&plan, host).map_err(|failed| Failure::of_step(Stage::Umount, &failed))
}

fn wanted(config: &Config) -> Vec<mounts::Wanted<'_>> {
    let candidates = candidates(config).into_iter();
    candidates
        .map(|(index, filesystem, path)| mounts::Wanted {
            index,
            path,
            device: &filesystem.device,
            format: filesystem.format.as_deref().unwrap_or_default(),
        })
        .collect()
}

fn unreadable(stage: Stage, error: &dyn std::error::Error) -> Failure {
    Failure::of(
        stage,
        "root-unreadable",
        error,
        "check that the root file system is mounted".to_owned(),
    )
}
