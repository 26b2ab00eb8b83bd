//! What a platform is, and what it may answer.

use std::fmt;

use crate::{ALL, Access, AccessError, Metadata};

/// The value users write after `ignition.platform.id=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformId(&'static str);

impl PlatformId {
    /// Names a platform. Only the modules of this crate create ids.
    pub(crate) const fn new(id: &'static str) -> Self {
        Self(id)
    }

    /// The id as it stands on the kernel command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for PlatformId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

/// What must work before a platform can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing but the machine itself: a drive, a hypervisor channel, a file. The answer exists before the network.
    Local,
    /// A metadata service: `fetch-offline` can only ask for the network.
    Network,
}

/// A config as the platform holds it: at least one byte, not yet known to be text.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData(Vec<u8>);

impl UserData {
    /// Wraps `bytes`; `None` when there are none, which every platform calls "no config".
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// The bytes, for the parser.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for UserData {
    /// Prints the length alone: a config holds secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "UserData({} bytes)", self.0.len())
    }
}

/// What became of the config on the platform's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The platform has no way to remove it.
    Unsupported,
    /// It is gone, or was not there any more.
    Deleted,
}

/// A place that can hold the user's config.
pub trait Platform: Sync {
    /// The value users write after the platform kernel argument, for example `qemu`.
    fn id(&self) -> PlatformId;

    /// Whether [`Self::user_data`] can succeed before the network is up.
    fn reach(&self) -> Reach;

    /// Other addresses of its services, for networks without IPv4: how an address begins, and how it begins there. They are
    /// asked where the first cannot be reached.
    fn also_at(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Where the config stands, and what its absence means: a row of `docs/platforms.md`.
    fn place(&self) -> &'static str;

    /// The config as bytes, after the decoding that is particular to the platform. `Ok(None)` means that the user
    /// gave none, which is not a failure.
    ///
    /// # Errors
    /// [`PlatformError::NotHere`] when this machine cannot be on that platform, so that the next source may be
    /// asked; [`PlatformError::Access`] when the platform could not tell, the need for a network included;
    /// [`PlatformError::Malformed`] when it told something that is not in its format.
    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError>;

    /// What the platform tells of its machine beside the config; `None` where it tells nothing.
    fn metadata(&self) -> Option<&dyn Metadata> {
        None
    }

    /// Removes the config once provisioning succeeded, where the platform can.
    ///
    /// # Errors
    /// [`PlatformError::Kept`] when the platform refused; otherwise as [`Self::user_data`].
    fn delete_user_data(&self, _via: &dyn Access) -> Result<Deletion, PlatformError> {
        Ok(Deletion::Unsupported)
    }
}

/// Why a platform could not say what its user wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// This machine does not run there.
    #[error("this machine does not run on platform {id}")]
    NotHere {
        /// The platform that was asked.
        id: PlatformId,
    },
    /// It could not be reached, or not yet.
    #[error("cannot read the config of platform {id}")]
    Access {
        /// The platform that was asked.
        id: PlatformId,
        /// What failed on the way.
        source: AccessError,
    },
    /// It does not let its config go.
    #[error("cannot remove the config from platform {id}")]
    Kept {
        /// The platform that was asked.
        id: PlatformId,
        /// What failed on the way.
        source: AccessError,
    },
    /// Its answer breaks its own format.
    #[error("platform {id} answered with something else than a config: {why}")]
    Malformed {
        /// The platform that was asked.
        id: PlatformId,
        /// What is wrong, without quoting the answer.
        why: String,
    },
}

impl PlatformError {
    /// Whether the same question can be answered once the network is up.
    #[must_use]
    pub fn needs_network(&self) -> bool {
        matches!(
            self,
            Self::Access {
                source: AccessError::NeedsNetwork,
                ..
            }
        )
    }
}

/// A platform id that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown platform {id:?}; known are: {}", known())]
pub struct UnknownPlatform {
    /// What was asked for.
    pub id: String,
}

fn known() -> String {
    let ids: Vec<&str> = ALL.iter().map(|platform| platform.id().as_str()).collect();
    ids.join(", ")
}
