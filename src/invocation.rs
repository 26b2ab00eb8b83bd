//! A command line as a value: the plan builds it, `host::process` runs it, tests compare it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

/// A program that may be run, looked up on `PATH` by its bare name.
///
/// `dracut/30kindling/module-setup.sh` installs exactly [`Program::ALL`]; a test compares the two. The rest are
/// [`Program::REAL_ROOT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "&'static str")]
pub enum Program {
    /// Reads file system and partition table signatures.
    Blkid,
    /// Makes btrfs file systems.
    MkfsBtrfs,
    /// Makes ext4 file systems.
    MkfsExt4,
    /// Makes FAT file systems.
    MkfsFat,
    /// Makes XFS file systems.
    MkfsXfs,
    /// Makes swap areas.
    Mkswap,
    /// Erases signatures.
    Wipefs,
    /// Makes, starts and stops software RAID arrays.
    Mdadm,
    /// Makes and opens encrypted volumes.
    Cryptsetup,
    /// Binds the key of an encrypted volume to servers or to the machine.
    Clevis,
    /// Takes down mappings of a disk that may be wiped.
    Dmsetup,
    /// Makes the secure key of a crypto card of IBM Z.
    Zkey,
    /// Ties an encrypted volume to such a key.
    ZkeyCryptsetup,
    /// Brings a device of IBM Z online.
    Chccwdev,
    /// Takes a device of IBM Z off the list of those that the kernel ignores.
    CioIgnore,
    /// Waits until udev has worked off what the kernel told it.
    Udevadm,
    /// Reads the virtual card reader of z/VM.
    Vmur,
    /// Loads the kernel module that a config source needs.
    Modprobe,
    /// Mounts the target's file systems.
    Mount,
    /// Creates a group in the target.
    Groupadd,
    /// Changes a group in the target.
    Groupmod,
    /// Deletes a group from the target.
    Groupdel,
    /// Creates a user in the target.
    Useradd,
    /// Changes a user in the target.
    Usermod,
    /// Deletes a user from the target.
    Userdel,
    /// Runs the target's own `getent` inside the target.
    Chroot,
    /// Asks for and removes the enablement of units in the target.
    Systemctl,
    /// Labels what was written, on targets with SELinux.
    Setfiles,
    /// The distribution's hook that edits the boot loader's kernel arguments.
    KargsHelper,
    /// Makes an image a block device; for images at a desk only.
    Losetup,
    /// Makes keys and opens envelopes, for what a platform tells on the running system.
    Openssl,
    /// Starts a program as root of a user namespace; for images at a desk only.
    Unshare,
    /// Has a program end with the process that started it; for images at a desk only.
    Setpriv,
    /// Shows an ext2, ext3 or ext4 in a file as directories; for images at a desk only.
    Fuse2fs,
    /// Checks what it wrote; for images at a desk only.
    E2fsck,
}

impl Program {
    /// Every program of a boot, in the order of the initramfs module.
    pub const ALL: &[Self] = &[
        Self::Blkid,
        Self::MkfsBtrfs,
        Self::MkfsExt4,
        Self::MkfsFat,
        Self::MkfsXfs,
        Self::Mkswap,
        Self::Wipefs,
        Self::Mdadm,
        Self::Cryptsetup,
        Self::Clevis,
        Self::Dmsetup,
        Self::Zkey,
        Self::ZkeyCryptsetup,
        Self::Chccwdev,
        Self::CioIgnore,
        Self::Udevadm,
        Self::Vmur,
        Self::Modprobe,
        Self::Mount,
        Self::Groupadd,
        Self::Groupmod,
        Self::Groupdel,
        Self::Useradd,
        Self::Usermod,
        Self::Userdel,
        Self::Chroot,
        Self::Systemctl,
        Self::Setfiles,
        Self::KargsHelper,
    ];

    /// Programs of the running system, or of a desk: no stage of a boot runs one, so that no initramfs needs it.
    pub const REAL_ROOT: &[Self] = &[
        Self::Losetup,
        Self::Openssl,
        Self::Unshare,
        Self::Setpriv,
        Self::Fuse2fs,
        Self::E2fsck,
    ];

