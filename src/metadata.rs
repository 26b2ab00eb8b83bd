//! What a metadata agent does on a running system: writes down what the platform tells of its machine, and tells the
//! platform that it has booted.
//!
//! Each task asks for what it needs and no more. A file appears whole, or stays as it was.

mod lines;

use std::path::{Path, PathBuf};

use kindling_config_spec::units::Mode;
use kindling_platforms::{
    Access as Via, AccessError, CheckIn, EnvelopeFault, Metadata, Platform, PlatformError, PlatformId,
    network,
};

use crate::host::accounts::{self, LookupError};
use crate::host::log;
use crate::host::process::Processes;
use crate::host::sysroot::{Access, Sysroot, SysrootError};
use crate::host::user::{AsUser, BecomeError};
use crate::inventory::target::Account;
use crate::report::chain;

pub use lines::{agent_lines, own_lines};

/// What to do with what the platform tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Write attributes under the agent's names.
    Attributes(PathBuf),
    /// Write what all platforms have in common, under one name for all.
    Facts(PathBuf),
    /// Write the keys of a user.
    SshKeys(String),
    /// Write the host's name.
    Hostname(PathBuf),
    /// Write files of systemd-networkd into a directory.
    NetworkUnits(PathBuf),
    /// Write network arguments for the initramfs; those of the distribution where the platform has none.
    NetworkArguments {
        /// Where.
        path: PathBuf,
        /// Those of the distribution.
        default: String,
    },
    /// Tell the platform that the machine has booted.
    CheckIn,
}

/// Why a task was not done.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// There is nobody to ask.
    #[error("platform {0} tells nothing of its machines but their config")]
    Silent(PlatformId),
    /// The platform could not be asked.
    #[error("platform {id} does not tell of this machine")]
    Ask {
        /// Which.
        id: PlatformId,
        /// Why.
        source: AccessError,
    },
    /// It answered, and not as it does.
    #[error("what platform {id} tells of this machine cannot be read: {why}")]
    Malformed {
        /// Which.
        id: PlatformId,
        /// What is wrong, without quoting the answer.
        why: String,
    },
    /// It is another machine's platform.
    #[error(transparent)]
    Platform(PlatformError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] SysrootError),
    /// The user could not be looked up.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The user is not there.
    #[error("there is no user {0:?} on this system")]
    NoUser(String),
    /// What belongs to a user is written with that user's rights, and they could not be taken.
    #[error(transparent)]
    Become(#[from] BecomeError),
}

impl MetadataError {
    /// The stable name of this failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Silent(_) => "metadata-silent",
            Self::Ask {
                source: AccessError::Envelope { fault, .. },
                ..
            } => match fault {
                EnvelopeFault::NoProgram => "program-missing",
                EnvelopeFault::NoRecipient => "envelope-certificate",
                EnvelopeFault::Closed => "envelope-closed",
                EnvelopeFault::Contents => "envelope-contents",
                EnvelopeFault::Key => "envelope-key",
            },
            Self::Ask { .. } => "metadata-unreachable",
            Self::Malformed { .. } => "metadata-malformed",
            Self::Platform(_) => "platform-not-here",
            Self::Write(_) => "metadata-unwritable",
            Self::Lookup(_) | Self::NoUser(_) => "metadata-user",
            Self::Become(_) => "metadata-rights",
        }
    }
}

impl From<PlatformError> for MetadataError {
    /// A platform's own words are about configs.
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::Access { id, source } => Self::Ask { id, source },
            PlatformError::Malformed { id, why } => Self::Malformed { id, why },
            other => Self::Platform(other),
        }
    }
}

/// The system whose files are written.
#[derive(Clone, Copy)]
pub struct System<'a> {
    /// Its root.
    pub root: &'a Sysroot,
    /// Answers for names that are not in its files.
    pub processes: &'a dyn Processes,
}

/// Does the tasks in their order; the first that fails ends it.
///
/// # Errors
/// See [`MetadataError`].
pub fn run(
    platform: &dyn Platform,
    tasks: &[Task],
    via: &dyn Via,
    system: System<'_>,
) -> Result<(), MetadataError> {
    for task in tasks {
        one(platform, task, via, system)?;
    }
    Ok(())
}

