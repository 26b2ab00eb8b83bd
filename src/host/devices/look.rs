//! What is asked of a device before anything is done to it.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

use kindling_config_spec::order::{Gather, OrderedSet};
use kindling_config_spec::units::{Bytes, MIB};

use super::kernel::sysfs;
use crate::host::{block, usage};
use crate::inventory::disks::Probe;
use crate::inventory::stack::{Mapping, User};

/// Reads the first and the last MiB of what a probe covers. That `blkid` finds nothing there says nothing by itself: its
/// status is the same where it cannot open or read the device (blkid(8), "EXIT STATUS").
///
/// # Errors
/// The kernel's answer; `UnexpectedEof` where the device ends before the range; `InvalidData` where there is nothing to
/// read, as in a drive without a medium.
pub(super) fn read_ends(probe: &Probe) -> io::Result<()> {
    let device = File::open(&probe.node)?;
    let (start, size) = match probe.range {
        Some((start, size)) => (start.0, size.0),
        None => (0, size_of(&device)?.0),
    };
    if size == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has no size"));
    }
    let length = size.min(MIB);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    for at in [0, size - length] {
        device.read_exact_at(&mut bytes, start.saturating_add(at))?;
    }
    Ok(())
}

/// Where libblkid 2.38 looks for signatures, seen by its system calls on a device of zeros, and some more: offset and
/// length. Behind 1 MiB and 1 KiB it reads a sector or two at 2 MiB and at 4 MiB.
const FROM_START: [(u64, u64); 3] = [(0, MIB + MARGIN), (2 * MIB, MARGIN), (4 * MIB, MARGIN)];
/// The same before the end: one of Promise's arrays stands 1,580,544 bytes before it, the others within 512 KiB.
const BEFORE_END: [(u64, u64); 2] = [(1_585_152, MARGIN), (576 << 10, 576 << 10)];
const MARGIN: u64 = 64 << 10;

