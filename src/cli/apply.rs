//! `kindling apply`: a first boot's result, made where the machine does not run.

use std::ffi::OsString;
use std::path::PathBuf;

use kindling_config_spec::Source;

use super::inspect::image_of_a_disk;
use super::words::{Command, Flag, Given, Need, Positional};
use super::{USAGE, complain, document, environment};
use crate::apply::Applied;
use crate::host::log::Log;
use crate::host::process::System;
use crate::host::user_namespace;
use crate::plan::offline::Extent;
use crate::stages::offline::{Image, Request, no_namespace};

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "apply",
    about: "Make what a first boot with this config would make, away from it: in a root, or on its disks as images.",
    positional: Some(Positional {
        name: "CONFIG",
        help: document::CONFIG,
        need: Need::One,
    }),
    flags: &[
        Flag::with("root", "DIR", "The root to write to."),
        Flag::with(
            "image",
            "[DEVICE=]FILE",
            "A disk to write to, its root included: disk.img, or /dev/vda=disk.img where there are several; \
             :4096 behind it is another sector size than 512. A whole disk of this machine that nothing uses is one \
             too: /dev/sdb. May be given for each disk, but not with --root.",
        )
        .many(),
        Flag::with(
            "split",
            "DIR",
            "Leave to the first boot what an image should not hold (disks, identity, secrets), and write both \
             parts to this directory: baked.ign and first-boot.ign. Without root and image, only this is done.",
        ),
        document::FILES_DIR,
        Flag::bare("offline", "Fail where the network would be needed."),
    ],
};

struct Arguments {
    config: PathBuf,
    root: Option<PathBuf>,
    images: Vec<Image>,
    split: Option<PathBuf>,
    offline: bool,
    files_dir: Option<PathBuf>,
}

impl Arguments {
    fn from_given(given: &Given) -> Result<Self, String> {
        given.not_both("root", "image")?;
        if !["root", "image", "split"].iter().any(|flag| given.is(flag)) {
            return Err("give --root DIR, --image [DEVICE=]FILE or --split DIR".to_owned());
        }
        let images = given.texts("image")?;
        Ok(Self {
            config: given.word().into(),
            root: given.path("root"),
            images: images.into_iter().map(image_of_a_disk).collect(),
            split: given.path("split"),
            offline: given.is("offline"),
            files_dir: given.path("files-dir"),
        })
    }
}

/// Runs the command and returns its exit status.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    Arguments::from_given(given).map(|arguments| run(&arguments))
}

/// The command line of this process, with the file that runs here in place of a name that would be looked up again. That file's
/// own name may be one that stands for another program: then the name this process was called by has to do.
fn own_words() -> Vec<OsString> {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    if let (Some(called), Ok(file)) = (words.first_mut(), std::env::current_exe())
        && super::stood_in_for(&file.file_name().unwrap_or_default().to_string_lossy()).is_none()
    {
        *called = file.into();
    }
    words
}

fn run(arguments: &Arguments) -> u8 {
    let environment = match environment() {
        Ok(environment) => environment,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    // Before the config is read, which may come once.
    let refused = (!arguments.images.is_empty() && user_namespace::is_needed()).then(|| {
        let again = std::env::var_os(user_namespace::BEGUN_ANEW).is_some();
        user_namespace::begin_anew(&System::new(environment.path.clone()), own_words(), again)
    });
    let name = arguments.config.display().to_string();
    let text = match document::read(&arguments.config) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("cannot read {name}: {error}"));
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
    Log::open(true, "").install();
    let request = Request {
        source: Source {
            text: &text,
            files: &*files,
        },
        name: &name,
        offline: arguments.offline,
        skips_what_waits: false,
        split: arguments.split.as_deref(),
        environment: &environment,
    };
    let applied = match &arguments.root {
        // What is wrong with the config comes first, for it has to be mended in any case.
        _ if let Some(error) = refused => request.check().and_then(|()| Err(no_namespace(&error))),
        Some(root) => request.into_root(root, Extent::Tree),
        None if arguments.images.is_empty() => request.only_split().map(|()| Applied::default()),
        None => request.into_images(&arguments.images),
    };
    match applied {
        Ok(applied) => {
            let tally = applied.tally;
            super::print(&format!(
                "{} changed, {} already so",
                tally.changed, tally.already_so
            ))
        }
        Err(failure) => {
            complain(&failure.once().to_string());
            1
        }
    }
}
