//! Cases on real disks: one guest boots once and runs every script of `tests/vm/cases`.
//!
//! The scripts, what they are written with (`tests/vm/runner`) and the engine come on a disk of their own, so that a new
//! case needs no new image. Each case finds two blank disks, one of 512-byte and one of 4096-byte logical sectors, a third
//! that it sees by two ways, and a root to provision; see `runner/lib.sh`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::console::Next;
use crate::image;
use crate::initramfs;
use crate::qemu::{Disk, Guest, Machine, Network, Share};
use crate::run::{self, RunError};
use crate::scenario::{Built, RunFolder, ScenarioError};
use crate::workspace;

/// How long all cases together may take, without random moments.
const LIMIT: Duration = Duration::from_secs(1800);
/// How long one more random moment of every case that has them may take.
const LIMIT_A_POINT: Duration = Duration::from_secs(90);

const MARK: &str = "kindling-case: ";

/// One case as it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The script's name without `.sh`: a fact.
    pub name: String,
    /// Its exit status; 124 when it took too long.
    pub status: i32,
    /// The end of its output, where it failed.
    pub output: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// All cases of one boot.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    /// In the order they ran.
    pub cases: Vec<Outcome>,
    /// Whether the guest got to the end of the list.
    pub is_complete: bool,
    /// The end of the console, for a guest that did not.
    pub tail: Vec<String>,
}

/// A boot for cases that could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// No guest could be started.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The disk with the cases could not be made.
    #[error("cannot make the disk of the cases")]
    Disk(#[source] RunError),
    /// A file could not be copied or made.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

pub(crate) fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> CasesError {
    let path = path.to_path_buf();
    move |source| CasesError::File { path, source }
}

/// The folder with the cases.
#[must_use]
pub fn folder() -> PathBuf {
    workspace::root().join("tests/vm/cases")
}

/// Names of all cases, sorted.
///
/// # Errors
/// [`CasesError::File`].
pub fn names() -> Result<Vec<String>, CasesError> {
    let folder = folder();
    let mut names: Vec<String> = fs::read_dir(&folder)
        .map_err(file_error(&folder))?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".sh")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Boots a guest that runs the cases whose name contains `filter` (all for an empty one); `watch` sees each outcome as
/// it comes.
///
/// # Errors
/// [`CasesError`]; a case that fails is an [`Outcome`].
pub fn run(built: &Built, filter: &str, watch: &mut dyn FnMut(&Outcome)) -> Result<Outcomes, CasesError> {
    let folder = RunFolder::new("cases")?;
    let mut machine = machine(built, filter, folder.path())?;
    machine.share = Some(share(folder.path())?);
    let log = workspace::cache().join("runs/cases.console");
    let mut guest = Guest::start(&machine, &log).map_err(ScenarioError::from)?;
    let points = random_points().parse().unwrap_or(0);
    let until = Instant::now() + LIMIT + LIMIT_A_POINT * points;
    let mut outcomes = Outcomes::default();
    let mut output = Vec::new();
    let mut begun = Instant::now();
    while let Next::Line(line) = guest.console.next(until) {
        let Some(word) = line.text.strip_prefix(MARK) else {
            continue;
        };
        let mut words = word.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("end"), Some(name), Some(status)) => {
                let status = status.parse().unwrap_or(-1);
                let outcome = Outcome {
                    name: name.to_owned(),
                    status,
                    output: std::mem::take(&mut output),
                    took: begun.elapsed(),
                };
                begun = Instant::now();
                watch(&outcome);
                outcomes.cases.push(outcome);
            }
            (Some("done"), None, None) => {
                outcomes.is_complete = true;
                break;
            }
            _ => output.push(word.strip_prefix("| ").unwrap_or(word).to_owned()),
        }
    }
    let console = guest.into_console();
    outcomes.tail = console[console.len().saturating_sub(40)..]
        .iter()
        .map(|line| line.text.clone())
        .collect();
    Ok(outcomes)
}

fn machine(built: &Built, filter: &str, folder: &Path) -> Result<Machine, CasesError> {
    let mut disks = vec![case_disk(built, filter, folder)?];
    for (serial, sector_bytes) in [("disk-512", 512), ("disk-4096", 4096)] {
        let path = folder.join(format!("{serial}.img"));
        disks.push(Disk::blank(path.clone(), serial, 1024, sector_bytes).map_err(file_error(&path))?);
    }
    let path = folder.join("two-ways.img");
    let two_ways = Disk::blank(path.clone(), "two-ways", 512, 512).map_err(file_error(&path))?;
    disks.push(two_ways.by_ways(2));
    machine_of(built, disks, folder)
}

