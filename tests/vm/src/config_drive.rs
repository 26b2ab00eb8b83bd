//! Drives with user data, as clouds attach them: OpenStack's kind on an optical disc, NoCloud's on a small FAT disk.

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
    /// Its file system could not be made or filled.
    #[error("cannot build a config drive")]
    Program(#[from] RunError),
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> ConfigDriveError {
    let path = path.to_path_buf();
    move |source| ConfigDriveError::File { path, source }
}

/// Writes the image of a disc labelled `config-2` with `user_data` to `disc`, by the program and with the options that
/// `KubeVirt` uses.
///
/// # Errors
/// [`ConfigDriveError`].
pub fn optical(disc: &Path, user_data: &Path) -> Result<(), ConfigDriveError> {
    let tree = disc.with_extension("tree");
    let latest = tree.join("openstack/latest");
    fs::create_dir_all(&latest).map_err(file_error(&latest))?;
    fs::copy(user_data, latest.join("user_data")).map_err(file_error(user_data))?;
    let about = latest.join("meta_data.json");
    fs::write(&about, r#"{"hostname":"named-by-the-drive","uuid":"u1"}"#).map_err(file_error(&about))?;
    let mut command = Command::new(run::get("xorrisofs")?);
    command
        .arg("-output")
        .arg(disc)
        .args(["-volid", "config-2", "-joliet", "-rock"])
        .arg(&tree);
    run::to_end("xorrisofs", &mut command, &disc.with_extension("log"))?;
    fs::remove_dir_all(&tree).map_err(file_error(&tree))
}

/// Makes the blank disk a FAT file system labelled `cidata` with `user_data`.
///
/// # Errors
/// [`ConfigDriveError`].
pub fn fill(disk: &Path, user_data: &Path) -> Result<(), ConfigDriveError> {
    let about = disk.with_extension("meta-data");
    fs::write(&about, "instance-id: i1\nlocal-hostname: named-by-the-drive\n").map_err(file_error(&about))?;
    let log = disk.with_extension("log");
    let mut format = Command::new(run::get("mkfs.fat")?);
    run::to_end("mkfs.fat", format.args(["-n", "cidata"]).arg(disk), &log)?;
    for (from, to) in [(user_data, "::user-data"), (&about, "::meta-data")] {
        let mut copy = Command::new(run::get("mcopy")?);
        copy.arg("-i").arg(disk).arg(from).arg(to);
        run::to_end("mcopy", &mut copy, &log)?;
    }
    Ok(())
}
