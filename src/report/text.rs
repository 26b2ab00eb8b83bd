//! A boot as text, for a terminal.

use std::fmt::Write;

use super::Failure;
use super::boot::Boot;
use super::progress::StageRecord;
use super::receipt::{self, NodeRecord};
use super::waterfall::{self, Shown, clean, counted, took};
use crate::apply::Outcome;

/// Paths that are listed without being asked for.
const PATHS: usize = 40;
/// What stands before a bar, and around it: two times and their spaces.
const BESIDE: usize = 23;
/// No line is made for less.
const NARROWEST: usize = 40;

/// How it is written.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns of a line.
    pub width: usize,
    /// Every row and path, each as long as it is.
    pub all: bool,
}

/// The whole text, without a last line feed.
#[must_use]
pub fn show(boot: &Boot, look: Look) -> String {
    let mut text = format!("{}\n", clean(&boot.title()));
    for (name, line) in boot.summary() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<9} {}", clean(&line));
    }
    if let Some(failure) = &boot.failure {
        let _ = writeln!(text, "\n{}", record(failure));
    }
    if let Some(before) = &boot.before {
        let _ = writeln!(text, "\nthe boot before:\n{}", record(before));
    }
    if !boot.stages.is_empty() {
        let stages = waterfall::stages(&boot.stages);
        let _ = writeln!(text, "\n{}", waterfall::title(&boot.stages, &stages));
        rows(&mut text, &stages, look);
    }
    for stage in &boot.stages {
        of_stage(&mut text, stage, look);
    }
    paths(&mut text, &boot.nodes, look);
    text.truncate(text.trim_end().len());
    text
}

/// The record, in its lines.
fn record(failure: &Failure) -> String {
    let lines: Vec<String> = failure.to_string().lines().map(clean).collect();
    lines.join("\n")
}

fn of_stage(text: &mut String, stage: &StageRecord, look: Look) {
    let shown = waterfall::of_stage(stage, look.all);
    if shown.rows.is_empty() && shown.short == 0 {
        return;
    }
    let _ = writeln!(text, "\n{}", heading(stage));
    rows(text, &shown, look);
    for line in left_out(stage, &shown) {
        let _ = writeln!(text, "  {line}");
    }
}

/// What stands above the rows of a stage.
pub(super) fn heading(stage: &StageRecord) -> String {
    let StageRecord {
        stage: name,
        milliseconds,
        changed,
        already_so,
        outcome,
        ..
    } = stage;
    let time = took(*milliseconds);
    format!(
        "stage {name}: {}, {time}, {changed} changed, {already_so} already so",
        clean(outcome)
    )
}

/// What is not among the rows of a stage.
pub(super) fn left_out(stage: &StageRecord, shown: &Shown) -> Vec<String> {
    let mut lines = Vec::new();
    if shown.short > 0 {
        let short = counted(u64::try_from(shown.short).unwrap_or(u64::MAX));
        lines.push(format!("and {short} more below {}", took(shown.below)));
    }
    if stage.ran.more > 0 {
        let more = counted(stage.ran.more);
        lines.push(format!(
            "and {more} more downloads and programs, of which nothing was kept"
        ));
    }
    lines
}

fn rows(text: &mut String, shown: &Shown, look: Look) {
    let width = look.width.max(NARROWEST);
    let bar = (width / 5).max(10);
    for row in &shown.rows {
        let (from, length) = place(row.began, row.milliseconds, shown.total, bar);
        let line = format!("{:from$}{:#<length$}", "", "");
        let failed = if row.failed { "FAILED " } else { "" };
        let inner = if row.inner { "    " } else { "" };
        let what = format!("{inner}{failed}{}", clean(&row.what));
        let room = (!look.all).then(|| width.saturating_sub(BESIDE + bar));
        let what = room.map_or(what.clone(), |room| cut(&what, room));
        let _ = writeln!(
            text,
            "{:>9} {:>9} |{line:<bar$}| {what}",
            took(row.began),
            took(row.milliseconds)
        );
    }
}

/// Where a bar begins among `cells`, and how many it takes: at least one, and none beyond the end.
pub(super) fn place(began: u64, milliseconds: u64, total: u64, cells: usize) -> (usize, usize) {
    let wide = u64::try_from(cells).unwrap_or(u64::MAX).max(1);
    let scaled = |time: u64| {
        let cell = u128::from(time) * u128::from(wide) / u128::from(total.max(1));
        u64::try_from(cell).unwrap_or(u64::MAX).min(wide)
    };
    let from = scaled(began).min(wide - 1);
    let until = scaled(began.saturating_add(milliseconds)).clamp(from + 1, wide);
    let cells = |number: u64| usize::try_from(number).unwrap_or(0);
    (cells(from), cells(until - from))
}

/// At most so many characters.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(room.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

fn paths(text: &mut String, nodes: &[NodeRecord], look: Look) {
    if nodes.is_empty() {
        return;
    }
    let written = nodes
        .iter()
        .filter(|node| node.outcome == Outcome::Changed)
        .count();
    text.push_str("\npaths:\n");
    if look.all || nodes.len() <= PATHS {
        for node in nodes {
            let _ = writeln!(text, "  {}", clean(&receipt::line(node)));
        }
    }
    let listed = if look.all || nodes.len() <= PATHS {
        ""
    } else {
        "; --all lists them"
    };
    let _ = writeln!(text, "{} paths, {written} of them written{listed}", nodes.len());
}
