//! The initramfs: dracut's once per recipe, the engine and its units appended at every run.
//!
//! The kernel unpacks the appended archive over the first, so a rebuilt engine or a changed unit needs no dracut run. A
//! unit in the archive prints the digest of the engine that really runs; the report carries it to the host, which
//! compares ([`crate::scenario`]).

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cpio::Archive;
use crate::digest::{DigestError, Recipe};
use crate::image::{self, Base, ImageError};
use crate::run::{self, RunError};

const SCRIPT: &str = include_str!("../scripts/initramfs.sh");
const UNITS: &str = "usr/lib/systemd/system";

/// Where the guest keeps the digest of its engine; `/run` survives the switch to the real root.
pub const BINARY_DIGEST: &str = "/run/kindling-vm-binary";

/// What stands at the start of each line that tells of a stage.
pub const STAGE_MARK: &str = "kindling-stage:";

/// Stages that have a unit of their own, in the order of a boot.
pub const STAGES: &[&str] = &["fetch-offline", "fetch", "kargs", "disks", "mount", "files"];

/// The programs for accounts, as dracut installs them.
pub const ACCOUNT_PROGRAMS: &[&str] = &[
    "usr/sbin/useradd",
    "usr/sbin/usermod",
    "usr/sbin/userdel",
    "usr/sbin/groupadd",
    "usr/sbin/groupmod",
    "usr/sbin/groupdel",
];

