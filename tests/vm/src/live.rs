//! What a machine gets that starts from the network: a live root in an archive of its own, and the image of a root disk.
//!
//! The archive goes behind the initramfs that every guest has. In it are a squashfs of the root, two units that lay it
//! below memory and mount both as `/sysroot`, and the hook by which the engine's generator knows a live system.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cpio::Archive;
use crate::digest::Recipe;
use crate::image::{self, Base, ImageError, file_error};
use crate::run;

const SCRIPT: &str = concat!(
    include_str!("../scripts/tree.sh"),
    include_str!("../scripts/live.sh")
);

/// Files of the archive besides the root, by the folder they are in.
const PARTS: &[&str] = &["usr/bin", "usr/lib/systemd/system"];

/// Both; never written to.
#[derive(Clone, Debug)]
pub struct Live {
    /// The archive for the initramfs.
    pub archive: PathBuf,
    /// The disk image, packed by gzip: an ext4 file system without a partition table, labelled `root`.
    pub disk: PathBuf,
}

/// Both, made if they are not there, after telling `progress`. About 20 s the first time.
///
/// # Errors
/// [`ImageError`].
pub fn live(cache: &Path, base: &Base, progress: &mut dyn FnMut(&str)) -> Result<Live, ImageError> {
    let root = crate::workspace::root();
    let (files, parts) = (root.join("tests/vm/image"), root.join("tests/vm/live"));
    let key = Recipe::default()
        .text(&base.key)
        .text(SCRIPT)
        .folder(&files)?
        .folder(&parts)?
        .name();
    let of_key = |kind: &str| cache.join(format!("live-{key}.{kind}"));
    let live = Live {
        archive: of_key("img"),
        disk: of_key("disk.gz"),
    };
    if live.archive.is_file() {
        return Ok(live);
    }
    progress("building the live root and the image that it installs; some seconds");
    image::prune(cache, "live-")?;
    let work = cache.join("live.work");
    image::empty_folder(&work)?;
    let (squashfs, disk) = (work.join("root.squashfs"), work.join("disk.gz"));
    // Made here, so that they belong to the user although root fills them. mksquashfs would add to a file that is there.
    fs::File::create(&disk).map_err(file_error(&disk))?;
    let args = [&base.root, &files, &work, &squashfs, &disk].map(|path| path.clone().into_os_string());
    run::script("live.sh", &[], SCRIPT, &args, &cache.join("live.log")).map_err(ImageError::Live)?;
    let half_made = work.join("archive");
    let archive = archive(&parts, &squashfs)?;
    fs::write(&half_made, archive).map_err(file_error(&half_made))?;
    fs::rename(&disk, &live.disk).map_err(file_error(&live.disk))?;
    // Last: whoever finds it has both.
    fs::rename(&half_made, &live.archive).map_err(file_error(&live.archive))?;
    Ok(live)
}

fn archive(parts: &Path, squashfs: &Path) -> Result<Vec<u8>, ImageError> {
    let mut archive = Archive::default();
    for part in PARTS {
        let folder = parts.join(part);
        let entries = fs::read_dir(&folder).map_err(file_error(&folder))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let mode = fs::metadata(&path)
                .map_err(file_error(&path))?
                .permissions()
                .mode()
                & 0o777;
            let text = fs::read(&path).map_err(file_error(&path))?;
            archive.file(&format!("{part}/{name}"), mode, &text);
        }
    }
    archive.symlink(
        "usr/lib/systemd/system/initrd-root-fs.target.requires/sysroot.mount",
        "../sysroot.mount",
    );
    let root = fs::read(squashfs).map_err(file_error(squashfs))?;
    archive.file("root.squashfs", 0o644, &root);
    Ok(archive.finish())
}
