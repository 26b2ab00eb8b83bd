//! One boot as a report shows it, wherever it was read from: the receipt, the list of a boot that is not over, or a console.

use serde::Serialize;

use super::Failure;
use super::progress::StageRecord;
use super::receipt::{NodeRecord, Receipt};
use crate::fetch::Origin;
use crate::plan::Stage;

/// How far it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The config is carried out.
    Provisioned,
    /// A stage failed.
    Failed,
    /// No stage failed so far.
    #[default]
    Unfinished,
}

/// What is known of one boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Boot {
    /// How far it came.
    pub state: State,
    /// The machine's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The version of kindling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kindling: Option<String>,
    /// The kernel's id of the boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// When, RFC 3339, by the machine's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// SHA-256 of the merged config, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// The documents it consists of.
    pub documents: Vec<Origin>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Why the boot before it failed, where something kept that: an earlier boot of the same console log, or what the
    /// firmware keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Failure>,
    /// The stages that ran, in their order.
    pub stages: Vec<StageRecord>,
    /// Files, directories and links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeRecord>,
}

impl Boot {
    /// The boot that left a receipt.
    #[must_use]
    pub fn of_receipt(receipt: Receipt) -> Self {
        let Receipt {
            heading,
            files,
            steps,
            nodes,
        } = receipt;
        let mut stages = heading.stages;
        // Formats 1 and 2 have the steps of the files stage, and nothing else of it.
        let files = files.unwrap_or_else(|| StageRecord {
            milliseconds: steps.iter().map(|step| step.milliseconds).sum(),
            ..StageRecord::seen(Stage::Files, "ok")
        });
        stages.push(StageRecord { steps, ..files });
        Self {
            state: State::Provisioned,
            kindling: Some(heading.kindling),
            boot_id: Some(heading.boot_id),
            date: Some(heading.date),
            config: Some(heading.config),
            documents: heading.documents,
            stages,
            nodes,
            ..Self::default()
        }
    }

    /// A boot that left no receipt (yet): its stages, and why it failed.
    #[must_use]
    pub fn of_stages(stages: Vec<StageRecord>, failure: Option<Failure>) -> Self {
        let is_done = |stage: &StageRecord| stage.stage == Stage::Files && stage.outcome == "ok";
        let has_failed = failure.is_some() || stages.last().is_some_and(StageRecord::failed);
        Self {
            state: match has_failed {
                true => State::Failed,
                false if stages.iter().any(is_done) => State::Provisioned,
                false => State::Unfinished,
            },
            documents: stages.iter().flat_map(|stage| stage.documents.clone()).collect(),
            failure,
            stages,
            ..Self::default()
        }
    }

    /// Steps that changed the machine, and steps that found their work done.
    #[must_use]
    pub fn tally(&self) -> (usize, usize) {
        let changed = self.stages.iter().map(|stage| stage.changed).sum();
        (changed, self.stages.iter().map(|stage| stage.already_so).sum())
    }

    /// What the page and the text begin with.
    #[must_use]
    pub fn title(&self) -> String {
        let failed = |stage: Stage, code: &str| format!("FAILED in stage {stage} [{code}]");
        let state = match (self.state, &self.failure, self.stages.last()) {
            (_, Some(failure), _) => failed(failure.stage, &failure.code),
            (State::Failed, None, Some(last)) => failed(last.stage, &last.outcome),
            (State::Provisioned, None, _) => "provisioned".to_owned(),
            (State::Failed | State::Unfinished, None, _) => "no stage has failed so far".to_owned(),
        };
        match &self.machine {
            Some(machine) => format!("{machine}: {state}"),
            None => state,
        }
    }

    /// What is known of the whole, line by line: a name and a text.
    #[must_use]
    pub fn summary(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let mut add = |name, text: Option<&String>| {
            lines.extend(
                text.filter(|text| !text.is_empty())
                    .map(|text| (name, text.clone())),
            );
        };
        add("when", self.date.as_ref());
        add("boot", self.boot_id.as_ref());
        add("kindling", self.kindling.as_ref());
        add(
            "config",
            self.config.as_ref().map(|hex| format!("sha256 {hex}")).as_ref(),
        );
        for document in &self.documents {
            let kind = if document.referenced { ", referred to" } else { "" };
            let digest = document.sha256.as_deref().unwrap_or("no document");
            lines.push((
                "document",
                format!("{} ({}{kind}): {digest}", document.source, document.kind),
            ));
        }
        let (changed, already_so) = self.tally();
        // A console does not tell.
        if changed + already_so > 0 {
            lines.push(("steps", format!("{changed} changed, {already_so} already so")));
        }
        lines
    }
}
