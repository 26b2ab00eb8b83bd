//! Why a disk cannot be partitioned as asked.

use std::fmt;

use serde::Serialize;

/// One reason to stop before anything is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Where in the config (RFC 6901).
    pub pointer: String,
    /// Which kind; stable, so that programs can rely on it.
    pub code: &'static str,
    /// What is in the way, objects named.
    pub message: String,
    /// What the user can do about it.
    pub next: String,
}

impl Conflict {
    pub(super) fn new(
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            message: message.into(),
            next: next.into(),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.message, self.pointer)
    }
}

impl std::error::Error for Conflict {}
