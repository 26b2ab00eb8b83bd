//! What each stage did and how long it took, as far as the boot has come.

use serde::{Deserialize, Serialize};

use crate::apply::Tally;
use crate::plan::Stage;

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
}

impl StageRecord {
    /// The record of one stage.
    #[must_use]
    pub fn new(stage: Stage, milliseconds: u64, tally: Tally, outcome: &str) -> Self {
        let Tally { changed, already_so } = tally;
        Self {
            stage,
            milliseconds,
            changed,
            already_so,
            outcome: outcome.to_owned(),
        }
    }
}

/// The list with one more record. What cannot be read counts as an empty list: a report must not stop a boot.
#[must_use]
pub fn with(list: Option<&str>, record: StageRecord) -> String {
    let mut records: Vec<StageRecord> = list
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    records.push(record);
    serde_json::to_string(&records).expect("records are plain data")
}
