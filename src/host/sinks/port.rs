//! A serial port of the hypervisor, by its name.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use nix::libc;
use nix::sys::stat::{major, minor};

use crate::host::http::stream::Until;

/// Where the devices of this machine are.
pub const DEVICES: &str = "/dev";

/// Writes `bytes` to the port `name` of `devices`: one of virtio by that name, or a terminal. A port that nobody reads at the
/// other end is given up `within` that time; a part of `bytes` may be in it then.
///
/// # Errors
/// There is no such port, nobody reads, or the kernel refuses.
pub fn write(devices: &Path, name: &str, bytes: &[u8], within: Duration) -> io::Result<()> {
    let path = find(devices, name)?;
    let mut options = OpenOptions::new();
    options
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC);
    let port = options.open(path)?;
    io::Write::write_all(&mut Until::new(port.into(), within)?, bytes)
}

/// Where the kernel tells of its character devices, by number.
const NUMBERS: &str = "/sys/dev/char";

/// Whether the kernel has this character device among its terminals: others under `/dev` arm a watchdog, or are memory.
fn is_terminal(number: u64) -> bool {
    let number = format!("{}:{}", major(number), minor(number));
    fs::read_link(Path::new(NUMBERS).join(number).join("subsystem")).is_ok_and(|path| path.ends_with("tty"))
}

/// The device of that name. Nothing but a port or a terminal is written to: a name must not lead to a disk.
fn find(devices: &Path, name: &str) -> io::Result<PathBuf> {
    let is_plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !is_plain {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "that is no name of a port",
        ));
    }
    let places = [
        (devices.join("virtio-ports").join(name), true),
        (devices.join(name), false),
    ];
    for (path, is_port) in places {
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let kind = found.file_type();
        let is_line = kind.is_char_device() && (is_port || is_terminal(found.rdev()));
        if is_line || kind.is_fifo() {
            return Ok(path);
        }
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} is no port", path.display()),
        ));
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "there is no such port"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    /// A directory of devices with one port, and its other end.
    fn ports(name: &str) -> (tempfile::TempDir, fs::File) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("virtio-ports")).unwrap();
        let path = dir.path().join(name);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let other = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .unwrap();
        (dir, other)
    }

    #[test]
    fn a_port_is_found_by_either_name() {
        for name in ["virtio-ports/org.example.report", "ttyS9"] {
            let (dir, mut other) = ports(name);
            let short = name.rsplit('/').next().unwrap();
            write(dir.path(), short, b"one\ntwo\n", SOON).unwrap();
            let mut text = String::new();
            other.read_to_string(&mut text).unwrap();
            assert_eq!(text, "one\ntwo\n");
        }
    }

    #[test]
    fn a_port_that_nobody_reads_is_given_up() {
        let (dir, other) = ports("virtio-ports/p");
        let full = vec![b'x'; 1 << 20];
        let error = write(dir.path(), "p", &full, SOON).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(other);
        assert!(write(dir.path(), "p", b"x", SOON).is_err());
    }

    #[test]
    fn what_is_no_port_is_not_written_to() {
        let (dir, _other) = ports("virtio-ports/p");
        let disk = dir.path().join("sda");
        fs::File::create(&disk).unwrap();
        for name in ["sda", "nothing", "", "../sda", "/dev/null", "virtio-ports"] {
            assert!(write(dir.path(), name, b"x", SOON).is_err(), "{name}");
        }
        assert_eq!(fs::metadata(&disk).unwrap().len(), 0);
        // Those of this machine, by the kernel's own word: memory is none, a console is one.
        let devices = Path::new(DEVICES);
        for name in ["null", "zero", "mem", "random"] {
            assert!(find(devices, name).is_err(), "{name}");
        }
        assert_eq!(find(devices, "tty").unwrap(), devices.join("tty"));
    }
}