/// A machine that boots into the `run` of the [`scripts_disk`] among its `disks`. Its other files are in `folder`.
pub(crate) fn machine_of(built: &Built, disks: Vec<Disk>, folder: &Path) -> Result<Machine, CasesError> {
    let (root, initramfs) = (folder.join("root.img"), folder.join("initramfs.img"));
    image::copy(&built.root, &root).map_err(ScenarioError::from)?;
    initramfs::assemble(
        &built.dracut,
        &workspace::dracut_module(),
        &built.engine,
        &initramfs,
    )
    .map_err(ScenarioError::from)?;
    Ok(Machine {
        acceleration: built.acceleration,
        kernel: built.root.kernel.clone(),
        initramfs,
        // The stages run by the cases, not by this boot.
        arguments: [
            "kindling.cases=1",
            "systemd.mask=ssh.service",
            "systemd.mask=systemd-networkd.service",
        ]
        .map(str::to_owned)
        .to_vec(),
        firmware: None,
        watched: None,
        root,
        is_root_read_only: false,
        disks,
        shelf: Vec::new(),
        config: None,
        disc: None,
        networks: vec![Network::default()],
        identity: None,
        clock_ahead: Duration::ZERO,
        share: None,
    })
}

/// What the guest may mount as `case-share`: a folder with one file.
fn share(folder: &Path) -> Result<Share, CasesError> {
    let shared = folder.join("shared");
    fs::create_dir(&shared).map_err(file_error(&shared))?;
    let file = shared.join("from-the-host");
    fs::write(&file, "from the host\n").map_err(file_error(&file))?;
    Ok(Share {
        tag: "case-share".to_owned(),
        folder: shared,
        socket: folder.join("share.socket"),
    })
}

/// At how many random moments a case that kills a stage does so: `KINDLING_POINTS`, which `make soak` sets.
fn random_points() -> String {
    std::env::var("KINDLING_POINTS").unwrap_or_else(|_| "3".to_owned())
}

/// The [`scripts_disk`] of the cases, with `cases` and `fixtures`.
fn case_disk(built: &Built, filter: &str, folder: &Path) -> Result<Disk, CasesError> {
    let tree = folder.join("tree");
    for part in ["cases", "fixtures/disks"] {
        fs::create_dir_all(tree.join(part)).map_err(file_error(&tree))?;
    }
    for name in names()?.iter().filter(|name| name.contains(filter)) {
        let file = format!("{name}.sh");
        copy(self::folder().join(&file), tree.join("cases").join(&file))?;
    }
    for name in ["worker.ign", "pointer.ign", "broken.ign"] {
        copy(workspace::fixtures().join(name), tree.join("fixtures").join(name))?;
    }
    let points = tree.join("points");
    fs::write(&points, random_points()).map_err(file_error(&points))?;
    let tables = workspace::root().join("fixtures/disks");
    for entry in fs::read_dir(&tables).map_err(file_error(&tables))? {
        let name = entry.map_err(file_error(&tables))?.file_name();
        copy(tables.join(&name), tree.join("fixtures/disks").join(&name))?;
    }
    scripts_disk(
        built,
        &workspace::root().join("tests/vm/runner/run"),
        &tree,
        folder,
    )
}

fn copy(from: PathBuf, to: PathBuf) -> Result<(), CasesError> {
    fs::copy(&from, to).map(drop).map_err(file_error(&from))
}

/// An ext4 disk with what is in `tree`, the script `run` that the guest starts, `lib.sh` and `bin/kindling`.
pub(crate) fn scripts_disk(
    built: &Built,
    run: &Path,
    tree: &Path,
    folder: &Path,
) -> Result<Disk, CasesError> {
    let bin = tree.join("bin");
    fs::create_dir_all(&bin).map_err(file_error(&bin))?;
    copy(run.to_path_buf(), tree.join("run"))?;
    copy(
        workspace::root().join("tests/vm/runner/lib.sh"),
        tree.join("lib.sh"),
    )?;
    copy(built.engine.clone(), bin.join("kindling"))?;
    let path = folder.join("cases.img");
    let disk = Disk::blank(path.clone(), "kindling-cases", 64, 512).map_err(file_error(&path))?;
    let mut mke2fs = Command::new(run::get("mke2fs").map_err(CasesError::Disk)?);
    let arguments: [OsString; 7] = [
        "-q".into(),
        "-t".into(),
        "ext4".into(),
        "-F".into(),
        "-d".into(),
        tree.into(),
        path.clone().into(),
    ];
    run::to_end("mke2fs", mke2fs.args(arguments), &path.with_extension("log")).map_err(CasesError::Disk)?;
    Ok(disk)
}
