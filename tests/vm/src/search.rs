//! Whether bytes stand anywhere on a disk image.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::{self, RunError};

/// Whether `text` stands anywhere in the file, in use or not.
///
/// # Errors
/// It cannot be read.
pub fn holds(path: &Path, text: &str) -> Result<bool, RunError> {
    const PROGRAM: &str = "grep";
    let status = Command::new(run::get(PROGRAM)?)
        .args(["--quiet", "--text", "--fixed-strings", "-e", text])
        .arg(path)
        .stdin(Stdio::null())
        .status()
        .map_err(|source| RunError::Start {
            program: PROGRAM.to_owned(),
            source,
        })?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(RunError::Failed {
            program: PROGRAM.to_owned(),
            status,
            log: path.to_owned(),
            tail: String::new(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn text_is_found_among_blanks_and_not_where_it_is_not() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut bytes = vec![0_u8; 1 << 20];
        bytes[70_001..70_008].copy_from_slice(b"planted");
        file.write_all(&bytes).unwrap();
        assert!(holds(file.path(), "planted").unwrap());
        assert!(!holds(file.path(), "plantee").unwrap());
        assert!(holds(Path::new("/nowhere"), "planted").is_err());
    }
}
