//! What the guest's kernel saw while a stage ran: which program began and ended when. One clock for everything, and
//! nothing put in the way of the programs.

use std::collections::BTreeMap;
use std::time::Duration;

/// A program from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    /// File name without folders.
    program: String,
    from: Duration,
    to: Duration,
}

/// One stage, measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    /// From the start of the engine to its end.
    pub(super) in_all: Duration,
    /// The part of it in which at least one program that makes a file system ran.
    pub(super) in_mkfs: Duration,
    /// From the start of the engine until the last node it had to make was there, on the kernel's coarse clock: some
    /// milliseconds less than the truth. `None` where it made none.
    pub(super) until_nodes: Option<Duration>,
    /// The part of that from the engine's own first look at a disk: read, plan, write, nodes. `None` as before.
    pub(super) table_change: Option<Duration>,
    /// Every other program that began meanwhile, whoever started it.
    pub(super) programs: BTreeMap<String, Started>,
}

impl Measured {
    /// The rest: the time in which no program made a file system.
    #[must_use]
    pub(super) fn outside_mkfs(&self) -> Duration {
        self.in_all.saturating_sub(self.in_mkfs)
    }
}

/// How often a program ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Started {
    /// How many times.
    pub(super) times: usize,
    /// The part of the stage in which at least one of them ran.
    pub(super) time: Duration,
}

/// The guest's lines for one stage, read one by one.
#[derive(Default)]
pub(super) struct Trace {
    open: BTreeMap<u32, Span>,
    closed: Vec<Span>,
    /// One moment by the clock of the trace and by the time of day.
    day: Option<(Duration, Duration)>,
    /// When the engine first opened a block device.
    first_disk: Option<Duration>,
    /// When the last node was made, by the time of day.
    last_node: Option<Duration>,
}

/// What both engines are called.
const ENGINE: &str = "ignition";

impl Trace {
    /// Takes `+ PID SECONDS FILE`, `- PID SECONDS`, `disk SECONDS`, `day SECONDS SECONDS` or `node SECONDS`. Returns whether
    /// the line was one of these.
    pub(super) fn take(&mut self, line: &str) -> bool {
        self.event(line).is_some()
    }

    fn event(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["+", pid, at, file] => {
                let (pid, at) = (pid.parse().ok()?, seconds(at)?);
                // A program that becomes another one (`exec`) ends here.
                self.end(pid, at);
                let program = file.rsplit('/').next().unwrap_or(file).to_owned();
                let (from, to) = (at, at);
                self.open.insert(pid, Span { program, from, to });
            }
            ["-", pid, at] => self.end(pid.parse().ok()?, seconds(at)?),
            ["disk", at] => {
                let at = seconds(at)?;
                self.first_disk = Some(self.first_disk.map_or(at, |first| first.min(at)));
            }
            ["day", trace, day] => self.day = Some((seconds(trace)?, seconds(day)?)),
            ["node", made] => self.last_node = self.last_node.max(Some(seconds(made)?)),
            _ => return None,
        }
        Some(())
    }

    fn end(&mut self, pid: u32, at: Duration) {
        if let Some(mut span) = self.open.remove(&pid) {
            span.to = at;
            self.closed.push(span);
        }
    }

    /// The stage; `None` where the engine's start or end is not in the trace.
    #[must_use]
    pub(super) fn finish(self) -> Option<Measured> {
        let engine = self.closed.iter().find(|span| span.program == ENGINE)?.clone();
        let nodes_made = self.day.zip(self.last_node).and_then(|((trace, day), made)| {
            // As much before the moment on both clocks.
            trace.checked_sub(day.checked_sub(made)?)
        });
        let until_nodes = nodes_made.and_then(|made| made.checked_sub(engine.from));
        let table_change = nodes_made
            .zip(self.first_disk)
            .and_then(|(made, opened)| made.checked_sub(opened));
        let mut by_program: BTreeMap<String, Vec<(Duration, Duration)>> = BTreeMap::new();
        let mut mkfs = Vec::new();
        // What is still running when the engine is done ran for the rest of the stage.
        let running = self.open.into_values().map(|span| Span {
            to: engine.to,
            ..span
        });
        for span in self.closed.into_iter().chain(running) {
            if span.program == ENGINE || span.from < engine.from || span.from >= engine.to {
                continue;
            }
            let part = (span.from, span.to.min(engine.to));
            if makes_file_systems(&span.program) {
                mkfs.push(part);
            }
            by_program.entry(span.program).or_default().push(part);
        }
        Some(Measured {
            in_all: engine.to - engine.from,
            in_mkfs: covered(mkfs),
            until_nodes,
            table_change,
            programs: by_program
                .into_iter()
                .map(|(program, parts)| {
                    let times = parts.len();
                    let time = covered(parts);
                    (program, Started { times, time })
                })
                .collect(),
        })
    }
}

