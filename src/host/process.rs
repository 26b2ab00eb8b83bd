//! The process boundary: the only place that starts a program.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the module that runs an Invocation"
)]

mod running;

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kindling_config_spec::order::OrderedMap;

use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

pub use running::Running;

use super::runs::{Runs, since_boot};
use crate::invocation::{Arg, Invocation, Key, Program};

/// The size of a core file that the kernel takes as the wish for none, also where a program is to receive it
/// (`do_coredump` of Linux's fs/coredump.c): zero is not asked for there.
const NO_CORE: u64 = 1;

/// No crash of this process, or of a program that it starts, leaves a copy of its memory: that holds the config and its
/// keys.
///
/// # Errors
/// When the kernel refuses.
pub fn keep_memory_private() -> io::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, NO_CORE, NO_CORE)?;
    // Also against others of the same user, who may trace it otherwise.
    Ok(prctl::set_dumpable(false)?)
}

/// How much of a program's standard error a report may carry, in bytes, counted from the end.
const STDERR_KEPT: usize = 4096;
/// How much of it is held before it is cut, in bytes: more than the longest argument that could stand in it.
const STDERR_HELD: usize = 64 << 10;
/// How much standard output is read, in bytes. Nothing we run prints more than a few lines.
const STDOUT_KEPT: u64 = 1 << 20;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// No executable file of that name is on `PATH`.
    #[error("the program {program} is not {}", program.home())]
    NotInstalled {
        /// The missing program.
        program: Program,
    },
    /// The kernel refused to start it.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: Program,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A signal ended it.
    #[error("{program} was killed by signal {signal}{}", said(stderr))]
    Killed {
        /// The program.
        program: Program,
        /// The signal's number.
        signal: i32,
        /// The last 4 KiB of its standard error.
        stderr: String,
    },
    /// It ended by itself with another status than 0.
    #[error("{program} ended with status {status}{}", said(stderr))]
    Exited {
        /// The program.
        program: Program,
        /// Its exit status.
        status: i32,
        /// The last 4 KiB of its standard error.
        stderr: String,
    },
}

fn said(stderr: &str) -> String {
    let line = stderr.trim().replace('\n', " | ");
    if line.is_empty() {
        String::new()
    } else {
        format!(": {line}")
    }
}

/// What a program left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 0 unless the call came through [`Processes::status`].
    pub status: i32,
    /// Its standard output, at most 1 MiB.
    pub stdout: Vec<u8>,
    /// The last 4 KiB of its standard error.
    pub stderr: String,
}

/// The process boundary. `host::process::System` implements it; tests use `host::fake::Scripted`.
pub trait Processes: Sync {
    /// Whether the program is there to be run.
    fn is_installed(&self, program: Program) -> bool;

    /// Runs `call` to its end, whatever status it ends with.
    ///
    /// # Errors
    /// `NotInstalled`, `Start`, or `Killed` by a signal.
    fn status(&self, call: &Invocation) -> Result<Output, ProcessError>;

    /// Runs `call` to its end.
    ///
    /// # Errors
    /// Those of [`Processes::status`], and `Exited` with a non-zero status.
    fn run(&self, call: &Invocation) -> Result<Output, ProcessError> {
        let output = self.status(call)?;
        match output.status {
            0 => Ok(output),
            status => Err(ProcessError::Exited {
                program: call.program,
                status,
                stderr: output.stderr,
            }),
        }
    }
}

/// Programs found on a search path and run by the kernel.
#[derive(Clone)]
pub struct System {
    path: OsString,
    runs: Runs,
}

thread_local! {
    /// Lookups that were answered before, so that no directory is searched twice.
    static FOUND: RefCell<OrderedMap<Program, Option<PathBuf>>> = const { RefCell::new(OrderedMap::new()) };
}

impl System {
    /// Looks programs up in the directories of `path`, the value of `PATH`.
    #[must_use]
    pub fn new(path: OsString) -> Self {
        Self {
            path,
            runs: Runs::default(),
        }
    }

    /// The same, which notes what it ran.
    #[must_use]
    pub fn noted_in(self, runs: &Runs) -> Self {
        let runs = runs.clone();
        Self { runs, ..self }
    }

    fn find(&self, program: Program) -> Option<PathBuf> {
        FOUND.with_borrow_mut(|found| {
            found
                .entry(program)
                .or_insert_with(|| {
                    std::env::split_paths(&self.path)
                        .map(|dir| dir.join(program.name()))
                        .find(|file| {
                            file.metadata()
                                .is_ok_and(|at| at.is_file() && at.permissions().mode() & 0o111 != 0)
                        })
                })
                .clone()
        })
    }
}

impl Processes for System {
    fn is_installed(&self, program: Program) -> bool {
        self.find(program).is_some()
    }

