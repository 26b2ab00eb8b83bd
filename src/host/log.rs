//! Where lines go: the system log under the reference's identifier, or standard output (engine.md 1.6).
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::console::{Console, WAITING};
use crate::log::{self, Level, Sink};
use crate::report::Failure;
use crate::report::progress::StageRecord;

/// Identifier of every line; distributions filter the journal by it.
const IDENTIFIER: &str = "ignition";
/// The journal's native socket (systemd's native journal protocol).
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Structured records that distributions read (engine.md 2.9).
const CONFIG_FETCHED: &str = "57124006b5c94805b77ce473e92a8aeb";
/// As above, of the metadata agent (platforms.md 2.8).
const AGENT_KEYS_WRITTEN: &str = "0f7d7a502f2d433caa1323440a6b4190";
const AGENT_KEYS_REMOVED: &str = "f8b91c53f5544868a3a10d0dcf68e9ea";
const SSH_KEYS_WRITTEN: &str = "225067b87bbd4a0cb6ab151f82fa364b";
/// Our own records, which have another identifier: who filters by the reference's has read the same as lines.
const OWN_IDENTIFIER: &str = "kindling";
/// Drawn at random once; docs/failure-states.md lists their fields.
const FAILED: &str = "bab5b4f5cc7a3641468a4f0bb2d928ef";
const STAGE_ENDED: &str = "4a5f8966e7c495bc9a6ee99583fc6bd4";
const BOOT_ENDED: &str = "0f2b0541f77d09e2f3daed551ca89995";
/// Bytes of one value. An entry has to fit one datagram, of 208 KiB by default (socket(7), `wmem_default`).
const LONGEST: usize = 8 << 10;

