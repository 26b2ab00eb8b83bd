//! How a stage fails: with which exit status, and with which record.

use kindling_platforms::UnknownPlatform;

use crate::report::Failure;

/// A stage that did not succeed.
#[derive(Clone, Debug)]
pub enum StageError {
    /// The platform is unknown or not in this build: the command line is wrong.
    Platform(UnknownPlatform),
    /// The state file cannot be read.
    State(Failure),
    /// The stage failed.
    Failed(Failure),
}

impl StageError {
    /// Exit status, as the reference's (engine.md 1.3).
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Platform(_) => 2,
            Self::State(_) => 3,
        }
    }

    /// The same with a record that a console can show at once; the whole one goes to the log.
    #[must_use]
    pub fn fit(self) -> Self {
        let fit = |whole: Failure| {
            let whole = whole.once();
            let fit = whole.clone().fit();
            if fit.what.lines().count() < whole.what.lines().count() {
                tracing::error!("{}", whole.what);
            }
            fit
        };
        match self {
            Self::Platform(unknown) => Self::Platform(unknown),
            Self::State(failure) => Self::State(fit(failure)),
            Self::Failed(failure) => Self::Failed(fit(failure)),
        }
    }

    /// Stable code, one row in docs/failure-states.md.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Platform(_) => "platform-unknown",
            Self::State(failure) | Self::Failed(failure) => &failure.code,
        }
    }

    /// The record, unless the command line was wrong.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Platform(_) => None,
            Self::State(failure) | Self::Failed(failure) => Some(failure),
        }
    }
}

impl From<Failure> for StageError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
