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

/// The record with the lines that somebody wrote, where `written` has them; the config is the one that was written.
pub(super) fn located(failure: Failure, written: &Written) -> Failure {
    failure.located(&|pointer| written.find(pointer))
}

/// As [`located`], in a stage: the config is the distribution's with the user's on top.
pub(super) fn in_stage(error: StageError, options: &Options, environment: &Environment) -> StageError {
    let StageError::Failed(failure) = error else {
        return error;
    };
    let Some(user) = failure.pointer().and_then(|_| OfUser::read(options, environment)) else {
        return StageError::Failed(failure);
    };
    StageError::Failed(failure.located(&|pointer| user.find(pointer)))
}

/// The way from the config of a stage to what the user wrote of it.
struct OfUser {
    provenance: Provenance,
    written: Written,
}

impl OfUser {
    fn read(options: &Options, environment: &Environment) -> Option<Self> {
        let text = fs::read_to_string(environment.run_dir.join(PLACES)).ok()?;
        let user: Config = serde_json::from_str(&fs::read_to_string(&options.config_cache).ok()?).ok()?;
        let base = read_base(&environment.dirs, &options.platform).ok()?.config;
        let whole = merge(base.clone(), user.clone());
        Some(Self {
            provenance: Provenance::new(&whole, [base, user]),
            written: Written::of_text(&text),
        })
    }

    fn find(&self, pointer: &str) -> Option<String> {
        let (number, at) = self.provenance.trace(&Pointer::of(pointer))?;
        self.written.find(&at.to_string()).filter(|_| number == 1)
    }
}
