//! Disks in files, worked on without root: each image in a copy that has no name, and that takes the image's place once all of
//! it is done. Whatever ends the process before leaves the image as it was, byte for byte, and nothing beside it.
//!
//! The kernel shows no partitions of a file. A program that is to make something on one gets a file of its own, as empty as a
//! device whose blocks were all discarded, and what it made is put into the copy.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kindling_config_spec::units::{Bytes, SectorSize};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FallocateFlags, Flock, fallocate};
use nix::libc;
use nix::unistd::{Uid, Whence, linkat, lseek};

use super::devices::zero;
use super::loops;
use super::mounts::Place;
use crate::gpt::{self, Found};
use crate::plan::place::partition_name;

/// An image cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It is a disk, a directory or the like.
    #[error("{} is no regular file", .0.display())]
    NoFile(PathBuf),
    /// Another run of ours has it.
    #[error("{} is being worked on already", .0.display())]
    Taken(PathBuf),
    /// Somebody has it as a loop device: what he writes would be lost.
    #[error("{} is a loop device already", .0.display())]
    Loop(PathBuf),
    /// No other file can take its place.
    #[error("{} is mounted there by itself, and nothing can take the place of that", .0.display())]
    Mounted(PathBuf),
    /// The name that the copy has for a moment is somebody's.
    #[error("{} is in the way, and nothing that a run of ours left", .0.display())]
    InTheWay(PathBuf),
    /// A system call failed.
    #[error("cannot {doing} {}", file.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// The image.
        file: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

fn failed<'a, E: Into<io::Error>>(doing: &'static str, file: &'a Path) -> impl FnOnce(E) -> CopyError + 'a {
    move |source| CopyError::Io {
        doing,
        file: file.to_owned(),
        source: source.into(),
    }
}

/// The images, and the names by which programs know them: links in a file system that is only in memory.
pub struct Copies {
    place: Place,
    disks: Vec<Disk>,
}

/// One image.
struct Disk {
    image: PathBuf,
    /// Its directory.
    dir: File,
    /// What it was when it was copied.
    found: fs::Metadata,
    /// Held so that no other run begins with the same image.
    locked: Flock<File>,
    copy: File,
    node: PathBuf,
    sector: SectorSize,
    /// The partitions that are in files of their own now, by their nodes.
    out: Mutex<Vec<(PathBuf, Part, File)>>,
}

/// Where something is: a copy, and a range of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    start: u64,
    size: u64,
}

/// What a partition's own file has in it at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing: something is about to be made on it.
    Nothing,
    /// What the partition has.
    Present,
}

/// Where the flags of an ext2, ext3 or ext4 stand that whoever does not know them may not mount, counted from its start, and the
/// one that says that its journal is to be replayed: `s_feature_incompat` and `EXT4_FEATURE_INCOMPAT_RECOVER` of fs/ext4/ext4.h.
const INCOMPATIBLE: u64 = 1024 + 0x60;
const RECOVER: u32 = 0x4;

