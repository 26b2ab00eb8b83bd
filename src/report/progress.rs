//! What each stage did and how long it took, as far as the boot has come.

use serde::{Deserialize, Serialize};

use super::receipt::StepRecord;
use crate::apply::Applied;
use crate::fetch::Origin;
use crate::host::runs::{Ran, Timed, milliseconds};
use crate::plan::Stage;

/// Where the list is, in the directory of a boot's reports.
pub const LIST: &str = "stages.json";

/// One stage that ran. The file in `/run/kindling/stages.json` is a list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Which.
    pub stage: Stage,
    /// When it began, in milliseconds since the machine was started; not known of old records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<u64>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Steps that changed the machine.
    pub changed: usize,
    /// Steps that found their work done.
    pub already_so: usize,
    /// `ok`, `needs-network`, or the code of the failure.
    pub outcome: String,
    /// The documents that it read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Origin>,
    /// What it did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
    /// The files, directories and links that it made, in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Paths>,
    /// What it downloaded, and the programs it ran.
    #[serde(default, skip_serializing_if = "Ran::is_empty")]
    pub ran: Ran,
}

/// Many paths as one step. Each has a record of its own in the receipt, without a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// How many.
    pub count: u64,
    /// When the first began, in milliseconds since the stage did.
    pub began: u64,
    /// When the last was there, counted in the same way.
    pub until: u64,
    /// How long they took together, in milliseconds.
    pub milliseconds: u64,
}

impl StageRecord {
    /// The record of one stage.
    #[must_use]
    pub fn new(stage: Stage, timed: Timed, applied: Applied, outcome: &str) -> Self {
        Self {
            stage,
            began: Some(milliseconds(timed.began)),
            milliseconds: milliseconds(timed.taken),
            changed: applied.tally.changed,
            already_so: applied.tally.already_so,
            outcome: outcome.to_owned(),
            documents: applied.documents,
            steps: applied.steps,
            paths: applied.paths,
            ran: timed.ran,
        }
    }
}

impl StageRecord {
    /// A stage of which no more is known than how it ended.
    #[must_use]
    pub fn seen(stage: Stage, outcome: &str) -> Self {
        Self {
            began: None,
            ..Self::new(stage, Timed::default(), Applied::default(), outcome)
        }
    }

    /// Whether it ended with an error.
    #[must_use]
    pub fn failed(&self) -> bool {
        !matches!(self.outcome.as_str(), "ok" | "needs-network" | UNFINISHED)
    }
}

/// The outcome of a stage whose end is not known.
pub const UNFINISHED: &str = "not ended";

/// The records in a list. What cannot be read counts as an empty list: a report must not stop a boot.
#[must_use]
pub fn read(list: Option<&str>) -> Vec<StageRecord> {
    list.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The list with one more record.
#[must_use]
pub fn with(list: Option<&str>, record: StageRecord) -> String {
    let mut records = read(list);
    records.push(record);
    serde_json::to_string(&records).expect("records are plain data")
}
