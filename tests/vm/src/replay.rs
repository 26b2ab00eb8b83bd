//! Power cuts of the disks stage: the writes of one run are logged, and the stage runs again on each of the states that a
//! power cut can have left the disk in.
//!
//! One guest runs the stage on disks from their beginning, and QEMU logs their writes. [`crate::writes`] says what a disk
//! can have held in between; images of that are put on the shelf of further guests, which see one after the other under
//! the name of the first ([`Shelved`]) and run the stage with the same config. [`compare`] judges.

pub mod compare;

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cases::{self, CasesError, file_error};
use crate::console::Next;
use crate::qemu::{Guest, Shelved};
use crate::scenario::{Built, RunFolder, ScenarioError};
use crate::workspace;
use crate::writes::{Chance, Log, LogError, Moment};

const MARK: &str = "kindling-replay: ";
/// What the guest writes to a sector when a disk is as it is before the first boot.
const PREPARED: &[u8] = b"kindling-prepared";
/// How long a guest may take to boot, and how long for each of its disks.
const LIMIT: Duration = Duration::from_secs(240);
const LIMIT_A_DISK: Duration = Duration::from_secs(120);
/// How many disks one guest has on its shelf; each is an open file with some megabytes.
const SHELF: usize = 100;

/// What the stage does to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// `tests/vm/replay/<name>.ign` is the config, `<name>.sh` says what is on the disk before and what to look at.
    pub name: &'static str,
    /// Size of the disk in MiB.
    pub mebibytes: u64,
    /// Its logical sectors in bytes.
    pub sector_bytes: u32,
    /// Identifiers that the config gives, the types of its partitions included.
    pub given: &'static [&'static str],
    /// Whether the stage's own flushes are kept from the disk while it is recorded.
    pub is_unflushed: bool,
}

impl std::fmt::Display for Work {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unflushed = if self.is_unflushed { ", unflushed" } else { "" };
        write!(
            out,
            "{} with sectors of {} bytes{unflushed}",
            self.name, self.sector_bytes
        )
    }
}

/// The type of a partition whose config gives none.
const LINUX_DATA: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

const PARTITIONS: Work = Work {
    name: "partitions",
    mebibytes: 640,
    sector_bytes: 512,
    given: &[
        LINUX_DATA,
        "5d3e1f8a-3a0c-4f6e-9b0f-0e2a8f6d7c11",
        "0f8c7d52-5b6b-4d0e-8a57-2f6d3c1b9e44",
    ],
    is_unflushed: false,
};

/// A run that a power cut must be able to spoil.
pub const UNFLUSHED: Work = Work {
    is_unflushed: true,
    ..PARTITIONS
};

/// All that must survive.
pub const WORKS: [Work; 4] = [
    PARTITIONS,
    Work {
        sector_bytes: 4096,
        ..PARTITIONS
    },
    Work {
        name: "kept",
        mebibytes: 320,
        sector_bytes: 512,
        given: &[LINUX_DATA],
        is_unflushed: false,
    },
    Work {
        name: "layers",
        mebibytes: 224,
        sector_bytes: 512,
        given: &[LINUX_DATA],
        is_unflushed: false,
    },
];

/// A recorded run.
pub struct Recorded {
    /// What was done.
    pub work: Work,
    /// What the guest found on the disk afterwards.
    pub expected: Vec<String>,
    log: Log,
}

/// A disk as a power cut can have left it.
#[derive(Clone, Copy)]
pub struct State<'a> {
    /// Of which run.
    pub recorded: &'a Recorded,
    /// When the power went.
    pub moment: Moment,
}

impl std::fmt::Display for State<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.recorded.work, self.moment)
    }
}