fn one(platform: &dyn Platform, task: &Task, via: &dyn Via, system: System<'_>) -> Result<(), MetadataError> {
    let id = platform.id();
    let metadata = platform.metadata();
    let asked = || metadata.ok_or(MetadataError::Silent(id));
    match task {
        Task::Attributes(path) => {
            // Units that read the file find it, whatever the platform.
            let attributes = match metadata {
                Some(metadata) => metadata.attributes(via)?,
                None => Vec::new(),
            };
            put(system.root, path, &agent_lines(&attributes), 0o644)
        }
        Task::Facts(path) => {
            let attributes = match metadata {
                Some(metadata) => metadata.attributes(via)?,
                None => Vec::new(),
            };
            put(system.root, path, &own_lines(id, &attributes), 0o644)
        }
        Task::SshKeys(user) => ssh_keys(asked()?, user, via, system),
        Task::Hostname(path) => match asked()?.hostname(via)? {
            Some(name) => put(system.root, path, &format!("{name}\n"), 0o644),
            None => {
                tracing::warn!("platform {id} has no name for this host");
                Ok(())
            }
        },
        Task::NetworkUnits(dir) => {
            for file in network::units(&asked()?.network(via)?) {
                put(system.root, &dir.join(&file.name), &file.text, 0o644)?;
            }
            Ok(())
        }
        Task::NetworkArguments { path, default } => {
            let told = metadata
                .map(|metadata| metadata.network_arguments(via))
                .transpose();
            // Without any, the machine has no network at all: what the platform says is the better of two.
            let told = told.unwrap_or_else(|error| {
                let why = chain(&MetadataError::from(error)).join(": ");
                tracing::warn!("the distribution's network arguments are used: {why}");
                None
            });
            let arguments = told.flatten().unwrap_or_else(|| default.clone());
            put(system.root, path, &format!("{arguments}\n"), 0o644)
        }
        Task::CheckIn => {
            if asked()?.check_in(via)? == CheckIn::Unsupported {
                tracing::warn!("platform {id} does not ask to be told that a machine has booted");
            }
            Ok(())
        }
    }
}

fn put(root: &Sysroot, path: &Path, text: &str, mode: u32) -> Result<(), MetadataError> {
    let path = &Path::new("/").join(path);
    root.make_dirs(path.parent().unwrap_or(path))?;
    let access = Access {
        mode: Some(Mode(mode)),
        ..Access::default()
    };
    Ok(root.put(path, text.as_bytes(), access)?)
}

/// The user's own fragment of authorized keys: it goes where the platform has no key any more. Links in a home are the
/// user's, so what is written there is written with the user's rights.
fn ssh_keys(
    metadata: &dyn Metadata,
    user: &str,
    via: &dyn Via,
    system: System<'_>,
) -> Result<(), MetadataError> {
    let account = accounts::user(system.root, system.processes, user)?;
    let account = account.ok_or_else(|| MetadataError::NoUser(user.to_owned()))?;
    let keys = metadata.ssh_keys(via)?;
    let path = account.home.join(".ssh/authorized_keys.d/afterburn");
    let _as_user = AsUser::become_user(user, account.uid, account.gid)?;
    if keys.is_empty() {
        if system.root.look(&path)?.is_some() {
            system.root.remove(&path)?;
        }
        log::agent_keys(user, &path, false);
        return Ok(());
    }
    fragment(system.root, &account, &path, &keys)?;
    log::agent_keys(user, &path, true);
    Ok(())
}

fn fragment(root: &Sysroot, account: &Account, path: &Path, keys: &[String]) -> Result<(), MetadataError> {
    let private = |mode| Access {
        mode: Some(Mode(mode)),
        ..Access::default()
    };
    let ssh = account.home.join(".ssh");
    for dir in [ssh.join("authorized_keys.d"), ssh] {
        if root.look(&dir)?.is_none() {
            root.make_dirs_as(&dir, private(0o700))?;
        }
    }
    let mut text = keys.join("\n");
    text.push('\n');
    Ok(root.put_durably(path, text.as_bytes(), private(0o600))?)
}

#[cfg(test)]
mod tests;
