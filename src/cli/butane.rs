//! The command line of `butane` (butane.md 10): a config in YAML becomes one of Ignition. Reports go to standard error, what
//! it becomes to standard output or a file; status 1 for every failure but a wrong line.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use kindling_config_spec::butane::{Output, Stage, butane};
use kindling_config_spec::diagnostic::{Colours, Pointer, Severity, render_around, render_lines};
use kindling_config_spec::{Source, json};
use serde_json::Value;

use super::flags::{self, Flags, Letters, Takes};
use super::{USAGE, complain, document, print};
use crate::host::output;

const KNOWN: &[(&str, Takes)] = &[
    ("check", Takes::Boolean),
    ("color", COLOUR),
    ("colour", COLOUR),
    ("debug", Takes::Boolean),
    ("files-dir", Takes::Value),
    ("help", Takes::Boolean),
    ("input", Takes::Value),
    ("output", Takes::Value),
    ("pretty", Takes::Boolean),
    ("raw", Takes::Boolean),
    ("raw-errors", Takes::Boolean),
    ("strict", Takes::Boolean),
    ("version", Takes::Boolean),
];

const COLOUR: Takes = Takes::Optional("always");

const LETTERS: &Letters = &[
    (b'c', "check"),
    (b'D', "debug"),
    (b'd', "files-dir"),
    (b'h', "help"),
    (b'o', "output"),
    (b'p', "pretty"),
    (b'r', "raw"),
    (b's', "strict"),
    (b'V', "version"),
];

const HELP: &str = "usage: butane [flags] [FILE]
  FILE                 the config in YAML; standard input if not given
  -c, --check          only check it, and write nothing
      --color[=WHEN]   colours in reports: auto, always or never (auto if not given)
  -d, --files-dir DIR  the directory with the local files that the config names
  -h, --help           print this
  -o, --output FILE    write there, in place of standard output
  -p, --pretty         write the JSON with line ends
  -r, --raw            write Ignition for OpenShift too, in place of a MachineConfig
      --raw-errors     report one line for each finding
  -s, --strict         fail for warnings too
  -V, --version        print the version";

/// What we are, and whose command line this is.
const VERSION: &str = concat!("Butane 0.29.0 (kindling ", env!("CARGO_PKG_VERSION"), ")");

/// Runs the process and returns its exit status.
pub(super) fn main(arguments: &[OsString]) -> u8 {
    match resolve(arguments) {
        Ok(Wish::Help) => print(HELP),
        Ok(Wish::Version) => print(VERSION),
        Ok(Wish::Translate(arguments)) => translate(&arguments),
        Err(message) => {
            complain(&format!("butane: {message}"));
            complain(HELP);
            USAGE
        }
    }
}

enum Wish {
    Help,
    Version,
    Translate(Arguments),
}

struct Arguments {
    input: Option<PathBuf>,
    output: Option<PathBuf>,
    files_dir: Option<PathBuf>,
    /// Write nothing.
    only_checks: bool,
    is_debugging: bool,
    is_pretty: bool,
    is_raw: bool,
    is_strict: bool,
    report: Report,
}

/// The form of a report.
enum Report {
    Lines,
    Around(Colours),
}

fn resolve(arguments: &[OsString]) -> Result<Wish, String> {
    let (flags, words) = flags::parse_mixed(arguments, KNOWN, LETTERS)?;
    let is = |name| flags::boolean(&flags, name);
    let path = |name| flags.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let (help, version, has_lines) = (is("help")?, is("version")?, is("raw-errors")?);
    let given = Arguments {
        input: path("input").or_else(|| words.first().map(PathBuf::from)),
        output: path("output"),
        files_dir: path("files-dir"),
        only_checks: is("check")?,
        is_debugging: is("debug")?,
        is_pretty: is("pretty")?,
        is_raw: is("raw")?,
        is_strict: is("strict")?,
        report: if has_lines {
            Report::Lines
        } else {
            Report::Around(colours(&flags))
        },
    };
    if help {
        return Ok(Wish::Help);
    }
    if version {
        return Ok(Wish::Version);
    }
    let room = usize::from(path("input").is_none());
    match words.get(room) {
        Some(word) => Err(format!("there is no place for the word {word:?}")),
        None => Ok(Wish::Translate(given)),
    }
}

