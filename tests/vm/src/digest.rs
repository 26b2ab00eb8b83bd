//! Digests that name what was built from what.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A file or folder that could not be read for its digest.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {} for its digest", path.display())]
pub struct DigestError {
    /// What was to be read.
    pub path: PathBuf,
    source: io::Error,
}

/// SHA-256 of one file, in lower-case hexadecimal as `sha256sum` prints it.
///
/// # Errors
/// [`DigestError`] when the file cannot be read.
pub fn of_file(path: &Path) -> Result<String, DigestError> {
    let bytes = fs::read(path).map_err(|source| DigestError {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(hex(&Sha256::digest(bytes)))
}

/// A recipe's digest: texts and folder contents, in the order given. Two recipes differ when any byte, name, kind or
/// executable bit differs.
#[derive(Default)]
pub struct Recipe(Sha256);

impl Recipe {
    /// Adds a text, such as a script.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.part(text.as_bytes());
        self
    }

    /// Adds everything below `folder`, in name order.
    ///
    /// # Errors
    /// [`DigestError`] naming the first path that cannot be read.
    pub fn folder(mut self, folder: &Path) -> Result<Self, DigestError> {
        self.add(folder)?;
        Ok(self)
    }

    /// The first 16 hexadecimal digits: enough to name a folder.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = hex(&self.0.finalize());
        name.truncate(16);
        name
    }

    fn add(&mut self, path: &Path) -> Result<(), DigestError> {
        let failed = |source| DigestError {
            path: path.to_path_buf(),
            source,
        };
        let kind = fs::symlink_metadata(path).map_err(failed)?;
        self.part(path.file_name().unwrap_or_default().as_encoded_bytes());
        if kind.is_symlink() {
            self.part(
                fs::read_link(path)
                    .map_err(failed)?
                    .as_os_str()
                    .as_encoded_bytes(),
            );
        } else if kind.is_dir() {
            let mut entries = fs::read_dir(path)
                .and_then(|entries| {
                    entries
                        .map(|entry| entry.map(|entry| entry.path()))
                        .collect::<io::Result<Vec<_>>>()
                })
                .map_err(failed)?;
            entries.sort();
            self.part(&entries.len().to_le_bytes());
            for entry in entries {
                self.add(&entry)?;
            }
        } else {
            use std::os::unix::fs::PermissionsExt;
            self.part(if kind.permissions().mode() & 0o111 == 0 {
                b"file"
            } else {
                b"program"
            });
            self.part(&fs::read(path).map_err(failed)?);
        }
        Ok(())
    }

    /// Length first, so that no two sequences of parts run together to the same bytes.
    fn part(&mut self, bytes: &[u8]) {
        self.0.update(bytes.len().to_le_bytes());
        self.0.update(bytes);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_differ_where_parts_are_cut_differently() {
        let one = Recipe::default().text("ab").text("c").name();
        let other = Recipe::default().text("a").text("bc").name();
        assert_ne!(one, other);
    }

    #[test]
    fn a_file_has_the_digest_that_sha256sum_prints() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        fs::write(&path, b"").unwrap();
        assert_eq!(
            of_file(&path).unwrap(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
