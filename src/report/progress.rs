//! What each stage did and how long it took, as far as the boot has come.

use kindling_config_spec::json;
use serde::{Deserialize, Serialize};

use super::receipt::StepRecord;
use crate::apply::Applied;
use crate::fetch::Origin;
use crate::host::runs::{Ran, Timed, milliseconds};
use crate::plan::Stage;

/// Where the list is, in the directory of a boot's reports.
pub const LIST: &str = "stages.json";

/// The outcome of a stage that did its work.
pub const OK: &str = "ok";
/// The outcome of a stage that found that the network is needed.
pub const NEEDS_NETWORK: &str = "needs-network";

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
        !matches!(self.outcome.as_str(), OK | NEEDS_NETWORK | UNFINISHED)
    }
}

/// The outcome of a stage whose end is not known.
pub const UNFINISHED: &str = "not ended";

/// The records in a list. What cannot be read counts as an empty list: a report must not stop a boot.
#[must_use]
pub fn read(list: Option<&str>) -> Vec<StageRecord> {
    super::kept(list)
}

/// The milliseconds of all stages, where a first boot has done its work: the last stage ended well, and so did the last try
/// of every other. A boot that failed ends in the last stage too, which undoes the mounts.
#[must_use]
pub fn boot_ended(records: &[StageRecord]) -> Option<u64> {
    let last = |stage| records.iter().rev().find(|record| record.stage == stage);
    let is_well =
        |stage| last(stage).is_none_or(|record| matches!(record.outcome.as_str(), OK | NEEDS_NETWORK));
    let is_done = |stage| last(stage).is_some_and(|record| record.outcome == OK);
    let has_ended = is_done(Stage::Files)
        && records.last().is_some_and(|record| record.stage == Stage::Umount)
        && Stage::ALL.iter().copied().all(is_well);
    has_ended.then(|| records.iter().map(|record| record.milliseconds).sum())
}

/// The list with one more record.
#[must_use]
pub fn with(list: Option<&str>, record: StageRecord) -> String {
    let mut records = read(list);
    records.push(record);
    json::text(&records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(stages: &[(Stage, &str)]) -> Option<u64> {
        let record = |(stage, outcome): &(Stage, &str)| StageRecord {
            milliseconds: 10,
            ..StageRecord::new(*stage, Timed::default(), Applied::default(), outcome)
        };
        boot_ended(&stages.iter().map(record).collect::<Vec<_>>())
    }

    #[test]
    fn a_boot_has_ended_when_the_last_try_of_every_stage_did_well() {
        let well = [
            (Stage::FetchOffline, NEEDS_NETWORK),
            (Stage::Fetch, "network-timeout"),
            (Stage::Fetch, OK),
            (Stage::Disks, OK),
            (Stage::Files, OK),
            (Stage::Umount, OK),
        ];
        assert_eq!(ended(&well), Some(60));
        assert_eq!(ended(&well[..5]), None);
        assert_eq!(ended(&[]), None);
    }

    #[test]
    fn the_unmounting_after_a_failure_is_no_success() {
        for failed in [Stage::Disks, Stage::Mount, Stage::Files] {
            assert_eq!(
                ended(&[(Stage::Fetch, OK), (failed, "x"), (Stage::Umount, OK)]),
                None
            );
        }
        assert_eq!(ended(&[(Stage::Files, OK), (Stage::Umount, "mount-busy")]), None);
    }
}