/// An initramfs that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// The recipe could not be read.
    #[error("cannot tell whether the initramfs is current")]
    Recipe(#[from] DigestError),
    /// dracut failed inside the base root.
    #[error("cannot build the initramfs")]
    Dracut(#[source] RunError),
    /// Old images could not be removed.
    #[error("cannot make room for the initramfs")]
    Prune(#[from] ImageError),
    /// A part could not be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> InitramfsError {
    let path = path.to_path_buf();
    move |source| InitramfsError::File { path, source }
}

/// dracut's part, made if it is not there, after telling `progress`. About 5 s the first time.
///
/// # Errors
/// [`InitramfsError::Dracut`] with the end of the log, [`InitramfsError::File`].
pub fn dracut(
    cache: &Path,
    base: &Base,
    module: &Path,
    engine: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, InitramfsError> {
    // Not the engine and not the units: those are appended.
    let setup = module.join("module-setup.sh");
    let key = Recipe::default()
        .text(&base.key)
        .text(SCRIPT)
        .folder(&setup)?
        .name();
    let path = cache.join(format!("initramfs-{key}.img"));
    if !path.is_file() {
        progress("building the initramfs: dracut inside the base root; some seconds");
        image::prune(cache, "initramfs-")?;
        let half_made = cache.join("initramfs.unfinished");
        let args = [&base.root, module, engine, &half_made].map(|path: &Path| path.as_os_str().to_owned());
        run::script(
            "initramfs.sh",
            &["unshare", "--mount"],
            SCRIPT,
            &args,
            &cache.join("initramfs.log"),
        )
        .map_err(InitramfsError::Dracut)?;
        fs::rename(&half_made, &path).map_err(file_error(&path))?;
    }
    Ok(path)
}

/// Writes dracut's part followed by this run's engine, units and harness units to `out`.
///
/// # Errors
/// [`InitramfsError::File`].
pub fn assemble(dracut: &Path, module: &Path, engine: &Path, out: &Path) -> Result<(), InitramfsError> {
    let mut archive = own(module, engine)?;
    add_harness(&mut archive);
    let mut from = File::open(dracut).map_err(file_error(dracut))?;
    let mut to = File::create(out).map_err(file_error(out))?;
    io::copy(&mut from, &mut to).map_err(file_error(out))?;
    to.write_all(&archive.finish()).map_err(file_error(out))
}

/// What our module adds to an initramfs, as an archive: its own files.
///
/// # Errors
/// [`InitramfsError::File`].
pub fn added(module: &Path, engine: &Path) -> Result<Vec<u8>, InitramfsError> {
    Ok(own(module, engine)?.finish())
}

fn own(module: &Path, engine: &Path) -> Result<Archive, InitramfsError> {
    let mut archive = Archive::default();
    archive.file(
        "usr/bin/kindling",
        0o755,
        &fs::read(engine).map_err(file_error(engine))?,
    );
    archive.symlink("usr/bin/ignition", "kindling");
    archive.symlink("usr/sbin/ignition-kargs-helper", "../bin/kindling");
    add_module(&mut archive, module)?;
    Ok(archive)
}

/// The same files to the same places as `module-setup.sh`.
fn add_module(archive: &mut Archive, module: &Path) -> Result<(), InitramfsError> {
    let entries = fs::read_dir(module).map_err(file_error(module))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(place) = place(name) else { continue };
        let mode = fs::metadata(&path)
            .map_err(file_error(&path))?
            .permissions()
            .mode()
            & 0o777;
        archive.file(
            &format!("{place}/{name}"),
            mode,
            &fs::read(&path).map_err(file_error(&path))?,
        );
    }
    Ok(())
}

fn place(name: &str) -> Option<&'static str> {
    match name {
        "ignition-generator" => Some("usr/lib/systemd/system-generators"),
        "kindling-resolv-conf" => Some("usr/sbin"),
        _ => match name.rsplit_once('.')?.1 {
            "service" | "target" => Some(UNITS),
            "conf" => Some("usr/lib/kindling"),
            "sh" if name != "module-setup.sh" => Some("usr/lib/dracut/hooks/emergency"),
            "network" => Some("usr/lib/systemd/network"),
            "rules" => Some("usr/lib/udev/rules.d"),
            _ => None,
        },
    }
}

/// Units of the harness, never of a distribution: they tell on the console how far the boot is.
fn add_harness(archive: &mut Archive) {
    for stage in STAGES {
        // ExecStopPost also runs when the stage is stopped in good order before the switch of roots; by then the real
        // result has been said.
        let text = format!(
            "[Service]\n\
             ExecStartPre=/bin/sh -c 'echo {STAGE_MARK} {stage} started >/dev/ttyS0'\n\
             ExecStartPost=/bin/sh -c 'echo {STAGE_MARK} {stage} finished >/dev/ttyS0'\n\
             ExecStopPost=/bin/sh -c '[ $$SERVICE_RESULT = success ] || echo {STAGE_MARK} {stage} failed >/dev/ttyS0'\n"
        );
        archive.file(
            &format!("{UNITS}/ignition-{stage}.service.d/10-harness.conf"),
            0o644,
            text.as_bytes(),
        );
    }
    let digest = format!(
        "[Unit]\nDescription=Which engine this is\nDefaultDependencies=no\nBefore=initrd.target\n\n\
         [Service]\nType=oneshot\nExecStart=/usr/bin/sha256sum /usr/bin/kindling\nStandardOutput=file:{BINARY_DIGEST}\n"
    );
    archive.file(
        &format!("{UNITS}/kindling-vm-binary.service"),
        0o644,
        digest.as_bytes(),
    );
    archive.symlink(
        &format!("{UNITS}/initrd.target.wants/kindling-vm-binary.service"),
        "../kindling-vm-binary.service",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_module_has_its_place() {
        let without_place = ["module-setup.sh"];
        for entry in fs::read_dir(crate::workspace::dracut_module()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert_eq!(
                place(&name).is_none(),
                without_place.contains(&name.as_str()),
                "{name}"
            );
        }
    }

    #[test]
    fn module_setup_installs_every_file_of_the_module() {
        let module = crate::workspace::dracut_module();
        let setup = fs::read_to_string(module.join("module-setup.sh")).unwrap();
        for stage in STAGES {
            assert!(
                module.join(format!("ignition-{stage}.service")).is_file(),
                "{stage}"
            );
        }
        let list = STAGES.join(" ");
        assert!(
            setup.contains(&format!("for stage in {list}; do")),
            "stages in module-setup.sh are not {list}"
        );
        for name in [
            "ignition-generator",
            "kindling-first-boot.service",
            "kindling-resolv-conf",
            "99-kindling.network",
            "58-kindling-stacks.rules",
            "dracut-emergency-acts.conf",
            "emergency-acts.conf",
            "emergency-tells.conf",
            "kindling-deadline.service",
            "kindling.sh",
        ] {
            assert!(setup.contains(&format!("$moddir/{name}\"")), "{name}");
        }
    }
}
