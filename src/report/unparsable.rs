//! Files of our own that are not as we write them.

/// Why such a file cannot be read. The parser's own words could quote a secret, so only the place is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unparsable {
    /// It breaks off.
    #[error("it ends too early")]
    Cut,
    /// It is something else.
    #[error("it is not as kindling writes it, at line {line}, column {column}")]
    Foreign {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1.
        column: usize,
    },
}

impl Unparsable {
    /// What of the parser's error may be told.
    #[must_use]
    pub fn of(error: &serde_json::Error) -> Self {
        if error.is_eof() {
            return Self::Cut;
        }
        Self::Foreign {
            line: error.line(),
            column: error.column(),
        }
    }
}
