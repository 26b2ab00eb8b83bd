//! This program, kept where units of the real root can run it: the real root need not bring it.

use std::io;
use std::path::{Path, PathBuf};

use kindling_config_spec::units::Mode;

use crate::host::machine;
use crate::host::real_root;
use crate::host::sysroot::{Access, Sysroot, SysrootError};

/// Where it is kept, in the root, where `/run` runs none.
const IN_ROOT: &str = "/var/lib/kindling/bin/kindling";
/// Where it is kept below the directory of this boot.
const IN_RUN: &str = "bin/kindling";

/// The program could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error("cannot keep {} for the real root", path.display())]
    InRun { path: PathBuf, source: io::Error },
    #[error("cannot keep the program in the real root")]
    InRoot(#[from] SysrootError),
}

fn in_run(path: &Path) -> impl FnOnce(io::Error) -> KeepError {
    let path = path.to_owned();
    move |source| KeepError::InRun { path, source }
}

/// Where the real root will find the program.
///
/// # Errors
/// The kernel's answer about `dir`, which is made if it is not there.
pub(super) fn place(dir: &Path) -> Result<PathBuf, KeepError> {
    let is_noexec = machine::private_dir(dir)
        .and_then(|()| real_root::is_noexec(dir))
        .map_err(in_run(dir))?;
    Ok(if is_noexec {
        PathBuf::from(IN_ROOT)
    } else {
        dir.join(IN_RUN)
    })
}

/// Puts the program that is running there, and says where that is.
///
/// # Errors
/// The kernel's answer.
pub(super) fn keep(dir: &Path, root: &Sysroot) -> Result<PathBuf, KeepError> {
    let at = place(dir)?;
    let program = real_root::ourselves().map_err(in_run(&at))?;
    let parent = at.parent().unwrap_or(&at);
    if at == Path::new(IN_ROOT) {
        root.make_dirs(parent)?;
        let access = Access {
            mode: Some(Mode(0o755)),
            ..Access::default()
        };
        root.put_durably(&at, &program, access)?;
    } else {
        machine::private_dir(parent)
            .and_then(|()| machine::replace(&at, &program, 0o755))
            .map_err(in_run(&at))?;
    }
    Ok(at)
}
