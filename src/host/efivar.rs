//! Variables of the firmware that are ours: what a machine remembers beside its disks. They outlive a reinstalled disk, and
//! a disk that goes to another machine leaves them behind.
//!
//! Source: efivarfs, Documentation/filesystems/efivarfs.rst and fs/efivarfs/file.c: one file `NAME-GUID` for each
//! variable, four bytes of attributes and then the data; a variable is set by one write, whole or not at all; files of
//! unknown vendors are immutable until the flag is taken off. UEFI specification 2.10, 8.2 for the attributes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use nix::sys::statfs::{FsType, statfs};

use super::block;

/// The vendor of all variables of ours, drawn once at random.
pub const VENDOR: &str = "7d60160f-f83f-4c22-ac27-0a3c0398f8d6";

/// Kept without power, visible before and after the boot loader has ended.
const ATTRIBUTES: [u8; 4] = 7_u32.to_le_bytes();
const FIRMWARE: &str = "/sys/firmware/efi";
const MOUNT_POINT: &str = "/sys/firmware/efi/efivars";
/// `EFIVARFS_MAGIC`, linux/magic.h. The type of the field differs between processors.
const MAGIC: u32 = 0xde5e_81e4;
/// `FS_IMMUTABLE_FL`, linux/fs.h.
const IMMUTABLE: i32 = 0x10;
/// The kernel lets a user read some hundred times a second and pauses 50 ms after that, which older ones report as an
/// interrupted call. More tries than this are no limit of a rate.
const TRIES: u32 = 100;

/// The variables of our vendor.
#[derive(Clone, Debug)]
pub struct EfiVariables {
    dir: PathBuf,
}

impl EfiVariables {
    /// Those of this machine, mounted if they are not; `None` for a machine that was not started by UEFI or whose firmware
    /// does not offer its variables to a running system.
    #[must_use]
    pub fn of_machine() -> Option<Self> {
        let dir = Path::new(MOUNT_POINT);
        if !Path::new(FIRMWARE).is_dir() {
            return None;
        }
        match is_mounted(dir).and_then(|mounted| if mounted { Ok(()) } else { mount(dir) }) {
            Ok(()) => Some(Self::at(dir)),
            Err(error) => {
                tracing::warn!("cannot mount the variables of the firmware at {MOUNT_POINT}: {error}");
                None
            }
        }
    }

    /// Those in a directory of files named `NAME-GUID`.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The value of a variable; `None` where it is not set.
    ///
    /// # Errors
    /// What the kernel answers; `InvalidData` for a file that is shorter than its attributes.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.read_whole(name)?.map(|(_, value)| value))
    }

    /// Sets a variable, and only if it has another value: the memory it is kept in wears.
    ///
    /// # Errors
    /// `StorageFull` when the firmware has no room; `ReadOnlyFilesystem` when it takes no values from a running system;
    /// else what the kernel answers. The old value stands then.
    pub fn write(&self, name: &str, value: &[u8]) -> io::Result<()> {
        match self.read_whole(name)? {
            Some((attributes, present)) if attributes == ATTRIBUTES && present == value => return Ok(()),
            // The firmware refuses a value with other attributes than the variable has.
            Some((attributes, _)) if attributes != ATTRIBUTES => self.remove(name)?,
            _ => {}
        }
        let path = self.path(name);
        let bytes = [&ATTRIBUTES, value].concat();
        // One that was being made when the power went is there, immutable and empty, until the next boot.
        let flags = make_mutable(&path)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let written = persevere(|| write_at_once(&file, &bytes)).map_err(|error| told(name, error));
        if let Some(flags) = flags {
            // It protects from `rm -r`; a variable without it holds as well.
            drop(block::set_file_flags(&file, flags));
        }
        written
    }

    /// Removes a variable; that it is not there is no error.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        make_mutable(&path)?;
        match persevere(|| fs::remove_file(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}-{VENDOR}"))
    }

    /// Attributes and value.
    fn read_whole(&self, name: &str) -> io::Result<Option<([u8; 4], Vec<u8>)>> {
        let bytes = match persevere(|| fs::read(self.path(name))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if bytes.is_empty() {
            // Made, and never set.
            return Ok(None);
        }
        let cut = || io::Error::new(io::ErrorKind::InvalidData, "a variable without attributes");
        let (attributes, value) = bytes.split_first_chunk().ok_or_else(cut)?;
        Ok(Some((*attributes, value.to_vec())))
    }
}

/// The kernel hands the bytes of one write to the firmware as one value, so there is no second write for a rest.
fn write_at_once(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    let written = file.write(bytes)?;
    if written != bytes.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    // In a plain directory a longer value has left its end. Variables have their new length already.
    let length = u64::try_from(written).unwrap_or(u64::MAX);
    if file.metadata()?.len() > length {
        file.set_len(length)?;
    }
    Ok(())
}

