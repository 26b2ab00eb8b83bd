//! What was measured as two tables: times with their ratio, and the programs that the engines started.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::trace::{Measured, Started};
use super::{Engine, Pass, Samples};

/// Times of one thing over all rounds, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    pub(super) median: f64,
    lowest: f64,
    highest: f64,
}

impl Times {
    /// `None` for no times at all.
    pub(super) fn of(times: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut times: Vec<f64> = times.map(|time| time.as_secs_f64() * 1000.0).collect();
        times.sort_unstable_by(f64::total_cmp);
        Some(Self {
            median: median(&times)?,
            lowest: *times.first()?,
            highest: *times.last()?,
        })
    }

    pub(super) fn text(self) -> String {
        format!("{:.0} ({:.0}–{:.0})", self.median, self.lowest, self.highest)
    }
}

/// Of sorted values; of an even number, the middle of the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

/// Both tables.
#[must_use]
pub(super) fn render(rows: &[(&str, Pass, &Samples)]) -> String {
    let mut text = format!(
        "\n{:<60}{:>22}{:>22}{:>8}{:>8}\n",
        "disks stage, ms: median (lowest–highest)", "ours", "reference", "ratio", "lowest"
    );
    for (title, pass, samples) in rows {
        times(&mut text, title, *pass, samples);
    }
    for (title, pass, samples) in rows {
        programs(&mut text, &titled(title, *pass), samples);
    }
    text
}

fn titled(title: &str, pass: Pass) -> String {
    match pass {
        Pass::First => title.to_owned(),
        Pass::Again => format!("{title}, again"),
    }
}

/// What of a stage a row is about; `None` where there is no such thing in it.
type Part = fn(&Measured) -> Option<Duration>;

fn times(text: &mut String, title: &str, pass: Pass, samples: &Samples) {
    let mut part = |name: &str, part: Part| row(text, name, samples, part);
    part(&titled(title, pass), |measured| Some(measured.in_all));
    // Nodes that are there already may be made anew, whenever udev reads the table.
    if pass == Pass::First {
        part("  until the nodes are there", |measured| measured.until_nodes);
        part("  of that, from the engine's first look at a disk", |measured| {
            measured.table_change
        });
    }
    part("  while file systems are made", |measured| {
        Some(measured.in_mkfs).filter(|time| !time.is_zero())
    });
    part("  the rest", |measured| {
        (!measured.in_mkfs.is_zero()).then(|| measured.outside_mkfs())
    });
}

/// One row of times; none where neither engine has any.
fn row(text: &mut String, name: &str, samples: &Samples, part: Part) {
    let [ours, reference] = Engine::ALL.map(|engine| Times::of(samples.of(engine).iter().filter_map(part)));
    if ours.is_none() && reference.is_none() {
        return;
    }
    let shown = |times: Option<Times>| times.map_or_else(|| "-".to_owned(), Times::text);
    let ratio = |of: fn(Times) -> f64| {
        let ratio = ours
            .zip(reference)
            .map(|(ours, reference)| of(ours) / of(reference));
        ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}x"))
    };
    let (medians, lowest) = (ratio(|times| times.median), ratio(|times| times.lowest));
    let _ = writeln!(
        text,
        "{name:<60}{:>22}{:>22}{medians:>8}{lowest:>8}",
        shown(ours),
        shown(reference)
    );
}

/// A row of the second table for each program that ran at all.
fn programs(text: &mut String, title: &str, samples: &Samples) {
    let [ours, reference] = Engine::ALL.map(|engine| typical(samples.of(engine)));
    let names: BTreeSet<&String> = ours.keys().chain(reference.keys()).collect();
    if names.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}: starts, and ms in which one of them ran");
    for name in names {
        let shown = |programs: &BTreeMap<String, Started>| {
            programs.get(name).map_or_else(
                || "-".to_owned(),
                |started| format!("{} ({} ms)", started.times, started.time.as_millis()),
            )
        };
        let _ = writeln!(text, "  {name:<58}{:>22}{:>22}", shown(&ours), shown(&reference));
    }
}

/// Of each program the median of its starts and of its time.
fn typical(rounds: &[Measured]) -> BTreeMap<String, Started> {
    let names: BTreeSet<&String> = rounds.iter().flat_map(|round| round.programs.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let runs = || {
                rounds
                    .iter()
                    .map(|round| round.programs.get(name).copied().unwrap_or_default())
            };
            let middle = rounds.len() / 2;
            let mut times: Vec<usize> = runs().map(|started| started.times).collect();
            let mut spent: Vec<Duration> = runs().map(|started| started.time).collect();
            times.sort_unstable();
            spent.sort_unstable();
            let started = Started {
                times: *times.get(middle)?,
                time: *spent.get(middle)?,
            };
            (started.times > 0).then(|| (name.clone(), started))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(in_all: u64, in_mkfs: u64) -> Measured {
        let mkfs = Started {
            times: 8,
            time: Duration::from_millis(in_mkfs),
        };
        Measured {
            in_all: Duration::from_millis(in_all),
            in_mkfs: Duration::from_millis(in_mkfs),
            until_nodes: None,
            table_change: None,
            programs: [("mkfs.ext4".to_owned(), mkfs)].into(),
        }
    }

    #[test]
    fn a_row_has_medians_spread_and_ratio() {
        let samples = Samples {
            ours: vec![measured(100, 60), measured(130, 70), measured(110, 65)],
            reference: vec![measured(400, 200), measured(440, 220), measured(410, 210)],
        };
        let text = render(&[("one disk", Pass::First, &samples)]);
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines[2], "one disk 110 (100–130) 410 (400–440) 0.27x 0.25x");
        assert_eq!(lines[4], "the rest 45 (40–60) 200 (200–220) 0.23x 0.20x");
        assert_eq!(lines.last().unwrap(), "mkfs.ext4 8 (65 ms) 8 (210 ms)");
    }

    #[test]
    fn what_did_not_run_has_no_ratio() {
        let samples = Samples {
            ours: vec![measured(100, 0), measured(120, 0)],
            reference: Vec::new(),
        };
        let text = render(&[("nothing", Pass::Again, &samples)]);
        assert!(text.contains("nothing, again"), "{text}");
        let row = text.lines().nth(2).unwrap();
        assert!(row.contains("110 (100–120)"), "{text}");
        assert!(row.ends_with("-       -       -"), "{text}");
        assert!(!text.contains("the rest"), "{text}");
    }
}
