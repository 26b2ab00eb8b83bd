//! The benchmark of the disks stage: one guest boots once and runs both engines in turn on disks of its own.
//!
//! `tests/vm/bench/run` is what the guest runs; [`works`] says on what, [`trace`] reads what its kernel saw, [`table`]
//! prints it. No time is judged here: they belong to the machine that runs the guest.

mod added;
pub mod boots;
mod table;
mod trace;
mod works;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cases::{self, CasesError, file_error};
use crate::console::Next;
use crate::qemu::{Disk, Guest, Machine};
use crate::scenario::{Built, RunFolder, ScenarioError};
use crate::workspace;
use trace::{Measured, Trace};
use works::{DISKS, Work};

/// How often each engine does each work.
const ROUNDS: usize = 5;
/// How long all rounds together may take.
const LIMIT: Duration = Duration::from_secs(1800);

const MARK: &str = "kindling-bench: ";

/// What the benchmark ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything ran; whatever it took.
    Measured,
    /// Some stage failed, or the guest did not come to the end; the output says which.
    Failed,
}

/// Whose stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Ours,
    Reference,
}

impl Engine {
    const ALL: [Self; 2] = [Self::Ours, Self::Reference];

    fn named(name: &str) -> Option<Self> {
        match name {
            "ours" => Some(Self::Ours),
            "reference" => Some(Self::Reference),
            _ => None,
        }
    }
}

/// On what a stage ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// On blank disks.
    First,
    /// On what the same engine had just made.
    Again,
}

impl Pass {
    const ALL: [Self; 2] = [Self::First, Self::Again];

    fn named(name: &str) -> Option<Self> {
        match name {
            "first" => Some(Self::First),
            "again" => Some(Self::Again),
            _ => None,
        }
    }
}

/// All rounds of one work and pass.
#[derive(Clone, Debug, Default)]
struct Samples {
    ours: Vec<Measured>,
    reference: Vec<Measured>,
}

impl Samples {
    fn of(&self, engine: Engine) -> &[Measured] {
        match engine {
            Engine::Ours => &self.ours,
            Engine::Reference => &self.reference,
        }
    }

    fn add(&mut self, engine: Engine, measured: Measured) {
        match engine {
            Engine::Ours => self.ours.push(measured),
            Engine::Reference => self.reference.push(measured),
        }
    }
}

/// Everything that came of the guest's lines so far.
struct Results {
    works: Vec<Work>,
    /// In the order of `works` and [`Pass::ALL`].
    samples: Vec<[Samples; 2]>,
    trace: Trace,
    said: Vec<String>,
    failures: usize,
    is_complete: bool,
}

impl Results {
    fn new(works: Vec<Work>) -> Self {
        Self {
            samples: works.iter().map(|_| Default::default()).collect(),
            works,
            trace: Trace::default(),
            said: Vec::new(),
            failures: 0,
            is_complete: false,
        }
    }

    /// Takes one line of the guest; returns what to tell about it.
    fn take(&mut self, line: &str) -> Option<String> {
        if self.trace.take(line) {
            return None;
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["end", work, pass, engine, status] => self.end(work, pass, engine, status),
            ["round", round] => Some(format!("round {round} of {ROUNDS}")),
            ["done"] => {
                self.is_complete = true;
                None
            }
            _ => {
                self.said.push(line.trim_start_matches("| ").to_owned());
                None
            }
        }
    }

    fn end(&mut self, work: &str, pass: &str, engine: &str, status: &str) -> Option<String> {
        let measured = std::mem::take(&mut self.trace).finish();
        let said = std::mem::take(&mut self.said);
        let which = self.works.iter().position(|known| known.name == work);
        let known = which.zip(Pass::named(pass)).zip(Engine::named(engine));
        if let (Some(((work, pass), engine)), Some(measured), "0") = (known, measured, status) {
            self.samples[work][pass as usize].add(engine, measured);
            return None;
        }
        self.failures += 1;
        Some(format!(
            "{work}, {pass}: {engine} failed with {status}\n    {}",
            said.join("\n    ")
        ))
    }