impl Copies {
    /// Copies each image, with logical sectors of that size.
    ///
    /// # Errors
    /// `NoFile`, `Taken`, `Loop`, `Mounted`, `InTheWay`, `Io`; `EOPNOTSUPP` where the file system knows no files without a name.
    pub fn take<'a>(images: impl Iterator<Item = (&'a Path, SectorSize)>) -> Result<Self, CopyError> {
        let place =
            Place::in_memory().map_err(failed("make a directory for the parts of", Path::new("images")))?;
        let take = |(number, (image, sector)): (usize, _)| {
            let node = place.path().join(format!("disk{number}"));
            Disk::take(image, node, sector)
        };
        let disks: Result<Vec<Disk>, CopyError> = images.enumerate().map(take).collect();
        Ok(Self { disks: disks?, place })
    }

    /// The name of each, in the order of the images.
    pub fn nodes(&self) -> impl Iterator<Item = &Path> {
        self.disks.iter().map(|disk| disk.node.as_path())
    }

    /// The copy of that name, and the size of its sectors.
    pub(super) fn disk(&self, node: &Path) -> Option<(&File, SectorSize)> {
        let disk = self.disks.iter().find(|disk| disk.node == node)?;
        Some((&disk.copy, disk.sector))
    }

    /// Whether something of that name is there: a disk, or a partition of its table.
    pub(super) fn is_there(&self, node: &Path) -> bool {
        self.disks.iter().any(|disk| disk.part(node).is_some())
    }

    /// Has `node` lead to a file of its own if it is a partition, until [`Self::put_back`].
    ///
    /// # Errors
    /// `NotFound` where the table has no such partition, or the kernel's answer.
    pub fn take_out(&self, node: &Path, with: Content) -> io::Result<()> {
        match self.find(node) {
            Some((disk, part)) if disk.node != node => disk.take_out(node, part, with),
            None if node.parent() == Some(self.place.path()) => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    }

    /// Whether an ext2, ext3 or ext4 of that name was mounted when it was written to last.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn has_journal_to_replay(&self, node: &Path) -> io::Result<bool> {
        let Some((disk, part)) = self.find(node) else {
            return Ok(false);
        };
        let mut flags = [0; 4];
        disk.copy
            .read_exact_at(&mut flags, part.start.saturating_add(INCOMPATIBLE))?;
        Ok(u32::from_le_bytes(flags) & RECOVER != 0)
    }

    fn find(&self, node: &Path) -> Option<(&Disk, Part)> {
        self.disks.iter().find_map(|disk| Some((disk, disk.part(node)?)))
    }

    /// Puts what is in files of their own into its place.
    ///
    /// # Errors
    /// `Io`.
    pub fn put_back(&self) -> Result<(), CopyError> {
        for disk in &self.disks {
            disk.put_back()
                .map_err(failed("write to the copy of", &disk.image))?;
        }
        Ok(())
    }

    /// Has `node` lead to the copy that it is on or is, and says where it starts there.
    ///
    /// # Errors
    /// `NotFound`, or the kernel's answer.
    pub fn whole(&self, node: &Path) -> io::Result<Bytes> {
        let (disk, part) = self.find(node).ok_or(io::ErrorKind::NotFound)?;
        if disk.node != node {
            lead(node, &disk.copy)?;
        }
        Ok(Bytes(part.start))
    }

    /// Puts the copies in the places of their images: that with `first` on it before the others.
    ///
    /// # Errors
    /// `InTheWay`, `Io`: of the images, those before it are done, and the others are as they were.
    pub fn commit(self, first: Option<&Path>) -> Result<(), CopyError> {
        let Self { place, mut disks } = self;
        let is_first = |disk: &Disk| first.is_some_and(|node| disk.part(node).is_some());
        if let Some(at) = disks.iter().position(is_first) {
            disks.swap(0, at);
        }
        drop(place);
        disks.iter().try_for_each(Disk::is_as_it_was)?;
        disks.into_iter().try_for_each(Disk::commit)
    }
}

/// Has `node` lead to an open file of this process.
fn lead(node: &Path, file: &File) -> io::Result<()> {
    match fs::remove_file(node) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // `/proc` may be that of another PID namespace, in which this process has another number than it knows.
    let process = fs::read_link("/proc/self")?;
    let path = Path::new("/proc").join(process).join("fd");
    symlink(path.join(file.as_raw_fd().to_string()), node)?;
    is_the_same(node, file)
}

/// The name by which this process can open the file.
fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// That the path leads to the file.
fn is_the_same(path: &Path, file: &File) -> io::Result<()> {
    match loops::is_same(&path.metadata()?, &file.metadata()?) {
        true => Ok(()),
        false => Err(io::Error::other("/proc shows another file there")),
    }
}

/// The number of the mount that an open file is on, as `/proc/self/fdinfo` has it (proc_pid_fdinfo(5)).
fn mount_of(file: &File) -> io::Result<String> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    let number = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    Ok(number.ok_or(io::ErrorKind::InvalidData)?.trim().to_owned())
}

/// The name that the copy of an image has between two calls.
fn hidden(image: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".kindling.");
    name.push(image.file_name().unwrap_or_default());
    image.with_file_name(name)
}

