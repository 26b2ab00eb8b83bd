//! `kindling inspect`: a root, or the disks of this machine, as facts on standard output.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use kindling_config_spec::json;
use kindling_config_spec::units::SectorSize;

use super::words::{Command, Flag, Given, Need, Positional};
use super::{USAGE, complain, document, environment, print};
use crate::host::devices::{Devices, System, arrays, image, whole_disks};
use crate::host::probe::ProbeError;
use crate::host::process;
use crate::inspect;
use crate::inventory::mapped::Mapped;
use crate::inventory::observe;
use crate::inventory::recorded::{Format, Recorded};
use crate::report::failure::chain;
use crate::stages::offline::Image;

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "inspect",
    about: "Print the facts of a target root or of this machine's disks, to check and plan for them elsewhere. Changes \
            nothing.",
    positional: Some(Positional {
        name: "ROOT|IMAGE.tar",
        help: "The root: a directory, or a tar archive of one as `docker export` writes it.",
        need: Need::Optional,
    }),
    flags: &[Flag::bare(
        "disks",
        "Print the disks of this machine in place of a root, with their tables and what their partitions hold.",
    )],
};

/// Runs the command and returns its exit status.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    match (given.positionals.first(), given.is("disks")) {
        (Some(path), false) => Ok(root(Path::new(path))),
        (None, true) => Ok(disks()),
        (None, false) => Err("give a root, or --disks".to_owned()),
        (Some(_), true) => Err("a root and --disks exclude each other".to_owned()),
    }
}

/// Prints the facts of the root at `path` as JSON, one path a line, and returns the exit status.
fn root(path: &Path) -> u8 {
    match inspect::inspect(path) {
        Ok(inspected) => {
            for warning in &inspected.warnings {
                complain(&format!("kindling: {}: {warning}", path.display()));
            }
            let text = json::pretty(&inspected.facts);
            print(&text)
        }
        Err(error) => {
            complain(&format!(
                "kindling: cannot inspect {}\n  why:   {}\n  next:  {}",
                path.display(),
                chain(&error).join(": "),
                error.next()
            ));
            1
        }
    }
}

/// Prints the disks of this machine as JSON, and returns the exit status.
fn disks() -> u8 {
    let environment = match environment() {
        Ok(environment) => environment,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    let processes = process::System::new(environment.path);
    let system = System::new(0, processes.clone());
    let recorded = whole_disks().map_err(ProbeError::from).and_then(|nodes| {
        let record = |node: &PathBuf| observe::record(&processes, &system, system.disk(node)?);
        nodes.iter().map(record).collect()
    });
    let recorded = recorded.and_then(|disks| {
        let found = arrays().map_err(ProbeError::from)?.into_iter();
        let running = found.filter_map(|node| observe::record_array(&processes, &system, &node).transpose());
        Ok(Recorded {
            version: Format,
            disks,
            arrays: running.collect::<Result<_, _>>()?,
        })
    });
    match recorded {
        Ok(recorded) => print(&json::pretty(&recorded)),
        Err(error) => {
            complain(&format!(
                "kindling: cannot inspect the disks\n  why:   {}\n  next:  run it as root, on the machine itself",
                chain(&error).join(": ")
            ));
            1
        }
    }
}

/// Images as the disks of a machine, each under the path that the config gives its disk.
pub(super) fn read_images(images: &[Image], path: OsString) -> Result<Recorded, String> {
    let processes = process::System::new(path);
    let system = System::new(0, processes.clone());
    let record = |one: &Image| {
        let disk = image(&one.file, one.sector)?;
        let mut recorded = observe::record(&processes, &system, disk)?;
        let device = one.device.as_ref().unwrap_or(&one.file);
        recorded.disk.node.clone_from(device);
        recorded.disk.mapped = Mapped::named_by(device);
        Ok(recorded)
    };
    let disks: Result<Vec<_>, ProbeError> = images.iter().map(record).collect();
    Ok(Recorded {
        version: Format,
        arrays: Vec::new(),
        disks: disks.map_err(|error| format!("cannot use an image: {}", chain(&error).join(": ")))?,
    })
}

/// Reads `DEVICE=FILE`, with `:SECTOR` behind it, or `FILE` alone for the only disk there is.
pub(super) fn image_of_a_disk(text: &str) -> Image {
    let (device, file) = match text.split_once('=') {
        Some((device, file)) if device.starts_with('/') => (Some(PathBuf::from(device)), file),
        _ => (None, text),
    };
    let sector = file.rsplit_once(':').and_then(|(file, sector)| {
        let sector = sector.parse().ok().and_then(SectorSize::new)?;
        Some((file, sector))
    });
    let (file, sector) = sector.unwrap_or((file, SectorSize::S512));
    Image {
        device,
        file: file.into(),
        sector,
    }
}

/// Reads `DEVICE=FILE` or `DEVICE=FILE:SECTOR`.
pub(super) fn image_of(text: &str) -> Result<Image, &'static str> {
    let image = image_of_a_disk(text);
    let is_named = image.device.is_some();
    is_named
        .then_some(image)
        .ok_or("write it like /dev/vda=disk.img or /dev/vda=disk.img:4096")
}

/// The disks of a machine, from a file.
pub(super) fn read_inventory(path: &Path) -> Result<Recorded, String> {
    document::read_record(path, "an inventory", "kindling inspect --disks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stand_for_disks() {
        let image = |device: &str, file: &str, sector| {
            Ok(Image {
                device: Some(device.into()),
                file: file.into(),
                sector,
            })
        };
        for (text, expected) in [
            ("/dev/vda=a.img", image("/dev/vda", "a.img", SectorSize::S512)),
            (
                "/dev/vda=a.img:4096",
                image("/dev/vda", "a.img", SectorSize::S4096),
            ),
            ("/dev/vda=a:b.img", image("/dev/vda", "a:b.img", SectorSize::S512)),
        ] {
            assert_eq!(image_of(text), expected, "{text}");
        }
        assert!(image_of("a.img").is_err());
        assert_eq!(image_of_a_disk("a=b.img").file, Path::new("a=b.img"));
    }
}
