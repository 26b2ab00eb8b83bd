//! What a config says beside its files of where a program may come from: scripts and commands that install things,
//! file systems that are mounted, images that are laid over.

use super::commands::{Command, commands};
use super::{all, brings_extensions, texts};
use crate::facts::is_below;
use crate::lint::resources::inline;
use crate::types::Config;
use crate::unit_file;

/// How much of a file is searched, in bytes.
const LIMIT: u64 = 1 << 20;

/// Directories that are named in every other script, so that their name tells nothing.
const USUAL: [&str; 10] = [
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/libexec",
    "/bin",
    "/sbin",
    "/lib",
    "/etc",
    "/var",
];

/// Programs that bring others below `/usr`.
const INSTALLERS: [&str; 8] = [
    "apt-get",
    "apk add",
    "bootc",
    "dnf",
    "pacman",
    "rpm-ostree",
    "transactional-update",
    "zypper",
];

/// What a config says beside its files.
pub(super) struct Elsewhere {
    /// Arguments of commands, values of other directives, and inline files.
    texts: Vec<String>,
    /// Where something is mounted.
    mounts: Vec<String>,
    has_extensions: bool,
    has_installer: bool,
}

impl Elsewhere {
    pub(super) fn new(config: &Config) -> Self {
        let mut said = Vec::new();
        let mut mounts: Vec<String> = Vec::new();
        for (at, unit) in all(config) {
            let is_argued = |command: &Command| command.arguments().join(" ");
            said.extend(commands(&at, unit).iter().map(is_argued));
            for (_, text) in texts(&at, unit) {
                let options = unit_file::options(text).filter(|option| !option.name.starts_with("Exec"));
                for option in options {
                    if option.name == "Where" {
                        mounts.push(option.value());
                    }
                    said.push(option.value());
                }
            }
        }
        let programs = all(config).flat_map(|(at, unit)| commands(&at, unit));
        let programs: Vec<String> = programs
            .filter_map(|command| command.program().map(str::to_owned))
            .collect();
        for file in &config.storage.files {
            let resources = std::iter::once(&file.contents).chain(&file.append);
            said.extend(resources.filter_map(|resource| inline::text(resource, LIMIT)));
        }
        let filesystems = config.storage.filesystems.iter();
        mounts.extend(filesystems.filter_map(|filesystem| filesystem.path.clone()));
        let installs = |text: &String| INSTALLERS.iter().any(|program| text.contains(program));
        Self {
            has_installer: said.iter().chain(&programs).any(installs),
            has_extensions: brings_extensions(config),
            texts: said,
            mounts,
        }
    }

    /// Whether something of this may bring `program`, a path or a bare name.
    pub(super) fn may_bring(&self, program: &str) -> bool {
        let is_of =
            |dirs: &[&str]| !program.starts_with('/') || dirs.iter().any(|dir| is_below(program, dir));
        let is_packaged =
            is_of(&["/usr", "/bin", "/sbin", "/lib", "/lib64"]) && !is_below(program, "/usr/local");
        let is_mounted = |path: &String| path != "/" && is_below(program, path);
        (self.has_installer && is_packaged)
            || (self.has_extensions && is_of(&["/usr", "/opt"]))
            || self.mounts.iter().any(is_mounted)
            || self.names(program)
    }

    /// Whether a text names the program, or a directory it is in.
    fn names(&self, program: &str) -> bool {
        let dirs = std::iter::successors(Some(program), |path| {
            path.rsplit_once('/')
                .map(|(dir, _)| dir)
                .filter(|dir| !dir.is_empty())
        });
        dirs.filter(|dir| dir.starts_with('/') && !USUAL.contains(dir))
            .any(|dir| self.texts.iter().any(|text| text.contains(dir)))
    }

    /// Whether any text changes modes.
    pub(super) fn changes_modes(&self, config: &Config) -> bool {
        let is_chmod = |command: Command| {
            command
                .program()
                .is_some_and(|program| program.ends_with("chmod"))
        };
        let mut all = all(config).flat_map(|(at, unit)| commands(&at, unit));
        all.any(is_chmod)
            || self
                .texts
                .iter()
                .any(|text| text.contains("chmod") || text.contains("install -m"))
    }
}
