//! Images without root: what cannot be done there, and how programs and mounts work on files instead of devices.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::{Config, Filesystem, Owner};
use kindling_config_spec::units::SectorSize;

use super::images::Image;
use crate::host::copies::{Content, Copies};
use crate::host::fuse::{self, Served};
use crate::host::mounts;
use crate::host::process::{Output, ProcessError, Processes, System};
use crate::host::user_namespace::IdMap;
use crate::invocation::{Invocation, Program};
use crate::plan::Stage;
use crate::plan::kargs::plan_kargs;
use crate::plan::mounts::candidates;
use crate::plan::offline::FIRST_BOOT_STAMP;
use crate::report::{Failure, in_merged};

/// Why the files of most kinds need root.
pub(super) const FILLED: &str =
    "of the file systems in files only ext2, ext3 and ext4 are written to by a program (fuse2fs)";

const NOT_HERE: &str = "images cannot be written to without root here";

/// What only root can do.
pub(super) fn needs_root(pointer: &str, what: String, why: &str) -> Failure {
    Failure {
        code: "image-needs-root".to_owned(),
        stage: Stage::Disks,
        what,
        place: in_merged(pointer),
        why: vec![why.to_owned(), "nothing was changed".to_owned()],
        next: "run it as root".to_owned(),
    }
}

/// The record of a user who may not be root of a namespace.
#[must_use]
pub fn no_namespace(error: &ProcessError) -> Failure {
    let next = "run it as root; or install uidmap and util-linux 2.38, and give this user numbers: a line USER:100000:65536 in \
                /etc/subuid and in /etc/subgid";
    let failure = Failure::of(Stage::Disks, "image-needs-root", error, next.to_owned());
    Failure {
        what: NOT_HERE.to_owned(),
        why: [
            vec![failure.what],
            failure.why,
            vec!["nothing was changed".to_owned()],
        ]
        .concat(),
        ..failure
    }
}

/// The record of who is root of a namespace and may have no mounts of his own in it.
pub(super) fn no_mounts(error: &io::Error) -> Failure {
    needs_root("", NOT_HERE.to_owned(), &error.to_string())
}

/// Whether files can be put on a file system of that format here.
pub(super) fn can_be_filled(format: &str) -> bool {
    matches!(format, "ext2" | "ext3" | "ext4")
}

/// Looks for the programs.
///
/// # Errors
/// The record of the first that is missing.
pub(super) fn find_programs(programs: &System) -> Result<(), Failure> {
    let Some(program) = fuse::missing(programs) else {
        return Ok(());
    };
    let error = ProcessError::NotInstalled { program };
    let next = "install it (fuse2fs, e2fsprogs, util-linux), or run it as root";
    Err(Failure::of(
        Stage::Disks,
        "image-needs-root",
        &error,
        next.to_owned(),
    ))
}

