//! The command line of `ignition-apply` (engine.md 1.4): files and units into the root of a container.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use kindling_config_spec::Source;
use kindling_config_spec::diagnostic::render;

use super::flags::{self, Takes};
use super::{USAGE, complain, document, environment, ignition};
use crate::host::log::Log;
use crate::plan::offline::Extent;
use crate::stages::offline::Request;

const KNOWN: &[(&str, Takes)] = &[
    ("ignore-unsupported", Takes::Boolean),
    ("offline", Takes::Boolean),
    ("root", Takes::Value),
    ("version", Takes::Boolean),
    ("h", Takes::Boolean),
    ("help", Takes::Boolean),
];

const HELP: &str = "usage: ignition-apply [flags] CONFIG
  -ignore-unsupported    skip what only a first boot can do, in place of failing
  -offline               fail where the network would be needed
  -root PATH             the target's root (default /)
  -version               print the version";

/// Runs the process and returns its exit status.
pub(super) fn main(arguments: &[OsString]) -> u8 {
    match resolve(arguments) {
        Ok(Wish::Help) => {
            complain(HELP);
            0
        }
        Ok(Wish::Version) => super::print(&format!("Ignition {}", ignition::version())),
        Ok(Wish::Apply(arguments)) => apply(&arguments),
        Ok(Wish::Usage) => {
            complain(HELP);
            1
        }
        Err(message) => {
            complain(&message);
            complain(HELP);
            USAGE
        }
    }
}

struct Arguments {
    config: PathBuf,
    root: PathBuf,
    offline: bool,
    ignores_unsupported: bool,
}

enum Wish {
    Help,
    Version,
    /// Not exactly one config.
    Usage,
    Apply(Arguments),
}

fn resolve(arguments: &[OsString]) -> Result<Wish, String> {
    let (flags, rest) = flags::parse(arguments, KNOWN)?;
    if flags::boolean(&flags, "h")? || flags::boolean(&flags, "help")? {
        return Ok(Wish::Help);
    }
    let (offline, ignores_unsupported) = (
        flags::boolean(&flags, "offline")?,
        flags::boolean(&flags, "ignore-unsupported")?,
    );
    if flags::boolean(&flags, "version")? {
        return Ok(Wish::Version);
    }
    let [config] = rest else { return Ok(Wish::Usage) };
    Ok(Wish::Apply(Arguments {
        config: config.into(),
        root: flags.get("root").map_or_else(|| "/".into(), PathBuf::from),
        offline,
        ignores_unsupported,
    }))
}

fn apply(arguments: &Arguments) -> u8 {
    Log::open(true, "").install();
    match applied(arguments) {
        Ok(()) => 0,
        Err(text) => {
            tracing::error!("{text}");
            complain(&text);
            1
        }
    }
}

fn applied(arguments: &Arguments) -> Result<(), String> {
    let environment = environment()?;
    let name = arguments.config.display().to_string();
    let text = document::read(&arguments.config).map_err(|error| format!("cannot read {name}: {error}"))?;
    let request = Request {
        source: Source::alone(&text),
        name: &name,
        offline: arguments.offline,
        skips_what_waits: arguments.ignores_unsupported,
        split: None,
        environment: &environment,
    };
    if !is_container() {
        // The config's own findings first, as the reference has it.
        request
            .source
            .check()
            .map_err(|rejected| render(&name, &text, &rejected.diagnostics()))?;
        return Err(
            "ignition-apply runs in containers only; on a machine, kindling apply takes a --root".to_owned(),
        );
    }
    let root = std::path::absolute(&arguments.root).map_err(|error| error.to_string())?;
    let applied = request
        .into_root(&root, Extent::Bare)
        .map_err(|failure| failure.to_string())?;
    tracing::info!(
        "{} changed, {} already so",
        applied.tally.changed,
        applied.tally.already_so
    );
    Ok(())
}

/// Whether this runs in a container, by what container engines leave for those who ask.
fn is_container() -> bool {
    std::env::var_os("container").is_some_and(|value| !value.is_empty())
        || ["/run/.containerenv", "/.dockerenv"]
            .iter()
            .any(|path| Path::new(path).exists())
}