    fn status(&self, call: &Invocation) -> Result<Output, ProcessError> {
        let began = since_boot();
        let ended = self.converse_with(call);
        // The status of a question is an answer; what failed because of one is the step.
        self.runs.program(call.program.name(), began, ended.is_err());
        ended
    }
}

impl System {
    /// Starts `call`, which goes on until it is ended. It gets no input and no key.
    ///
    /// # Errors
    /// `NotInstalled`, `Start`.
    pub fn start(&self, call: &Invocation) -> Result<Running, ProcessError> {
        let program = call.program;
        let file = self.find(program).ok_or(ProcessError::NotInstalled { program })?;
        tracing::debug!("starting: {call}");
        let start = || {
            let errors = File::from(memfd_create(c"errors", MFdFlags::MFD_CLOEXEC)?);
            let mut command = Command::new(file);
            command.args(call.args.iter().map(Arg::expose));
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            let child = command.stderr(errors.try_clone()?).spawn()?;
            Ok(Running::new(program, child, errors))
        };
        start().map_err(|source| ProcessError::Start { program, source })
    }

    /// Puts `call` in the place of this process, with `mark` in its environment. What returns is why it could not be.
    pub fn replace_with(&self, call: &Invocation, mark: &str) -> ProcessError {
        let program = call.program;
        let Some(file) = self.find(program) else {
            return ProcessError::NotInstalled { program };
        };
        let mut command = Command::new(file);
        command.args(call.args.iter().map(Arg::expose)).env(mark, "1");
        let source = command.exec();
        ProcessError::Start { program, source }
    }

    fn converse_with(&self, call: &Invocation) -> Result<Output, ProcessError> {
        let program = call.program;
        let file = self.find(program).ok_or(ProcessError::NotInstalled { program })?;
        tracing::debug!("executing: {call}");
        let started = |source| ProcessError::Start { program, source };
        let key = call.key.as_ref().map(in_memory).transpose().map_err(started)?;
        let args: Result<Vec<OsString>, io::Error> =
            call.args.iter().map(|arg| resolved(arg, key.as_ref())).collect();
        let mut child = Command::new(file)
            .args(args.map_err(started)?)
            .stdin(if call.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(started)?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut stdout, stderr) = match call.limit {
            None => converse(streams, call.stdin.as_deref()),
            Some(limit) => converse_within(limit, streams, call.stdin.clone()).ok_or_else(|| {
                // Its end is not waited for: a program that the kernel keeps waiting for a device has none.
                drop(child.kill());
                ProcessError::Killed {
                    program,
                    signal: libc::SIGKILL,
                    stderr: format!("it took longer than {} s", limit.as_secs()),
                }
            })?,
        };
        let status = child.wait().map_err(started)?;
        let secrets: Vec<&[u8]> = call.secrets().collect();
        blank(&mut stdout, &secrets);
        let stderr = stderr.text(&secrets);
        match status.code() {
            Some(status) => Ok(Output {
                status,
                stdout,
                stderr,
            }),
            None => Err(ProcessError::Killed {
                program,
                signal: status.signal().unwrap_or(0),
                stderr,
            }),
        }
    }
}

/// A file without a name that holds the key: nobody but root can reach it, nothing of it gets to a disk, and it is gone
/// when the program has ended, however this process ends.
fn in_memory(key: &Key) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"key", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(key.expose())?;
    Ok(file)
}

/// The argument as the program receives it. A program opens the key by this process's descriptor, as often as it likes.
fn resolved(arg: &Arg, key: Option<&File>) -> io::Result<OsString> {
    match (arg, key) {
        (Arg::Key, Some(file)) => {
            let (process, number) = (std::process::id(), file.as_raw_fd());
            Ok(format!("/proc/{process}/fd/{number}").into())
        }
        (Arg::Key, None) => Err(io::Error::other("no key was given for it")),
        (Arg::BitsOf(path), _) => {
            let bits = std::fs::metadata(path)?.len().saturating_mul(8);
            Ok(bits.to_string().into())
        }
        (Arg::Plain(_) | Arg::Secret(_) | Arg::Derived { .. }, _) => Ok(arg.expose().to_owned()),
    }
}

type Streams = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

/// The same, if it comes to its end in that time.
fn converse_within(limit: Duration, streams: Streams, stdin: Option<Vec<u8>>) -> Option<(Vec<u8>, Tail)> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(converse(streams, stdin.as_deref())));
    receiver.recv_timeout(limit).ok()
}

