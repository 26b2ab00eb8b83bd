//! The receipt: what a first boot did, kept in the machine. Never a secret, and of a key not even a digest.

use std::fmt::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::progress::StageRecord;
use crate::apply::Outcome;
use crate::fetch::Origin;
use crate::identity::ContentDigest;
use kindling_config_spec::json;
use kindling_config_spec::units::Mode;

/// The form of the file. Readers refuse a larger number.
///
/// 3 has the times at which stages, steps and what they ran began, and the files stage beside those before it.
pub const FORMAT: u32 = 3;

/// What is known before the files stage writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heading {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of kindling.
    pub kindling: String,
    /// The boot, as in the result file.
    pub boot_id: String,
    /// When, RFC 3339.
    pub date: String,
    /// SHA-256 of the merged config, in hex.
    pub config: String,
    /// SHA-256 of another config that a first boot began to write this target with, and was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_with: Option<String>,
    /// The documents that it consists of.
    pub documents: Vec<Origin>,
    /// The stages before this one.
    pub stages: Vec<StageRecord>,
}

/// One step that is no node of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// The step, as the plan shows it.
    pub what: String,
    /// Where in the merged config, RFC 6901.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began, in milliseconds since its stage did; not known from formats 1 and 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<u64>,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub milliseconds: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A file, directory or link that the config asks for, as it stood when the receipt was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Entry")]
pub struct NodeRecord {
    /// Where.
    pub path: PathBuf,
    /// Where in the merged config, RFC 6901.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// How its step ended.
    pub outcome: Outcome,
    /// Addresses its content came from, without credentials; none for what the config itself holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// What stands there.
    #[serde(flatten)]
    pub node: NodeState,
}

/// [`NodeRecord`] as its JSON has it: what serde flattens is read by a second kind of reader, with all types below it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    path: PathBuf,
    #[serde(default)]
    config: String,
    outcome: Outcome,
    #[serde(default)]
    from: Vec<String>,
    kind: Kind,
    sha256: Option<String>,
    sha512: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<Mode>,
    target: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    File,
    Directory,
    Link,
    Absent,
}

impl TryFrom<Entry> for NodeRecord {
    type Error = &'static str;

    fn try_from(entry: Entry) -> Result<Self, Self::Error> {
        let owned = match (entry.uid, entry.gid, entry.mode) {
            (Some(uid), Some(gid), Some(mode)) => Ok(Owned { uid, gid, mode }),
            _ => Err("a file or directory has an owner, a group and a mode"),
        };
        let by_sha512 = || entry.sha512.map(ContentDigest::Sha512);
        let node = match entry.kind {
            Kind::File => NodeState::File {
                digest: entry.sha256.map(ContentDigest::Sha256).or_else(by_sha512),
                owned: owned?,
            },
            Kind::Directory => NodeState::Directory { owned: owned? },
            Kind::Link => NodeState::Link {
                target: entry.target.ok_or("a link has a target")?,
            },
            Kind::Absent => NodeState::Absent,
        };
        Ok(Self {
            path: entry.path,
            config: entry.config,
            outcome: entry.outcome,
            from: entry.from,
            node,
        })
    }
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum NodeState {
    /// A file.
    File {
        /// `sha256` or `sha512` of its content; none of a key.
        #[serde(flatten)]
        digest: Option<ContentDigest>,
        /// Its owner, group and mode.
        #[serde(flatten)]
        owned: Owned,
    },
    /// A directory.
    Directory {
        /// Its owner, group and mode.
        #[serde(flatten)]
        owned: Owned,
    },
    /// A symbolic link.
    Link {
        /// As it is written.
        target: PathBuf,
    },
    /// Nothing, or something that is none of these.
    Absent,
}

/// Owner, group and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Owned {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: Mode,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// What was known before.
    #[serde(flatten)]
    pub heading: Heading,
    /// The files stage up to this file, its steps left out; not in formats 1 and 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<StageRecord>,
    /// Steps of the files stage that are no nodes.
    pub steps: Vec<StepRecord>,
    /// Files, directories and links.
    pub nodes: Vec<NodeRecord>,
}

impl Receipt {
    /// Reads its JSON, in two passes over the text, so that the heading is read by the same kind of reader.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Rest {
            files: Option<StageRecord>,
            steps: Vec<StepRecord>,
            nodes: Vec<NodeRecord>,
        }
        let heading = json::parse(text)?;
        let Rest { files, steps, nodes } = json::parse(text)?;
        Ok(Self {
            heading,
            files,
            steps,
            nodes,
        })
    }
}

/// One path as a person reads it.
pub(super) fn line(record: &NodeRecord) -> String {
    let mut line = format!("{} {}", mark(record.outcome), record.path.display());
    // Writing to a string does not fail.
    let _ = match &record.node {
        NodeState::File { digest, owned } => {
            let digest = digest.as_ref().map(|digest| format!(" {digest}"));
            write!(line, " ({owned}){}", digest.unwrap_or_default())
        }
        NodeState::Directory { owned } => write!(line, " (directory, {owned})"),
        NodeState::Link { target } => write!(line, " -> {}", target.display()),
        NodeState::Absent => Ok(()),
    };
    for from in &record.from {
        let _ = write!(line, " from {from}");
    }
    line
}

/// As in a plan.
fn mark(outcome: Outcome) -> char {
    match outcome {
        Outcome::Changed => '+',
        Outcome::AlreadySo => '=',
        Outcome::Failed => '!',
    }
}

impl fmt::Display for Owned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}:{}", self.mode, self.uid, self.gid)
    }
}
