//! What each stage did and how long it took, as far as the boot has come.

use serde::{Deserialize, Serialize};

use super::receipt::StepRecord;
use crate::apply::Applied;
use crate::fetch::Origin;
use crate::plan::Stage;

/// Where the list is, in the directory of a boot's reports.
pub const LIST: &str = "stages.json";

/// One stage that ran. The file in `/run/kindling/stages.json` is a list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Which.
    pub stage: Stage,
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
}

impl StageRecord {
    /// The record of one stage.
    #[must_use]
    pub fn new(stage: Stage, milliseconds: u64, applied: Applied, outcome: &str) -> Self {
        Self {
            stage,
            milliseconds,
            changed: applied.tally.changed,
            already_so: applied.tally.already_so,
            outcome: outcome.to_owned(),
            documents: applied.documents,
            steps: applied.steps,
        }
    }
}

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