/// Feeds and drains the three streams at once, so that no full pipe stops either side.
fn converse((input, output, errors): Streams, stdin: Option<&[u8]>) -> (Vec<u8>, Tail) {
    let (mut stdout, mut stderr) = (Vec::new(), Tail::default());
    std::thread::scope(|scope| {
        if let (Some(mut input), Some(bytes)) = (input, stdin) {
            // A program that ends without reading its input says why by its status, not by our EPIPE.
            scope.spawn(move || drop(input.write_all(bytes)));
        }
        let drained = errors.map(|mut errors| {
            scope.spawn(move || {
                let mut kept = Tail::default();
                drop(io::copy(&mut errors, &mut kept));
                kept
            })
        });
        if let Some(output) = output {
            let mut limited = output.take(STDOUT_KEPT);
            drop(limited.read_to_end(&mut stdout));
            drop(io::copy(&mut limited.into_inner(), &mut io::sink()));
        }
        if let Some(kept) = drained.and_then(|thread| thread.join().ok()) {
            stderr = kept;
        }
    });
    (stdout, stderr)
}

/// The end of what is written to it, in bounded memory.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        // Rarely, so that not every write moves what is kept.
        if let Some(excess) = self.bytes.len().checked_sub(STDERR_HELD)
            && excess >= STDERR_HELD
        {
            self.bytes.drain(..excess);
            self.is_cut = true;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tail {
    /// The last [`STDERR_KEPT`] bytes as text, without the secrets and without the rest of one that was cut.
    fn text(self, secrets: &[&[u8]]) -> String {
        let mut bytes = self.bytes;
        blank(&mut bytes, secrets);
        if self.is_cut {
            let rest = |secret: &&[u8]| {
                (1..secret.len())
                    .find(|from| secret.get(*from..).is_some_and(|rest| bytes.starts_with(rest)))
                    .map_or(0, |from| secret.len() - from)
            };
            let longest = secrets.iter().map(rest).max().unwrap_or(0);
            bytes.drain(..longest);
        }
        let from = bytes.len().saturating_sub(STDERR_KEPT);
        String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned()
    }
}

/// Puts `…` in the place of every secret: programs quote the arguments they do not like.
fn blank(bytes: &mut Vec<u8>, secrets: &[&[u8]]) {
    for secret in secrets {
        let mut from = 0;
        while let Some(at) = bytes
            .get(from..)
            .and_then(|rest| rest.windows(secret.len()).position(|part| part == *secret))
        {
            let at = from + at;
            bytes.splice(at..at + secret.len(), "…".bytes());
            from = at + "…".len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let none = System::new("/nonexistent".into());
        let error = none.run(&Invocation::new(Program::Wipefs)).unwrap_err();
        assert_eq!(error.to_string(), "the program wipefs is not in this initramfs");
    }

    fn kept(text: &str, secrets: &[&str]) -> String {
        let mut tail = Tail::default();
        for part in text.as_bytes().chunks(1000) {
            tail.write_all(part).unwrap();
            assert!(tail.bytes.len() <= 2 * STDERR_HELD + 1000);
        }
        let secrets: Vec<&[u8]> = secrets.iter().map(|secret| secret.as_bytes()).collect();
        tail.text(&secrets)
    }

    #[test]
    fn the_end_of_standard_error_is_kept() {
        let long = "x".repeat(1_000_000) + "end";
        assert_eq!(kept(&long, &[]).len(), STDERR_KEPT);
        assert!(kept(&long, &[]).ends_with("end"));
    }

    #[test]
    fn a_secret_that_a_program_quotes_is_not_kept() {
        let said = "useradd: invalid field '$6$salt$hash', '$6$salt$hash'\n";
        assert_eq!(kept(said, &["$6$salt$hash"]), "useradd: invalid field '…', '…'\n");
        // The part of a secret that is left where the rest was dropped.
        let mut cut = Tail::default();
        cut.bytes.extend_from_slice(b"salt$hash' is bad");
        cut.is_cut = true;
        assert_eq!(cut.text(&[b"$6$salt$hash"]), "' is bad");
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_and_one_that_does_not_has_its_say() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("systemctl");
        let text = "#!/bin/sh\n[ \"$1\" = show ] || exec /bin/cat /dev/zero >/dev/null\necho said\nexit 3\n";
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let system = System::new(dir.path().into());
        let call = |word: &str, limit| Invocation::new(Program::Systemctl).arg(word).within(limit);
        let output = system.status(&call("show", Duration::from_secs(60))).unwrap();
        assert_eq!((output.status, output.stdout.as_slice()), (3, &b"said\n"[..]));
        let error = system
            .status(&call("start", Duration::from_millis(50)))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "systemctl was killed by signal 9: it took longer than 0 s"
        );
    }

    #[test]
    fn a_secret_is_in_no_error_of_a_real_program() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("useradd");
        std::fs::write(&script, "#!/bin/sh\necho \"$@\"; echo \"bad: $2\" >&2; exit 3\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let system = System::new(dir.path().into());
        let call = Invocation::new(Program::Useradd)
            .secret_option("--password", Some("$6$hush"))
            .arg("ada");
        let output = system.status(&call).unwrap();
        assert_eq!(output.stdout, "--password … ada\n".as_bytes());
        assert_eq!(output.stderr, "bad: …\n");
        assert!(!system.run(&call).unwrap_err().to_string().contains("hush"));
    }
}
