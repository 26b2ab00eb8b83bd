//! `kindling convert`: a config in another version of the spec.

use std::path::PathBuf;

use kindling_config_spec::convert::{Obstacle, convert, convert_minimal};
use kindling_config_spec::diagnostic::{Lines, Pointer, render};
use kindling_config_spec::document::Found;
use kindling_config_spec::version::Version;
use kindling_config_spec::{check, places};

use super::complain;
use super::words::{Command, Flag, Given, Need, Positional};
use crate::stages::expand::expand;
use crate::stages::offline::in_oldest;

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "convert",
    about: "Write a config in another version of the spec.",
    positional: Some(Positional {
        name: "CONFIG",
        help: "The config file, or `-` for standard input.",
        need: Need::One,
    }),
    flags: &[
        Flag::with("to", "VERSION", "The version to write."),
        Flag::bare("minimal", "Write the oldest version that expresses the config."),
        Flag::bare(
            "expand",
            "Write what the section \"kindling\" makes as plain files and units, with every reference resolved, in the oldest \
             version that expresses it.",
        ),
    ],
};

struct Arguments {
    config: PathBuf,
    /// `None` is the oldest that expresses the config.
    to: Option<Version>,
    expands: bool,
}

impl Arguments {
    fn from_given(given: &Given) -> Result<Self, String> {
        given.not_both("to", "minimal")?;
        given.not_both("to", "expand")?;
        let to = match given.text("to")? {
            Some(text) => Some(version(text).map_err(|why| format!("--to is {text:?}; {why}"))?),
            None if given.is("minimal") || given.is("expand") => None,
            None => return Err("give --to VERSION, --minimal or --expand".to_owned()),
        };
        let config = given.word().into();
        let expands = given.is("expand");
        Ok(Self { config, to, expands })
    }
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).map_err(|error| {
        let all: Vec<_> = Version::ALL.iter().map(|version| version.as_str()).collect();
        format!("{error}; there are {}", all.join(", "))
    })
}

/// Runs the command and returns its exit status.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    Arguments::from_given(given).map(|arguments| run(&arguments))
}

fn run(arguments: &Arguments) -> u8 {
    let name = arguments.config.display().to_string();
    let text = match super::document::read(&arguments.config) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("cannot read {name}: {error}"));
            return error.status();
        }
    };
    if arguments.expands {
        return expanded(&text, &name);
    }
    let checked = match check(&text) {
        Ok(checked) => checked,
        Err(rejected) => {
            complain(render(&name, &text, &rejected.diagnostics()).trim_end());
            return 1;
        }
    };
    // What the version does not know is not carried over, so nobody should miss it.
    if !checked.warnings().is_empty() {
        complain(render(&name, &text, checked.warnings()).trim_end());
    }
    let converted = match arguments.to {
        Some(to) => convert(&checked, to),
        None => convert_minimal(&checked),
    };
    match converted {
        Ok(text) => super::print(text.trim_end()),
        Err(obstacles) => {
            let target = arguments.to.map_or("any version", Version::as_str);
            complain(&format!("{name} cannot be written in {target}:"));
            complain(&list(&name, &text, &obstacles));
            1
        }
    }
}

fn expanded(text: &str, name: &str) -> u8 {
    match expand(text, name) {
        Ok(plain) => {
            for warning in &plain.warnings {
                complain(warning.trim_end());
            }
            let Some(text) = in_oldest(&plain.config) else {
                complain(&format!("{name}: what it is made of is not a valid config"));
                return 1;
            };
            super::print(text.trim_end())
        }
        Err(failure) => {
            complain(&failure.forecast());
            1
        }
    }
}

/// One line for each obstacle: where, what, since when.
fn list(name: &str, text: &str, obstacles: &[Obstacle]) -> String {
    let lines = Lines::new(text);
    let pointers: Vec<&Pointer> = obstacles.iter().map(|one| &one.at).collect();
    let line = |(obstacle, (at, found)): (&Obstacle, (Pointer, Option<Found>))| {
        let position =
            found.map(|found| lines.position(found.key.map_or(found.value.start, |key| key.start)));
        let line = position.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
        let since = match obstacle.since {
            Some(version) => format!("needs {version} or later"),
            None => "no later version takes it either".to_owned(),
        };
        format!("  {name}{line}, {at}: {} ({since})", obstacle.what)
    };
    let listed: Vec<String> = obstacles.iter().zip(places(text, &pointers)).map(line).collect();
    listed.join("\n")
}
