//! `kindling report`: the receipt of a machine, or the failure of its boot.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::words::{Command, Flag, Given};
use super::{Format, USAGE, complain, environment, print};
use crate::report::Failure;
use crate::report::receipt::Receipt;
use crate::stages::receipt::{Drift, drift, read};

/// Exit status of a machine that is not as its receipt says.
const DIFFERS: u8 = 3;

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "report",
    about: "Show what the first boot of a machine did, from the receipt it left, or why it failed.",
    positional: None,
    flags: &[
        Flag::with("root", "DIR", "The root of the machine (/ if not given)."),
        Flag::bare(
            "verify",
            "Compare the machine with its receipt: 0 is as it was, 3 is not.",
        ),
        Flag::one_of("format", Format::CHOICES, "How to print it (text if not given)."),
    ],
};

struct Arguments {
    root: PathBuf,
    verify: bool,
    format: Format,
}

/// Runs the command and returns its exit status.
///
/// # Errors
/// None: all its flags go together.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    Ok(run(&Arguments {
        root: given.path("root").unwrap_or_else(|| "/".into()),
        verify: given.is("verify"),
        format: Format::of(given),
    }))
}

fn run(arguments: &Arguments) -> u8 {
    if arguments.root == Path::new("/")
        && let Some(failure) = match failure() {
            Ok(failure) => failure,
            Err(message) => {
                complain(&message);
                return USAGE;
            }
        }
    {
        let text = match arguments.format {
            Format::Text => failure.to_string(),
            Format::Json => serde_json::to_string_pretty(&failure).expect("a record is plain data"),
        };
        print(&text);
        return 1;
    }
    let found = read(&arguments.root).and_then(|receipt| {
        let drift = arguments
            .verify
            .then(|| drift(&receipt, &arguments.root))
            .transpose()?;
        Ok((receipt, drift))
    });
    match found {
        Ok((receipt, drift)) => show(&receipt, drift.as_deref(), arguments.format),
        Err(failure) => {
            complain(&format!("kindling: {}\n  next:  {}", failure.what, failure.next));
            1
        }
    }
}

/// The failure of this boot, where it has one that no later try overcame.
fn failure() -> Result<Option<Failure>, String> {
    let path = environment()?.run_dir.join("failure.json");
    let text = std::fs::read_to_string(path).ok();
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn show(receipt: &Receipt, drift: Option<&[Drift]>, format: Format) -> u8 {
    let text = match (format, drift) {
        (Format::Json, None) => serde_json::to_string_pretty(receipt).expect("a receipt is plain data"),
        (Format::Json, Some(drift)) => serde_json::to_string_pretty(drift).expect("a list is plain data"),
        (Format::Text, None) => receipt.to_string(),
        (Format::Text, Some(drift)) => {
            let mut text = String::new();
            for one in drift {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{} {}", one.path.display(), one.what);
            }
            let _ = match drift.len() {
                0 => write!(text, "{} paths are as the receipt says", receipt.nodes.len()),
                1 => write!(text, "1 difference in {} paths", receipt.nodes.len()),
                several => write!(text, "{several} differences in {} paths", receipt.nodes.len()),
            };
            text
        }
    };
    match (print(&text), drift.is_some_and(|drift| !drift.is_empty())) {
        (0, true) => DIFFERS,
        (printed, _) => printed,
    }
}