    fn rows(&self) -> Vec<(&str, Pass, &Samples)> {
        let rows = self.works.iter().zip(&self.samples);
        rows.flat_map(|(work, samples)| {
            Pass::ALL
                .iter()
                .zip(samples)
                .map(|(pass, samples)| (work.title, *pass, samples))
        })
        .collect()
    }
}

/// Runs the benchmark and prints its tables to `out`.
///
/// # Errors
/// [`CasesError`] when no guest could be started; what goes wrong in the guest is in the output and the verdict.
pub fn run(built: &Built, out: &mut dyn Write) -> Result<Verdict, CasesError> {
    // Nobody may be listening any more; the verdict does not depend on that.
    let mut say = |text: &str| drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    let folder = RunFolder::new("bench")?;
    let mut results = Results::new(works::all());
    let machine = machine(built, &results.works, folder.path())?;
    let log = workspace::cache().join("runs/bench.console");
    let mut guest = Guest::start(&machine, &log).map_err(ScenarioError::from)?;
    let until = Instant::now() + LIMIT;
    while !results.is_complete {
        let Next::Line(line) = guest.console.next(until) else {
            break;
        };
        if let Some(told) = line.text.strip_prefix(MARK).and_then(|word| results.take(word)) {
            say(&told);
        }
    }
    if !results.is_complete {
        say("the guest did not get to the end; its console ends with:");
        let console = guest.into_console();
        for line in &console[console.len().saturating_sub(40)..] {
            say(&line.text);
        }
    }
    say(table::render(&results.rows()).trim_end());
    Ok(if results.is_complete && results.failures == 0 {
        Verdict::Measured
    } else {
        Verdict::Failed
    })
}

fn machine(built: &Built, works: &[Work], folder: &Path) -> Result<Machine, CasesError> {
    let mut disks = vec![scripts(built, works, folder)?];
    for disk in DISKS {
        let path = folder.join(format!("{}.img", disk.serial));
        disks.push(Disk::blank(path.clone(), disk.serial, disk.mebibytes, 512).map_err(file_error(&path))?);
    }
    cases::machine_of(built, disks, folder)
}

/// A disk with what `tests/vm/bench/run` asks for.
fn scripts(built: &Built, works: &[Work], folder: &Path) -> Result<Disk, CasesError> {
    let tree = folder.join("tree");
    let written = tree.join("works");
    fs::create_dir_all(&written).map_err(file_error(&written))?;
    let write = |path: &Path, text: String| fs::write(path, text).map_err(file_error(path));
    write(&tree.join("rounds"), ROUNDS.to_string())?;
    for work in works {
        let path = |end: &str| written.join(format!("{}.{end}", work.name));
        let lines = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect::<String>();
        write(&path("ign"), work.config.to_string())?;
        write(&path("disks"), lines(work.disks.clone()))?;
        let devices = work
            .devices
            .iter()
            .map(|(device, content)| format!("{device} {}", content.unwrap_or("-")));
        write(&path("devices"), lines(devices.collect()))?;
    }
    let run = workspace::root().join("tests/vm/bench/run");
    cases::scripts_disk(built, &run, &tree, folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_counts_only_if_it_ended_well() {
        let mut results = Results::new(works::all());
        let one = |results: &mut Results, status: &str| {
            assert_eq!(results.take("+ 7 1.000000 /run/under-test/ignition"), None);
            assert_eq!(results.take("- 7 1.250000"), None);
            results.take(&format!("end 1-table again ours {status}"))
        };
        assert_eq!(one(&mut results, "0"), None);
        results.take("| no such disk");
        assert_eq!(
            one(&mut results, "1").unwrap(),
            "1-table, again: ours failed with 1\n    no such disk"
        );
        // Without the engine in the trace there is nothing to count.
        assert!(results.take("end 1-table again ours 0").is_some());
        assert_eq!(results.failures, 2);
        let rows = results.rows();
        let (_, pass, samples) = rows[3];
        assert_eq!(pass, Pass::Again);
        assert_eq!(samples.ours.len(), 1);
        assert_eq!(samples.ours[0].in_all, Duration::from_millis(250));
        assert!(!results.is_complete);
        results.take("done");
        assert!(results.is_complete);
    }
}
