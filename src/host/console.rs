//! The consoles of a boot: what a person in front of the machine, or at one of its serial lines, sees.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::machine;
use crate::inventory::consoles::{self, Listed};
use crate::report::Failure;
use crate::report::screen::{self, Size};

/// The target of events that somebody who waits in front of the machine should hear of.
pub const WAITING: &str = "kindling::waiting";

/// What a first boot of this machine leaves for its real root.
const PROVISIONED: &str = "/run/kindling/provisioned";

/// No two lines about waiting come closer than this: dozens of downloads may wait at the same time.
const APART: Duration = Duration::from_secs(4);

/// How long all consoles together may take over a record. A serial line of 9600 baud takes one of 12 lines in a second.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for a line about waiting, after which other work waits.
const PATIENCE_FOR_A_LINE: Duration = Duration::from_millis(500);

/// Shows a text on every console, in the initramfs: the journal of a boot that ends there is gone.
pub fn show(text: &str) {
    if let Some(console) = Console::of_initramfs() {
        console.write(&format!("\n{text}"), PATIENCE);
    }
}

/// Shows lines that belong to what was shown last.
pub fn show_below(text: &str) {
    if let Some(console) = Console::of_initramfs() {
        console.write(text, PATIENCE);
    }
}

/// Shows a record on every console, in the initramfs, and on a screen a code beside it.
pub fn show_record(failure: &Failure) {
    if let Some(console) = Console::of_initramfs() {
        console.show_record(failure, &machine::boot_id());
    }
}

/// Shows a record on every console of the real root. An initramfs has shown it; and what looks like neither, such as a test, has
/// no consoles of its own.
pub fn show_join_record(failure: &Failure) {
    if !machine::is_initramfs() && Path::new(PROVISIONED).exists() {
        Console::at(Places::of_machine()).show_record(failure, &machine::boot_id());
    }
}

/// Waits until each kind of console that the kernel arguments ask for is there, the driver of which may come as a module. Returns
/// whether one came.
pub fn wait_for_named(command_line: &str, at_most: Duration) -> bool {
    Console::of_initramfs().is_some_and(|console| console.wait_for_named(command_line, at_most))
}

/// The consoles, which are told what the machine waits for.
pub(super) struct Console {
    places: Places,
    /// When they were told something last.
    told: Mutex<Option<Instant>>,
}

/// Where the kernel tells of its consoles.
struct Places {
    /// `/proc/consoles`.
    list: PathBuf,
    /// `/sys/dev/char`: names by number. One console of IBM Z is named as no device is.
    numbers: PathBuf,
    /// `/dev`.
    devices: PathBuf,
    /// `/sys/class/tty/console/active`, which is ready for a look when a console comes or goes (Documentation/ABI/stable/sysfs-tty).
    active: PathBuf,
}

impl Places {
    fn of_machine() -> Self {
        Self {
            list: "/proc/consoles".into(),
            numbers: "/sys/dev/char".into(),
            devices: "/dev".into(),
            active: "/sys/class/tty/console/active".into(),
        }
    }

    fn consoles(&self) -> Vec<Listed> {
        consoles::parse(&fs::read_to_string(&self.list).unwrap_or_default())
    }

    fn device(&self, console: &Listed) -> PathBuf {
        let (major, minor) = console.number;
        let link = fs::read_link(self.numbers.join(format!("{major}:{minor}"))).ok();
        let name = link.as_deref().and_then(Path::file_name);
        self.devices.join(name.unwrap_or(console.name.as_ref()))
    }

    /// The size of a screen; `None` for a console that is not one. The device of its characters begins with it (vcs(4)).
    fn size(&self, console: &Listed) -> Option<Size> {
        let terminal = console.terminal()?;
        let mut size = [0; 2];
        let mut cells = File::open(self.devices.join(format!("vcsa{terminal}"))).ok()?;
        cells.read_exact(&mut size).ok()?;
        let [rows, columns] = size.map(usize::from);
        Some(Size { rows, columns })
    }
}

impl Console {
    /// The machine's own, while the initramfs runs.
    pub(super) fn of_initramfs() -> Option<Self> {
        machine::is_initramfs().then(|| Self::at(Places::of_machine()))
    }

    fn at(places: Places) -> Self {
        Self {
            places,
            told: Mutex::new(None),
        }
    }