/// Refuses what would not come out as root makes it.
///
/// # Errors
/// The record: a file system with files on it that no program shows, sectors that no program is told of, a number of a user
/// that nobody may give.
pub(super) fn refuse(
    config: &Config,
    images: &OrderedMap<PathBuf, Image>,
    [users, groups]: &[IdMap; 2],
    is_split: bool,
) -> Result<(), Failure> {
    let filesystems = config.storage.filesystems.iter().enumerate();
    for (index, filesystem) in filesystems {
        let made = !matches!(
            filesystem.format.as_deref(),
            None | Some("" | "none" | "swap" | "btrfs")
        );
        if made && images.values().any(|image| image.sector != SectorSize::S512) {
            return Err(needs_root(
                &format!("/storage/filesystems/{index}/format"),
                format!(
                    "a file system for {} cannot be made without root",
                    filesystem.device
                ),
                "programs that make one in a file take its sectors for 512 bytes",
            ));
        }
    }
    if !plan_kargs(config).steps.is_empty() {
        return Err(needs_root(
            "/kernelArguments",
            "boot entries cannot be changed without root".to_owned(),
            "they are on file systems that only the kernel shows; --split leaves them to the first boot",
        ));
    }
    for (section, at, member, path) in written(config, is_split).0 {
        // A mount point is no part of what is mounted there.
        let is_above = |point: &Path| section != FILESYSTEMS || point != path;
        let Some((index, filesystem)) = below(config, &path, &is_above) else {
            continue;
        };
        // Made anew, it has no stamp.
        if section == STAMP && filesystem.wipe_filesystem == Some(true) {
            continue;
        }
        let format = filesystem.format.as_deref().unwrap_or_default();
        if !can_be_filled(format) {
            return Err(needs_root(
                &format!("/storage/filesystems/{index}/format"),
                format!(
                    "{} ({}) would be on a {format}, which cannot be mounted without root",
                    path.display(),
                    match section {
                        ALWAYS => "written with every config".to_owned(),
                        STAMP => "the stamp of the first boot may be there, unless wipeFilesystem is true"
                            .to_owned(),
                        _ => pointer(section, at, member),
                    }
                ),
                FILLED,
            ));
        }
    }
    for (section, index, member, id) in numbers(config).0 {
        let ids = match member {
            "/group/id" | "/gid" => groups,
            _ => users,
        };
        if u32::try_from(id).is_ok_and(|id| !ids.has(id)) {
            return Err(needs_root(
                &pointer(section, index, member),
                format!("nothing can be given to number {id} without root"),
                "it is not among the numbers that /etc/subuid and /etc/subgid give this user",
            ));
        }
    }
    Ok(())
}

/// The file system of the config that a path is on, of those whose mount points count, and its place there.
fn below<'a>(
    config: &'a Config,
    path: &Path,
    counts: &dyn Fn(&Path) -> bool,
) -> Option<(usize, &'a Filesystem)> {
    // Shallow paths come first, so that the last one is the nearest.
    let candidates = candidates(config).into_iter().rev();
    let mut above = candidates.filter(|(_, _, point)| path.starts_with(point) && counts(point));
    above.next().map(|(index, filesystem, _)| (index, filesystem))
}

/// Entries of the config by their place: section, index and member.
struct Entries<T>(Vec<(&'static str, usize, &'static str, T)>);

impl<T> Entries<T> {
    fn add(&mut self, section: &'static str, index: usize, member: &'static str, value: Option<T>) {
        self.0.extend(value.map(|value| (section, index, member, value)));
    }
}

fn pointer(section: &str, index: usize, member: &str) -> String {
    format!("{section}/{index}{member}")
}

/// Stand for no section.
const ALWAYS: &str = "";
const STAMP: &str = "stamp";
const FILESYSTEMS: &str = "/storage/filesystems";
const FILES: &str = "/storage/files";
const DIRECTORIES: &str = "/storage/directories";
const LINKS: &str = "/storage/links";
const USERS: &str = "/passwd/users";
const GROUPS: &str = "/passwd/groups";

/// What the config has written, as far as it says where, and what is removed beside it unless it `is_split`.
fn written(config: &Config, is_split: bool) -> Entries<PathBuf> {
    let storage = &config.storage;
    let mut all = Entries(Vec::new());
    // The result of a provisioning and the journal of one, whatever the config says.
    for path in ["/etc", "/var/lib/kindling"] {
        all.add(ALWAYS, 0, "", Some(path.into()));
    }
    all.add(STAMP, 0, "", (!is_split).then(|| FIRST_BOOT_STAMP.into()));
    for (index, _, point) in candidates(config) {
        all.add(FILESYSTEMS, index, "/path", Some(point.to_owned()));
    }
    for (index, entry) in storage.files.iter().enumerate() {
        all.add(FILES, index, "", Some((&entry.path).into()));
    }
    for (index, entry) in storage.directories.iter().enumerate() {
        all.add(DIRECTORIES, index, "", Some((&entry.path).into()));
    }
    for (index, entry) in storage.links.iter().enumerate() {
        all.add(LINKS, index, "", Some((&entry.path).into()));
    }
    for (index, user) in config.passwd.users.iter().enumerate() {
        let usual = || match user.name.as_str() {
            "root" => PathBuf::from("/root"),
            name => Path::new("/home").join(name),
        };
        let given = user.home_dir.as_ref().filter(|home| !home.is_empty());
        let home = given.map_or_else(usual, PathBuf::from);
        // It is made for users of the system too; keys are put into one that is there.
        let is_filled = user.no_create_home != Some(true) || !user.ssh_authorized_keys.is_empty();
        let counts = is_filled && user.should_exist != Some(false);
        all.add(USERS, index, "", counts.then_some(home));
    }
    all
}