/// A replay that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No guest could be prepared.
    #[error(transparent)]
    Cases(#[from] CasesError),
    /// The log could not be read.
    #[error("cannot read what was recorded")]
    Log(#[from] LogError),
    /// The log does not say where the stage began.
    #[error("what was recorded does not say where the stage began")]
    NoBeginning,
    /// A guest did not get to the end of its disks.
    #[error("the guest did not get to the end; its console ends with:\n{tail}")]
    Stopped {
        /// The end of the console.
        tail: String,
    },
    /// The uninterrupted run failed.
    #[error("the stage that was to be recorded failed, {work}:\n{said}")]
    Recording {
        /// Which.
        work: Work,
        /// What it said.
        said: String,
    },
}

impl From<ScenarioError> for ReplayError {
    fn from(error: ScenarioError) -> Self {
        Self::Cases(error.into())
    }
}

/// Runs the stage for each work on a disk of its own and logs its writes; at most 100 works.
///
/// # Errors
/// [`ReplayError`].
pub fn record(built: &Built, works: &[Work]) -> Result<Vec<Recorded>, ReplayError> {
    let folder = RunFolder::new("record")?;
    let mut disks = Vec::new();
    let mut logs = Vec::new();
    for (number, work) in works.iter().enumerate() {
        let log = folder.path().join(format!("writes-{number}.log"));
        File::create(&log).map_err(file_error(&log))?;
        disks.push((*work, blank(folder.path(), number, *work, Some(log.clone()))?));
        logs.push(log);
    }
    let recording = tree(folder.path())?.join("recording");
    fs::write(&recording, "").map_err(file_error(&recording))?;
    let found = run(built, folder.path(), disks, &mut |_| {})?;
    let mut all = Vec::new();
    for ((work, found), log) in works.iter().zip(found).zip(&logs) {
        if found.status != 0 {
            return Err(ReplayError::Recording {
                work: *work,
                said: found.said.join("\n"),
            });
        }
        let file = File::open(log).map_err(file_error(log))?;
        let log = Log::read(&mut BufReader::new(file))?;
        all.push(Recorded {
            work: *work,
            expected: found.lines,
            log: log.after(PREPARED).ok_or(ReplayError::NoBeginning)?,
        });
    }
    Ok(all)
}

impl Recorded {
    /// The disk after each flush.
    #[must_use]
    pub fn boundaries(&self) -> Vec<State<'_>> {
        self.states(self.log.boundaries())
    }

    /// The disk between each two flushes, up to `count` states for each two.
    #[must_use]
    pub fn torn(&self, seed: u64, count: usize) -> Vec<State<'_>> {
        let boundaries = self.log.boundaries();
        let after = boundaries.iter().filter_map(|moment| match moment {
            Moment::Boundary(number) => Some(*number),
            Moment::Torn { .. } => None,
        });
        self.states(after.flat_map(|after| self.log.torn(after, seed, count)))
    }

    fn states(&self, moments: impl IntoIterator<Item = Moment>) -> Vec<State<'_>> {
        let of = |moment| State {
            recorded: self,
            moment,
        };
        moments.into_iter().map(of).collect()
    }

    fn fault(&self, found: &Found) -> Option<String> {
        if found.status != 0 {
            return Some(found.said.join("\n"));
        }
        compare::difference(&self.expected, &found.lines, self.work.given)
    }
}

/// Runs the stage again on each of these disks; `watch` sees each as it comes, and what is wrong with it unless the
/// machine converged. Returns how many did not.
///
/// # Errors
/// [`ReplayError`]; a machine that does not converge is none.
pub fn replay(
    built: &Built,
    states: &[State<'_>],
    watch: &mut dyn FnMut(&State<'_>, Option<String>),
) -> Result<usize, ReplayError> {
    let mut failures = 0;
    for shelf in states.chunks(SHELF) {
        let folder = RunFolder::new("replay")?;
        let mut disks = Vec::new();
        for (number, State { recorded, moment }) in shelf.iter().enumerate() {
            let disk = blank(folder.path(), number, recorded.work, None)?;
            let image = File::options().write(true).open(&disk.path);
            let contents = recorded.log.contents(*moment);
            image
                .and_then(|image| recorded.log.write(&contents, &mut BufWriter::new(image)))
                .map_err(file_error(&disk.path))?;
            disks.push((recorded.work, disk));
        }
        tree(folder.path())?;
        run(built, folder.path(), disks, &mut |found| {
            let state = &shelf[found.number];
            let fault = state.recorded.fault(found);
            failures += usize::from(fault.is_some());
            watch(state, fault);
        })?;
    }
    Ok(failures)
}

/// `count` of them, drawn by the seed, in their order; all where there are not more.
#[must_use]
pub fn some_of<'a>(states: &[State<'a>], seed: u64, count: usize) -> Vec<State<'a>> {
    let mut chance = Chance(seed);
    let mut needed = count.min(states.len());
    let mut chosen = Vec::new();
    for (at, state) in states.iter().enumerate() {
        let left = states.len() - at;
        if chance.below(left as u64) < needed as u64 {
            chosen.push(*state);
            needed -= 1;
        }
    }
    chosen
}

/// One disk of a guest, after the stage.
struct Found {
    number: usize,
    status: i32,
    lines: Vec<String>,
    said: Vec<String>,
}

fn blank(folder: &Path, number: usize, work: Work, log: Option<PathBuf>) -> Result<Shelved, CasesError> {
    let path = folder.join(format!("shelf-{number}.img"));
    let file = File::create(&path).map_err(file_error(&path))?;
    file.set_len(work.mebibytes << 20).map_err(file_error(&path))?;
    Ok(Shelved {
        path,
        sector_bytes: work.sector_bytes,
        log,
    })
}

/// The folder whose files the guest gets.
fn tree(folder: &Path) -> Result<PathBuf, CasesError> {
    let tree = folder.join("tree");
    fs::create_dir_all(&tree).map_err(file_error(&tree))?;
    Ok(tree)
}