    /// Where it is looked for, in the words of a message.
    #[must_use]
    pub fn home(self) -> &'static str {
        match Self::REAL_ROOT.contains(&self) {
            true => "on this system",
            false => "in this initramfs",
        }
    }

    /// The bare name, as it is looked up on `PATH`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Blkid => "blkid",
            Self::MkfsBtrfs => "mkfs.btrfs",
            Self::MkfsExt4 => "mkfs.ext4",
            Self::MkfsFat => "mkfs.fat",
            Self::MkfsXfs => "mkfs.xfs",
            Self::Mkswap => "mkswap",
            Self::Wipefs => "wipefs",
            Self::Mdadm => "mdadm",
            Self::Cryptsetup => "cryptsetup",
            Self::Clevis => "clevis",
            Self::Dmsetup => "dmsetup",
            Self::Zkey => "zkey",
            Self::ZkeyCryptsetup => "zkey-cryptsetup",
            Self::Chccwdev => "chccwdev",
            Self::CioIgnore => "cio_ignore",
            Self::Udevadm => "udevadm",
            Self::Vmur => "vmur",
            Self::Modprobe => "modprobe",
            Self::Mount => "mount",
            Self::Groupadd => "groupadd",
            Self::Groupmod => "groupmod",
            Self::Groupdel => "groupdel",
            Self::Useradd => "useradd",
            Self::Usermod => "usermod",
            Self::Userdel => "userdel",
            Self::Chroot => "chroot",
            Self::Systemctl => "systemctl",
            Self::Setfiles => "setfiles",
            Self::KargsHelper => "ignition-kargs-helper",
            Self::Losetup => "losetup",
            Self::Openssl => "openssl",
            Self::Unshare => "unshare",
            Self::Setpriv => "setpriv",
            Self::Fuse2fs => "fuse2fs",
            Self::E2fsck => "e2fsck",
        }
    }
}

impl From<Program> for &'static str {
    fn from(program: Program) -> Self {
        program.name()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// One element of an argument vector. A secret one prints as `…`.
#[derive(Clone, PartialEq, Eq)]
pub enum Arg {
    /// May be logged.
    Plain(OsString),
    /// A password hash or the like: given to the program, never printed.
    Secret(OsString),
    /// The path of a file with [`Invocation::key`] in it, which only exists in memory while the program runs.
    Key,
    /// The size of a file in bits, once an earlier call has made it.
    BitsOf(PathBuf),
    /// An identifier that the config leaves open.
    Derived {
        /// What this boot derives.
        value: OsString,
        /// What stands for it where that cannot be known yet.
        word: &'static str,
    },
}

impl Arg {
    /// The element as the program receives it; of one that is not known before it runs, the name.
    #[must_use]
    pub fn expose(&self) -> &OsStr {
        match self {
            Self::Plain(arg) | Self::Secret(arg) | Self::Derived { value: arg, .. } => arg,
            Self::Key => OsStr::new("KEY"),
            Self::BitsOf(file) => file.as_os_str(),
        }
    }
}

/// A key: bytes that must never be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Takes the bytes in.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

impl fmt::Debug for Arg {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(arg) | Self::Derived { value: arg, .. } => {
                let text = arg.to_string_lossy();
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
                if !text.is_empty() && text.chars().all(plain) {
                    out.write_str(&text)
                } else {
                    write!(out, "{text:?}")
                }
            }
            Self::Secret(_) => out.write_str("…"),
            Self::Key => out.write_str("KEY"),
            Self::BitsOf(file) => write!(out, "BITS-OF:{}", file.display()),
        }
    }
}

/// A program with its arguments, one element each, never a shell string.
///
/// Its `Display` is safe to log: [`Arg::Secret`] elements and the standard input are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// What to run.
    pub program: Program,
    /// The arguments after the program's name.
    pub args: Vec<Arg>,
    /// Bytes for the standard input; without them it is `/dev/null`.
    pub stdin: Option<Vec<u8>>,
    /// What [`Arg::Key`] leads to. A plan has none: it is put in when the call is run.
    pub key: Option<Key>,
    /// How long it may take before it is killed; no plan has a bound.
    pub limit: Option<Duration>,
}

