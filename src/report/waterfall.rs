//! The rows of a boot in order of beginning: what each is, when it began and how long it took.

use kindling_config_spec::order;
use kindling_config_spec::units::Bytes;

use super::progress::StageRecord;
use crate::apply::Outcome;
use crate::host::runs::Run;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// What it is.
    pub(super) what: String,
    /// Milliseconds since the stage, or the first stage, began.
    pub(super) began: u64,
    /// Milliseconds.
    pub(super) milliseconds: u64,
    /// It ended with an error.
    pub(super) failed: bool,
    /// It is a part of the row above it.
    pub(super) inner: bool,
}

/// Rows that are shown, and how many are not because they took less than so many milliseconds.
pub(super) struct Shown {
    pub(super) rows: Vec<Row>,
    pub(super) short: usize,
    pub(super) below: u64,
    /// Where the last row ends, in milliseconds since the first began; never 0.
    pub(super) total: u64,
}

/// What stands above the rows of all stages. A console tells of most no time.
pub(super) fn title(stages: &[StageRecord], shown: &Shown) -> String {
    if stages.iter().all(|stage| stage.milliseconds == 0) {
        return "stages: no times are known".to_owned();
    }
    format!("stages: {} from the first to the last", took(shown.total))
}

/// The stages of a boot as rows. Where one of them does not say when it began, each begins where the one before it ended.
pub(super) fn stages(stages: &[StageRecord]) -> Shown {
    let is_known = stages.iter().all(|stage| stage.began.is_some());
    let first = stages.iter().filter_map(|stage| stage.began).min().unwrap_or(0);
    let mut cursor = 0;
    let rows: Vec<Row> = stages
        .iter()
        .map(|stage| {
            let known = stage.began.filter(|_| is_known);
            let row = Row {
                what: format!("{}: {}", stage.stage, stage.outcome),
                began: known.map_or(cursor, |began| began.saturating_sub(first)),
                milliseconds: stage.milliseconds,
                failed: stage.failed(),
                inner: false,
            };
            cursor = cursor.saturating_add(stage.milliseconds);
            row
        })
        .collect();
    Shown {
        total: end(&rows),
        rows,
        short: 0,
        below: 0,
    }
}

/// Everything a stage did. Unless `all` is asked for, what took less than a thousandth of it, or than a millisecond, is only
/// counted.
pub(super) fn of_stage(stage: &StageRecord, all: bool) -> Shown {
    let mut groups = groups(stage, all);
    order::by_key(&mut groups, |group| group.first().map_or(0, |row| row.began));
    let mut rows: Vec<Row> = groups.into_iter().flatten().collect();
    let total = end(&rows).max(stage.milliseconds).max(1);
    let below = if all {
        0
    } else {
        (stage.milliseconds / 1000).max(1)
    };
    let before = rows.len();
    rows.retain(|row| row.failed || row.milliseconds >= below);
    Shown {
        short: before - rows.len(),
        rows,
        below,
        total,
    }
}

fn end(rows: &[Row]) -> u64 {
    let ends = rows.iter().map(|row| row.began.saturating_add(row.milliseconds));
    ends.max().unwrap_or(0).max(1)
}

/// Each step with what it ran; the rest, one by one.
fn groups(stage: &StageRecord, all: bool) -> Vec<Vec<Row>> {
    let mut cursor = 0;
    let mut groups: Vec<Vec<Row>> = Vec::new();
    let mut spans = Vec::new();
    for step in &stage.steps {
        let began = step.began.unwrap_or(cursor);
        cursor = began.saturating_add(step.milliseconds);
        spans.push((began, cursor, step));
        groups.push(vec![Row {
            what: step.what.clone(),
            began,
            milliseconds: step.milliseconds,
            failed: step.outcome == Outcome::Failed,
            inner: false,
        }]);
    }
    let runs = stage.ran.downloads.iter().chain(&stage.ran.programs);
    for run in runs {
        // Rounding may put a program half a step outside of its step.
        let holds = |(began, until, step): &(u64, u64, &_)| {
            let step: &super::receipt::StepRecord = step;
            !run.config.is_empty() && run.config == step.config && *began <= run.began && run.began <= *until
        };
        match spans.iter().rposition(holds).and_then(|at| groups.get_mut(at)) {
            Some(group) => group.push(row(run, true)),
            None => groups.push(vec![row(run, false)]),
        }
    }
    for group in &mut groups {
        // The one program that a step names says nothing more, unless the step took its time for something else.
        if !all
            && let [step, run] = group.as_slice()
            && !run.failed
            && step.what.contains(&run.what)
            && run.milliseconds >= step.milliseconds / 5 * 4
        {
            group.truncate(1);
        }
    }
    groups.extend(stage.paths.map(|paths| {
        let busy = took(paths.milliseconds);
        vec![Row {
            what: format!("{} files, directories and links: {busy}", counted(paths.count)),
            began: paths.began,
            milliseconds: paths.until.saturating_sub(paths.began),
            failed: false,
            inner: false,
        }]
    }));
    groups
}

fn row(run: &Run, inner: bool) -> Row {
    let mut what = run.what.clone();
    if run.attempts > 0 {
        what = format!("GET {what}: {}", Bytes(run.bytes));
    }
    if run.attempts > 1 {
        what.push_str(&format!(", {} attempts", run.attempts));
    }
    if !inner && !run.config.is_empty() {
        what.push_str(&format!(" ({})", run.config));
    }
    Row {
        what,
        began: run.began,
        milliseconds: run.milliseconds,
        failed: run.failed,
        inner,
    }
}

/// A time as it is read: `7 ms`, `12.35 s`, `3 min 20 s`.
pub(super) fn took(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..600_000 => format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}

/// A number with commas.
pub(super) fn counted(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The text without what would move a cursor or end a line.
pub(super) fn clean(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}
