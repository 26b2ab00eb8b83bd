//! What `ignition-kargs-helper` does where a distribution brings none of its own: kernel arguments go into the boot
//! entries, and the machine boots once more if the running kernel was started without them (engine.md 4.3).

use std::io;
use std::path::PathBuf;

use super::Environment;
use crate::host::boot::{self, Boot, BootError, Entry};
use crate::host::{devices, machine, process};
use crate::plan::Stage;
use crate::plan::entries::{self, Next, Unfit, Wanted, root_device, starts_kernel};
use crate::report::{Failure, in_merged};

/// Says until the next boot that an entry was changed.
const CHANGED: &str = "kernel-arguments-changed";

/// Why kernel arguments are not in effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntriesError {
    #[error("the kernel arguments of the config cannot be put into boot entries")]
    Arguments(#[source] Unfit),
    #[error("cannot read {}", path.display())]
    CommandLine { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error("no boot entry of a kernel was found{}", place(looked))]
    Absent { looked: String },
    #[error("this machine boots images that hold their arguments: {}", images.join(", "))]
    Images { images: Vec<String> },
    #[error("the arguments of {name} cannot be changed")]
    Fixed { name: String, source: Unfit },
    #[error("the boot entries have the kernel arguments, and the kernel runs without them: {}", unmet.join(", "))]
    NotInEffect { unmet: Vec<String> },
}

fn place(looked: &str) -> String {
    if looked.is_empty() {
        ", nor a file system that could have one".to_owned()
    } else {
        format!(" on {looked}")
    }
}

impl EntriesError {
    /// Whether this boot loader is one whose arguments cannot be changed in entries.
    pub(super) fn is_of_loader(&self) -> bool {
        matches!(self.code(), "boot-entries-absent" | "boot-entry-fixed")
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Arguments(_)
            | Self::Fixed {
                source: Unfit::Contradicted(_),
                ..
            } => "kernel-arguments-unusable",
            Self::CommandLine { .. } => "kernel-arguments-unreadable",
            Self::Boot(error) => error.code(),
            Self::Absent { .. } => "boot-entries-absent",
            Self::Images { .. } | Self::Fixed { .. } => "boot-entry-fixed",
            Self::NotInEffect { .. } => "kernel-arguments-not-in-effect",
        }
    }

    fn next(&self) -> &'static str {
        match self {
            Self::Arguments(_)
            | Self::Fixed {
                source: Unfit::Contradicted(_),
                ..
            } => "correct kernelArguments of the config",
            Self::CommandLine { .. } => "check that /proc is mounted",
            Self::Boot(error) => match error.code() {
                "boot-unwritable" => "check that the file system is not write-protected and has space left",
                "reboot-failed" => "reset the machine: the boot entries have the arguments",
                _ => "check the file system that holds loader/entries; the kernel log says more",
            },
            Self::Absent { .. } | Self::Images { .. } | Self::Fixed { .. } => {
                "put the arguments into the image, or use an ignition-kargs-helper that knows this boot loader"
            }
            Self::NotInEffect { .. } => {
                "look at which entry the boot loader chose, and from where; it is none of those that were changed"
            }
        }
    }
}

/// Puts the arguments into the boot entries, and says what is left to do. Nothing is changed unless all of it can be.
///
/// # Errors
/// The record that the stage ends with.
pub fn change(exist: &[String], not: &[String], environment: &Environment) -> Result<Next, Failure> {
    try_change(exist, not, environment).map_err(|error| record(&error))
}

/// Boots the machine again. Returns only if that fails.
#[must_use]
pub fn reboot(environment: &Environment) -> Failure {
    let processes = process::System::new(environment.path.clone());
    record(&EntriesError::Boot(boot::reboot(&processes)))
}

/// The record of why they are not.
pub(super) fn record(error: &EntriesError) -> Failure {
    let mut failure = Failure::of(Stage::Kargs, error.code(), error, error.next().to_owned());
    failure.place = in_merged("/kernelArguments");
    failure
}

fn try_change(exist: &[String], not: &[String], environment: &Environment) -> Result<Next, EntriesError> {
    let wanted = Wanted::new(exist, not).map_err(EntriesError::Arguments)?;
    let path = &environment.command_line;
    let running = std::fs::read_to_string(path).map_err(|source| EntriesError::CommandLine {
        path: path.clone(),
        source,
    })?;
    let unmet = wanted.unmet(&running);
    let processes = process::System::new(environment.path.clone());
    let devices = devices::System::new(0, processes.clone());
    let root = root_device(&running).map(PathBuf::from);
    let boot = Boot::open(
        &processes,
        &devices,
        &environment.run_dir,
        root,
        !unmet.is_empty(),
    )?;
    let changed = edit(&boot, &wanted, environment);
    boot.close();
    let changed = match changed {
        Err(
            error @ (EntriesError::Absent { .. } | EntriesError::Images { .. } | EntriesError::Fixed { .. }),
        ) if unmet.is_empty() => {
            tracing::info!("{error}; the running kernel has the arguments that the config asks for");
            return Ok(Next::Nothing);
        }
        other => other?,
    };
    match entries::decide(changed, unmet.is_empty()) {
        Next::Fail => Err(EntriesError::NotInEffect { unmet }),
        next => Ok(next),
    }
}

/// The entries that have to change, each with its new text.
///
/// # Errors
/// `Boot`; `Absent`, `Images` or `Fixed` where not all can have what is wanted.
pub(super) fn changes(boot: &Boot<'_>, wanted: &Wanted) -> Result<Vec<(Entry, String)>, EntriesError> {
    let mut entries = boot.entries()?;
    entries.retain(|entry| starts_kernel(&entry.text));
    if entries.is_empty() {
        let images = boot.images();
        return Err(if images.is_empty() {
            EntriesError::Absent {
                looked: boot.looked(),
            }
        } else {
            EntriesError::Images { images }
        });
    }
    let mut changes = Vec::new();
    for entry in entries {
        match entries::entry(&entry.text, wanted) {
            Ok(Some(text)) => changes.push((entry, text)),
            Ok(None) => tracing::info!("{}: as configured", entry.name),
            Err(source) => {
                let name = entry.name;
                return Err(EntriesError::Fixed { name, source });
            }
        }
    }
    Ok(changes)
}

/// Whether an entry was changed on this boot.
fn edit(boot: &Boot<'_>, wanted: &Wanted, environment: &Environment) -> Result<bool, EntriesError> {
    let changes = changes(boot, wanted)?;
    let marker = environment.run_dir.join(CHANGED);
    if !changes.is_empty() {
        boot.replace(&changes, &|| {
            let noted = machine::private_dir(&environment.run_dir)
                .and_then(|()| machine::replace(&marker, b"", 0o600));
            noted.map_err(|source| BootError::Write {
                file: marker.clone(),
                source,
            })
        })?;
    }
    for (entry, _) in &changes {
        tracing::info!("{}: changed", entry.name);
    }
    Ok(!changes.is_empty() || marker.exists())
}
