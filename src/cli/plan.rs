//! `kindling plan`: definitions, files and exit status; what is planned is in [`dry_run`].

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::inspect::{image_of, read_images, read_inventory};
use super::{USAGE, complain, document, environment};
use crate::inventory::recorded::Recorded;
use crate::stages::dry_run;
use crate::stages::offline::Image;

/// Exit status of a plan that changes something, where that is asked for.
const CHANGES: u8 = 3;

#[derive(Args)]
pub(super) struct Arguments {
    /// The config file, or `-` for standard input.
    config: PathBuf,
    /// A target root to compare with; without it an empty one is assumed.
    #[arg(long)]
    root: Option<PathBuf>,
    /// How to print the plan.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Disks of another machine, as `kindling inspect --disks` prints them, in place of this one's.
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// Images in place of this machine's disks, as /dev/vda=disk.img; :4096 behind it is another sector size than 512.
    #[arg(long = "image", value_name = "DEVICE=FILE", value_parser = image_of, conflicts_with = "inventory")]
    images: Vec<Image>,
    /// End with status 3 where there is something to change; 0 is nothing, 1 is a boot that would refuse.
    #[arg(long)]
    exit_code: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
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
    let text = match document::read(&arguments.config) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("cannot read {}: {error}", arguments.config.display()));
            return error.status();
        }
    };
    let disks = match arguments.disks(&environment.path) {
        Ok(disks) => disks,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    let name = arguments.config.display().to_string();
    match dry_run::plan(
        &text,
        &name,
        arguments.root.as_deref(),
        disks.as_ref(),
        &environment,
    ) {
        Ok(dry_run) => {
            let printed = super::print(&match arguments.format {
                Format::Text => dry_run.to_string(),
                Format::Json => dry_run.to_json(),
            });
            match (printed, arguments.exit_code && dry_run.count().changes > 0) {
                (0, true) => CHANGES,
                (printed, _) => printed,
            }
        }
        Err(failure) => {
            complain(&failure.forecast());
            1
        }
    }
}

impl Arguments {
    /// The disks to plan for, where they are not this machine's; `path` is where programs are looked up.
    fn disks(&self, path: &OsStr) -> Result<Option<Recorded>, String> {
        match &self.inventory {
            Some(file) => read_inventory(file).map(Some),
            None if self.images.is_empty() => Ok(None),
            None => read_images(&self.images, path.to_owned()).map(Some),
        }
    }
}
