//! `kindling join`: the machine's way into its cluster, and where it stands.

use std::time::Duration;

use super::words::{Command, Flag, Given};
use super::{Format, environment, print, run_stage_as};
use crate::plan::Stage;
use crate::stages::{self, Options, join};

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "join",
    about: "Get this machine its certificate from its cluster, as the config asked for it, or tell where that stands. Units call it.",
    positional: None,
    flags: &[
        Flag::with("root", "DIR", "The root of the machine (/ if not given)."),
        Flag::bare("follow", "Only wait until the kubelet's Node is there and Ready."),
        Flag::bare("status", "Only print how far it has come."),
        Flag::one_of(
            "format",
            Format::CHOICES,
            "With --status: how to print it (text if not given).",
        ),
        Flag::bare(
            "log-to-stdout",
            "Log to standard output instead of the system log.",
        ),
    ],
};

/// Runs the command and returns its exit status.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    given.not_both("follow", "status")?;
    let environment = environment()?;
    if given.is("status") {
        let status = join::status(&environment);
        return Ok(match Format::of(given) {
            Format::Json => print(&status.json()),
            Format::Text => print(&status.words()),
        });
    }
    if given.is("format") {
        return Err("--format goes with --status".to_owned());
    }
    let options = Options {
        stage: Stage::Join,
        platform: join::platform(&environment),
        root: given.path("root").unwrap_or_else(|| "/".into()),
        config_cache: "/run/ignition.json".into(),
        state_file: "/run/ignition/state".into(),
        neednet: "/run/ignition/neednet".into(),
        fetch_timeout: Duration::from_secs(120),
    };
    let run = if given.is("follow") {
        join::follow
    } else {
        stages::run
    };
    Ok(run_stage_as(&options, given.is("log-to-stdout"), run))
}
