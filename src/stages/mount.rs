//! The small stages: kargs, mount and umount.

use std::path::{Path, PathBuf};

use kindling_config_spec::types::Filesystem;

use super::{Context, StageError, announce};
use crate::apply::{Applied, Host, apply};
use crate::host::devices::Devices;
use crate::host::mounts;
use crate::plan::mounts::{candidates, plan_mount, plan_umount};
use crate::plan::{Stage, kargs as kernel_arguments};
use crate::report::Failure;

/// Runs the kargs stage.
pub(super) fn kargs(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, _) = context.cached()?;
    let plan = kernel_arguments::plan_kargs(&config);
    announce(&plan)?;
    let applied = apply(&plan, &context.host()).map_err(|failed| Failure::of_step(Stage::Kargs, &failed))?;
    context.save()?;
    Ok(applied)
}

/// Runs the mount stage.
pub(super) fn run(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, _) = context.cached()?;
    let wanted = candidates(&config);
    let block = wanted
        .iter()
        .filter(|(_, filesystem, _)| filesystem.format.as_deref() != Some("virtiofs"));
    let devices: Vec<PathBuf> = block
        .map(|(_, filesystem, _)| PathBuf::from(&filesystem.device))
        .collect();
    let sysroot = context.sysroot()?;
    context.devices.wait_for(&devices).map_err(|error| {
        let next = "check that the config's disks or filesystems section makes the device".to_owned();
        Failure::of(Stage::Mount, "device-missing", &error, next)
    })?;
    let points =
        mounts::look(&sysroot, &looked_at(&wanted)).map_err(|error| unreadable(Stage::Mount, &error))?;
    let plan = plan_mount(&config, &points, &context.options.root)
        .map_err(|conflicts| Failure::of_conflicts(Stage::Mount, &conflicts))?;
    announce(&plan)?;
    let host = Host {
        sysroot: Some(&sysroot),
        ..context.host()
    };
    let applied = apply(&plan, &host).map_err(|failed| Failure::of_step(Stage::Mount, &failed))?;
    for made in &applied.made_directories {
        if !context.state.notated_directories.contains(made) {
            context.state.notated_directories.push(made.clone());
        }
    }
    context.save()?;
    Ok(applied)
}

/// Runs the umount stage.
pub(super) fn umount(mut context: Context<'_>) -> Result<Applied, StageError> {
    let (config, _) = context.cached()?;
    let sysroot = context.sysroot()?;
    let points = mounts::look(&sysroot, &looked_at(&candidates(&config)))
        .map_err(|error| unreadable(Stage::Umount, &error))?;
    let plan = plan_umount(&config, &points);
    announce(&plan)?;
    let host = Host {
        sysroot: Some(&sysroot),
        ..context.host()
    };
    let applied = apply(&plan, &host).map_err(|failed| Failure::of_step(Stage::Umount, &failed))?;
    context.save()?;
    Ok(applied)
}

fn looked_at<'a>(wanted: &[(usize, &'a Filesystem, &'a Path)]) -> Vec<mounts::Wanted<'a>> {
    wanted
        .iter()
        .map(|(_, filesystem, path)| mounts::Wanted {
            path,
            device: &filesystem.device,
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
