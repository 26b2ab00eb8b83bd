//! What a console showed of a first boot, out of a log of its serial line: records of failures, what systemd said of the
//! units, and a list of stages that somebody printed there. Other lines may stand between.

use super::Failure;
use super::boot::Boot;
use super::failure::HEADING;
use super::progress::{StageRecord, UNFINISHED};
use crate::plan::Stage;
use kindling_config_spec::json;

/// Lines of others that may stand within a record.
const FOREIGN: usize = 16;
/// What the names of a record's parts look like, and what stands in their place below them.
const NAMES: [&str; 5] = ["what:  ", "where: ", "why:   ", "next:  ", "       "];

/// The last boot in `text` of which it shows anything.
pub(super) fn read(text: &str) -> Option<Boot> {
    let lines = plain_lines(text);
    let mut boots = vec![Seen::default()];
    for (at, line) in lines.iter().enumerate() {
        let event = event(line, lines.get(at..).unwrap_or_default());
        let is_anew = match &event {
            Event::Kernel => true,
            Event::Stage(Stage::FetchOffline, Step::Begins) => {
                boots.last().is_some_and(|seen| !seen.stages.is_empty())
            }
            _ => false,
        };
        if is_anew && boots.last().is_some_and(|seen| !seen.is_empty()) {
            boots.push(Seen::default());
        }
        if let Some(seen) = boots.last_mut() {
            seen.add(event, stamp(line));
        }
    }
    while boots.last().is_some_and(Seen::is_empty) {
        boots.pop();
    }
    let last = boots.pop()?;
    let before = boots.into_iter().rev().find_map(|seen| seen.failure);
    Some(last.boot(before))
}

/// What one line tells.
enum Event {
    /// The kernel starts.
    Kernel,
    Stage(Stage, Step),
    Failed(Failure),
    List(Vec<StageRecord>),
    Nothing,
}

/// What systemd says of a unit.
enum Step {
    Begins,
    Ends(&'static str),
}

/// One boot so far.
#[derive(Default)]
struct Seen {
    stages: Vec<StageRecord>,
    failure: Option<Failure>,
    list: Option<Vec<StageRecord>>,
}

impl Seen {
    fn is_empty(&self) -> bool {
        self.stages.is_empty() && self.failure.is_none() && self.list.is_none()
    }

    fn add(&mut self, event: Event, now: Option<u64>) {
        match event {
            Event::Kernel | Event::Nothing => {}
            Event::List(list) => self.list = Some(list),
            Event::Failed(failure) => {
                let record = self.stage(failure.stage);
                failure.code.clone_into(&mut record.outcome);
                self.failure = Some(failure);
            }
            Event::Stage(stage, Step::Begins) => self.stage(stage).began = now,
            Event::Stage(stage, Step::Ends(outcome)) => {
                let record = self.stage(stage);
                if record.outcome == UNFINISHED {
                    outcome.clone_into(&mut record.outcome);
                }
                if let (Some(began), Some(now)) = (record.began, now) {
                    record.milliseconds = now.saturating_sub(began);
                }
            }
        }
    }

    /// The record of `stage`, which is begun where it is not there yet.
    fn stage(&mut self, stage: Stage) -> &mut StageRecord {
        let known = self.stages.iter().rposition(|record| record.stage == stage);
        let at = known.unwrap_or_else(|| {
            self.stages.push(StageRecord::seen(stage, UNFINISHED));
            self.stages.len() - 1
        });
        &mut self.stages[at]
    }

