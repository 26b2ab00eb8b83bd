//! `kindling validate`: definitions, files and exit status; what is judged is in [`crate::validate`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kindling_config_spec::Source;
use kindling_config_spec::facts::Facts;
use kindling_config_spec::lint::{Setting, UserData};
use kindling_config_spec::order::Gather;
use kindling_config_spec::units::{Bytes, SectorSize};

use super::words::{Command, Flag, Given, Need, Positional};
use super::{USAGE, complain, document};
use crate::fetch::{Fetcher, Network, Pace, TransportSettings};
use crate::host::machine;
use crate::render::Remote;
use crate::validate::{self, Bench, Judged};

/// How long a server may take that a config refers to.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "validate",
    about: "Judge configs: by the rules of their version, by what fails on a first boot, and with all they refer to.",
    positional: Some(Positional {
        name: "CONFIG",
        help: "The configs (Ignition 3 or 2 JSON, Butane YAML); `-` is standard input.",
        need: Need::AtLeastOne,
    }),
    flags: &[
        Flag::one_of(
            "format",
            "text|json|sarif",
            "How to print what was found (text if not given).",
        ),
        Flag::bare("strict", "Fail for warnings too."),
        Flag::bare("lenient", "Only warn of members that the spec does not know."),
        document::FILES_DIR,
        Flag::bare(
            "fetch",
            "Fetch the configs that are referred to, and judge the whole.",
        ),
        Flag::with(
            "target",
            "FACTS",
            "Facts of the target, as `kindling inspect` prints them.",
        ),
        Flag::with(
            "platform",
            "NAME",
            "The platform that hands the config over, which limits its size.",
        ),
        Flag::with(
            "disk",
            "DEVICE=SIZE",
            "A disk of the machine and its size, as /dev/vda=20GiB; :4096 behind it is another sector size than \
             512. May be given for each disk.",
        )
        .many(),
    ],
};

struct Arguments {
    files: Vec<PathBuf>,
    format: Format,
    strict: bool,
    lenient: bool,
    files_dir: Option<PathBuf>,
    fetch: bool,
    target: Option<PathBuf>,
    platform: Option<String>,
    disks: Vec<(String, (Bytes, SectorSize))>,
}

#[derive(Clone, Copy)]
enum Format {
    Text,
    Json,
    Sarif,
}

/// Runs the command and returns its exit status: 0 for no findings, 1 for findings, 2 for what cannot be read.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    Arguments::from_given(given).map(|arguments| run(&arguments))
}

fn run(arguments: &Arguments) -> u8 {
    let mut fetcher = Fetcher::new(
        Arc::new(Network::default()),
        TransportSettings::first(FETCH_TIMEOUT, !arguments.fetch),
        Pace::real(),
    )
    .no_earlier_than(machine::earliest());
    let facts = match arguments.target.as_deref().map(facts).transpose() {
        Ok(facts) => facts,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    let files = match document::local_files(arguments.files_dir.as_deref()) {
        Ok(files) => files,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    let mut texts = Vec::new();
    for file in &arguments.files {
        match document::read(file) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(error) => {
                complain(&format!("cannot read {}: {error}", file.display()));
                return error.status();
            }
        }
    }
    let judged: Vec<Judged<'_>> = texts
        .iter()
        .map(|(name, text)| {
            let source = Source { text, files: &*files };
            validate::judge(name, source, &arguments.bench(text, facts.as_ref()), &mut fetcher)
        })
        .collect();
    let printed = super::print(&match arguments.format {
        Format::Text => validate::text(&judged),
        Format::Json => validate::json(&judged),
        Format::Sarif => validate::sarif(&judged, env!("CARGO_PKG_VERSION")),
    });
    let fails = |config: &Judged<'_>| config.errors > 0 || arguments.strict && config.warnings > 0;
    u8::from(printed != 0 || judged.iter().any(fails))
}

impl Arguments {
    fn from_given(given: &Given) -> Result<Self, String> {
        let mut disks = Vec::new();
        for text in given.texts("disk")? {
            disks.push(disk(text).map_err(|how| format!("--disk is {text:?}; {how}"))?);
        }
        Ok(Self {
            files: given.positionals.iter().map(PathBuf::from).collect(),
            format: match given.text("format")? {
                Some("json") => Format::Json,
                Some("sarif") => Format::Sarif,
                _ => Format::Text,
            },
            strict: given.is("strict"),
            lenient: given.is("lenient"),
            files_dir: given.path("files-dir"),
            fetch: given.is("fetch"),
            target: given.path("target"),
            platform: given.text("platform")?.map(str::to_owned),
            disks,
        })
    }

    fn bench<'a>(&'a self, text: &str, facts: Option<&'a Facts>) -> Bench<'a> {
        Bench {
            setting: Setting {
                now: Some(machine::seconds_since_1970()),
                disks: self.disks.iter().cloned().into_map(),
                user_data: self.platform.as_deref().map(|platform| UserData {
                    platform,
                    length: Bytes(u64::try_from(text.len()).unwrap_or(u64::MAX)),
                }),
                facts,
            },
            lenient: self.lenient,
            remote: if self.fetch {
                Remote::Fetched
            } else {
                Remote::LeftOut
            },
        }
    }
}

/// The facts of a target, from a file.
fn facts(path: &Path) -> Result<Facts, String> {
    document::read_record(path, "facts of a target", "kindling inspect ROOT")
}

/// Reads `DEVICE=SIZE` or `DEVICE=SIZE:SECTOR`.
fn disk(text: &str) -> Result<(String, (Bytes, SectorSize)), String> {
    let wrong = || "write it like /dev/vda=20GiB or /dev/vda=20GiB:4096".to_owned();
    let (device, size) = text.split_once('=').ok_or_else(wrong)?;
    let (size, sector) = match size.split_once(':') {
        Some((size, sector)) => {
            let sector = sector.parse().ok().and_then(SectorSize::new).ok_or_else(wrong)?;
            (size, sector)
        }
        None => (size, SectorSize::S512),
    };
    Ok((device.to_owned(), (bytes(size).ok_or_else(wrong)?, sector)))
}

/// A number with a binary unit: B, KiB, MiB, GiB, TiB.
fn bytes(text: &str) -> Option<Bytes> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..)? {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).map(Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_have_a_size_with_a_unit() {
        for (text, expected) in [
            ("/dev/vda=20GiB", Some((20 << 30, SectorSize::S512))),
            ("/dev/vda=4096", Some((4096, SectorSize::S512))),
            ("/dev/vda=8TiB:4096", Some((8 << 40, SectorSize::S4096))),
            ("/dev/vda", None),
            ("/dev/vda=20GB", None),
            ("/dev/vda=20GiB:100", None),
            ("/dev/vda=99999999999999TiB", None),
        ] {
            let parsed = disk(text).ok().map(|(_, (size, sector))| (size.0, sector));
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
