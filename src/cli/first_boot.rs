//! `kindling first-boot`: whether this boot is the first, and the end of a first boot.

use super::words::{Command, Flag, Given, Need, Positional};
use super::{USAGE, complain, environment, report};
use crate::host::log::Log;
use crate::host::machine;
use crate::plan::Stage;
use crate::stages::{StageError, first_boot};

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "first-boot",
    about: "Find out whether this boot is the first, or mark the machine as provisioned. Units call it.",
    positional: Some(Positional {
        name: "WHAT",
        help: "check, in the initramfs, or done, in the real root.",
        need: Need::One,
    }),
    flags: &[Flag::with(
        "stamp",
        "FILE",
        "With done: remove this stamp of the boot loader instead.",
    )],
};

/// Runs the command and returns its exit status.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    let stamp = given.path("stamp");
    let is_check = match given.word().to_str() {
        Some("check") if stamp.is_some() => return Err("--stamp goes with done".to_owned()),
        Some("check") => true,
        Some("done") => false,
        _ => return Err(format!("{:?} is neither check nor done", given.word())),
    };
    // It starts targets and mounts a root: in a running system that is somebody's work.
    if is_check && !machine::is_initramfs() {
        complain("kindling: this is not an initramfs: nothing is done");
        return Ok(1);
    }
    Log::open(false, "first-boot").install();
    let environment = match environment() {
        Ok(environment) => environment,
        Err(message) => {
            complain(&message);
            return Ok(USAGE);
        }
    };
    let (ended, stage) = if is_check {
        (first_boot::check(&environment), Stage::FetchOffline)
    } else {
        (first_boot::done(&environment, stamp.as_deref()), Stage::Umount)
    };
    Ok(match ended {
        Ok(()) => 0,
        Err(failure) => {
            if is_check {
                first_boot::note(&environment, &failure);
            }
            let error = StageError::Failed(failure);
            report(&error, stage);
            error.status()
        }
    })
}