/// Takes the immutable flag off, and returns the flags that the file had if it was set.
fn make_mutable(path: &Path) -> io::Result<Option<i32>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match block::file_flags(&file)? {
        Some(flags) if flags & IMMUTABLE != 0 => {
            block::set_file_flags(&file, flags & !IMMUTABLE)?;
            Ok(Some(flags))
        }
        _ => Ok(None),
    }
}

/// Repeats what was interrupted or put off; the kernel has made the pause.
fn persevere<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut tries = 1;
    loop {
        match call() {
            Err(error)
                if tries < TRIES
                    && matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                    ) =>
            {
                tries += 1;
            }
            other => return other,
        }
    }
}

fn told(name: &str, error: io::Error) -> io::Error {
    let kind = error.kind();
    match kind {
        io::ErrorKind::StorageFull => {
            io::Error::new(kind, format!("the firmware has no room for its variable {name}"))
        }
        _ => error,
    }
}

fn is_mounted(dir: &Path) -> io::Result<bool> {
    let magic = FsType(MAGIC.into());
    Ok(statfs(dir)?.filesystem_type() == magic)
}

fn mount(dir: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(nix::mount::mount(
        Some("efivarfs"),
        dir,
        Some("efivarfs"),
        flags,
        None::<&str>,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "what the kernel would show")]
    fn kernel_shows(dir: &Path, name: &str, bytes: &[u8]) {
        fs::write(dir.join(format!("{name}-{VENDOR}")), bytes).unwrap();
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let variables = EfiVariables::at(dir.path());
        assert_eq!(variables.read("A").unwrap(), None);
        variables.write("A", b"one").unwrap();
        assert_eq!(variables.read("A").unwrap().unwrap(), b"one");
        assert_eq!(
            fs::read(dir.path().join(format!("A-{VENDOR}"))).unwrap(),
            b"\x07\0\0\0one"
        );
        variables.remove("A").unwrap();
        variables.remove("A").unwrap();
        assert_eq!(variables.read("A").unwrap(), None);
    }

    #[test]
    fn a_shorter_value_leaves_nothing_of_the_longer_one() {
        let dir = tempfile::tempdir().unwrap();
        let variables = EfiVariables::at(dir.path());
        variables.write("A", b"a longer value").unwrap();
        variables.write("A", b"short").unwrap();
        assert_eq!(variables.read("A").unwrap().unwrap(), b"short");
    }

    #[test]
    fn an_equal_value_is_not_written_again() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let variables = EfiVariables::at(dir.path());
        variables.write("A", b"one").unwrap();
        let path = dir.path().join(format!("A-{VENDOR}"));
        let past = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(past)
            .unwrap();
        variables.write("A", b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mtime(), 1);
        variables.write("A", b"two").unwrap();
        assert_ne!(fs::metadata(&path).unwrap().mtime(), 1);
    }

    #[test]
    fn a_value_with_other_attributes_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        kernel_shows(dir.path(), "A", b"\x03\0\0\0one");
        let variables = EfiVariables::at(dir.path());
        variables.write("A", b"one").unwrap();
        assert_eq!(
            fs::read(dir.path().join(format!("A-{VENDOR}"))).unwrap(),
            b"\x07\0\0\0one"
        );
    }

    #[test]
    fn one_that_was_made_and_never_set_has_no_value() {
        let dir = tempfile::tempdir().unwrap();
        kernel_shows(dir.path(), "A", b"");
        kernel_shows(dir.path(), "B", b"\x07\0");
        let variables = EfiVariables::at(dir.path());
        assert_eq!(variables.read("A").unwrap(), None);
        assert_eq!(
            variables.read("B").unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        variables.write("A", b"one").unwrap();
        assert_eq!(variables.read("A").unwrap().unwrap(), b"one");
    }

    #[test]
    fn what_the_kernel_puts_off_is_tried_again_but_not_for_ever() {
        let mut calls = 0;
        let answer = persevere(|| {
            calls += 1;
            if calls < 3 {
                Err(io::ErrorKind::Interrupted.into())
            } else {
                Ok(calls)
            }
        });
        assert_eq!(answer.unwrap(), 3);
        let mut calls = 0;
        let answer: io::Result<()> = persevere(|| {
            calls += 1;
            Err(io::ErrorKind::WouldBlock.into())
        });
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(calls, TRIES);
    }

    #[test]
    fn a_full_store_is_called_so() {
        let full = told("A", io::Error::from_raw_os_error(nix::libc::ENOSPC));
        assert_eq!(full.to_string(), "the firmware has no room for its variable A");
    }
}