/// How long a line may wait for a log that does not read. A healthy one takes microseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Syslog severities that we use (RFC 5424, table 2).
#[derive(Clone, Copy)]
enum Severity {
    Critical = 2,
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

impl Severity {
    fn of(level: Level) -> Self {
        match level {
            Level::Error => Self::Critical,
            Level::Warn => Self::Warning,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// The sink of all lines of this process.
pub struct Log {
    syslog: Option<UnixDatagram>,
    prefix: String,
    order: Mutex<()>,
    /// Where lines about waiting are shown as well.
    console: Option<Console>,
}

impl Log {
    /// Lines go to the system log unless `to_stdout`, each with `prefix` in front (the stage's name). Without a
    /// system log they go to standard output after all.
    #[must_use]
    pub fn open(to_stdout: bool, prefix: &str) -> Self {
        let syslog = if to_stdout { None } else { connect() };
        let log = Self {
            syslog,
            prefix: prefix.to_owned(),
            order: Mutex::new(()),
            console: Console::of_initramfs(),
        };
        if log.syslog.is_none() && !to_stdout {
            log.write(
                Severity::Error,
                "cannot open the system log; lines go to standard output",
            );
        }
        log
    }

    /// Makes this the sink for the rest of the process.
    pub fn install(self) {
        log::install(Box::new(self));
    }

    fn write(&self, severity: Severity, text: &str) {
        let _order = self.order.lock();
        // A plan has thousands of lines: standard output takes them at once, the system log one by one.
        let mut whole = String::new();
        for line in text.lines() {
            match &self.syslog {
                Some(socket) => {
                    let text = format!("<{}>{IDENTIFIER}[{}]: {line}", severity as u8, std::process::id());
                    send(socket, |socket| socket.send(text.as_bytes()));
                }
                // Writing to a String cannot fail.
                None => drop(writeln!(whole, "{:<9}: {line}", severity.word())),
            }
        }
        // As for the system log: a reader that has gone, or a full disk behind it, is nothing to us.
        let mut out = io::stdout().lock();
        drop(out.write_all(whole.as_bytes()).and_then(|()| out.flush()));
    }
}

/// A full or vanished log must not stop a boot: after one line that had to wait too long, no other waits.
fn send(socket: &UnixDatagram, line: impl FnOnce(&UnixDatagram) -> io::Result<usize>) {
    let sent = line(socket);
    if sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
        drop(socket.set_nonblocking(true));
    }
}

fn unbound() -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(socket)
}

fn connect() -> Option<UnixDatagram> {
    let socket = unbound()?;
    ["/dev/log", "/var/run/syslog", "/var/run/log"]
        .iter()
        .find(|path| socket.connect(path).is_ok())?;
    Some(socket)
}

impl Sink for Log {
    fn line(&self, level: Level, target: Option<&str>, text: fmt::Arguments<'_>) {
        let line = if self.prefix.is_empty() {
            text.to_string()
        } else {
            format!("{}: {text}", self.prefix)
        };
        if let Some(console) = self.console.as_ref()
            && target == Some(WAITING)
        {
            console.tell(&format!("kindling: {line}"));
        }
        self.write(Severity::of(level), &line);
    }
}

/// One record for the journal, beside the lines.
struct Entry<'a> {
    /// What it is a record of.
    id: &'a str,
    severity: Severity,
    identifier: &'a str,
    message: &'a str,
    fields: &'a [(&'a str, &'a str)],
}

impl Entry<'_> {
    /// As the journal takes it: a value with a line end has its length in front (systemd's native journal protocol).
    fn bytes(&self) -> Vec<u8> {
        let priority = (self.severity as u8).to_string();
        let own = [
            ("MESSAGE", self.message),
            ("MESSAGE_ID", self.id),
            ("PRIORITY", &priority),
            ("SYSLOG_IDENTIFIER", self.identifier),
        ];
        let mut bytes = Vec::new();
        for (name, value) in own.iter().chain(self.fields) {
            let value = value
                .get(..value.floor_char_boundary(LONGEST))
                .unwrap_or_default();
            bytes.extend_from_slice(name.as_bytes());
            if value.contains('\n') {
                bytes.push(b'\n');
                bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            } else {
                bytes.push(b'=');
            }
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    /// Sends it to the journal, if there is one.
    fn send(&self) {
        if !Path::new(JOURNAL).exists() {
            return;
        }
        if let Some(socket) = unbound() {
            // As above: the log is never worth a boot.
            drop(socket.send_to(&self.bytes(), JOURNAL));
        }
    }
}

/// Sends a record that the reference has too.
fn structured(id: &str, message: &str, fields: &[(&str, &str)]) {
    Entry {
        id,
        severity: Severity::Info,
        identifier: IDENTIFIER,
        message,
        fields,
    }
    .send();
}

/// Records why a stage failed, as one entry.
pub fn failed(failure: &Failure) {
    let why = failure.why.join("\n");
    let fields = [
        ("KINDLING_CODE", failure.code.as_str()),
        ("KINDLING_STAGE", failure.stage.name()),
        ("KINDLING_WHAT", &failure.what),
        ("KINDLING_WHY", &why),
        ("KINDLING_NEXT", &failure.next),
        ("KINDLING_WHERE", failure.place.as_deref().unwrap_or_default()),
    ];
    let fields = match failure.place {
        Some(_) => &fields[..],
        None => &fields[..5],
    };
    Entry {
        id: FAILED,
        severity: Severity::Critical,
        identifier: OWN_IDENTIFIER,
        message: &failure.to_string(),
        fields,
    }
    .send();
}

/// Records that a stage ended well.
pub fn stage_ended(record: &StageRecord) {
    let (stage, outcome) = (record.stage.name(), record.outcome.as_str());
    let milliseconds = record.milliseconds.to_string();
    Entry {
        id: STAGE_ENDED,
        severity: Severity::Info,
        identifier: OWN_IDENTIFIER,
        message: &format!("kindling: stage {stage}: {outcome}, {milliseconds} ms"),
        fields: &[
            ("KINDLING_STAGE", stage),
            ("KINDLING_OUTCOME", outcome),
            ("KINDLING_MILLISECONDS", &milliseconds),
        ],
    }
    .send();
}

/// Records that the first boot has done its work, in so many milliseconds of all its stages.
pub fn boot_ended(milliseconds: u64) {
    let milliseconds = milliseconds.to_string();
    Entry {
        id: BOOT_ENDED,
        severity: Severity::Info,
        identifier: OWN_IDENTIFIER,
        message: &format!("kindling: first boot done, {milliseconds} ms in its stages"),
        fields: &[
            ("KINDLING_OUTCOME", "ok"),
            ("KINDLING_MILLISECONDS", &milliseconds),
        ],
    }
    .send();
}

/// Records that the keys of a user were written, or removed, as the metadata agent does.
pub fn agent_keys(user: &str, path: &Path, written: bool) {
    let (id, message) = if written {
        (
            AGENT_KEYS_WRITTEN,
            format!("wrote ssh authorized keys file for user: {user}"),
        )
    } else {
        (
            AGENT_KEYS_REMOVED,
            format!("removed ssh authorized keys for user: {user}"),
        )
    };
    let path = path.display().to_string();
    structured(
        id,
        &message,
        &[("AFTERBURN_USER_NAME", user), ("AFTERBURN_PATH", &path)],
    );
}

/// Records that a config was read.
pub fn config_fetched(kind: &str, source: &str, referenced: bool) {
    structured(
        CONFIG_FETCHED,
        &format!("fetched {kind} config from {source:?}"),
        &[
            ("IGNITION_CONFIG_TYPE", kind),
            ("IGNITION_CONFIG_SRC", source),
            (
                "IGNITION_CONFIG_REFERENCED",
                if referenced { "true" } else { "false" },
            ),
        ],
    );
}

/// Records that a user's SSH keys were written.
pub fn ssh_keys_written(user: &str, path: &Path) {
    let path = path.display().to_string();
    structured(
        SSH_KEYS_WRITTEN,
        &format!("wrote ssh authorized keys file for user: {user}"),
        &[("IGNITION_USER_NAME", user), ("IGNITION_PATH", &path)],
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_log_that_nobody_reads_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let reader = UnixDatagram::bind(dir.path().join("log")).unwrap();
        let socket = unbound().unwrap();
        socket.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        socket.connect(dir.path().join("log")).unwrap();
        let log = Log {
            syslog: Some(socket),
            prefix: String::new(),
            order: Mutex::new(()),
            console: None,
        };
        let started = Instant::now();
        for _ in 0..10_000 {
            log.write(Severity::Info, "a line");
        }
        assert!(started.elapsed() < Duration::from_secs(60));
        drop(reader);
        log.write(Severity::Info, "a line");
    }

    #[test]
    fn a_record_is_one_entry_of_the_journal() {
        let entry = Entry {
            id: FAILED,
            severity: Severity::Critical,
            identifier: OWN_IDENTIFIER,
            message: "two\nlines",
            fields: &[("KINDLING_CODE", "path-exists"), ("KINDLING_WHY", "")],
        };
        let expected = "MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n\
                        MESSAGE_ID=bab5b4f5cc7a3641468a4f0bb2d928ef\n\
                        PRIORITY=2\n\
                        SYSLOG_IDENTIFIER=kindling\n\
                        KINDLING_CODE=path-exists\n\
                        KINDLING_WHY=\n";
        assert_eq!(String::from_utf8(entry.bytes()).unwrap(), expected);
    }

    #[test]
    fn a_long_value_is_cut_and_its_entry_fits_a_datagram() {
        let long = "ß\n".repeat(1 << 20);
        let fields = [("KINDLING_WHY", long.as_str()); 6];
        let entry = Entry {
            id: FAILED,
            severity: Severity::Critical,
            identifier: OWN_IDENTIFIER,
            message: &long,
            fields: &fields,
        };
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let bytes = entry.bytes();
        assert_eq!(ours.send(&bytes).unwrap(), bytes.len());
        let mut read = vec![0; 1 << 20];
        assert_eq!(theirs.recv(&mut read).unwrap(), bytes.len());
        assert!(bytes.len() > 7 * (LONGEST - 4));
    }

    #[test]
    fn a_missing_system_log_is_an_error_and_not_critical() {
        assert_eq!(Severity::of(Level::Error).word(), "CRITICAL");
        assert_eq!(Severity::Error.word(), "ERROR");
    }
}
