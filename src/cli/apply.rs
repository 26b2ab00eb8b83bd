//! `kindling apply`: a first boot's result, made where the machine does not run.

use std::path::PathBuf;

use clap::Args;

use super::inspect::image_of_a_disk;
use super::{USAGE, complain, document, environment};
use crate::apply::Applied;
use crate::host::log::Log;
use crate::plan::offline::Extent;
use crate::stages::offline::{Image, Request};

#[derive(Args)]
pub(super) struct Arguments {
    /// The config file, or `-` for standard input.
    config: PathBuf,
    /// The root to write to.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "images",
        required_unless_present_any = ["images", "split"]
    )]
    root: Option<PathBuf>,
    /// A disk to write to, its root included: disk.img, or /dev/vda=disk.img where there are several; :4096 behind it is
    /// another sector size than 512.
    #[arg(long = "image", value_name = "[DEVICE=]FILE", value_parser = image)]
    images: Vec<Image>,
    /// Leave to the first boot what an image should not hold (disks, identity, secrets), and write both parts to this
    /// directory: baked.ign and first-boot.ign. Without root and image, only this is done.
    #[arg(long, value_name = "DIR")]
    split: Option<PathBuf>,
    /// Fail where the network would be needed.
    #[arg(long)]
    offline: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "clap's form of a parser")]
fn image(text: &str) -> Result<Image, std::convert::Infallible> {
    Ok(image_of_a_disk(text))
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
        split: arguments.split.as_deref(),
        environment: &environment,
    };
    let applied = match &arguments.root {
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
            complain(&failure.to_string());
            1
        }
    }
}
