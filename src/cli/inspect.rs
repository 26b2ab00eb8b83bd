//! `kindling inspect`: a root as facts on standard output.

use std::path::Path;

use super::{complain, print};
use crate::inspect;
use crate::report::failure::chain;

/// Prints the facts of the root at `path` as JSON, one path a line, and returns the exit status.
pub(super) fn run(path: &Path) -> u8 {
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