/// Whether everything that a signature can stand in is zero; the first byte that is not ends the reading.
///
/// # Errors
/// As [`read_ends`].
pub(super) fn is_zero(probe: &Probe) -> io::Result<bool> {
    let device = File::open(&probe.node)?;
    let (start, size) = match probe.range {
        Some((start, size)) => (start.0, size.0),
        None => (0, size_of(&device)?.0),
    };
    if size == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has no size"));
    }
    let ends = BEFORE_END.map(|(before, length)| (size.saturating_sub(before), length));
    for (at, length) in FROM_START.into_iter().chain(ends) {
        let end = at.saturating_add(length).min(size);
        if !zeros(&device, start, at..end)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn zeros(device: &File, start: u64, range: std::ops::Range<u64>) -> io::Result<bool> {
    // The C library compares many bytes at once, a loop of ours one by one.
    let zeros = vec![0_u8; 256 << 10];
    let mut bytes = zeros.clone();
    let mut at = range.start;
    while at < range.end {
        let length = usize::try_from(range.end - at).map_or(bytes.len(), |left| left.min(bytes.len()));
        let part = &mut bytes[..length];
        device.read_exact_at(part, start.saturating_add(at))?;
        if part[..] != zeros[..length] {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
}

/// Whether a device is there. A node is there before udev has looked at it: its links are not, and the next moment udev
/// may read the table anew. Once it has finished, it keeps a record by the device's number.
pub(super) fn is_ready(path: &Path, has_udev: bool) -> bool {
    let Ok(known) = std::fs::metadata(path) else {
        return false;
    };
    let number = known.rdev();
    let record = format!("/run/udev/data/b{}:{}", major(number), minor(number));
    !has_udev || !known.file_type().is_block_device() || Path::new(&record).exists()
}

/// Every link to `node` below `/dev/disk` and `/dev/md`, and that of a mapping.
pub(super) fn aliases(node: &Path) -> OrderedSet<PathBuf> {
    let name = std::fs::read_to_string(sysfs(node).join("dm/name"));
    let mapping = name.map(|name| Path::new("/dev/mapper").join(name.trim_end_matches('\n')));
    let mut found: OrderedSet<PathBuf> = mapping.into_iter().into_set();
    for dir in ["/dev/disk", "/dev/md"] {
        links_below(Path::new(dir), node, 4, &mut found);
    }
    found
}

/// What is read from a disk from now on is what is on it. The kernel keeps what was read through the disk while a
/// partition is in use, and always while one is a mapping, also when something else was written through the partition
/// since. A reader without the right to do this may see the past; nothing is planned on it but a dry run.
pub(super) fn anew(disk: &File) -> io::Result<()> {
    match block::flush(disk) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// A folder that goes away meanwhile has no links any more.
fn links_below(dir: &Path, node: &Path, depth: u32, found: &mut OrderedSet<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => links_below(&path, node, depth - 1, found),
            Ok(kind) if kind.is_symlink() && path.canonicalize().is_ok_and(|at| at == node) => {
                found.insert(path);
            }
            _ => {}
        }
    }
}

/// Who uses a device or one of its partitions. What is no block device is used by nobody the kernel knows of.
pub(super) fn user_of(node: &Path) -> io::Result<Option<User>> {
    if !std::fs::metadata(node)?.file_type().is_block_device() {
        return Ok(None);
    }
    let in_use = usage::of(node, None)?;
    Ok(in_use.disk.or_else(|| in_use.partitions.into_values().next()))
}

/// The mapping of that name: its node, and what it stands on.
pub(super) fn mapping(name: &str) -> io::Result<Option<Mapping>> {
    for entry in std::fs::read_dir("/sys/class/block")? {
        let entry = entry?;
        let found = std::fs::read_to_string(entry.path().join("dm/name"));
        if found.is_ok_and(|found| found.trim_end_matches('\n') == name) {
            let node = Path::new("/dev").join(entry.file_name());
            let below = usage::below(&node)?;
            return Ok(Some(Mapping { node, below }));
        }
    }
    Ok(None)
}

/// Of a block device, or of the file that stands for one.
pub(super) fn size_of(device: &File) -> io::Result<Bytes> {
    let known = device.metadata()?;
    if known.is_file() {
        Ok(Bytes(known.len()))
    } else {
        block::size(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_where_a_signature_can_stand_is_not_zero() {
        for size in [512, 3 * MIB, 6 * MIB, 40 * MIB] {
            let probe = |file: &tempfile::NamedTempFile| Probe {
                node: file.path().to_owned(),
                range: Some((Bytes(MIB), Bytes(size))),
            };
            for (at, seen) in [
                (0, true),
                (size - 1, true),
                (4 * MIB + 511, true),
                (size.saturating_sub(1_580_544), true),
                (20 * MIB, false),
            ] {
                let file = tempfile::NamedTempFile::new().unwrap();
                file.as_file().set_len(size + 2 * MIB).unwrap();
                // What stands beside the range does not count.
                file.as_file().write_all_at(b"before", MIB - 6).unwrap();
                file.as_file().write_all_at(b"behind", MIB + size).unwrap();
                assert!(is_zero(&probe(&file)).unwrap(), "{size}");
                if at < size {
                    file.as_file().write_all_at(&[1], MIB + at).unwrap();
                    assert_eq!(is_zero(&probe(&file)).unwrap(), !seen, "{size} {at}");
                }
            }
        }
    }

    #[test]
    fn what_ends_before_the_range_is_no_zeros() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MIB).unwrap();
        for range in [None, Some((Bytes(0), Bytes(2 * MIB))), Some((Bytes(0), Bytes(0)))] {
            let node = file.path().to_owned();
            assert_eq!(
                is_zero(&Probe { node, range }).ok(),
                range.is_none().then_some(true)
            );
        }
    }

    #[test]
    fn a_range_is_readable_only_if_both_ends_are() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4 * MIB).unwrap();
        let probe = |range| Probe {
            node: file.path().to_owned(),
            range,
        };
        let whole = |start: u64, size: u64| Some((Bytes(start), Bytes(size)));
        for (row, range, sound) in [
            ("all of it", None, true),
            ("the middle", whole(MIB, 2 * MIB), true),
            ("less than a MiB", whole(3 * MIB, 512), true),
            ("past the end", whole(3 * MIB, 2 * MIB), false),
            ("outside", whole(u64::MAX, 512), false),
            ("nothing", whole(MIB, 0), false),
        ] {
            assert_eq!(read_ends(&probe(range)).is_ok(), sound, "{row}");
        }
        let absent = Probe {
            node: "/dev/absent".into(),
            range: None,
        };
        assert!(read_ends(&absent).is_err());
    }
}