    /// Shows `line`, unless another one came a moment ago.
    pub(super) fn tell(&self, line: &str) {
        let now = Instant::now();
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_some_and(|told| now.duration_since(told) < APART) {
                return;
            }
            *told = Some(now);
        }
        self.write(line, PATIENCE_FOR_A_LINE);
    }

    fn wait_for_named(&self, command_line: &str, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let awaited = || consoles::awaited(command_line, &self.places.consoles()).len();
        let at_first = awaited();
        let mut rest = at_first;
        while rest > 0 {
            // Looked at before the list is read, or what changes in between would be missed.
            let Ok(mut active) = File::open(&self.places.active) else {
                break;
            };
            let _ = io::copy(&mut active, &mut io::sink());
            rest = awaited();
            let left = until.saturating_duration_since(Instant::now());
            if rest == 0 || left.is_zero() || !has_changed(&active, left) {
                break;
            }
        }
        rest < at_first
    }

    fn show_record(&self, failure: &Failure, boot_id: &str) {
        let text = on_lines(&format!("\n{failure}"));
        let on = |console: &Listed| {
            let size = self.places.size(console)?;
            // A screen that went dark shows itself again, and the code's characters are UTF-8 (console_codes(4)).
            let begin = "\x1b[14]\x1b%G";
            let screen = screen::with_code(failure, boot_id, size)?;
            Some(format!("{begin}\r\n{}", lines_ended(&screen)))
        };
        self.write_each(
            |console| on(console).unwrap_or_else(|| text.clone()),
            &text,
            PATIENCE,
        );
    }

    fn write(&self, text: &str, patience: Duration) {
        let text = on_lines(text);
        self.write_each(|_| text.clone(), &text, patience);
    }

    /// Writes to each console its text, or `usual` to the one the kernel prefers where every one of them refused.
    fn write_each(&self, text: impl Fn(&Listed) -> String, usual: &str, patience: Duration) {
        let consoles = self.places.consoles();
        let texts = consoles.iter().map(|one| (self.places.device(one), text(one)));
        if write_all(texts.collect(), patience) == consoles.len() {
            let preferred = self.places.devices.join("console");
            write_all(vec![(preferred, usual.to_owned())], patience);
        }
    }
}