/// Whether a run that was killed left its copy under that name: a file of ours, or of the image's owner, and without other names.
fn is_left(hidden: &Path, image: &fs::Metadata) -> Result<bool, CopyError> {
    match fs::symlink_metadata(hidden) {
        Ok(found) => {
            let owner = found.uid();
            let is_ours = owner == Uid::effective().as_raw() || known(owner) == Some(image.uid());
            match found.is_file() && found.nlink() == 1 && is_ours {
                true => Ok(true),
                false => Err(CopyError::InTheWay(hidden.to_owned())),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        // Also that the name is too long.
        Err(error) => Err(failed("look for", hidden)(error)),
    }
}

/// Gives the file the owner, the group and the mode of another one, as far as this namespace has them: it shows what it does not have
/// as one number, which may be another one's here.
fn hand_on(from: &fs::Metadata, to: &File) -> io::Result<()> {
    drop(fchown(to, None, known(from.gid())));
    drop(fchown(to, known(from.uid()), None));
    // Behind them, for they take bits away. Another group than before may do what everybody may: there can be secrets in an image.
    let mode = from.mode() & 0o7777;
    let mode = match to.metadata()?.gid() == from.gid() && known(from.gid()).is_some() {
        true => mode,
        false => mode & !0o070 | mode & mode << 3 & 0o070,
    };
    to.set_permissions(Permissions::from_mode(mode))
}

/// A number of a user or group that this namespace has. It shows all others as one (`DEFAULT_OVERFLOWUID` of
/// include/linux/highuid.h, and that of groups).
fn known(id: u32) -> Option<u32> {
    const UNKNOWN: u32 = 65_534;
    Some(id).filter(|id| *id != UNKNOWN)
}

/// A file without a name in that directory.
fn nameless(dir: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE)
        .open(dir)
}

impl Disk {
    fn take(path: &Path, node: PathBuf, sector: SectorSize) -> Result<Self, CopyError> {
        let image = path.canonicalize().map_err(failed("open", path))?;
        if !image.metadata().map_err(failed("open", path))?.is_file() {
            return Err(CopyError::NoFile(path.to_owned()));
        }
        let locked = loops::lock(&image).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => CopyError::Taken(path.to_owned()),
            _ => failed("open", path)(error),
        })?;
        let found = locked.metadata().map_err(failed("open", path))?;
        if loops::is_loop(Path::new(loops::BLOCK), &found) {
            return Err(CopyError::Loop(path.to_owned()));
        }
        is_left(&hidden(&image), &found)?;
        let beside = || failed("make a copy beside", path);
        // To be synced in the end.
        let dir = File::open(image.with_file_name("")).map_err(failed("open the directory of", path))?;
        let copy = nameless(image.parent().unwrap_or(Path::new("/"))).map_err(beside())?;
        let mount = |file| mount_of(file).map_err(failed("find the mount of", path));
        if mount(&copy)? != mount(&locked)? {
            return Err(CopyError::Mounted(path.to_owned()));
        }
        let filled = || {
            copy.set_len(found.len())?;
            let whole = Part {
                start: 0,
                size: found.len(),
            };
            copy_data(&locked, whole, &copy, 0)?;
            lead(&node, &copy)
        };
        filled().map_err(beside())?;
        Ok(Self {
            image,
            dir,
            locked,
            found,
            copy,
            node,
            sector,
            out: Mutex::default(),
        })
    }

    /// Where the disk or the partition of that name is, by the table as it is now.
    fn part(&self, node: &Path) -> Option<Part> {
        let size = self.copy.metadata().ok()?.len();
        if node == self.node {
            return Some(Part { start: 0, size });
        }
        if node.parent() != self.node.parent() {
            return None;
        }
        // Opened anew, for others may ask at the same time, and the place where a file is read goes with what was opened.
        let mut copy = File::open(path_of(&self.copy)).ok()?;
        let Ok(Found::Gpt { table, .. }) = gpt::read(&mut copy, Bytes(size), self.sector) else {
            return None;
        };
        let mut entries = table.entries.iter();
        let (_, entry) = entries.find(|(number, _)| partition_name(&self.node, **number) == node)?;
        Some(Part {
            start: entry.first.to_bytes(table.sector_size).0,
            size: entry.size().to_bytes(table.sector_size).0,
        })
    }

    fn take_out(&self, node: &Path, part: Part, with: Content) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.iter().any(|(there, ..)| there == node) {
            return Ok(());
        }
        let file = nameless(self.image.parent().unwrap_or(Path::new("/")))?;
        file.set_len(part.size)?;
        if with == Content::Present {
            copy_data(&self.copy, part, &file, 0)?;
        }
        lead(node, &file)?;
        out.push((node.to_owned(), part, file));
        Ok(())
    }

    fn put_back(&self) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        for (node, part, file) in std::mem::take(&mut *out) {
            fs::remove_file(node)?;
            empty(&self.copy, part)?;
            let whole = Part {
                start: 0,
                size: part.size,
            };
            copy_data(&file, whole, &self.copy, part.start)?;
        }
        Ok(())
    }

    /// That nobody has written to the image since it was copied, put another one in its place, or begun to use it: what he did
    /// would be lost.
    ///
    /// # Errors
    /// `Taken`, `Loop`, `Io`.
    fn is_as_it_was(&self) -> Result<(), CopyError> {
        let look = failed("look at", &self.image);
        let now = self.image.metadata().map_err(look)?;
        let times = |file: &fs::Metadata| [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
        if loops::is_loop(Path::new(loops::BLOCK), &now) {
            return Err(CopyError::Loop(self.image.clone()));
        }
        match loops::is_same(&now, &self.found) && times(&now) == times(&self.found) {
            true => Ok(()),
            false => Err(CopyError::Taken(self.image.clone())),
        }
    }

    /// The copy gets its name by one rename, on the medium, with the image's owner and mode.
    fn commit(self) -> Result<(), CopyError> {
        let (image, hidden) = (&self.image, hidden(&self.image));
        let failed = || failed("put the copy in the place of", image);
        let was = self.locked.metadata().map_err(failed())?;
        let is_left = is_left(&hidden, &was)?;
        let put = || -> io::Result<()> {
            hand_on(&was, &self.copy)?;
            self.copy.sync_all()?;
            if is_left {
                fs::remove_file(&hidden)?;
            }
            let from = path_of(&self.copy);
            is_the_same(&from, &self.copy)?;
            linkat(AT_FDCWD, &from, AT_FDCWD, &hidden, AtFlags::AT_SYMLINK_FOLLOW)?;
            if let Err(error) = fs::rename(&hidden, image) {
                drop(fs::remove_file(&hidden));
                return Err(error);
            }
            self.dir.sync_all()
        };
        put().map_err(failed())
    }
}

