//! File systems in files, shown by programs instead of the kernel: what root of a user namespace may mount.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
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
    read_only: bool,
    /// How much it said before it was mounted, in bytes: that is of the file system as it was found.
    said: u64,
}

/// Where an ext2, ext3 or ext4 has its state, counted from its start, and what of it is to be so when it is not mounted: `s_state`,
/// `EXT4_VALID_FS` and `EXT4_ERROR_FS` of fs/ext4/ext4.h. fuse2fs takes the one bit away when it mounts, and writes it after all
/// else; it sets the other once it has counted an error.
const STATE: u64 = 1024 + 0x3A;
const VALID: u16 = 1;
const FAULTY: u16 = 2;
/// Where the errors are counted that were met since the last check: `s_error_count`.
const ERRORS: u64 = 1024 + 0x194;

/// Whether an ext2, ext3 or ext4 says of itself that it was written to its end, and without an error.
fn is_whole(file: &File, start: Bytes) -> io::Result<bool> {
    let (mut state, mut errors) = ([0; 2], [0; 4]);
    file.read_exact_at(&mut state, start.0.saturating_add(STATE))?;
    file.read_exact_at(&mut errors, start.0.saturating_add(ERRORS))?;
    Ok(u16::from_le_bytes(state) & (VALID | FAULTY) == VALID && errors == [0; 4])
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
            let said = running
                .has_said()
                .map_err(|source| ProcessError::Start { program, source })?;
            return Ok(Self {
                running,
                node: node.to_owned(),
                start,
                read_only,
                said,
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

    /// Waits until the program has written everything and ended, once its file system is unmounted; then checks it. What cannot
    /// be written at the end, as on a full disk, is not in the status of fuse2fs 1.47.0, nor does e2fsck miss what files had.
    /// But the program says it, and the file system is not marked as whole.
    ///
    /// # Errors
    /// How either ended, with what fuse2fs said: nothing is what it says when all is well.
    pub fn end(mut self, programs: &System) -> Result<(), ProcessError> {
        let program = Program::Fuse2fs;
        let ended = self.running.end()?;
        let mut stderr = self.running.said_since(self.said);
        if ended.status == 0 && stderr.trim().is_empty() && !self.read_only {
            let whole = File::open(&self.node).and_then(|file| is_whole(&file, self.start));
            if !whole.map_err(|source| ProcessError::Start { program, source })? {
                "what it wrote is not marked as whole and free of errors".clone_into(&mut stderr);
            }
        }
        if ended.status != 0 || !stderr.trim().is_empty() {
            return Err(ProcessError::Exited {
                program,
                status: ended.status,
                stderr,
            });
        }
        let mut whole = self.node.into_os_string();
        whole.push(format!("?offset={}", self.start.0));
        programs.run(&Invocation::new(Program::E2fsck).arg("-fn").arg(whole))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_was_written_to_its_end_says_so() {
        for (row, state, errors, expected) in [
            ("whole", 1_u16, 0_u32, true),
            (
                "with orphans that are being removed, which e2fsck tells of",
                5,
                0,
                true,
            ),
            ("mounted", 0, 0, false),
            ("with an error", 3, 0, false),
            ("with an error that was counted", 1, 1, false),
            ("mounted, with an error", 2, 7, false),
        ] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(8192).unwrap();
            file.write_all_at(&state.to_le_bytes(), 4096 + 1082).unwrap();
            file.write_all_at(&errors.to_le_bytes(), 4096 + 1428).unwrap();
            assert_eq!(is_whole(&file, Bytes(4096)).unwrap(), expected, "{row}");
        }
        assert!(is_whole(&tempfile::tempfile().unwrap(), Bytes(0)).is_err());
    }
}