fn colours(flags: &Flags) -> Colours {
    let wish = flags.get("color").or_else(|| flags.get("colour"));
    let wish = wish.map_or_else(|| "auto".into(), |wish| wish.to_string_lossy());
    let has_colours = match &*wish {
        "always" | "yes" => true,
        "auto" => {
            let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            std::io::stderr().is_terminal() && !refused
        }
        _ => false,
    };
    if has_colours { Colours::Ansi } else { Colours::None }
}

fn translate(arguments: &Arguments) -> u8 {
    match translated(arguments) {
        Ok(Some(text)) => written(arguments.output.as_deref(), &text),
        Ok(None) => 0,
        Err(message) => {
            complain(&format!("butane: {message}"));
            1
        }
    }
}

/// What the config becomes, without a line end; `None` where that is not asked for.
fn translated(arguments: &Arguments) -> Result<Option<String>, String> {
    let (name, path) = match &arguments.input {
        Some(path) if path == Path::new("-") => ("-".to_owned(), PathBuf::from("./-")),
        Some(path) => (path.display().to_string(), path.clone()),
        None => ("<stdin>".to_owned(), "-".into()),
    };
    let text = document::read(&path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let files = document::local_files(arguments.files_dir.as_deref())?;
    let Output {
        json,
        findings,
        failed,
        wrapped,
        ..
    } = butane(&text, &*files, arguments.is_raw);
    if !findings.is_empty() {
        let report = match arguments.report {
            Report::Lines => render_lines(&text, &findings),
            Report::Around(colours) => render_around(&name, &text, &findings, colours),
        };
        complain(report.trim_end());
    }
    match failed {
        Some(Stage::Parse) => return Err(format!("{name} cannot be read as a Butane config")),
        Some(Stage::Source) => return Err(format!("{name} is not valid")),
        Some(Stage::Generated) => return Err(format!("what becomes of {name} is not valid")),
        None => {}
    }
    if arguments.is_strict && findings.iter().any(|finding| finding.severity > Severity::Info) {
        return Err(format!(
            "there are warnings about {name}, and --strict takes none"
        ));
    }
    let json = json.unwrap_or_default();
    if arguments.is_debugging {
        let source = Source {
            text: &text,
            files: &*files,
        };
        complain(mapping(source, &json).trim_end());
    }
    Ok((!arguments.only_checks).then(|| match wrapped {
        Some(wrapped) => wrapped.trim_end_matches('\n').to_owned(),
        None if arguments.is_pretty => json::spread(&json),
        None => json,
    }))
}

/// Where each value of what the config becomes comes from.
fn mapping(source: Source<'_>, json: &str) -> String {
    let mut pointers = Vec::new();
    collect(
        &json::read(json.as_bytes()).unwrap_or_default(),
        Pointer::root(),
        &mut pointers,
    );
    let places = source.places(&pointers.iter().collect::<Vec<_>>());
    let line = |(at, (from, _)): (&Pointer, (Pointer, _))| format!("{} <- {}\n", at.dollar(), from.dollar());
    pointers.iter().zip(places).map(line).collect()
}

fn collect(value: &Value, at: Pointer, pointers: &mut Vec<Pointer>) {
    pointers.push(at.clone());
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                collect(value, at.clone().key(name), pointers);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                collect(value, at.clone().index(index), pointers);
            }
        }
        _ => {}
    }
}

fn written(file: Option<&Path>, text: &str) -> u8 {
    let Some(file) = file else { return print(text) };
    match output::write(file, &[text.as_bytes(), b"\n"].concat()) {
        Ok(()) => 0,
        Err(error) => {
            complain(&format!("butane: cannot write {}: {error}", file.display()));
            1
        }
    }
}