/// Makes a range as empty as if nothing had ever been written there.
fn empty(file: &File, part: Part) -> io::Result<()> {
    let number = |value: u64| i64::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
    let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match fallocate(file, how, number(part.start)?, number(part.size)?) {
        Err(Errno::EOPNOTSUPP) => {
            let all = gpt::Extent {
                offset: Bytes(part.start),
                length: Bytes(part.size),
            };
            zero(file, &all)
        }
        ended => Ok(ended?),
    }
}

/// Copies what has been written to a part of `from`, to `at` and behind in `to`; the rest is nothing there either. The kernel does
/// it, by sharing the blocks where the file system can.
fn copy_data(mut from: &File, part: Part, mut to: &File, at: u64) -> io::Result<()> {
    let end = part.start.saturating_add(part.size);
    let mut here = part.start;
    let seek = |from: &File, offset: u64, whence| -> io::Result<u64> {
        let offset = i64::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        u64::try_from(lseek(from, offset, whence)?).map_err(|_| io::ErrorKind::InvalidData.into())
    };
    while here < end {
        let data = match seek(from, here, Whence::SeekData) {
            Ok(data) if data < end => data,
            Err(error) if error.raw_os_error() != Some(libc::ENXIO) => return Err(error),
            // Nothing but holes up to the end.
            _ => break,
        };
        let hole = seek(from, data, Whence::SeekHole)?.min(end);
        from.seek(SeekFrom::Start(data))?;
        to.seek(SeekFrom::Start(at + (data - part.start)))?;
        let copied = io::copy(&mut from.take(hole - data), &mut to)?;
        if copied != hole - data {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        here = hole;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kindling_config_spec::units::Lba;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn image(dir: &Path) -> PathBuf {
        let path = dir.join("disk.img");
        let file = File::create(&path).unwrap();
        file.set_len(4 * MIB).unwrap();
        file.write_all_at(b"start", 0).unwrap();
        file.write_all_at(b"later", 3 * MIB).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        path
    }

    fn names(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn an_image_is_as_it_was_until_its_copy_takes_its_place() {
        let (dir, nodes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = image(dir.path());
        let before = fs::read(&path).unwrap();
        let take = |number: u32| {
            Disk::take(
                &path,
                nodes.path().join(format!("disk{number}")),
                SectorSize::S512,
            )
        };
        let disk = take(0).unwrap();
        assert!(matches!(take(1), Err(CopyError::Taken(_))));
        assert!(fs::read(&disk.node).unwrap() == before, "the copy is another");
        disk.copy.write_all_at(b"other", MIB).unwrap();
        assert!(fs::read(&path).unwrap() == before, "the image was changed");
        assert_eq!(names(dir.path()), 1);
        drop(disk);
        assert!(fs::read(&path).unwrap() == before, "the image was changed");
        // What a kill before the rename left.
        File::create(dir.path().join(".kindling.disk.img")).unwrap();
        let disk = take(2).unwrap();
        disk.copy.write_all_at(b"other", MIB).unwrap();
        disk.commit().unwrap();
        let mut expected = before;
        expected[1 << 20..][..5].copy_from_slice(b"other");
        assert!(
            fs::read(&path).unwrap() == expected,
            "the copy did not get its place"
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(names(dir.path()), 1);
    }

    #[test]
    fn what_somebody_else_has_by_the_name_of_the_copy_stays() {
        let (dir, nodes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = image(dir.path());
        let before = fs::read(&path).unwrap();
        let take = || Disk::take(&path, nodes.path().join("disk0"), SectorSize::S512);
        let (hidden, other) = (dir.path().join(".kindling.disk.img"), nodes.path().join("other"));
        File::create(&other).unwrap();
        type Make<'a> = &'a dyn Fn() -> io::Result<()>;
        let rows: [(&str, Make<'_>); 3] = [
            ("a directory", &|| fs::create_dir(&hidden)),
            ("a link", &|| symlink(&other, &hidden)),
            ("a file with another name", &|| {
                File::create(dir.path().join("more"))?;
                fs::hard_link(dir.path().join("more"), &hidden)
            }),
        ];
        for (row, make) in rows {
            // At the end it is looked at again.
            let disk = take().unwrap();
            make().unwrap();
            for ended in [disk.commit(), take().map(drop)] {
                assert!(matches!(ended, Err(CopyError::InTheWay(_))), "{row}");
                assert!(fs::symlink_metadata(&hidden).is_ok(), "{row}");
            }
            assert!(fs::read(&path).unwrap() == before, "{row}: the image was changed");
            drop(fs::remove_file(&hidden).or_else(|_| fs::remove_dir(&hidden)));
        }
        let long = dir.path().join("x".repeat(246));
        fs::rename(&path, &long).unwrap();
        let refused = Disk::take(&long, nodes.path().join("disk0"), SectorSize::S512).err();
        assert!(
            matches!(&refused, Some(CopyError::Io { source, .. }) if source.kind() == io::ErrorKind::InvalidFilename),
            "{refused:?}"
        );
    }

    #[test]
    fn what_cannot_take_the_place_is_not_left_beside_it() {
        let (dir, nodes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = image(dir.path());
        let disk = Disk::take(&path, nodes.path().join("disk0"), SectorSize::S512).unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(disk.commit(), Err(CopyError::Io { .. })));
        assert_eq!(names(dir.path()), 1);
    }

    #[test]
    fn several_may_ask_at_once_where_a_partition_is() {
        let (dir, nodes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = image(dir.path());
        let guid = gpt::Guid::from_random([7; 16]);
        let mut table = gpt::Table::new(guid, Bytes(4 * MIB), SectorSize::S512).unwrap();
        let entry = gpt::Entry {
            type_guid: gpt::Guid::LINUX_FILESYSTEM,
            guid,
            first: Lba(2048),
            last: Lba(4095),
            attributes: 0,
            label: gpt::Label::EMPTY,
            extra: Vec::new(),
        };
        table.entries.insert(2, entry);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for region in table.regions().unwrap() {
            file.write_all_at(&region.bytes, region.offset.0).unwrap();
        }
        let disk = Disk::take(&path, nodes.path().join("disk0"), SectorSize::S512).unwrap();
        let expected = Part {
            start: MIB,
            size: MIB,
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        assert_eq!(disk.part(&nodes.path().join("disk0p2")), Some(expected));
                        assert_eq!(disk.part(&nodes.path().join("disk0p1")), None);
                    }
                });
            }
        });
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "somebody who knows nothing of us")]
    fn an_image_that_is_no_longer_the_one_that_was_copied_keeps_its_place() {
        for (row, change) in [
            (
                "written to",
                (|path| fs::write(path, "other")) as fn(&Path) -> io::Result<()>,
            ),
            ("replaced", |path| {
                fs::write(path.with_extension("new"), "other")?;
                fs::rename(path.with_extension("new"), path)
            }),
        ] {
            let (dir, nodes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let path = image(dir.path());
            let disk = Disk::take(&path, nodes.path().join("disk0"), SectorSize::S512).unwrap();
            disk.is_as_it_was().unwrap();
            change(&path).unwrap();
            assert!(matches!(disk.is_as_it_was(), Err(CopyError::Taken(_))), "{row}");
        }
    }

    #[test]
    fn a_group_that_cannot_be_handed_on_gives_its_rights_to_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = image(dir.path());
        let own = path.metadata().unwrap().gid();
        for (group, mode, expected) in [
            (own, 0o660, 0o660),
            (65_534, 0o660, 0o600),
            (65_534, 0o664, 0o644),
        ] {
            std::os::unix::fs::chown(&path, None, Some(group)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let copy = nameless(dir.path()).unwrap();
            hand_on(&path.metadata().unwrap(), &copy).unwrap();
            let found = copy.metadata().unwrap().mode() & 0o7777;
            assert_eq!(found, expected, "{group} {mode:o}");
        }
    }

    #[test]
    fn only_files_are_images_without_root() {
        let dir = tempfile::tempdir().unwrap();
        let take = |path: &Path| Disk::take(path, dir.path().join("disk0"), SectorSize::S512).err();
        assert!(matches!(take(Path::new("/dev/null")), Some(CopyError::NoFile(_))));
        assert!(matches!(
            take(&dir.path().join("none")),
            Some(CopyError::Io { .. })
        ));
        assert!(matches!(take(dir.path()), Some(CopyError::NoFile(_))));
    }

    #[test]
    fn what_is_copied_into_a_part_is_all_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (
            File::open(image(dir.path())).unwrap(),
            nameless(dir.path()).unwrap(),
        );
        to.write_all_at(&vec![7; 8 << 20], 0).unwrap();
        let part = Part {
            start: 2 * MIB,
            size: 4 * MIB,
        };
        empty(&to, part).unwrap();
        let whole = Part {
            start: 0,
            size: 4 * MIB,
        };
        copy_data(&from, whole, &to, part.start).unwrap();
        let mut bytes = vec![0; 8 << 20];
        to.read_exact_at(&mut bytes, 0).unwrap();
        let mut expected = vec![7; 8 << 20];
        expected[2 << 20..6 << 20].fill(0);
        expected[2 << 20..][..5].copy_from_slice(b"start");
        expected[5 << 20..][..5].copy_from_slice(b"later");
        assert!(bytes == expected, "it is not what was copied");
        // A part of a part, and its holes are still holes.
        let small = nameless(dir.path()).unwrap();
        small.set_len(MIB).unwrap();
        copy_data(
            &to,
            Part {
                start: 5 * MIB,
                size: MIB,
            },
            &small,
            0,
        )
        .unwrap();
        let mut start = [0; 5];
        small.read_exact_at(&mut start, 0).unwrap();
        assert_eq!(&start, b"later");
        assert!(small.metadata().unwrap().blocks() * 512 < MIB);
    }
}
