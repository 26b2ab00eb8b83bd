//! `kindling inspect`: a root, or the disks of this machine, as facts on standard output.

use std::path::Path;

use super::{USAGE, complain, document, environment, print};
use crate::host::devices::{System, whole_disks};
use crate::host::process;
use crate::inspect;
use crate::inventory::observe;
use crate::inventory::recorded::Recorded;
use crate::report::failure::chain;

/// Prints the facts of the root at `path` as JSON, one path a line, and returns the exit status.
pub(super) fn root(path: &Path) -> u8 {
    match inspect::inspect(path) {
        Ok(inspected) => {
            for warning in &inspected.warnings {
                complain(&format!("kindling: {}: {warning}", path.display()));
            }
            let text = serde_json::to_string_pretty(&inspected.facts).expect("facts are plain data");
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
pub(super) fn disks() -> u8 {
    let environment = match environment() {
        Ok(environment) => environment,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    let processes = process::System::new(environment.path);
    let recorded = whole_disks()
        .map_err(observe::ObserveError::from)
        .and_then(|nodes| observe::disks(&processes, &System::new(0), &nodes));
    match recorded {
        Ok(recorded) => print(&serde_json::to_string_pretty(&recorded).expect("an inventory is plain data")),
        Err(error) => {
            complain(&format!(
                "kindling: cannot inspect the disks\n  why:   {}\n  next:  run it as root, on the machine itself",
                chain(&error).join(": ")
            ));
            1
        }
    }
}

/// The disks of a machine, from a file.
pub(super) fn read_inventory(path: &Path) -> Result<Recorded, String> {
    let unusable = |why: &dyn std::fmt::Display| {
        let next = "make the file with `kindling inspect --disks > FILE`";
        format!("cannot use {} as an inventory: {why}; {next}", path.display())
    };
    let text = document::read(path).map_err(|error| unusable(&error))?;
    serde_json::from_str(&text).map_err(|error| unusable(&error))
}
