//! Our own commands: definitions only, resolved to values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use kindling_config_spec::Language;
use kindling_config_spec::version::NEWEST_STABLE;

use super::{USAGE, apply, complain, convert, plan, report, run_stage, validate};
use crate::plan::Stage;
use crate::stages::Options;

/// First boot, from config to node.
#[derive(Parser)]
#[command(name = "kindling", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what a first boot with this config would do. Changes nothing.
    Plan(plan::Arguments),
    /// Make what a first boot with this config would make, away from it: in a root, or on its disks as images.
    Apply(apply::Arguments),
    /// Print a JSON Schema of the config language, for editors.
    Schema {
        /// A spec version, or `kindling` for the extension alone.
        #[arg(default_value = NEWEST_STABLE.as_str())]
        version: String,
    },
    /// Judge configs: by the rules of their version, by what fails on a first boot, and with all they refer to.
    Validate(validate::Arguments),
    /// Write a config in another version of the spec.
    Convert(convert::Arguments),
    /// Print the facts of a target root or of this machine's disks, to check and plan for them elsewhere. Changes nothing.
    Inspect {
        /// The root: a directory, or a tar archive of one as `docker export` writes it.
        #[arg(value_name = "ROOT|IMAGE.tar")]
        #[arg(required_unless_present = "disks")]
        path: Option<PathBuf>,
        /// Print the disks of this machine in place of a root, with their tables and what their partitions hold.
        #[arg(long, conflicts_with = "path")]
        disks: bool,
    },
    /// Write down what the platform tells of this machine, and tell it that the machine has booted. Prints it without a task.
    Metadata(super::metadata::Arguments),
    /// List where configs can come from, and which platform the firmware of this machine speaks for.
    Platforms(super::platforms::Arguments),
    /// Show what the first boot of a machine did, from the receipt it left, or why it failed.
    Report(report::Arguments),
    /// Run one stage, in the initramfs.
    Stage {
        /// fetch-offline, fetch, kargs, disks, mount, files or umount.
        name: String,
        /// Where the config comes from, as `ignition.platform.id` names it.
        #[arg(long)]
        platform: String,
        /// The target's root.
        #[arg(long, default_value = "/")]
        root: PathBuf,
        /// Log to standard output instead of the system log.
        #[arg(long)]
        log_to_stdout: bool,
    },
}

/// Runs the process and returns its exit status.
pub(super) fn main(arguments: &[OsString]) -> u8 {
    let words = std::iter::once(OsString::from("kindling")).chain(arguments.iter().cloned());
    match Arguments::try_parse_from(words) {
        Ok(Arguments { command }) => run(command),
        Err(error) => {
            // Help goes to standard output with status 0, mistakes to standard error with 2.
            drop(error.print());
            u8::try_from(error.exit_code()).unwrap_or(USAGE)
        }
    }
}

fn run(command: Command) -> u8 {
    match command {
        Command::Inspect { path: Some(path), .. } => super::inspect::root(&path),
        Command::Inspect { path: None, .. } => super::inspect::disks(),
        Command::Apply(arguments) => apply::run(&arguments),
        Command::Metadata(arguments) => super::metadata::own(&arguments),
        Command::Platforms(arguments) => super::platforms::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Schema { version } => schema(&version),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Stage {
            name,
            platform,
            root,
            log_to_stdout,
        } => {
            let Some(stage) = Stage::from_name(&name) else {
                let known: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
                complain(&format!(
                    "unknown stage {name:?}; known are: {}",
                    known.join(", ")
                ));
                return USAGE;
            };
            let options = Options {
                stage,
                platform,
                root,
                config_cache: "/run/ignition.json".into(),
                state_file: "/run/ignition/state".into(),
                neednet: "/run/ignition/neednet".into(),
                fetch_timeout: Duration::from_secs(120),
            };
            run_stage(&options, log_to_stdout)
        }
    }
}

fn schema(version: &str) -> u8 {
    let Some(language) = Language::from_name(version) else {
        let known: Vec<String> = Language::all().map(|language| language.to_string()).collect();
        complain(&format!(
            "no schema of {version:?}; there are: {}",
            known.join(", ")
        ));
        return USAGE;
    };
    let schema = kindling_config_spec::schema(language);
    super::print(&serde_json::to_string_pretty(&schema).expect("a schema is plain data"))
}
