//! How often in a row this machine has booted again because its first boot failed. The count outlives the reboot: in a
//! variable of the firmware, or, on a machine without such, in a file of the target's root.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use kindling_config_spec::units::{Bytes, Mode};

use crate::host::efivar::EfiVariables;
use crate::host::process::Processes;
use crate::host::sysroot::{Access, Sysroot, SysrootError};
use crate::invocation::{Invocation, Program};
use crate::report::chain;

/// The variable of the firmware; a decimal number, as in the file.
const VARIABLE: &str = "KindlingAttempts";
/// The file in the target, on the root's own file system: what else the config mounts is not there when the count is asked for.
const FILE: &str = "/etc/.kindling-attempts";
/// How long mounting the root, or making it writable, may take. What is to happen afterwards does not wait longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A longer file is none of ours.
const LIMIT: Bytes = Bytes(16);

/// Where the count is.
pub(super) enum Attempts {
    /// In the firmware.
    Firmware(EfiVariables),
    /// In the target.
    Target(Sysroot),
}

impl Attempts {
    /// The place for the count on this machine. A root that is not mounted, and whose device is there, is mounted first.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn find(root: &Path, processes: &dyn Processes) -> Result<Self, String> {
        if let Some(variables) = EfiVariables::of_machine() {
            return Ok(Self::Firmware(variables));
        }
        if !is_mounted(root) {
            let device =
                root_device(processes).ok_or("there are no variables of the firmware and no root")?;
            if !Path::new(&device).exists() {
                return Err(format!(
                    "there are no variables of the firmware, and the root device {device} is not there"
                ));
            }
            let start = Invocation::new(Program::Systemctl).args(["start", "sysroot.mount"]);
            processes
                .run(&start.within(PATIENCE))
                .map_err(|error| chain(&error).join(": "))?;
        }
        Self::in_target(root, processes)
    }

    /// The place in the target, made writable.
    fn in_target(root: &Path, processes: &dyn Processes) -> Result<Self, String> {
        let sysroot = Sysroot::open(root).map_err(|error| chain(&error).join(": "))?;
        let dir = Path::new(FILE).parent().unwrap_or(Path::new("/"));
        if !is_of_root(root) {
            return Err(format!(
                "{} of the root is a file system of its own, or no directory",
                dir.display()
            ));
        }
        let made = sysroot.make_dirs(dir);
        if made.is_err() || is_read_only(&sysroot) {
            let remount = Invocation::new(Program::Mount)
                .args(["-o", "remount,rw"])
                .arg(root.as_os_str());
            processes
                .run(&remount.within(PATIENCE))
                .map_err(|error| chain(&error).join(": "))?;
            sysroot.forget_resolved();
            sysroot.make_dirs(dir).map_err(|error| chain(&error).join(": "))?;
        }
        Ok(Self::Target(sysroot))
    }

    /// The count.
    ///
    /// # Errors
    /// When it cannot be read, or is no number: nobody knows then how often it was.
    pub(super) fn made(&self) -> Result<u32, String> {
        let bytes = match self {
            Self::Firmware(variables) => variables.read(VARIABLE).map_err(|error| error.to_string())?,
            Self::Target(sysroot) => sysroot
                .read_bytes(Path::new(FILE), LIMIT)
                .map_err(|error| chain(&error).join(": "))?,
        };
        let Some(bytes) = bytes else { return Ok(0) };
        let text = String::from_utf8_lossy(&bytes);
        text.trim().parse().map_err(|_| {
            format!(
                "what is kept as their count is no number; remove {}",
                self.place()
            )
        })
    }

    /// Keeps a count, on the medium when this returns.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(super) fn keep(&self, count: u32) -> Result<(), String> {
        let text = count.to_string();
        match self {
            Self::Firmware(variables) => variables
                .write(VARIABLE, text.as_bytes())
                .map_err(|error| error.to_string()),
            Self::Target(sysroot) => {
                let access = Access {
                    uid: Some(0),
                    gid: Some(0),
                    mode: Some(Mode(0o600)),
                };
                sysroot
                    .put_durably(Path::new(FILE), text.as_bytes(), access)
                    .and_then(|()| sysroot.sync(Path::new(FILE)))
                    .map_err(|error| chain(&error).join(": "))
            }
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Firmware(_) => format!("the variable {VARIABLE} of the firmware"),
            Self::Target(_) => format!("{FILE} of the root"),
        }
    }
}

/// Removes the count of a machine whose first boot has come to the end of the initramfs. The boot is not worth less where
/// that fails. In emergency mode the last stage runs as well: systemd is asked, but only where there is a count.
pub(super) fn forget(root: &Path, processes: &dyn Processes) {
    let target = Sysroot::open(root).ok();
    let firmware = EfiVariables::of_machine();
    let in_firmware = |variables: &EfiVariables| matches!(variables.read(VARIABLE), Ok(Some(_)));
    let in_target = |sysroot: &Sysroot| matches!(sysroot.look(Path::new(FILE)), Ok(Some(_)));
    let firmware = firmware.filter(in_firmware);
    let target = target.filter(|target| is_of_root(root) && in_target(target));
    if (firmware.is_none() && target.is_none()) || is_emergency(processes) {
        return;
    }
    let of_firmware = firmware.map_or(Ok(()), |variables| {
        variables.remove(VARIABLE).map_err(|error| error.to_string())
    });
    let of_target = target.map_or(Ok(()), |sysroot| {
        sysroot
            .remove(Path::new(FILE))
            .map_err(|error: SysrootError| chain(&error).join(": "))
    });
    for why in [of_firmware, of_target].into_iter().filter_map(Result::err) {
        tracing::warn!("cannot remove the count of failed first boots: {why}");
    }
}