fn makes_file_systems(program: &str) -> bool {
    program.starts_with("mkfs.") || program == "mkswap"
}

/// Seconds with six digits, as the kernel prints them.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.')?;
    let micros: u64 = (part.len() == 6).then(|| part.parse().ok()).flatten()?;
    let whole: u64 = whole.parse().ok()?;
    Some(Duration::from_micros(whole.checked_mul(1_000_000)? + micros))
}

/// How much time the parts cover together; where they overlap, it counts once.
fn covered(mut parts: Vec<(Duration, Duration)>) -> Duration {
    parts.sort_unstable();
    let (mut sum, mut end) = (Duration::ZERO, Duration::ZERO);
    for (from, to) in parts {
        sum += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(lines: &[&str]) -> Option<Measured> {
        let mut trace = Trace::default();
        for line in lines {
            assert!(trace.take(line), "{line}");
        }
        trace.finish()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn file_systems_that_are_made_at_the_same_time_count_once() {
        let found = measured(&[
            "+ 100 5.000000 /run/under-test/ignition",
            "+ 101 5.010000 /usr/sbin/mkfs.ext4",
            "+ 102 5.020000 /usr/sbin/mkswap",
            "- 102 5.030000",
            "+ 103 5.040000 /usr/sbin/mkfs.xfs",
            "- 101 5.050000",
            "- 103 5.060000",
            "+ 104 5.070000 /usr/sbin/wipefs",
            "- 104 5.075000",
            "+ 105 5.080000 /usr/sbin/mkfs.fat",
            "- 105 5.090000",
            "- 100 5.100000",
        ])
        .unwrap();
        assert_eq!(found.in_all, 100 * MS);
        assert_eq!(found.in_mkfs, 60 * MS);
        assert_eq!(found.outside_mkfs(), 40 * MS);
        let wipefs = found.programs["wipefs"];
        assert_eq!((wipefs.times, wipefs.time), (1, 5 * MS));
        assert!(!found.programs.contains_key("ignition"));
    }

    #[test]
    fn only_what_began_within_the_stage_counts_and_only_as_long_as_it() {
        let found = measured(&[
            "+ 90 1.000000 /usr/bin/sync",
            "- 90 1.500000",
            "+ 100 2.000000 /usr/lib/dracut/modules.d/30ignition/ignition",
            "+ 101 2.100000 /usr/bin/sh",
            "+ 101 2.200000 /usr/sbin/dmsetup",
            "+ 102 2.300000 /usr/sbin/blkid",
            "- 100 2.500000",
            "- 101 2.600000",
            "+ 103 2.700000 /usr/bin/cat",
            "- 103 2.800000",
        ])
        .unwrap();
        assert_eq!(found.in_all, 500 * MS);
        let started: Vec<(&str, usize, Duration)> = found
            .programs
            .iter()
            .map(|(program, started)| (program.as_str(), started.times, started.time))
            .collect();
        assert_eq!(
            started,
            [
                ("blkid", 1, 200 * MS),
                ("dmsetup", 1, 300 * MS),
                ("sh", 1, 100 * MS)
            ]
        );
    }

    #[test]
    fn nodes_count_from_the_start_of_the_engine_and_only_if_they_are_new() {
        let with = |nodes: &[&str]| {
            let stage = [
                "+ 100 2.000000 /run/under-test/ignition",
                "- 100 2.500000",
                "day 2.600000 1700000000.600000",
            ];
            measured(&[&stage[..], nodes].concat()).unwrap().until_nodes
        };
        let made = [
            "node 1700000000.071000",
            "node 1700000000.075000",
            "node 1700000000.072000",
        ];
        assert_eq!(with(&made), Some(75 * MS));
        assert_eq!(with(&["node 1699999990.000000"]), None);
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn the_change_of_the_table_counts_from_the_first_disk_the_engine_opened() {
        let found = measured(&[
            "+ 100 2.000000 /run/under-test/ignition",
            "disk 2.060000",
            "disk 2.070000",
            "- 100 2.500000",
            "day 2.600000 1700000000.600000",
            "node 1700000000.130000",
        ])
        .unwrap();
        assert_eq!(found.until_nodes, Some(130 * MS));
        assert_eq!(found.table_change, Some(70 * MS));
    }

    #[test]
    fn a_stage_without_an_end_is_none_and_other_lines_are_refused() {
        assert_eq!(measured(&["+ 100 2.000000 /run/under-test/ignition"]), None);
        let mut trace = Trace::default();
        for line in [
            "end 1-table first ours 0",
            "+ x 2.000000 /bin/a",
            "+ 1 2.0 /bin/a",
            "- 1 2.000000 b",
        ] {
            assert!(!trace.take(line), "{line}");
        }
    }
}
