//! Where somebody wrote what a record is about. The stages behind the fetch stage know the sum of all documents alone, so
//! that one leaves the lines for them.

use std::fs;
use std::io;
use std::path::Path;

use kindling_config_spec::diagnostic::Pointer;
use kindling_config_spec::merge;
use kindling_config_spec::provenance::Provenance;
use kindling_config_spec::types::Config;

use super::{Environment, Options, StageError};
use crate::fetch::read_base;
use crate::host::machine;
use crate::render::Written;
use crate::report::Failure;

/// The lines of the config's entries, below the directory of this boot.
const PLACES: &str = "config-places";

/// Leaves `written` for the next stages.
///
/// # Errors
/// When the directory cannot be written.
pub(super) fn keep(run_dir: &Path, written: &Written) -> io::Result<()> {
    machine::private_dir(run_dir)?;
    machine::replace(&run_dir.join(PLACES), written.to_text().as_bytes(), 0o600)
}

/// The record with the line that somebody wrote, where `written` has it; the config is the one that was written.
pub(super) fn located(mut failure: Failure, written: &Written) -> Failure {
    if let Some(place) = failure.pointer().and_then(|pointer| written.find(pointer)) {
        failure.place = Some(place);
    }
    failure
}

/// As [`located`], in a stage: the config is the distribution's with the user's on top.
pub(super) fn in_stage(error: StageError, options: &Options, environment: &Environment) -> StageError {
    let StageError::Failed(failure) = error else {
        return error;
    };
    match of_user(&failure, options, environment) {
        Some(place) => StageError::Failed(Failure {
            place: Some(place),
            ..failure
        }),
        None => StageError::Failed(failure),
    }
}

fn of_user(failure: &Failure, options: &Options, environment: &Environment) -> Option<String> {
    let pointer = failure.pointer()?;
    let text = fs::read_to_string(environment.run_dir.join(PLACES)).ok()?;
    let user: Config = serde_json::from_str(&fs::read_to_string(&options.config_cache).ok()?).ok()?;
    let base = read_base(&environment.dirs, &options.platform).ok()?.config;
    let whole = merge(base.clone(), user.clone());
    let (number, at) = Provenance::new(&whole, [base, user]).trace(&Pointer::of(pointer))?;
    Written::of_text(&text)
        .find(&at.to_string())
        .filter(|_| number == 1)
}