/// Whether systemd is in emergency mode or on its way there.
pub(super) fn is_emergency(processes: &dyn Processes) -> bool {
    let ask = Invocation::new(Program::Systemctl)
        .args(["show", "--property=ActiveState,Job"])
        .args(["emergency.target", "emergency.service"]);
    let said = processes
        .run(&ask)
        .map(|output| output.stdout)
        .unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    said.lines().any(|line| match line.split_once('=') {
        Some(("ActiveState", state)) => state != "inactive",
        Some(("Job", job)) => !matches!(job, "" | "0"),
        _ => false,
    })
}

/// The device that systemd mounts as the target's root.
pub(super) fn root_device(processes: &dyn Processes) -> Option<String> {
    let ask = Invocation::new(Program::Systemctl).args(["show", "--property=What", "sysroot.mount"]);
    let said = processes.run(&ask).ok()?.stdout;
    let said = String::from_utf8_lossy(&said);
    let what = said.trim().strip_prefix("What=")?;
    (!what.is_empty()).then(|| what.to_owned())
}

pub(super) fn is_mounted(root: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|at| at.dev()).ok();
    let parent = root.parent().unwrap_or(root);
    matches!((device(root), device(parent)), (Some(at), Some(above)) if at != above)
}

/// Whether the directory of the count is one of the root's own file system, or can become one; and not what is mounted on
/// it or linked to.
fn is_of_root(root: &Path) -> bool {
    let dir = Path::new(FILE).parent().unwrap_or(Path::new("/"));
    let dir = root.join(dir.strip_prefix("/").unwrap_or(dir));
    match (std::fs::symlink_metadata(dir), std::fs::metadata(root)) {
        (Ok(dir), Ok(root)) => dir.is_dir() && dir.dev() == root.dev(),
        (Err(error), Ok(_)) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Whether a file can be made where the count goes.
fn is_read_only(sysroot: &Sysroot) -> bool {
    let probe = Path::new(FILE).with_extension("probe");
    let made = sysroot.put(&probe, b"", Access::default());
    made.and_then(|()| sysroot.remove(&probe)).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Scripted;

    #[test]
    fn a_count_is_kept_in_either_place_and_is_none_before() {
        let dir = tempfile::tempdir().unwrap();
        let none = Scripted::default();
        let in_target = Attempts::in_target(dir.path(), &none).unwrap();
        assert_eq!(
            none.calls(),
            [""; 0],
            "a root that can be written is not mounted again"
        );
        let in_firmware = Attempts::Firmware(EfiVariables::at(dir.path()));
        for attempts in [in_target, in_firmware] {
            assert_eq!(attempts.made(), Ok(0));
            attempts.keep(9).unwrap();
            attempts.keep(10).unwrap();
            assert_eq!(attempts.made(), Ok(10));
        }
        let again = Attempts::in_target(dir.path(), &none).unwrap();
        assert_eq!(again.made(), Ok(10));
    }

    #[test]
    fn a_count_is_kept_on_the_root_itself_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join("etc")).unwrap();
        let none = Scripted::default();
        assert!(Attempts::in_target(dir.path(), &none).is_err());
        assert!(std::fs::read_dir(&elsewhere).unwrap().next().is_none());
        assert_eq!(none.calls(), [""; 0], "nothing is made writable for it");
    }

    #[test]
    fn what_is_no_number_is_not_taken_for_none() {
        let dir = tempfile::tempdir().unwrap();
        let attempts = Attempts::in_target(dir.path(), &Scripted::default()).unwrap();
        let Attempts::Target(sysroot) = &attempts else {
            panic!()
        };
        sysroot.put(Path::new(FILE), b"two", Access::default()).unwrap();
        assert!(attempts.made().unwrap_err().contains(FILE));
        sysroot
            .put(Path::new(FILE), &[b'1'; 4096], Access::default())
            .unwrap();
        attempts.made().unwrap_err();
    }

    #[test]
    fn a_boot_that_goes_on_forgets_the_count_and_one_in_emergency_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let attempts = Attempts::in_target(dir.path(), &Scripted::default()).unwrap();
        attempts.keep(1).unwrap();
        for emergency in [
            "ActiveState=inactive\nJob=12\n\nActiveState=inactive\n",
            "ActiveState=inactive\n\nActiveState=activating\n",
            "ActiveState=failed\n\nActiveState=inactive\n",
        ] {
            forget(dir.path(), &Scripted::answering(&[(0, emergency)]));
            assert_eq!(attempts.made(), Ok(1), "{emergency}");
        }
        let goes_on = "ActiveState=inactive\n\nActiveState=inactive\n";
        forget(dir.path(), &Scripted::answering(&[(0, goes_on)]));
        assert_eq!(attempts.made(), Ok(0));
        let unasked = Scripted::default();
        forget(dir.path(), &unasked);
        assert_eq!(unasked.calls(), [""; 0], "without a count nobody is asked");
    }
}
