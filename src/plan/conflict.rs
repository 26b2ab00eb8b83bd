//! Why a plan stops: something stands in the way, and nobody allowed us to remove it.

use serde::Serialize;

/// One reason not to start. All of a stage are collected before it stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Stable code, one row in docs/failure-states.md.
    pub code: &'static str,
    /// Where in the rendered config, RFC 6901.
    pub pointer: String,
    /// What is found and what is wanted.
    pub message: String,
    /// What the operator can do.
    pub next: String,
}

impl Conflict {
    /// A conflict at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            code,
            pointer: pointer.into(),
            message: message.into(),
            next: next.into(),
        }
    }
}
