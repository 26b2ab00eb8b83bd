//! The reference engine's own units, as the distribution packages them, laid over an initramfs of ours: the same places that
//! its `module-setup.sh` puts them to.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::cpio::Archive;
use crate::initramfs::STAGES;
use crate::run;

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

/// What only the reference calls, and the small programs of its module that the initramfs may be without.
const PROGRAMS: &[&str] = &["usr/sbin/sgdisk", "usr/bin/lsblk", "usr/bin/basename"];

/// Puts the units, targets, generator, hook and rule of the package in `base` over what is in `initramfs`, and the engine that
/// they call with the programs that it calls. The network stays what the initramfs has: neither brings one by itself.
///
/// # Errors
/// When a file of the package cannot be read, or the initramfs not be written.
pub fn lay_over(initramfs: &Path, base: &Path, engine: Engine, ours: &Path) -> io::Result<()> {
    let mut archive = match engine {
        Engine::Ours => module(base, ours)?,
        Engine::Reference => module(base, &base.join(MODULE).join("ignition"))?,
    };
    if engine == Engine::Reference {
        programs(base, PROGRAMS, &mut archive)?;
    }
    OpenOptions::new()
        .append(true)
        .open(initramfs)?
        .write_all(&archive.finish())
}

/// What its module adds to an initramfs, as an archive: its own files alone, and with the partitioner, which only the reference
/// calls.
///
/// # Errors
/// When a file of the package cannot be read.
pub fn added(base: &Path) -> io::Result<[Vec<u8>; 2]> {
    let binary = base.join(MODULE).join("ignition");
    let mut whole = module(base, &binary)?;
    programs(base, &PROGRAMS[..1], &mut whole)?;
    Ok([module(base, &binary)?.finish(), whole.finish()])
}

/// Programs of the base root with the libraries they are linked to, but for those of the C library, which all others need too.
fn programs(base: &Path, paths: &[&str], archive: &mut Archive) -> io::Result<()> {
    for path in paths {
        archive.file(path, 0o755, &fs::read(base.join(path))?);
        let mut command = run::as_root("chroot").map_err(io::Error::other)?;
        let out = command.arg(base).args(["ldd", &format!("/{path}")]).output()?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            return Err(io::Error::other(format!("ldd {path}: {said}")));
        }
        // `libpopt.so.0 => /lib/x86_64-linux-gnu/libpopt.so.0 (0x00007f…)`
        for line in String::from_utf8_lossy(&out.stdout).lines() {
            let Some((name, place)) = line.trim().split_once(" => /") else {
                continue;
            };
            if ["libc.so", "libm.so"].iter().any(|own| name.starts_with(own)) {
                continue;
            }
            let place = place.split(' ').next().unwrap_or_default();
            // Folders of programs and libraries are links into `usr` in both roots.
            let place = format!("usr/{}", place.trim_start_matches("usr/"));
            archive.file(&place, 0o755, &fs::read(base.join(&place))?);
        }
    }
    Ok(())
}

/// The files of its module, to the places its `module-setup.sh` has for them, with `binary` as the engine.
fn module(base: &Path, binary: &Path) -> io::Result<Archive> {
    let module = base.join(MODULE);
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
    Ok(archive)
}