/// The numbers of users and groups in the config.
fn numbers(config: &Config) -> Entries<i64> {
    let (storage, passwd) = (&config.storage, &config.passwd);
    let mut all = Entries(Vec::new());
    let mut owned = |section, index, user: &Owner, group: &Owner| {
        all.add(section, index, "/user/id", user.id);
        all.add(section, index, "/group/id", group.id);
    };
    for (index, entry) in storage.files.iter().enumerate() {
        owned(FILES, index, &entry.user, &entry.group);
    }
    for (index, entry) in storage.directories.iter().enumerate() {
        owned(DIRECTORIES, index, &entry.user, &entry.group);
    }
    for (index, entry) in storage.links.iter().enumerate() {
        owned(LINKS, index, &entry.user, &entry.group);
    }
    for (index, user) in passwd.users.iter().enumerate() {
        all.add(USERS, index, "/uid", user.uid);
    }
    for (index, group) in passwd.groups.iter().enumerate() {
        all.add(GROUPS, index, "/gid", group.gid);
    }
    all
}

/// Programs, as far as they are given devices: those of [`Copies`].
pub(super) struct OnCopies<'a> {
    programs: &'a System,
    copies: &'a Copies,
    served: Mutex<Vec<(PathBuf, Served)>>,
}

impl<'a> OnCopies<'a> {
    pub(super) fn new(programs: &'a System, copies: &'a Copies) -> Self {
        Self {
            programs,
            copies,
            served: Mutex::default(),
        }
    }

    /// Ends what is unmounted by now, and checks it. Returns what was mounted first, which is the root.
    ///
    /// # Errors
    /// How a program ended.
    pub(super) fn end(self) -> Result<Option<PathBuf>, ProcessError> {
        let served = self.served.into_inner().unwrap_or_else(PoisonError::into_inner);
        let first = served.first().map(|(node, _)| node.clone());
        for (_, served) in served {
            served.end(self.programs)?;
        }
        Ok(first)
    }

    fn mount(&self, call: &Invocation) -> Result<Output, ProcessError> {
        let failed = |source: io::Error| ProcessError::Start {
            program: call.program,
            source,
        };
        let words: Vec<&OsStr> = call.args.iter().map(|arg| arg.expose()).collect();
        let [flags @ .., node, target] = words.as_slice() else {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        };
        let (node, target) = (Path::new(node), Path::new(target));
        let option = |flag: &str| {
            let at = flags.iter().position(|word| *word == flag)?;
            flags.get(at + 1)?.to_str()
        };
        if !option("-t").is_none_or(can_be_filled) {
            // Nothing is to be on it, and what the plan did not foresee fails instead of landing below it.
            mounts::nothing(node, target).map_err(failed)?;
            return Ok(Output::default());
        }
        // The others do not change what a file system has in it in the end.
        let read_only = option("-o").is_some_and(|options| options.split(',').any(|one| one == "ro"));
        if self.copies.has_journal_to_replay(node).map_err(failed)? {
            self.copies.take_out(node, Content::Present).map_err(failed)?;
            fuse::replay(self.programs, node)?;
            self.copies.put_back().map_err(io::Error::other).map_err(failed)?;
        }
        let start = self.copies.whole(node).map_err(failed)?;
        let served = Served::begin(self.programs, node, start, target, read_only)?;
        let mut all = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((node.to_owned(), served));
        Ok(Output::default())
    }
}

