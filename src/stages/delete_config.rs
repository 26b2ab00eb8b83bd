//! Removing the config from the hypervisor, once a machine runs from its own root: unprivileged processes can ask the
//! hypervisor too.

use std::sync::Arc;
use std::time::Duration;

use kindling_platforms::{Deletion, PlatformError, UnknownPlatform};

use super::Environment;
use crate::fetch::{Fetcher, HostAccess, Network, Pace, TransportSettings};
use crate::host::process;

/// A config that is still there.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The command line is wrong.
    #[error(transparent)]
    Unknown(UnknownPlatform),
    /// Nobody can remove a config there.
    #[error("platform {platform} has no way to delete a config")]
    Unsupported {
        /// The platform.
        platform: String,
    },
    /// The platform does not let it go, or could not tell whether it is there.
    #[error("the config of platform {platform} is not deleted")]
    Kept {
        /// The platform.
        platform: String,
        /// The cause.
        source: PlatformError,
    },
}

/// Removes the config from `platform`. That there is none is a success.
///
/// # Errors
/// See [`DeleteError`].
pub fn delete_config(platform: &str, environment: &Environment) -> Result<(), DeleteError> {
    let found = kindling_platforms::get(platform).map_err(DeleteError::Unknown)?;
    // Those that can delete are all asked without a network.
    let settings = TransportSettings::first(Duration::from_secs(120), true);
    let fetcher = Fetcher::new(Arc::new(Network::default()), settings, Pace::real());
    let processes = process::System::new(environment.path.clone());
    let via = HostAccess::new(&fetcher, &processes, &environment.config_file);
    match found.delete_user_data(&via) {
        Ok(Deletion::Deleted) => Ok(()),
        Ok(Deletion::Unsupported) => Err(DeleteError::Unsupported {
            platform: platform.to_owned(),
        }),
        Err(source) => Err(DeleteError::Kept {
            platform: platform.to_owned(),
            source,
        }),
    }
}
