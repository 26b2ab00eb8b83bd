//! `kindling convert`: a config in another version of the spec.

use std::path::PathBuf;

use clap::Args;
use kindling_config_spec::convert::{Obstacle, convert, convert_minimal};
use kindling_config_spec::diagnostic::{Lines, render};
use kindling_config_spec::version::Version;
use kindling_config_spec::{check, document};

use super::complain;

#[derive(Args)]
pub(super) struct Arguments {
    /// The config file, or `-` for standard input.
    config: PathBuf,
    /// The version to write.
    #[arg(long, value_name = "VERSION", value_parser = version, required_unless_present = "minimal")]
    to: Option<Version>,
    /// Write the oldest version that expresses the config.
    #[arg(long, conflicts_with = "to")]
    minimal: bool,
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).map_err(|error| {
        let all: Vec<_> = Version::ALL.iter().map(|version| version.as_str()).collect();
        format!("{error}; there are {}", all.join(", "))
    })
}

/// Runs the command and returns its exit status.
pub(super) fn run(arguments: &Arguments) -> u8 {
    let name = arguments.config.display().to_string();
    let text = match super::document::read(&arguments.config) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("cannot read {name}: {error}"));
            return error.status();
        }
    };
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

/// One line for each obstacle: where, what, since when.
fn list(name: &str, text: &str, obstacles: &[Obstacle]) -> String {
    let lines = Lines::new(text);
    let places = document::locate(text, obstacles.iter().map(|one| &one.at));
    let line = |(obstacle, place): (&Obstacle, Option<document::Found>)| {
        let position =
            place.map(|place| lines.position(place.key.map_or(place.value.start, |key| key.start)));
        let at = position.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
        let since = match obstacle.since {
            Some(version) => format!("needs {version} or later"),
            None => "no later version takes it either".to_owned(),
        };
        format!("  {name}{at}, {}: {} ({since})", obstacle.at, obstacle.what)
    };
    let listed: Vec<String> = obstacles.iter().zip(places).map(line).collect();
    listed.join("\n")
}
