//! `kindling convert`: a config in another version of the spec, or in another language.

use std::path::PathBuf;

use kindling_config_spec::butane::{butane, butane_of};
use kindling_config_spec::convert::{Obstacle, convert, convert_minimal};
use kindling_config_spec::diagnostic::{Diagnostic, Lines, Pointer, Severity, render};
use kindling_config_spec::document::Found;
use kindling_config_spec::version::Version;
use kindling_config_spec::{Checked, Dialect, Source, check, json};

use super::words::{Command, Flag, Given, Need, Positional};
use super::{USAGE, complain, document};
use crate::stages::expand::expand;
use crate::stages::offline::in_oldest;

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "convert",
    about: "Write a config in another version of the spec. What is no Ignition 3 becomes that.",
    positional: Some(Positional {
        name: "CONFIG",
        help: document::CONFIG,
        need: Need::One,
    }),
    flags: &[
        Flag::with(
            "to",
            "VERSION",
            "The version to write, or `butane` for a Butane config. What is Butane or Ignition 2 needs none: each has a \
             version that it becomes.",
        ),
        Flag::bare("minimal", "Write the oldest version that expresses the config."),
        Flag::bare(
            "expand",
            "Write what the section \"kindling\" makes as plain files and units, with every reference resolved, in the oldest \
             version that expresses it.",
        ),
        document::FILES_DIR,
        Flag::bare("strict", "Fail for warnings too."),
    ],
};

struct Arguments {
    config: PathBuf,
    to: To,
    files_dir: Option<PathBuf>,
    is_strict: bool,
}

/// What to write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    /// The version that a document of another language becomes.
    Own,
    Version(Version),
    /// Butane, of the version that becomes the config's.
    Butane,
    /// The oldest version that expresses it.
    Oldest,
    /// That, without the extension.
    Expanded,
}

impl Arguments {
    fn from_given(given: &Given) -> Result<Self, String> {
        given.not_both("to", "minimal")?;
        given.not_both("to", "expand")?;
        let to = match given.text("to")? {
            Some("butane") => To::Butane,
            Some(text) => To::Version(version(text).map_err(|why| format!("--to is {text:?}; {why}"))?),
            None if given.is("expand") => To::Expanded,
            None if given.is("minimal") => To::Oldest,
            None => To::Own,
        };
        Ok(Self {
            config: given.word().into(),
            to,
            files_dir: given.path("files-dir"),
            is_strict: given.is("strict"),
        })
    }
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).map_err(|error| {
        let all: Vec<_> = Version::ALL.iter().map(|version| version.as_str()).collect();
        format!("{error}; there are {} and butane", all.join(", "))
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
    let files = match document::local_files(arguments.files_dir.as_deref()) {
        Ok(files) => files,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    let text = match document::read(&arguments.config) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("cannot read {name}: {error}"));
            return error.status();
        }
    };
    let source = Source {
        text: &text,
        files: &*files,
    };
    if arguments.to == To::Expanded {
        return expanded(source, &name, arguments.is_strict);
    }
    read(source, &name, arguments.is_strict).map_or(1, |read| written(source, &name, &read, arguments.to))
}

/// A config that is valid.
struct Read {
    checked: Checked,
    dialect: Dialect,
    /// Of Butane, what it becomes.
    json: Option<String>,
}

/// Reads the config and says what there is to say of it; `None` where that is enough to stop.
fn read(source: Source<'_>, name: &str, is_strict: bool) -> Option<Read> {
    let tell = |findings: &[Diagnostic]| {
        if !findings.is_empty() {
            complain(render(name, source.text, findings).trim_end());
        }
    };
    let mut checked = source
        .check()
        .map_err(|rejected| tell(&rejected.diagnostics()))
        .ok()?;
    let dialect = checked.dialect();
    // What the version does not know is not carried over, so nobody should miss it.
    let mut findings = checked.warnings().to_vec();
    let mut json = None;
    if let Dialect::Butane { .. } = dialect {
        // Its author's file has other contents than a machine needs: they are packed.
        let output = butane(source.text, source.files, true);
        findings = output.findings;
        json = output.json;
        checked = match check(json.as_deref().unwrap_or_default()) {
            Ok(checked) => checked,
            Err(_) => {
                tell(&findings);
                return None;
            }
        };
    }
    tell(&findings);
    let is_suspect = findings.iter().any(|finding| finding.severity > Severity::Info);
    (!(is_strict && is_suspect)).then_some(Read {
        checked,
        dialect,
        json,
    })
}

fn written(source: Source<'_>, name: &str, read: &Read, to: To) -> u8 {
    let checked = &read.checked;
    if let (To::Own, Dialect::Ignition(_)) = (to, read.dialect) {
        complain(&format!(
            "{name} is Ignition 3 already: give --to VERSION, --minimal or --expand"
        ));
        return USAGE;
    }
    let own = checked.version();
    let (converted, target) = match to {
        To::Version(version) => (convert(checked, version), version.as_str()),
        To::Oldest | To::Expanded => (convert_minimal(checked), "any version"),
        To::Own | To::Butane => (read.in_own(source), own.as_str()),
    };
    match converted {
        Ok(text) if to == To::Butane => super::print(butane_of(&text).unwrap_or_default().trim_end()),
        Ok(text) => super::print(text.trim_end()),
        Err(obstacles) => {
            complain(&format!("{name} cannot be written in {target}:"));
            complain(&list(name, source, &obstacles));
            1
        }
    }
}

impl Read {
    /// The config in the version that it is of, or becomes.
    fn in_own(&self, source: Source<'_>) -> Result<String, Vec<Obstacle>> {
        match (&self.json, self.dialect) {
            (Some(json), _) => Ok(json::spread(json)),
            (None, Dialect::Ignition(_)) => Ok(source.text.to_owned()),
            (None, _) => convert(&self.checked, self.checked.version()),
        }
    }
}

fn expanded(source: Source<'_>, name: &str, is_strict: bool) -> u8 {
    match expand(source, name) {
        Ok(plain) => {
            for warning in &plain.warnings {
                complain(warning.trim_end());
            }
            if is_strict && !plain.warnings.is_empty() {
                return 1;
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
fn list(name: &str, source: Source<'_>, obstacles: &[Obstacle]) -> String {
    let lines = Lines::new(source.text);
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
    let listed: Vec<String> = obstacles.iter().zip(source.places(&pointers)).map(line).collect();
    listed.join("\n")
}