/// Boots a guest with these disks on its shelf; its other files are in `folder`.
fn run(
    built: &Built,
    folder: &Path,
    disks: Vec<(Work, Shelved)>,
    watch: &mut dyn FnMut(&Found),
) -> Result<Vec<Found>, ReplayError> {
    let count = disks.len();
    let files = workspace::root().join("tests/vm/replay");
    let tree = tree(folder)?;
    let list = tree.join("disks");
    let (works, shelf): (Vec<Work>, Vec<Shelved>) = disks.into_iter().unzip();
    let lines = works.iter().map(|work| {
        let flushes = if work.is_unflushed { " unflushed" } else { "" };
        format!("{}{flushes}\n", work.name)
    });
    fs::write(&list, lines.collect::<String>()).map_err(file_error(&list))?;
    for work in works {
        for end in ["ign", "sh"] {
            let name = format!("{}.{end}", work.name);
            let from = files.join(&name);
            fs::copy(&from, tree.join(&name)).map_err(file_error(&from))?;
        }
    }
    let scripts = cases::scripts_disk(built, &files.join("run"), &tree, folder)?;
    let mut machine = cases::machine_of(built, vec![scripts], folder)?;
    machine.arguments.push(Shelved::ARGUMENT.to_owned());
    machine.shelf = shelf;
    let log = workspace::cache().join("runs/replay.console");
    let mut guest = Guest::start(&machine, &log).map_err(ScenarioError::from)?;
    let until = Instant::now() + LIMIT + LIMIT_A_DISK * u32::try_from(count).unwrap_or(u32::MAX);
    let mut said = Said::default();
    let mut is_done = false;
    // To the guest's own way out: before that QEMU may not have written all of a log.
    while let Next::Line(line) = guest.console.next(until) {
        let Some(word) = line.text.strip_prefix(MARK) else {
            continue;
        };
        is_done |= word == "done";
        if let Some(found) = said.take(word) {
            watch(&found);
            said.all.push(found);
        }
    }
    if is_done && said.all.len() == count {
        return Ok(said.all);
    }
    let console = guest.into_console();
    let from = console.len().saturating_sub(40);
    let tail: Vec<&str> = console[from..].iter().map(|line| line.text.as_str()).collect();
    Err(ReplayError::Stopped {
        tail: tail.join("\n"),
    })
}

/// What the guest said so far.
#[derive(Default)]
struct Said {
    all: Vec<Found>,
    lines: Vec<String>,
    said: Vec<String>,
}

impl Said {
    /// Takes one line; returns the disk that it ends.
    fn take(&mut self, word: &str) -> Option<Found> {
        if let Some(line) = word.strip_prefix("= ") {
            self.lines.push(line.to_owned());
        } else if let Some(line) = word.strip_prefix("| ") {
            self.said.push(line.to_owned());
        }
        let words: Vec<&str> = word.split(' ').collect();
        let ["end", number, status] = words[..] else {
            return None;
        };
        let found = Found {
            number: number.parse().ok()?,
            status: status.parse().unwrap_or(-1),
            lines: std::mem::take(&mut self.lines),
            said: std::mem::take(&mut self.said),
        };
        // Disks come in their order, each once: anything else is not from the script.
        (found.number == self.all.len()).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: [&str; 2] = [
        "label-id: 11111111-1111-4111-8111-111111111111",
        "1: start= 2048, size= 2048",
    ];

    fn recorded() -> Recorded {
        // No entries.
        let mut log = Vec::new();
        for value in [0x006a_7366_7773_6872_u64, 1, 0] {
            log.extend(value.to_le_bytes());
        }
        log.extend(512_u32.to_le_bytes());
        log.resize(512, 0);
        Recorded {
            work: WORKS[0],
            expected: LOOK.map(str::to_owned).to_vec(),
            log: Log::read(&mut log.as_slice()).unwrap(),
        }
    }

    /// What is wrong with a disk of which the guest says this.
    fn fault(lines: &[&str]) -> Option<String> {
        let mut said = Said::default();
        let found: Vec<Found> = lines.iter().filter_map(|line| said.take(line)).collect();
        recorded().fault(&found[0])
    }

    #[test]
    fn a_disk_counts_only_if_it_is_the_same_and_the_stage_was_content_with_it() {
        let [label, part] = LOOK.map(|line| format!("= {line}"));
        assert_eq!(fault(&[&label, &part, "end 0 0"]), None);
        assert_eq!(
            fault(&["| the stage failed", &label, &part, "end 0 1"]).unwrap(),
            "the stage failed"
        );
        for lines in [
            &[label.as_str(), "end 0 0"][..],
            &["end 0 0"],
            &[&label, "= 1: start= 2048, size= 4096", "end 0 0"],
            &[&label, &part, "= data is not clean", "end 0 0"],
            &[&label, &part, "end 0 word"],
        ] {
            assert!(fault(lines).is_some(), "{lines:?}");
        }
    }

    #[test]
    fn a_drawn_choice_has_its_size_and_repeats() {
        let recorded = recorded();
        let all = recorded.states((0..50).map(Moment::Boundary));
        let moments = |count| -> Vec<Moment> {
            let chosen = some_of(&all, 3, count);
            chosen.iter().map(|state| state.moment).collect()
        };
        assert_eq!(moments(8).len(), 8);
        assert_eq!(moments(8), moments(8));
        assert!(moments(8) != (0..8).map(Moment::Boundary).collect::<Vec<_>>());
        assert_eq!(moments(60), (0..50).map(Moment::Boundary).collect::<Vec<_>>());
    }
}
