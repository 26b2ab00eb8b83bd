//! The edge: arguments and environment are read here, once, and passed on as values.
//!
//! The name the binary is called by selects the command line (design.md 3): `ignition` has the reference's flags,
//! anything else our own commands.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment is read here and nowhere else"
)]

mod apply;
mod butane;
mod convert;
mod document;
mod emergency;
mod first_boot;
mod flags;
mod ignition;
mod ignition_apply;
mod ignition_rmcfg;
mod ignition_validate;
mod inspect;
mod join;
mod kargs;
mod metadata;
mod own;
mod plan;
mod platforms;
mod preflight;
mod report;
mod validate;
mod words;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::fetch::SystemDirs;
use crate::host::console;
use crate::host::log::{self, Log};
use crate::host::process;
use crate::plan::Stage;
use crate::plan::accounts::KeyFile;
use crate::stages::{self, Environment, Finished, Options, RUN_DIR, Reporter, StageError};

/// Exit status of a wrong command line.
const USAGE: u8 = 2;

/// How a command prints what it found.
#[derive(Clone, Copy)]
enum Format {
    Text,
    Json,
}

impl Format {
    /// The values of `--format`.
    const CHOICES: &str = "text|json";

    fn of(given: &words::Given) -> Self {
        match given.value("format") {
            Some(word) if word == "json" => Self::Json,
            _ => Self::Text,
        }
    }
}

/// Runs the process and returns its exit status.
#[must_use]
pub fn main() -> u8 {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let name = Path::new(&called)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let arguments: Vec<OsString> = arguments.collect();
    stood_in_for(&name).unwrap_or(own::main)(&arguments)
}

/// The other program that the name stands for, if it does.
fn stood_in_for(name: &str) -> Option<fn(&[OsString]) -> u8> {
    Some(match name {
        "butane" => butane::main,
        "ignition" => ignition::main,
        "ignition-apply" => ignition_apply::main,
        "ignition-rmcfg" => ignition_rmcfg::main,
        "ignition-validate" => ignition_validate::main,
        "afterburn" | "coreos-metadata" => metadata::agent,
        "ignition-kargs-helper" => kargs::main,
        _ => return None,
    })
}

/// Prints what a person asked to see, and returns the exit status. A reader that has seen enough (`| head`) is no
/// failure; a full disk is one.
fn print(text: &str) -> u8 {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            complain(&format!("cannot write to standard output: {error}"));
            1
        }
        _ => 0,
    }
}

/// Columns of the terminal, where the shell says how many it has.
fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok();
    said.and_then(|text| text.parse().ok())
        .filter(|columns| (20..1000).contains(columns))
        .unwrap_or(80)
}

/// Prints one line for a person on standard error.
fn complain(text: &str) {
    // Nobody can be told that standard error is closed.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Runs one stage and reports how it ended.
fn run_stage(options: &Options, log_to_stdout: bool) -> u8 {
    run_stage_as(options, log_to_stdout, stages::run)
}

/// What does a stage's work.
type Work = fn(&Options, &Environment, &Reporter) -> Result<Finished, StageError>;

/// As [`run_stage`], with `work` as what it does.
fn run_stage_as(options: &Options, log_to_stdout: bool, work: Work) -> u8 {
    Log::open(log_to_stdout, options.stage.name()).install();
    if let Err(error) = process::keep_memory_private() {
        tracing::warn!("a crash may leave a copy of this process's memory: {error}");
    }
    let environment = match environment() {
        Ok(environment) => environment,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    stages::begin(options, &environment);
    let reporter = Reporter::begin(options, &environment);
    let ended = work(options, &environment, &reporter);
    if let Err(error) = &ended {
        report(error, options.stage);
    }
    let told = ended.as_ref().copied().map_err(StageError::failure);
    stages::tell(options, &environment, &reporter, told);
    ended.map_or_else(|error| error.status(), |_| 0)
}

/// Puts the failure record last in the log, on standard error and, in the initramfs, on the consoles.
fn report(error: &StageError, stage: Stage) {
    let text = match error {
        StageError::Platform(unknown) => format!("kindling: stage {stage}: {unknown}"),
        StageError::State(failure) | StageError::Failed(failure) => failure.to_string(),
    };
    tracing::error!("{text}");
    complain(&text);
    match error.failure() {
        Some(failure) => {
            log::failed(failure);
            console::show_record(failure);
            // The real root's consoles as well: nobody logs in to ask why a machine is no node.
            if stage == Stage::Join {
                console::show_join_record(failure);
            }
        }
        None => console::show(&text),
    }
}

/// The environment of the reference (engine.md 1.8).
fn environment() -> Result<Environment, String> {
    let path_of = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let key_file = match std::env::var("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT").as_deref() {
        Err(_) | Ok("" | "true" | "1") => KeyFile::Fragment,
        Ok("false" | "0") => KeyFile::Whole,
        Ok(other) => {
            return Err(format!(
                "IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT is {other:?}; give true or false"
            ));
        }
    };
    Ok(Environment {
        dirs: SystemDirs::new(
            path_of("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR"),
            path_of("IGNITION_SYSTEM_LOCAL_CONFIG_DIR"),
            path_of("IGNITION_SYSTEM_CONFIG_DIR"),
        ),
        command_line: path_of("IGNITION_KERNEL_CMDLINE_PATH").unwrap_or_else(|| "/proc/cmdline".into()),
        config_file: path_of("IGNITION_CONFIG_FILE").unwrap_or_else(|| "config.ign".into()),
        key_file,
        path: std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into()),
        run_dir: path_of("KINDLING_RUN_DIR").unwrap_or_else(|| RUN_DIR.into()),
    })
}
