//! A config drive as OpenStack's kind has it: an optical disc, labelled `config-2`, with the user data in a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{self, RunError};

/// A drive that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConfigDriveError {
    /// A file of it could not be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disc's image could not be made.
    #[error("cannot build a disc")]
    Disc(#[from] RunError),
}

/// Writes the image of a disc with `user_data` to `disc`, with the program and the options that KubeVirt uses.
///
/// # Errors
/// [`ConfigDriveError`].
pub fn make(disc: &Path, user_data: &Path) -> Result<(), ConfigDriveError> {
    let error = |path: &Path| {
        let path = path.to_path_buf();
        move |source| ConfigDriveError::File { path, source }
    };
    let tree = disc.with_extension("tree");
    let latest = tree.join("openstack/latest");
    fs::create_dir_all(&latest).map_err(error(&latest))?;
    fs::copy(user_data, latest.join("user_data")).map_err(error(user_data))?;
    let about = latest.join("meta_data.json");
    fs::write(&about, r#"{"hostname":"named-by-the-drive","uuid":"u1"}"#).map_err(error(&about))?;
    let mut command = Command::new(run::get("xorrisofs")?);
    command
        .arg("-output")
        .arg(disc)
        .args(["-volid", "config-2", "-joliet", "-rock"])
        .arg(&tree);
    run::to_end("xorrisofs", &mut command, &disc.with_extension("log"))?;
    fs::remove_dir_all(&tree).map_err(error(&tree))
}
