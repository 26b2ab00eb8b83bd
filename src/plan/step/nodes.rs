//! Files.

use std::path::PathBuf;

use serde::Serialize;

use super::{Content, Ownership};

/// A file, its content, and what stands there now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileStep {
    /// The path as configured.
    pub path: PathBuf,
    /// Owner and mode.
    pub ownership: Ownership,
    /// The content, in order: first what replaces, then what is appended.
    pub content: Vec<Content>,
    /// The present content stays, and `content` goes behind it.
    pub keeps_content: bool,
    /// What stands there now.
    pub before: Before,
}

/// What a file step finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// Nothing.
    Absent,
    /// A file.
    Present,
    /// The very file, put there by an earlier run that was interrupted.
    Ours,
    /// A file that an interrupted run put where nothing was, and that did not reach the medium whole.
    HalfWritten,
    /// Whatever creating a user puts into the new home: known when the step runs.
    Skeleton,
}
