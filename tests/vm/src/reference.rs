//! The reference engine's own units, as the distribution packages them, laid over an initramfs of ours: the same places that
//! its `module-setup.sh` puts them to.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::cpio::Archive;
use crate::initramfs::STAGES;

/// Where its package has its dracut module, in the base root.
const MODULE: &str = "usr/lib/dracut/modules.d/30ignition";
const UNITS: &str = "usr/lib/systemd/system";

/// Which binary its units call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// This project's, under the reference's name.
    Ours,
    /// The package's own.
    Reference,
}

/// Puts the units, targets, generator, hook and rule of the package in `base` over what is in `initramfs`, and the engine that
/// they call. The network stays what the initramfs has: neither brings one by itself.
///
/// # Errors
/// When a file of the package cannot be read, or the initramfs not be written.
pub fn lay_over(initramfs: &Path, base: &Path, engine: Engine, ours: &Path) -> io::Result<()> {
    let module = base.join(MODULE);
    let binary = match engine {
        Engine::Ours => ours.to_path_buf(),
        Engine::Reference => module.join("ignition"),
    };
    let mut archive = Archive::default();
    archive.file("usr/bin/ignition", 0o755, &fs::read(binary)?);
    let mut add = |name: &str, place: &str, mode: u32| -> io::Result<()> {
        archive.file(place, mode, &fs::read(module.join(name))?);
        Ok(())
    };
    for stage in STAGES {
        let unit = format!("ignition-{stage}.service");
        add(&unit, &format!("{UNITS}/{unit}"), 0o644)?;
    }
    for target in ["complete", "subsequent", "diskful", "diskful-subsequent"] {
        let unit = format!("ignition-{target}.target");
        add(&unit, &format!("{UNITS}/{unit}"), 0o644)?;
    }
    let remount = "ignition-remount-sysroot.service";
    add(remount, &format!("{UNITS}/{remount}"), 0o644)?;
    add(
        "ignition-generator",
        "usr/lib/systemd/system-generators/ignition-generator",
        0o755,
    )?;
    add(
        "ignition-kargs-helper.sh",
        "usr/sbin/ignition-kargs-helper",
        0o755,
    )?;
    let rules = "99-xx-ignition-systemd-cryptsetup.rules";
    add(rules, &format!("usr/lib/udev/rules.d/{rules}"), 0o644)?;
    let mut wanted = |unit: &str, target: &str| {
        archive.symlink(
            &format!("{UNITS}/{target}.requires/{unit}"),
            &format!("../{unit}"),
        );
    };
    for stage in STAGES {
        wanted(&format!("ignition-{stage}.service"), "ignition-complete.target");
    }
    wanted(remount, "ignition-diskful.target");
    OpenOptions::new()
        .append(true)
        .open(initramfs)?
        .write_all(&archive.finish())
}