    fn boot(self, before: Option<Failure>) -> Boot {
        let stages = self.list.unwrap_or(self.stages);
        Boot {
            before,
            ..Boot::of_stages(stages, self.failure)
        }
    }
}

fn event(line: &str, from_here: &[String]) -> Event {
    if line.contains("Linux version ") {
        return Event::Kernel;
    }
    if let Some((prefix, heading)) = line.split_once(HEADING) {
        let below = from_here.get(1..).unwrap_or_default();
        return record(prefix, heading, below).map_or(Event::Nothing, Event::Failed);
    }
    if let Some(at) = line.find("[{\"stage\":\"") {
        let list = line.get(at..).unwrap_or_default();
        let list = list.rfind(']').and_then(|end| list.get(..=end));
        return match list.map(json::parse::<Vec<StageRecord>>) {
            Some(Ok(list)) => Event::List(list),
            _ => Event::Nothing,
        };
    }
    unit(line).map_or(Event::Nothing, |(stage, step)| Event::Stage(stage, step))
}

/// `Finished ignition-disks.service - Ignition (disks).`, whatever systemd left out of the unit's name.
fn unit(line: &str) -> Option<(Stage, Step)> {
    let (said, name) = line.split_once("Ignition (")?;
    let stage = Stage::from_name(name.split_once(')')?.0)?;
    let verbs = [
        ("Starting ", Step::Begins),
        ("Finished ", Step::Ends("ok")),
        ("Failed to start ", Step::Ends("failed")),
    ];
    let found = verbs.into_iter().find(|(verb, _)| said.contains(verb));
    found.map(|(_, step)| (stage, step))
}

/// The record whose first line has `prefix` before it and `heading` behind its first words.
fn record(prefix: &str, heading: &str, below: &[String]) -> Option<Failure> {
    let (stage, code) = heading.split_once(" [")?;
    let stage = Stage::from_name(stage)?;
    // In the log the stage stands before the first line, and before that alone.
    let of_log = format!("{stage}: ");
    let prefix = prefix.strip_suffix(&of_log).unwrap_or(prefix);
    let code = code.split(']').next().filter(|code| !code.is_empty())?;
    let mut found: Vec<&str> = Vec::new();
    let mut foreign = 0;
    for line in below {
        let part = behind(line, prefix).filter(|part| is_part(part));
        let is_over = found.iter().any(|part| part.starts_with("  next:"));
        match part {
            Some(part) => found.push(part),
            None if is_over || foreign == FOREIGN || line.contains(HEADING) => break,
            None => foreign += 1,
        }
    }
    // A log that breaks off, or that lost lines, still has the code.
    let has = |name: &str| found.iter().any(|part| part.starts_with(name));
    let (what, next) = (has("  what:"), has("  next:"));
    if !what {
        found.insert(0, "  what:  (the log does not have it)");
    }
    if !next {
        found.push("  next:  look the code up in docs/failure-states.md; the log breaks off here");
    }
    Failure::of_lines(stage, code, found.into_iter())
}

fn is_part(line: &str) -> bool {
    line.starts_with("  ") && line.len() > 9 && line.get(2..9).is_some_and(|name| NAMES.contains(&name))
}

/// `line` without what whoever wrote the log put before each line, such as a time: it is as long as in `prefix`, and differs
/// in digits and spaces alone.
fn behind<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    let (before, rest) = line.split_at_checked(prefix.len())?;
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b' ';
    let same = |(one, other): (u8, u8)| one == other || (is_number(one) && is_number(other));
    before.bytes().zip(prefix.bytes()).all(same).then_some(rest)
}

/// The time at the start of a line, in milliseconds: of the kernel (`[    5.921234] `), or of whoever wrote the log.
fn stamp(line: &str) -> Option<u64> {
    let text = line.trim_start();
    let text = text.strip_prefix('[').map_or(text, str::trim_start);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (whole, part) = text.get(..end)?.split_once('.')?;
    let thousandths: String = part.chars().chain("000".chars()).take(3).collect();
    let (whole, part): (u64, u64) = (whole.parse().ok()?, thousandths.parse().ok()?);
    whole.checked_mul(1000)?.checked_add(part)
}

/// The lines as a terminal would show them, without colours and what moves the cursor.
fn plain_lines(text: &str) -> Vec<String> {
    let lines = text.split(['\n', '\r']);
    lines.map(plain).filter(|line| !line.is_empty()).collect()
}

fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            c if c.is_control() && c != '\t' => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Takes what belongs to an escape character (ECMA-48): `[`, parameters and a last letter, or one character. The commands
/// that set a title end with a bell.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => drop(chars.find(|c| ('\u{40}'..='\u{7e}').contains(c))),
        Some(']') => drop(chars.find(|c| matches!(c, '\u{7}' | '\u{1b}' | '\u{9c}'))),
        _ => {}
    }
}
