//! Clouds where a machine has a config drive, a metadata service, or both.
//!
//! A drive that is there from the start wins, and works before the network is up; the service's "no config" counts only
//! when no drive comes a moment later. What fails on one side does not hide the other.

use crate::config_drive::{files_of_any, first_of};
use crate::{Access, PlatformError, PlatformId, UserData};

/// The labels that drives have: the second is how some tools write the first.
pub(crate) const LABELS: [&str; 2] = ["config-2", "CONFIG-2"];

/// How long a drive is awaited after the service has said that there is no config, in seconds.
const GRACE: u64 = 10;

/// How long a drive is awaited after the service has failed, in seconds.
const LAST_RESORT: u64 = 30;

/// The drive, wherever it may appear.
pub(crate) struct Drives<'a> {
    /// The machine.
    pub(crate) via: &'a dyn Access,
    /// Who asks.
    pub(crate) id: PlatformId,
    /// The config below the root of the drive.
    pub(crate) path: &'a str,
}

impl Drives<'_> {
    /// What the drive holds, if one appears within `seconds`.
    ///
    /// # Errors
    /// [`PlatformError::Access`] when it is there and cannot be read.
    pub(crate) fn look(&self, seconds: u64) -> Result<Option<Option<UserData>>, PlatformError> {
        let found = files_of_any(self.via, self.id, &LABELS, &[self.path], seconds)?;
        Ok(found.map(first_of))
    }
}

/// What became of asking the service.
pub(crate) enum Service {
    /// It answered.
    Said(Option<UserData>),
    /// A drive appeared while the service was looked for.
    Drive(Option<UserData>),
}

/// The config of a machine that has a drive, or a service to `ask`.
///
/// # Errors
/// [`PlatformError::Access`] when neither has an answer: the drive's failure where there is one, else the service's.
pub(crate) fn config_of(
    drives: &Drives<'_>,
    ask: impl FnOnce() -> Result<Service, PlatformError>,
) -> Result<Option<UserData>, PlatformError> {
    let broken = match drives.look(0) {
        Ok(Some(found)) => return Ok(found),
        Ok(None) => None,
        Err(error) => Some(error),
    };
    let said = match ask() {
        Ok(Service::Drive(found)) => return Ok(found),
        Ok(Service::Said(Some(config))) => return Ok(Some(config)),
        Ok(Service::Said(None)) => Ok(None),
        Err(error) if error.needs_network() => return Err(error),
        Err(error) => Err(error),
    };
    let wait = if said.is_ok() { GRACE } else { LAST_RESORT };
    match (drives.look(wait), broken) {
        (Ok(Some(found)), _) => Ok(found),
        (Err(error), _) | (Ok(None), Some(error)) => Err(error),
        (Ok(None), None) => said,
    }
}
