//! The platform is told how a stage ended, where it listens, and the report sinks get the time to hear of it. Nobody's boot
//! depends on that: it is bounded, and a failure of it is one line in the log.

use std::path::Path;
use std::time::{Duration, Instant};

use kindling_platforms::{CheckIn, Platform, PlatformError, StageEnd};

use super::context::fetcher;
use super::{Environment, Finished, Options, Reporter, TOLD};
use crate::fetch::HostAccess;
use crate::host::{machine, process};
use crate::plan::Stage;
use crate::report::Failure;
use crate::report::chain;

/// For all questions together. The record is on the console by then.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// A boot that goes on does not wait long for somebody who is not there.
const AFTER_SUCCESS: Duration = Duration::from_secs(2);

/// Tells the platform of `options`, and waits for those who tell the sinks at the same time. `ended` is how the stage did: a
/// command line that was wrong has no record, and is nobody's boot.
pub fn tell(
    options: &Options,
    environment: &Environment,
    reporter: &Reporter,
    ended: Result<Finished, Option<&Failure>>,
) {
    let patience = match ended {
        Err(Some(_)) => AFTER_FAILURE,
        Ok(_) | Err(None) => AFTER_SUCCESS,
    };
    let end = Instant::now() + patience;
    let failure = ended.err().flatten();
    if matches!(ended, Ok(Finished::Done) | Err(Some(_))) {
        tell_platform(options, environment, failure, patience);
    }
    reporter.wait(end, failure);
    if failure.is_some() {
        note_told(&environment.run_dir);
    }
}

/// Notes that the failure was told, for who would tell it otherwise. A process that was killed before has not told it.
pub(super) fn note_told(run_dir: &Path) {
    if let Err(error) = machine::replace(&run_dir.join(TOLD), b"", 0o600) {
        tracing::warn!("cannot keep that this failure was told: {error}");
    }
}

/// Tells the platform of a failure that no stage has told it.
pub(super) fn platform_of_failure(options: &Options, environment: &Environment, failure: &Failure) {
    tell_platform(options, environment, Some(failure), AFTER_FAILURE);
}

fn tell_platform(
    options: &Options,
    environment: &Environment,
    failure: Option<&Failure>,
    patience: Duration,
) {
    let Ok(platform) = kindling_platforms::get(&options.platform) else {
        return;
    };
    let Some(metadata) = platform.metadata() else {
        return;
    };
    let record = failure.map(ToString::to_string);
    let end = StageEnd {
        stage: options.stage.name(),
        failure: record.as_deref(),
    };
    let processes = process::System::new(environment.path.clone());
    let fetcher = fetcher(&options.platform, patience, options.stage == Stage::FetchOffline);
    let via = HostAccess::new(&fetcher, &processes, &environment.config_file)
        .on(platform)
        .for_at_most(patience);
    log(platform, metadata.stage_ended(&via, &end));
}

fn log(platform: &dyn Platform, told: Result<CheckIn, PlatformError>) {
    let id = platform.id();
    match told {
        Ok(CheckIn::Unsupported) => {}
        Ok(CheckIn::Told) => tracing::info!("platform {id} was told how this stage ended"),
        Err(error) if error.needs_network() => {}
        Err(error) => {
            let why = chain(&error).join(": ");
            tracing::warn!("platform {id} could not be told how this stage ended: {why}");
        }
    }
}
