//! `kindling report`: what the first boot of a machine did, or why it failed.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use kindling_config_spec::json;

use super::words::{Command, Flag, Given};
use super::{USAGE, columns, complain, environment, print};
use crate::host::machine;
use crate::report::boot::State;
use crate::report::found::{self, Found};
use crate::report::receipt::Receipt;
use crate::report::text::Look;
use crate::report::{Boot, Failure, html, progress, text};
use crate::stages::last_failure;
use crate::stages::receipt::{Drift, drift, hostname, read};

/// Exit status of a machine that is not as its receipt says.
const DIFFERS: u8 = 3;
/// How much of a file is read, from its end: a console log may be years old.
const READ: u64 = 64 << 20;

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "report",
    about: "Show what the first boot of a machine did, from the receipt it left, or why it failed.",
    positional: None,
    flags: &[
        Flag::with("root", "DIR", "The root of the machine (/ if not given)."),
        Flag::with(
            "from",
            "FILE",
            "A receipt, a stages.json, or a log of the machine's console, in place of a machine.",
        ),
        Flag::bare(
            "verify",
            "Compare the machine with its receipt: 0 is as it was, 3 is not.",
        ),
        Flag::bare("all", "Every step and path, however short it took."),
        Flag::one_of(
            "format",
            "text|json|html",
            "How to print it (text if not given). HTML is one page that needs nothing else.",
        ),
    ],
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Html,
}

/// How to print it.
#[derive(Clone, Copy)]
struct Printed {
    format: Format,
    all: bool,
}

/// Runs the command and returns its exit status.
///
/// # Errors
/// Flags that exclude each other.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    let format = match given.value("format") {
        Some(word) if word == "json" => Format::Json,
        Some(word) if word == "html" => Format::Html,
        _ => Format::Text,
    };
    let verify = given.is("verify");
    if verify && format == Format::Html {
        return Err("--verify prints text or json".to_owned());
    }
    let printed = Printed {
        format,
        all: given.is("all"),
    };
    let root = given.path("root");
    match given.path("from") {
        Some(_) if verify => Err("--from and --verify exclude each other".to_owned()),
        Some(_) if root.is_some() => Err("--from and --root exclude each other".to_owned()),
        Some(file) => Ok(from(&file, printed)),
        None => Ok(of_machine(&root.unwrap_or_else(|| "/".into()), verify, printed)),
    }
}

/// Shows what somebody saved of a machine.
fn from(path: &Path, printed: Printed) -> u8 {
    let bytes = match end_of(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            complain(&format!("kindling: cannot read {}: {error}", path.display()));
            return USAGE;
        }
    };
    match found::read(&bytes) {
        Ok(Found::Receipt(receipt)) => show_receipt(*receipt, None, printed),
        Ok(Found::Boot(boot)) => show(&boot, printed),
        Err(why) => {
            complain(&format!("kindling: {}: {why}", path.display()));
            1
        }
    }
}

fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    if let Some(before) = size.checked_sub(READ).filter(|before| *before > 0) {
        file.seek(SeekFrom::Start(before))?;
    }
    let mut bytes = Vec::new();
    file.take(READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn of_machine(root: &Path, verify: bool, printed: Printed) -> u8 {
    let running = match of_running(root) {
        Ok(running) => running,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    if let Some(boot) = running.as_ref().filter(|boot| boot.state == State::Failed) {
        return show(boot, printed);
    }
    let found = read(root).and_then(|receipt| {
        let drift = verify.then(|| drift(&receipt, root)).transpose()?;
        Ok((receipt, drift))
    });
    match (found, running) {
        (Ok((receipt, Some(drift))), _) => show_drift(&receipt, &drift, printed.format),
        (Ok((receipt, None)), _) => show_receipt(receipt, hostname(root), printed),
        (Err(_), Some(boot)) if !verify => show(&boot, printed),
        (Err(failure), _) => {
            complain(&format!("kindling: {}\n  next:  {}", failure.what, failure.next));
            1
        }
    }
}

/// The first boot that is going on, or failed, on the machine that runs this.
fn of_running(root: &Path) -> Result<Option<Boot>, String> {
    if root != Path::new("/") {
        return Ok(None);
    }
    let dir: PathBuf = environment()?.run_dir;
    let kept = |name: &str| std::fs::read_to_string(dir.join(name)).ok();
    let failure: Option<Failure> = kept("failure.json").and_then(|text| json::parse(&text).ok());
    let stages = progress::read(kept(progress::LIST).as_deref());
    if stages.is_empty() && failure.is_none() {
        return Ok(None);
    }
    let facts = machine::Machine::read();
    Ok(Some(Boot {
        machine: machine::hostname(),
        kindling: Some(env!("CARGO_PKG_VERSION").to_owned()),
        boot_id: Some(facts.boot_id),
        date: Some(facts.now),
        before: last_failure().map(|remembered| remembered.failure),
        ..Boot::of_stages(stages, failure)
    }))
}

fn show_receipt(receipt: Receipt, machine: Option<String>, printed: Printed) -> u8 {
    if printed.format == Format::Json {
        return print(&json::pretty(&receipt));
    }
    let boot = Boot {
        machine,
        ..Boot::of_receipt(receipt)
    };
    show(&boot, printed)
}

/// Prints it. The status is that of the boot.
fn show(boot: &Boot, printed: Printed) -> u8 {
    let text = match printed.format {
        Format::Json => json::pretty(boot),
        Format::Html => html::page(boot, printed.all),
        Format::Text => {
            let look = Look {
                width: columns(),
                all: printed.all,
            };
            text::show(boot, look)
        }
    };
    print(&text).max((boot.state == State::Failed).into())
}

fn show_drift(receipt: &Receipt, drift: &[Drift], format: Format) -> u8 {
    let text = if format == Format::Json {
        json::pretty(drift)
    } else {
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
    };
    match (print(&text), drift.is_empty()) {
        (0, false) => DIFFERS,
        (printed, _) => printed,
    }
}
