//! Whether the first boot has come to its end, decided in one place, and what follows from that.

use std::fs;

use super::{Environment, FAILURE, Options, TOLD, attempts, last_failure, leftovers};
use crate::host::{log, machine, process};
use crate::node::handed::{self, IN_INITRAMFS};
use crate::node::status;
use crate::plan::Stage::{Fetch, FetchOffline};
use crate::report::{policy, progress, queue, sinks};

/// An empty file beside the reports of a first boot that has succeeded. Units of the real root are conditioned on it.
const PROVISIONED: &str = "provisioned";

/// The milliseconds of all stages, after the last one ended well, where nothing failed: no stage, and no other unit of the
/// initramfs, because of which systemd ends the stages as it does before the switch of roots.
pub(super) fn of(environment: &Environment) -> Option<u64> {
    let run_dir = &environment.run_dir;
    let list = fs::read_to_string(run_dir.join(progress::LIST)).ok();
    let milliseconds = progress::boot_ended(&progress::read(list.as_deref()))?;
    let has_failed = run_dir.join(FAILURE).exists()
        || machine::is_initramfs() && attempts::is_emergency(&process::System::new(environment.path.clone()));
    (!has_failed).then_some(milliseconds)
}

/// Says so, and forgets what the boots before it left, and what nobody needs any more.
pub(super) fn settle(options: &Options, environment: &Environment, milliseconds: u64) {
    log::boot_ended(milliseconds);
    last_failure::forget();
    // Elsewhere stages may run again with this config, and the firmware is not the provisioned machine's.
    if machine::is_initramfs() {
        attempts::forget(&options.root, &process::System::new(environment.path.clone()));
        if let Err(error) = leftovers::blank(&options.config_cache) {
            tracing::warn!("the config is left in /run, for root alone: {error}");
        }
    }
    if let Err(error) = machine::replace(&environment.run_dir.join(PROVISIONED), b"", 0o600) {
        tracing::warn!("cannot keep in /run that the first boot is done: {error}");
    }
}

/// Removes what an earlier run of the stages left, where this one begins another: it fetches a config, and the last thing
/// before was no fetch. What is told later belongs to one run.
pub fn begin(options: &Options, environment: &Environment) {
    let is_fetch = |stage| matches!(stage, FetchOffline | Fetch);
    let run_dir = &environment.run_dir;
    let list = fs::read_to_string(run_dir.join(progress::LIST)).ok();
    let records = progress::read(list.as_deref());
    if !is_fetch(options.stage) || records.last().is_none_or(|last| is_fetch(last.stage)) {
        return;
    }
    for name in [
        progress::LIST,
        FAILURE,
        PROVISIONED,
        TOLD,
        policy::FILE,
        sinks::KEPT,
        queue::UNTOLD,
        handed::FILE,
        handed::PENDING,
        status::FILE,
        IN_INITRAMFS,
    ] {
        if let Err(error) = machine::remove(&run_dir.join(name)) {
            tracing::warn!("cannot remove {name}, which an earlier run left: {error}");
        }
    }
}
