//! `kindling plan`: definitions, files and exit status; what is planned is in [`dry_run`].

use std::ffi::OsStr;
use std::path::PathBuf;

use kindling_config_spec::Source;

use super::inspect::{image_of, read_images, read_inventory};
use super::words::{Command, Flag, Given, Need, Positional};
use super::{Format, USAGE, complain, document, environment};
use crate::inventory::recorded::Recorded;
use crate::stages::dry_run;
use crate::stages::offline::Image;

/// Exit status of a plan that changes something, where that is asked for.
const CHANGES: u8 = 3;

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "plan",
    about: "Show what a first boot with this config would do. Changes nothing.",
    positional: Some(Positional {
        name: "CONFIG",
        help: document::CONFIG,
        need: Need::One,
    }),
    flags: &[
        Flag::with(
            "root",
            "DIR",
            "A target root to compare with; without it an empty one is assumed.",
        ),
        Flag::one_of("format", Format::CHOICES, "How to print the plan (text if not given)."),
        Flag::with(
            "inventory",
            "FILE",
            "Disks of another machine, as `kindling inspect --disks` prints them, in place of this one's.",
        ),
        Flag::with(
            "image",
            "DEVICE=FILE",
            "Images in place of this machine's disks, as /dev/vda=disk.img; :4096 behind it is another sector \
             size than 512. May be given for each disk, but not with --inventory.",
        )
        .many(),
        document::FILES_DIR,
        Flag::bare(
            "exit-code",
            "End with status 3 where there is something to change; 0 is nothing, 1 is a boot that would refuse.",
        ),
    ],
};

struct Arguments {
    config: PathBuf,
    root: Option<PathBuf>,
    format: Format,
    inventory: Option<PathBuf>,
    images: Vec<Image>,
    exit_code: bool,
    files_dir: Option<PathBuf>,
}

/// Runs the command and returns its exit status.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    Arguments::from_given(given).map(|arguments| run(&arguments))
}

fn run(arguments: &Arguments) -> u8 {
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
    let files = match document::local_files(arguments.files_dir.as_deref()) {
        Ok(files) => files,
        Err(message) => {
            complain(&message);
            return USAGE;
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
    let source = Source {
        text: &text,
        files: &*files,
    };
    match dry_run::plan(
        source,
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
    fn from_given(given: &Given) -> Result<Self, String> {
        given.not_both("inventory", "image")?;
        let mut images = Vec::new();
        for text in given.texts("image")? {
            images.push(image_of(text).map_err(|how| format!("--image is {text:?}; {how}"))?);
        }
        Ok(Self {
            config: given.word().into(),
            root: given.path("root"),
            format: Format::of(given),
            inventory: given.path("inventory"),
            images,
            exit_code: given.is("exit-code"),
            files_dir: given.path("files-dir"),
        })
    }

    /// The disks to plan for, where they are not this machine's; `path` is where programs are looked up.
    fn disks(&self, path: &OsStr) -> Result<Option<Recorded>, String> {
        match &self.inventory {
            Some(file) => read_inventory(file).map(Some),
            None if self.images.is_empty() => Ok(None),
            None => read_images(&self.images, path.to_owned()).map(Some),
        }
    }
}
