//! Running host programs: found by name, as root where needed, with a cause when they fail.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// A host program that could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Neither on `PATH` nor among the system programs.
    #[error("{program} is not installed")]
    NotInstalled {
        /// The program's bare name.
        program: String,
    },
    /// The program is there and did not start.
    #[error("cannot start {program}")]
    Start {
        /// The program's bare name.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The program ended with a failure; the end of what it said is in the message.
    #[error("{program} ended with {status}; the end of {}:\n{tail}", log.display())]
    Failed {
        /// The program's bare name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// All it said.
        log: PathBuf,
        /// The last lines of that.
        tail: String,
    },
    /// The file that was to take the program's output could not be made.
    #[error("cannot write {}", log.display())]
    Log {
        /// The file.
        log: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The full path of a program; a path stands for itself. System folders count although a user's `PATH` may lack them, and those where
/// distributions keep QEMU's own programs.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(
            [
                "/usr/sbin",
                "/sbin",
                "/usr/bin",
                "/bin",
                "/usr/lib/qemu",
                "/usr/libexec",
            ]
            .map(PathBuf::from),
        )
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Whether this process may do everything itself.
#[must_use]
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// A command for `program` with root's rights: directly, or by `sudo`.
///
/// # Errors
/// [`RunError::NotInstalled`] for the program, or for `sudo` where it is needed.
pub fn as_root(program: &str) -> Result<Command, RunError> {
    let path = get(program)?;
    if is_root() {
        return Ok(Command::new(path));
    }
    let mut command = Command::new(get("sudo")?);
    command.arg(path);
    Ok(command)
}

/// [`find`], with an error that names what is missing.
///
/// # Errors
/// [`RunError::NotInstalled`].
pub fn get(program: &str) -> Result<PathBuf, RunError> {
    find(program).ok_or_else(|| RunError::NotInstalled {
        program: program.to_owned(),
    })
}

/// Runs `command` to its end with its output in `log`.
///
/// # Errors
/// [`RunError::Log`], [`RunError::Start`], or [`RunError::Failed`] with the end of the log.
pub fn to_end(program: &str, command: &mut Command, log: &Path) -> Result<(), RunError> {
    let log_failed = |source| RunError::Log {
        log: log.to_path_buf(),
        source,
    };
    let out = File::create(log).map_err(log_failed)?;
    let err = out.try_clone().map_err(log_failed)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .status()
        .map_err(|source| RunError::Start {
            program: program.to_owned(),
            source,
        })?;
    if status.success() {
        return Ok(());
    }
    let said = fs::read(log).map_err(log_failed)?;
    let tail = tail(&String::from_utf8_lossy(&said), 15);
    Err(RunError::Failed {
        program: program.to_owned(),
        status,
        log: log.to_path_buf(),
        tail,
    })
}

/// Runs a shell script of this crate with root's rights and arguments; `wrap` stands before the shell.
///
/// # Errors
/// As [`to_end`].
pub fn script(name: &str, wrap: &[&str], text: &str, args: &[OsString], log: &Path) -> Result<(), RunError> {
    let first = wrap.first().copied().unwrap_or("sh");
    let mut command = as_root(first)?;
    if !wrap.is_empty() {
        command.args(&wrap[1..]).arg("sh");
    }
    command.arg("-c").arg(text).arg(name).args(args);
    to_end(name, &mut command, log)
}

/// The last `count` lines of a text.
#[must_use]
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