/// Waits until the kernel says that a file of sysfs which was read has another content (`sysfs_notify`).
fn has_changed(file: &File, at_most: Duration) -> bool {
    // A millisecond more, so that the last wait is not many of none.
    let left = PollTimeout::try_from(at_most + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    let events = PollFlags::POLLPRI | PollFlags::POLLERR;
    match poll(&mut [PollFd::new(file.as_fd(), events)], left) {
        Ok(ready) => ready > 0,
        Err(error) => error == nix::errno::Errno::EINTR,
    }
}

/// As a serial line wants it.
fn on_lines(text: &str) -> String {
    lines_ended(&screen::plain(text))
}

fn lines_ended(text: &str) -> String {
    format!("{}\r\n", text.replace('\n', "\r\n"))
}

/// Writes each text to its device, all at the same time, and returns how many refused it. One whose other end has stopped
/// it, and which may hold up whoever closes it, must not stop the boot: nobody waits for its thread.
fn write_all(texts: Vec<(PathBuf, String)>, patience: Duration) -> usize {
    let deadline = Instant::now() + patience;
    let (ended, ends) = mpsc::channel();
    let mut refused = 0;
    for (path, text) in texts {
        let ended = ended.clone();
        let thread = thread::Builder::new().spawn(move || {
            // A console that does not take it is one channel less, not another failure.
            let _ = ended.send(write(&path, &text, deadline));
        });
        refused += usize::from(thread.is_err());
    }
    drop(ended);
    let left = || deadline.saturating_duration_since(Instant::now());
    while let Ok(written) = ends.recv_timeout(left()) {
        refused += usize::from(written.is_err());
    }
    refused
}

fn write(path: &Path, text: &str, deadline: Instant) -> io::Result<()> {
    let mut console = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match console.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = deadline.saturating_duration_since(Instant::now());
                let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
                if poll(&mut [PollFd::new(console.as_fd(), PollFlags::POLLOUT)], left)? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    /// Plain files as consoles, with the list of them.
    struct Machine {
        dir: tempfile::TempDir,
    }

    impl Machine {
        #[allow(clippy::disallowed_methods, reason = "what the kernel would show")]
        fn with(list: &str, files: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("consoles"), list).unwrap();
            for name in files {
                fs::write(dir.path().join(name), "").unwrap();
            }
            Self { dir }
        }

        #[allow(clippy::disallowed_methods, reason = "what the kernel would show")]
        fn screen(self, terminal: u32, size: [u8; 2]) -> Self {
            let cells = [&size[..], b"\0\0 \x07 \x07"].concat();
            fs::write(self.path(&format!("vcsa{terminal}")), cells).unwrap();
            self
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn console(&self) -> Console {
            Console::at(Places {
                list: self.path("consoles"),
                numbers: self.path("numbers"),
                devices: self.dir.path().to_owned(),
                active: self.path("active"),
            })
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap()
        }
    }

    fn failure() -> Failure {
        Failure {
            code: "path-exists".into(),
            stage: Stage::Files,
            what: "/etc/motd is there".into(),
            place: None,
            why: vec!["said \x1b]0;x\x07".into()],
            next: "remove it".into(),
        }
    }

    const LIST: &str = "tty0                 -WU (EC  p  )    4:1\n\
                        ttyS0                -W- (E   p a)    4:64\n\
                        ttyS1                -W- (E   p a)    4:65\n";
    const SERIAL: &str = "\r\nkindling: first boot FAILED in stage files [path-exists]\r\n  \
                          what:  /etc/motd is there\r\n  \
                          why:   said  ]0;x \r\n  \
                          next:  remove it\r\n";

    #[test]
    fn a_record_is_on_every_console_and_its_code_on_a_screen_alone() {
        let machine = Machine::with(LIST, &["tty0", "ttyS0", "ttyS1", "console"]).screen(1, [48, 128]);
        machine.console().show_record(&failure(), "8c2f");
        assert_eq!(machine.text("ttyS0"), SERIAL);
        assert_eq!(machine.text("ttyS1"), SERIAL);
        let screen = machine.text("tty0");
        assert!(
            screen.starts_with("\x1b[14]\x1b%G\r\nkindling: first boot FAILED"),
            "{screen:?}"
        );
        assert!(screen.contains('\u{2580}') && screen.ends_with("\x1b[0m\r\n"));
        assert!(!screen.contains("\x1b]0;"), "{screen:?}");
        assert_eq!(machine.text("console"), "");
    }

    #[test]
    fn a_terminal_without_a_screen_shows_the_record_alone() {
        for machine in [
            Machine::with(LIST, &["tty0"]),
            Machine::with(LIST, &["tty0"]).screen(1, [25, 40]),
        ] {
            machine.console().show_record(&failure(), "8c2f");
            assert_eq!(machine.text("tty0"), SERIAL);
        }
    }

    /// That one which comes is seen, a guest shows (`tests/vm/tests/consoles.rs`): no plain file is like the kernel's here.
    #[test]
    fn nobody_waits_for_a_console_that_is_there_nor_for_ever_for_one_that_is_not() {
        let hour = Duration::from_secs(3600);
        let machine = Machine::with(LIST, &["active"]);
        assert!(
            !machine
                .console()
                .wait_for_named("console=ttyS0 console=tty0", hour)
        );
        assert!(
            !machine
                .console()
                .wait_for_named("console=hvc0", Duration::from_millis(1))
        );
        let nothing_tells = Machine::with(LIST, &[]);
        assert!(!nothing_tells.console().wait_for_named("console=hvc0", hour));
    }

    #[test]
    fn where_no_console_is_listed_or_can_be_opened_the_preferred_one_is_written() {
        for list in ["", LIST] {
            let machine = Machine::with(list, &["console"]);
            machine.console().show_record(&failure(), "8c2f");
            assert_eq!(machine.text("console"), SERIAL);
        }
    }

    #[test]
    fn a_device_is_found_by_its_number_where_its_name_is_another() {
        let machine = Machine::with("ttyS0 -W- (EC p a) 4:64\n", &["sclp_line0", "ttyS0"]);
        fs::create_dir(machine.path("numbers")).unwrap();
        let target = "../../devices/virtual/tty/sclp_line0";
        std::os::unix::fs::symlink(target, machine.path("numbers/4:64")).unwrap();
        machine.console().write("a line", PATIENCE);
        assert_eq!(machine.text("sclp_line0"), "a line\r\n");
        assert_eq!(machine.text("ttyS0"), "");
    }

    #[test]
    fn a_console_that_takes_nothing_holds_up_no_other() {
        let machine = Machine::with("ttyS0 -W- (EC p a) 4:64\nttyS1 -W- (E p a) 4:65\n", &["ttyS1"]);
        // A pipe that is open and not read takes 64 KiB, as a serial line its 4 KiB.
        let pipe = machine.path("ttyS0");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut unread = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        unread.write_all(&[b'x'; 65_536]).unwrap();
        machine.console().write("a line", PATIENCE_FOR_A_LINE);
        assert_eq!(machine.text("ttyS1"), "a line\r\n");
    }

    #[test]
    fn many_that_wait_at_once_make_one_line() {
        let machine = Machine::with("ttyS0 -W- (EC p a) 4:64\n", &["ttyS0"]);
        let console = machine.console();
        for number in 0..100 {
            console.tell(&format!("waiting for {number}"));
        }
        assert_eq!(machine.text("ttyS0"), "waiting for 0\r\n");
    }
}
