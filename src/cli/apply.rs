//! `kindling apply`: a first boot's result, made where the machine does not run.

use std::path::PathBuf;

use clap::Args;

use super::{USAGE, complain, document, environment};
use crate::host::log::Log;
use crate::plan::offline::Extent;
use crate::stages::offline::Request;

#[derive(Args)]
pub(super) struct Arguments {
    /// The config file, or `-` for standard input.
    config: PathBuf,
    /// The root to write to.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Fail where the network would be needed.
    #[arg(long)]
    offline: bool,
}

/// Runs the command and returns its exit status.
pub(super) fn run(arguments: &Arguments) -> u8 {
    let environment = match environment() {
        Ok(environment) => environment,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    let name = arguments.config.display().to_string();
    let text = match document::read(&arguments.config) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("cannot read {name}: {error}"));
            return error.status();
        }
    };
    Log::open(true, "").install();
    let request = Request {
        text: &text,
        name: &name,
        offline: arguments.offline,
        skips_what_waits: false,
        environment: &environment,
    };
    match request.into_root(&arguments.root, Extent::Tree) {
        Ok(applied) => {
            let tally = applied.tally;
            super::print(&format!(
                "{} changed, {} already so",
                tally.changed, tally.already_so
            ))
        }
        Err(failure) => {
            complain(&failure.to_string());
            1
        }
    }
}