impl Processes for OnCopies<'_> {
    fn is_installed(&self, program: Program) -> bool {
        self.programs.is_installed(program)
    }

    fn status(&self, call: &Invocation) -> Result<Output, ProcessError> {
        match call.program {
            Program::Mount => self.mount(call),
            Program::Wipefs
            | Program::MkfsBtrfs
            | Program::MkfsExt4
            | Program::MkfsFat
            | Program::MkfsXfs
            | Program::Mkswap => {
                for arg in &call.args {
                    let begun = self.copies.take_out(Path::new(arg.expose()), Content::Nothing);
                    begun.map_err(|source| ProcessError::Start {
                        program: call.program,
                        source,
                    })?;
                }
                self.programs.status(call)
            }
            _ => self.programs.status(call),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code and the place of what is refused, with an ext4 as root and what `storage` and `passwd` say beside it.
    fn refused(more: &str, sector: SectorSize) -> Option<(String, String)> {
        refused_if(more, sector, false)
    }

    fn refused_if(more: &str, sector: SectorSize, is_split: bool) -> Option<(String, String)> {
        let text = format!(r#"{{"ignition": {{"version": "3.4.0"}}, {more}}}"#);
        let config = kindling_config_spec::check(&text).unwrap().into_config();
        let image = Image {
            device: None,
            file: "disk.img".into(),
            sector,
        };
        let images = [(PathBuf::from("/dev/vda"), image)].into();
        let users = IdMap::parse("0 1000 1\n1 100000 65535\n");
        let groups = IdMap::parse("0 1000 1\n1 100000 999\n");
        let failure = refuse(&config, &images, &[users, groups], is_split).err()?;
        Some((failure.code, format!("{:?}", failure.place)))
    }

    #[test]
    fn what_only_root_can_do() {
        let root = r#"{"device": "/dev/vda1", "format": "ext4", "path": "/"}"#;
        let with = |others: &str, entries: &str| {
            format!(r#""storage": {{"filesystems": [{root}, {others}] {entries}}}"#)
        };
        let data = r#"{"device": "/dev/vda2", "format": "xfs", "path": "/data"}"#;
        let home = r#"{"device": "/dev/vda2", "format": "btrfs", "path": "/home"}"#;
        let nested = r#"{"device": "/dev/vda3", "format": "ext4", "path": "/data/deep"}"#;
        let over = r#"{"device": "/dev/vda3", "format": "ext4", "path": "/data"}"#;
        let boot = r#"{"device": "/dev/vda2", "format": "xfs", "path": "/boot"}"#;
        let swap = r#"{"device": "/dev/vda2", "format": "swap"}"#;
        let user = |user: &str| format!(r#", "passwd": {{"users": [{user}]}}"#);
        let file = |path: &str| format!(r#", "files": [{{"path": "{path}"}}]"#);
        for (row, text, place) in [
            ("nothing", with(data, ""), None),
            ("a file elsewhere", with(data, &file("/database")), None),
            (
                "a file on it",
                with(data, &file("/data/a/b")),
                Some("/storage/filesystems/1/format"),
            ),
            (
                "a directory that it is mounted at",
                with(data, r#", "directories": [{"path": "/data"}]"#),
                Some("/storage/filesystems/1/format"),
            ),
            (
                "a link on it",
                with(data, r#", "links": [{"path": "/data/a", "target": "b"}]"#),
                Some("/storage/filesystems/1/format"),
            ),
            (
                "an ext4 below it",
                with(&format!("{data}, {nested}"), ""),
                Some("/storage/filesystems/1/format"),
            ),
            (
                "an ext4 below it, named before it",
                with(&format!("{nested}, {data}"), ""),
                Some("/storage/filesystems/2/format"),
            ),
            ("two at one place", with(&format!("{data}, {over}"), ""), None),
            (
                "a stamp that is not seen",
                with(boot, ""),
                Some("/storage/filesystems/1/format"),
            ),
            (
                "a boot file system that is made anew",
                with(&boot.replace("/boot\"", "/boot\", \"wipeFilesystem\": true"), ""),
                None,
            ),
            (
                "a boot file system that is seen",
                with(&boot.replace("xfs", "ext4"), ""),
                None,
            ),
            (
                "one below the directory of the stamp",
                with(&boot.replace("/boot\"", "/boot/efi\""), ""),
                None,
            ),
            (
                "no root to fill",
                r#""storage": {"filesystems": [{"device": "/dev/vda1", "format": "xfs", "path": "/"}]}"#
                    .to_owned(),
                Some("/storage/filesystems/0/format"),
            ),
            (
                "a usual home",
                with(home, "") + &user(r#"{"name": "core"}"#),
                Some("/storage/filesystems/1/format"),
            ),
            (
                "the home of a user of the system",
                with(home, "") + &user(r#"{"name": "core", "system": true, "homeDir": ""}"#),
                Some("/storage/filesystems/1/format"),
            ),
            (
                "a home that is not made",
                with(home, "") + &user(r#"{"name": "core", "noCreateHome": true}"#),
                None,
            ),
            (
                "keys in a home that is not made",
                with(home, "")
                    + &user(
                        r#"{"name": "core", "noCreateHome": true, "sshAuthorizedKeys": ["ssh-ed25519 AAAA a"]}"#,
                    ),
                Some("/storage/filesystems/1/format"),
            ),
            (
                "another home",
                with(home, "") + &user(r#"{"name": "core", "homeDir": "/srv/c"}"#),
                None,
            ),
            (
                "the home of root",
                with(home, "") + &user(r#"{"name": "root"}"#),
                None,
            ),
            (
                "nobody's home",
                with(home, "") + &user(r#"{"name": "core", "shouldExist": false}"#),
                None,
            ),
            (
                "numbers within",
                with(
                    swap,
                    r#", "files": [{"path": "/a", "user": {"id": 65535}, "group": {"id": 999}}]"#,
                ),
                None,
            ),
            (
                "a user's number beyond",
                with(
                    swap,
                    r#", "links": [{"path": "/a", "target": "b", "user": {"id": 65536}}]"#,
                ),
                Some("/storage/links/0/user/id"),
            ),
            (
                "a group's number beyond",
                with(swap, r#", "files": [{"path": "/a", "group": {"id": 1000}}]"#),
                Some("/storage/files/0/group/id"),
            ),
            (
                "the number of a group beyond",
                with(swap, "") + r#", "passwd": {"groups": [{"name": "g", "gid": 1000}]}"#,
                Some("/passwd/groups/0/gid"),
            ),
        ] {
            let found = refused(&text, SectorSize::S512);
            let is_as_expected = match (&found, place) {
                (None, None) => true,
                (Some((code, at)), Some(place)) => code == "image-needs-root" && at.contains(place),
                _ => false,
            };
            assert!(is_as_expected, "{row}: {found:?}");
        }
    }

    #[test]
    fn with_split_the_stamp_stays_wherever_it_is() {
        let config =
            r#""storage": {"filesystems": [{"device": "/dev/vda2", "format": "vfat", "path": "/boot"}]}"#;
        assert!(refused_if(config, SectorSize::S512, false).is_some());
        assert_eq!(refused_if(config, SectorSize::S512, true), None);
    }

    #[test]
    fn large_sectors_are_for_what_is_there() {
        let made = |format: &str| {
            format!(r#""storage": {{"filesystems": [{{"device": "/dev/vda1", "format": "{format}"}}]}}"#)
        };
        for (format, is_refused) in [
            ("ext4", true),
            ("xfs", true),
            ("vfat", true),
            ("swap", false),
            ("btrfs", false),
        ] {
            assert_eq!(
                refused(&made(format), SectorSize::S4096).is_some(),
                is_refused,
                "{format}"
            );
            assert_eq!(refused(&made(format), SectorSize::S512), None, "{format}");
        }
    }
}
