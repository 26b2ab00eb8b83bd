//! The receipt in the target (docs/semantics.md, docs/reports.md).

use std::path::Path;
use std::time::Duration;

use kindling_config_spec::units::Mode;

use super::content::is_key;
use super::{Applied, ApplyError, Host, Outcome};
use crate::host::runs::{milliseconds, since_boot};
use crate::host::sysroot::Access;
use crate::identity::{ContentDigest, write_json};
use crate::inventory::target::{Kind, Node};
use crate::plan::Stage;
use crate::plan::Step;
use crate::plan::files::RECEIPT;
use crate::plan::show;
use crate::plan::step::{Content, Planned};
use crate::report::progress::{Paths, StageRecord};
use crate::report::receipt::{NodeRecord, NodeState, Owned, Receipt};

/// The nodes so far, with the time that they took.
#[derive(Default)]
pub(super) struct Nodes {
    records: Vec<NodeRecord>,
    count: u64,
    began: Duration,
    until: Duration,
    busy: Duration,
}

impl Nodes {
    /// Adds one that was begun at `began` and is there now.
    pub(super) fn add(&mut self, node: NodeRecord, began: Duration) {
        if self.count == 0 {
            self.began = began;
        }
        self.until = since_boot();
        self.busy += self.until.saturating_sub(began);
        self.count += 1;
        self.records.push(node);
    }

    /// All of them in one.
    pub(super) fn paths(&self, host: &Host<'_>) -> Option<Paths> {
        let noted = host.noted.filter(|_| self.count > 0)?;
        Some(Paths {
            count: self.count,
            began: noted.runs.until(self.began),
            until: noted.runs.until(self.until),
            milliseconds: milliseconds(self.busy),
        })
    }
}

/// Whether a step leaves a node of the tree.
pub(super) fn is_node(step: &Step) -> bool {
    matches!(
        step,
        Step::File(_) | Step::Directory { .. } | Step::Symlink { .. } | Step::HardLink { .. }
    )
}

/// The record of a step that leaves a node of the tree; `None` for any other.
pub(super) fn node(planned: &Planned, outcome: Outcome, known: Option<&String>) -> Option<NodeRecord> {
    let (path, from, digest) = match &planned.step {
        Step::File(file) => {
            let from = file.content.iter().filter_map(|part| match part {
                Content::Remote(resource) => Some(show::source(resource)),
                Content::Inline(_) | Content::Secret(_) | Content::Crypttab(_) => None,
            });
            // Of a key nobody learns more; what the config leaves to others is theirs to change.
            let is_ours = !is_key(file) && !file.content.is_empty();
            let digest = is_ours.then(|| ContentDigest::from_hex(known.cloned().unwrap_or_default()));
            (&file.path, from.collect(), digest)
        }
        Step::Directory { path, .. } | Step::Symlink { path, .. } | Step::HardLink { path, .. } => {
            (path, Vec::new(), None)
        }
        _ => return None,
    };
    // Owners and modes are looked at once, at the end: a later step may change them.
    let owned = Owned {
        uid: 0,
        gid: 0,
        mode: Mode(0),
    };
    Some(NodeRecord {
        path: path.clone(),
        config: planned.pointer.clone(),
        outcome,
        from,
        node: NodeState::File { digest, owned },
    })
}

/// Writes it, on the medium before anybody sees a result.
pub(super) fn write(host: &Host<'_>, applied: &Applied, written: &mut Nodes) -> Result<(), ApplyError> {
    let Some(heading) = host.receipt else {
        return Ok(());
    };
    let sysroot = host.sysroot()?;
    let files = host.noted.map(|noted| {
        let so_far = Applied {
            tally: applied.tally,
            paths: written.paths(host),
            ..Applied::default()
        };
        StageRecord::new(Stage::Files, noted.runs.timed(), so_far, "ok")
    });
    let mut nodes = std::mem::take(&mut written.records);
    for node in &mut nodes {
        let found = sysroot.look(&node.path)?;
        node.node = state(found, &node.node);
        // An earlier run wrote it.
        if let NodeState::File {
            digest: Some(digest), ..
        } = &mut node.node
            && digest.as_hex().is_empty()
            && let Some(found) = sysroot.digest(&node.path, digest)?
        {
            *digest = found;
        }
    }
    let receipt = Receipt {
        heading: heading.clone(),
        files,
        steps: applied.steps.clone(),
        nodes,
    };
    let mut text = Vec::new();
    write_json(&mut text, &receipt).expect("a receipt is plain data");
    let path = Path::new(RECEIPT);
    sysroot.make_dirs(path.parent().unwrap_or(path))?;
    let access = Access {
        mode: Some(Mode(0o600)),
        ..Access::default()
    };
    Ok(sysroot.put_durably(path, &text, access)?)
}

fn state(found: Option<Node>, written: &NodeState) -> NodeState {
    let Some(node) = found else {
        return NodeState::Absent;
    };
    let owned = Owned {
        uid: node.uid,
        gid: node.gid,
        mode: node.mode,
    };
    match (node.kind, written) {
        (Kind::File, NodeState::File { digest, .. }) => NodeState::File {
            digest: digest.clone(),
            owned,
        },
        (Kind::File, _) => NodeState::File { digest: None, owned },
        (Kind::Directory, _) => NodeState::Directory { owned },
        (Kind::Symlink { target }, _) => NodeState::Link { target },
        (Kind::Other, _) => NodeState::Absent,
    }
}
