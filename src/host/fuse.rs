//! File systems in files, shown by programs instead of the kernel: what root of a user namespace may mount.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kindling_config_spec::units::Bytes;

use super::mounts;
use super::process::{ProcessError, Processes, Running, System};
use crate::invocation::{Invocation, Program};

/// How long the program may take until its file system is mounted: it reads some blocks before, and no more.
const MOUNTED_WITHIN: Duration = Duration::from_secs(60);

/// What is not there of what it takes.
#[must_use]
pub fn missing(programs: &dyn Processes) -> Option<Program> {
    let all = [Program::Setpriv, Program::Fuse2fs, Program::E2fsck];
    all.into_iter().find(|program| !programs.is_installed(*program))
}

/// Replays the journal of an ext3 or ext4, and sets right what the kernel would when it mounts it: fuse2fs 1.47.0 crashes over a
/// journal. A file system of its own, for e2fsck 1.47.0 forgets the offset when it opens one again.
///
/// # Errors
/// What it cannot repair by itself.
pub fn replay(programs: &dyn Processes, node: &Path) -> Result<(), ProcessError> {
    /// "File system errors corrected" (e2fsck(8), "EXIT CODE").
    const CORRECTED: i32 = 1;
    let call = Invocation::new(Program::E2fsck).arg("-fp").arg(node);
    match programs.run(&call) {
        Err(ProcessError::Exited {
            status: CORRECTED, ..
        }) => Ok(()),
        ended => ended.map(drop),
    }
}

/// An ext2, ext3 or ext4 that is mounted. Its program ends with this value, and with the process at the latest.
pub struct Served {
    running: Running,
    node: PathBuf,
    start: Bytes,
}

impl Served {
    /// Mounts what starts at `start` of `node` at `target`. To be called by the main thread: the program ends with the thread
    /// that started it.
    ///
    /// # Errors
    /// What the program says where it is no such file system, or cannot mount.
    pub fn begin(
        programs: &System,
        node: &Path,
        start: Bytes,
        target: &Path,
        read_only: bool,
    ) -> Result<Self, ProcessError> {
        let program = Program::Fuse2fs;
        let mut options = format!("offset={}", start.0);
        if read_only {
            options.push_str(",ro");
        }
        // In the foreground and by one thread. It has the lives of its own namespaces, so the kernel has to end it.
        let call = Invocation::new(Program::Setpriv)
            .args(["--pdeathsig", "KILL", program.name(), "-f", "-s", "-o", &options])
            .arg(node)
            .arg(target);
        let mut running = programs.start(&call)?;
        if mounts::appears(node, target, &mut running, MOUNTED_WITHIN)
            .map_err(|source| ProcessError::Start { program, source })?
        {
            return Ok(Self {
                running,
                node: node.to_owned(),
                start,
            });
        }
        // That it ended without a mount is its failure, whatever its status.
        let status = running.end()?.status;
        Err(ProcessError::Exited {
            program,
            status,
            stderr: running.said(),
        })
    }

    /// Waits until the program has written everything and ended, once its file system is unmounted; then checks it.
    ///
    /// # Errors
    /// How either ended.
    pub fn end(mut self, programs: &System) -> Result<(), ProcessError> {
        let ended = self.running.end()?;
        if ended.status != 0 {
            return Err(ProcessError::Exited {
                program: Program::Fuse2fs,
                status: ended.status,
                stderr: self.running.said(),
            });
        }
        let mut whole = self.node.as_os_str().to_owned();
        whole.push(format!("?offset={}", self.start.0));
        programs.run(&Invocation::new(Program::E2fsck).arg("-fn").arg(whole))?;
        Ok(())
    }
}
