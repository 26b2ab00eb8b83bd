//! The receipt of a root: read back, and compared with what stands there now.

use std::path::Path;

use kindling_config_spec::json;
use kindling_config_spec::units::{Bytes, Mode};

use crate::host::sysroot::{Access, Sysroot, SysrootError};
use crate::inventory::target::{Kind, Node};
use crate::plan::Stage;
use crate::plan::files::RECEIPT;
use crate::report::receipt::{FORMAT, NodeRecord, NodeState, Owned, Receipt};
use crate::report::{Failure, Unparsable};

/// Half a million files; a larger one is not ours.
const LIMIT: Bytes = Bytes(256 << 20);

/// A difference between a machine and its receipt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Drift {
    /// Where.
    pub path: std::path::PathBuf,
    /// What is different.
    pub what: String,
}

fn unreadable(error: &dyn std::error::Error) -> Failure {
    let next = "check the root, and that this is a machine kindling provisioned".to_owned();
    Failure::of(Stage::Files, "receipt-unreadable", error, next)
}

/// The receipt below `root`.
///
/// # Errors
/// `receipt-unreadable`: there is none, it cannot be read, or a newer kindling wrote it.
pub fn read(root: &Path) -> Result<Receipt, Failure> {
    let refused = |what: String| Failure {
        code: "receipt-unreadable".to_owned(),
        stage: Stage::Files,
        what,
        place: None,
        why: Vec::new(),
        next: "check the root, and that this is a machine kindling provisioned".to_owned(),
    };
    let sysroot = Sysroot::open(root).map_err(|error| unreadable(&error))?;
    let text = sysroot
        .read_text(Path::new(RECEIPT), LIMIT)
        .map_err(|error| unreadable(&error))?
        .ok_or_else(|| refused(format!("there is no receipt {RECEIPT}")))?;
    let receipt = Receipt::read(&text)
        .map_err(|error| refused(format!("{RECEIPT} cannot be read: {}", Unparsable::of(&error))))?;
    if receipt.heading.format > FORMAT {
        let format = receipt.heading.format;
        return Err(refused(format!(
            "{RECEIPT} has format {format}, and this kindling reads up to {FORMAT}"
        )));
    }
    Ok(receipt)
}

/// Notes how the join stands in the receipt, where there is one: `join` is JSON.
///
/// # Errors
/// It cannot be read or written.
pub fn note_join(sysroot: &Sysroot, join: &str) -> Result<(), SysrootError> {
    note(sysroot, "join", json::read(join.as_bytes()).unwrap_or_default())
}

/// Gives the receipt of a root, where there is one, a member that it has only once the real root runs.
///
/// # Errors
/// It cannot be read or written.
pub fn note(sysroot: &Sysroot, member: &str, value: serde_json::Value) -> Result<(), SysrootError> {
    let path = Path::new(RECEIPT);
    let Some(text) = sysroot.read_text(path, LIMIT)? else {
        return Ok(());
    };
    let Some(serde_json::Value::Object(mut members)) = json::read(text.as_bytes()) else {
        return Ok(());
    };
    members.insert(member.to_owned(), value);
    let access = Access {
        mode: Some(Mode(0o600)),
        ..Access::default()
    };
    sysroot.put_durably(path, json::text(&members).as_bytes(), access)
}

/// The name of the machine below `root`, where it has one.
#[must_use]
pub fn hostname(root: &Path) -> Option<String> {
    let sysroot = Sysroot::open(root).ok()?;
    let text = sysroot
        .read_text(Path::new("/etc/hostname"), Bytes(4096))
        .ok()??;
    let lines = text.lines().map(str::trim);
    let name = lines
        .filter(|line| !line.starts_with('#'))
        .find(|line| !line.is_empty())?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// What stands otherwise below `root` than the receipt says, in its order.
///
/// # Errors
/// What cannot be looked at.
pub fn drift(receipt: &Receipt, root: &Path) -> Result<Vec<Drift>, Failure> {
    let sysroot = Sysroot::open(root).map_err(|error| unreadable(&error))?;
    let mut drift = Vec::new();
    for record in &receipt.nodes {
        let found = differences(record, &sysroot).map_err(|error| unreadable(&error))?;
        drift.extend(found.into_iter().map(|what| Drift {
            path: record.path.clone(),
            what,
        }));
    }
    Ok(drift)
}

fn differences(record: &NodeRecord, sysroot: &Sysroot) -> Result<Vec<String>, SysrootError> {
    let Some(found) = sysroot.look(&record.path)? else {
        let is_same = record.node == NodeState::Absent;
        return Ok(if is_same {
            Vec::new()
        } else {
            vec!["is gone".to_owned()]
        });
    };
    Ok(match (&record.node, &found.kind) {
        (NodeState::Absent, _) => Vec::new(),
        (NodeState::File { digest, owned }, Kind::File) => {
            let mut differ = of_owned(owned, &found);
            if let Some(digest) = digest
                && sysroot.digest(&record.path, digest)?.as_ref() != Some(digest)
            {
                differ.insert(0, "has another content".to_owned());
            }
            differ
        }
        (NodeState::Directory { owned }, Kind::Directory) => of_owned(owned, &found),
        (NodeState::Link { target }, Kind::Symlink { target: now }) if target == now => Vec::new(),
        (NodeState::Link { .. }, Kind::Symlink { target: now }) => {
            vec![format!("leads to {}", now.display())]
        }
        (_, kind) => vec![format!("is {} now", kind.name())],
    })
}

fn of_owned(was: &Owned, now: &Node) -> Vec<String> {
    let mut differ = Vec::new();
    if (was.uid, was.gid) != (now.uid, now.gid) {
        differ.push(format!(
            "belongs to {}:{}, not {}:{}",
            now.uid, now.gid, was.uid, was.gid
        ));
    }
    let Mode(mode) = was.mode;
    if was.mode != now.mode {
        differ.push(format!("has mode {}, not {}", now.mode, Mode(mode)));
    }
    differ
}