impl Invocation {
    /// A call without arguments.
    #[must_use]
    pub fn new(program: Program) -> Self {
        Self {
            program,
            args: Vec::new(),
            stdin: None,
            key: None,
            limit: None,
        }
    }

    /// Bounds the time that it may take.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Appends the path of a file with the key.
    #[must_use]
    pub fn key(mut self) -> Self {
        self.args.push(Arg::Key);
        self
    }

    /// Appends the size of a file in bits.
    #[must_use]
    pub fn bits_of(mut self, file: &Path) -> Self {
        self.args.push(Arg::BitsOf(file.to_owned()));
        self
    }

    /// Appends an identifier that the config leaves open, where there is one; `word` stands for it in a plan that is made
    /// before the boot ([`Self::leave_open`]).
    #[must_use]
    pub fn derived(mut self, name: &str, value: Option<impl Into<OsString>>, word: &'static str) -> Self {
        if let Some(value) = value.map(Into::into) {
            self.args.push(Arg::Plain(name.into()));
            self.args.push(Arg::Derived { value, word });
        }
        self
    }

    /// Puts words in the place of identifiers that only the boot itself derives.
    pub fn leave_open(&mut self) {
        for arg in &mut self.args {
            if let Arg::Derived { word, .. } = arg {
                *arg = Arg::Plain((*word).into());
            }
        }
    }

    /// Appends an argument that must never be printed.
    #[must_use]
    pub fn secret(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(Arg::Secret(arg.into()));
        self
    }

    /// The same call with this key, where it takes one.
    #[must_use]
    pub fn with_key(&self, key: Option<&Key>) -> Self {
        let takes = self.args.contains(&Arg::Key);
        Self {
            key: key.filter(|_| takes).cloned(),
            ..self.clone()
        }
    }

    /// Appends one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(Arg::Plain(arg.into()));
        self
    }

    /// Appends several arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| Arg::Plain(arg.into())));
        self
    }

    /// Appends an option with its value when there is a value.
    #[must_use]
    pub fn option<A: Into<OsString>>(self, name: &str, value: Option<A>) -> Self {
        match value {
            Some(value) => self.arg(name).arg(value),
            None => self,
        }
    }

    /// Appends an option whose value must never be printed.
    #[must_use]
    pub fn secret_option(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.args.push(Arg::Plain(name.into()));
            self.args.push(Arg::Secret(value.into()));
        }
        self
    }

    /// Appends a flag when `wanted`.
    #[must_use]
    pub fn flag(self, name: &str, wanted: bool) -> Self {
        if wanted { self.arg(name) } else { self }
    }
}

impl Invocation {
    /// The secret arguments, as the program receives them; empty ones are none.
    pub fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.args.iter().filter_map(|arg| match arg {
            Arg::Secret(secret) if !secret.is_empty() => Some(secret.as_encoded_bytes()),
            Arg::Secret(_) | Arg::Plain(_) | Arg::Key | Arg::BitsOf(_) | Arg::Derived { .. } => None,
        })
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.program)?;
        self.args.iter().try_for_each(|arg| write!(out, " {arg}"))
    }
}

impl Serialize for Invocation {
    /// The printed words, secrets left out: what a plan or a receipt may show.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut words = to.serialize_seq(Some(self.args.len() + 1))?;
        words.serialize_element(self.program.name())?;
        for arg in &self.args {
            words.serialize_element(&arg.to_string())?;
        }
        words.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_call_shows_no_secret_and_quotes_what_needs_it() {
        let call = Invocation::new(Program::Useradd)
            .secret_option("--password", Some("$6$hush"))
            .option("--comment", Some("Ada L"))
            .flag("--system", false)
            .arg("ada");
        assert_eq!(call.to_string(), "useradd --password … --comment \"Ada L\" ada");
        assert!(!format!("{call:?}").contains("hush"));
        assert!(!serde_json::to_string(&call).unwrap().contains("hush"));
    }
}
