//! The command line of the reference's validator (engine.md 1.5): the report on standard output, what cannot be
//! reported on standard error, status 1 for every failure but a wrong flag.
//!
//! By this name people ask what the reference would say, so other languages than Ignition 3 are refused, though our engine
//! takes them.

use std::ffi::OsString;
use std::path::Path;

use kindling_config_spec::{Dialect, Rejected, check, reference_report};

use super::flags::{self, Takes};
use super::{USAGE, complain, document, ignition};

const KNOWN: &[(&str, Takes)] = &[
    ("version", Takes::Boolean),
    ("h", Takes::Boolean),
    ("help", Takes::Boolean),
];

const HELP: &str = "usage: ignition-validate [-version] CONFIG
  CONFIG     a config file, or - for standard input
  -version   print the version";

/// Runs the process and returns its exit status.
pub(super) fn main(arguments: &[OsString]) -> u8 {
    let wished = flags::parse(arguments, KNOWN).and_then(|(flags, files)| {
        let help = flags::boolean(&flags, "h")? || flags::boolean(&flags, "help")?;
        Ok((help, flags::boolean(&flags, "version")?, files))
    });
    match wished {
        Err(message) => {
            complain(&message);
            complain(HELP);
            USAGE
        }
        Ok((true, _, _)) => {
            complain(HELP);
            0
        }
        Ok((_, true, _)) => super::print(&format!("Ignition {}", ignition::version())),
        Ok((_, _, [file])) => validate(Path::new(file)),
        Ok(_) => {
            complain(HELP);
            1
        }
    }
}

fn validate(file: &Path) -> u8 {
    let text = match document::read(file) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("cannot read {}: {error}", file.display()));
            return 1;
        }
    };
    let (findings, status) = match check(&text) {
        Ok(checked) if !matches!(checked.dialect(), Dialect::Ignition(_)) => {
            complain(&format!(
                "{}: {} is no Ignition 3: judge it with kindling validate, or validate what kindling convert makes of it",
                file.display(),
                checked.dialect()
            ));
            return 1;
        }
        Ok(checked) => (checked.warnings().to_vec(), 0),
        Err(Rejected::Invalid(findings)) => (findings, 1),
        Err(refused) => {
            complain(&format!("{}: {refused}", file.display()));
            return 1;
        }
    };
    for entry in reference_report::report(&text, &findings) {
        if super::print(&entry.to_string()) != 0 {
            return 1;
        }
    }
    status
}
