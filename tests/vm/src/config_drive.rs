//! Drives with user data, as clouds attach them: OpenStack's kind on an ISO 9660 disc, Azure's on a UDF disc, NoCloud's on
//! a small FAT disk.

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
pub fn openstack(disc: &Path, user_data: &Path) -> Result<(), ConfigDriveError> {
    let about = r#"{"hostname":"named-by-the-drive","uuid":"u1"}"#;
    optical(
        disc,
        &["xorrisofs", "-volid", "config-2", "-joliet", "-rock", "-output"],
        (user_data, "openstack/latest/user_data"),
        ("openstack/latest/meta_data.json", about),
    )
}

/// Writes the image of a disc as the provisioning agent of Azure knows it, with `user_data` as its custom data. Its files
/// are in its UDF file system and in no other: to the kernel, and to udev, a disc that has the signatures of both kinds
/// may be either.
///
/// # Errors
/// [`ConfigDriveError`].
pub fn azure(disc: &Path, user_data: &Path) -> Result<(), ConfigDriveError> {
    let mark = "<Environment xmlns=\"http://schemas.dmtf.org/ovf/environment/1\"/>";
    // Hidden from ISO 9660.
    let program = [
        "genisoimage",
        "-quiet",
        "-V",
        "rd_rdfe_stable",
        "-udf",
        "-hide",
        "*",
        "-o",
    ];
    optical(
        disc,
        &program,
        (user_data, "CustomData.bin"),
        ("ovf-env.xml", mark),
    )
}

/// A disc with a file of the host and a text, by a program whose last option names the image.
fn optical(
    disc: &Path,
    program: &[&'static str],
    (user_data, at): (&Path, &str),
    (name, text): (&str, &str),
) -> Result<(), ConfigDriveError> {
    let tree = disc.with_extension("tree");
    let (at, name) = (tree.join(at), tree.join(name));
    let folder = at.parent().unwrap_or(&tree);
    fs::create_dir_all(folder).map_err(file_error(folder))?;
    fs::copy(user_data, &at).map_err(file_error(user_data))?;
    fs::write(&name, text).map_err(file_error(&name))?;
    let (program, options) = program.split_first().expect("a program");
    let mut command = Command::new(run::get(program)?);
    command.args(options).arg(disc).arg(&tree);
    run::to_end(program, &mut command, &disc.with_extension("log"))?;
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
