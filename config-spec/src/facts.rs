//! Facts about a target's root: what the paths, names and units of a config will meet there.
//!
//! They are read once, by `kindling inspect`, kept as JSON, and asked by the checker; no machine is looked at here.
//! A path that stands in none of the lists does not exist in the target, unless it is below one of [`UNKNOWN`]:
//! those places are not looked into, since the running system fills them or nobody configures them.
//! [`Facts::knows`] tells the two apart.

use serde::{Deserialize, Serialize};

use crate::order::{OrderedMap, OrderedSet};
use crate::rules;

/// Directories that are listed, but whose contents are not.
pub const UNKNOWN: [&str; 11] = [
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/usr/share/doc",
    "/usr/share/locale",
    "/usr/share/man",
    "/var/cache",
    "/var/log",
    "/var/tmp",
];

/// How many links one path may go through, as in the kernel (`MAXSYMLINKS`, linux/namei.h).
const LINKS_FOLLOWED: usize = 40;

/// Where systemd looks for a program that is named without a slash (`DEFAULT_PATH`, systemd's path-lookup), with the
/// directories of roots where `/bin` is not a link.
pub(crate) const PROGRAM_DIRS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// A target's root. Paths are absolute and without `.`, `..` and a slash at the end; the root itself is in no list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Facts {
    /// The format of this data.
    pub version: Format,
    /// Which distribution it is.
    pub os_release: OsRelease,
    /// Users by name.
    pub users: OrderedMap<String, Account>,
    /// Groups by name, with their numeric id.
    pub groups: OrderedMap<String, u32>,
    /// Names of unit files and of links to them, `/run` left out. A mask is no unit.
    pub units: OrderedSet<String>,
    /// Paths that are read-only in the target, with everything below them. A writable mount below one is not known.
    pub read_only: OrderedSet<String>,
    /// Directories.
    pub directories: OrderedSet<String>,
    /// Symbolic links, with what they hold, as it is written.
    pub links: OrderedMap<String, String>,
    /// Regular files that nobody may execute.
    pub files: OrderedSet<String>,
    /// Regular files with an execute bit; none of them is in `files`.
    pub programs: OrderedSet<String>,
    /// Devices, sockets and pipes.
    pub special: OrderedSet<String>,
}

/// The format of [`Facts`]: 1, the only one there is. Reading refuses any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Format;

impl Format {
    const NUMBER: u64 = 1;
}

impl From<Format> for u64 {
    fn from(Format: Format) -> Self {
        Format::NUMBER
    }
}

impl TryFrom<u64> for Format {
    type Error = UnknownFormat;

    fn try_from(number: u64) -> Result<Self, UnknownFormat> {
        if number == Self::NUMBER {
            Ok(Self)
        } else {
            Err(UnknownFormat(number))
        }
    }
}

/// Facts in a format that this program does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "facts of version {0}, where version 1 is expected; make them with the kindling inspect of this release"
)]
pub struct UnknownFormat(u64);

/// Which distribution it is, from os-release(5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OsRelease {
    /// `ID`, for example `debian`.
    pub id: Option<String>,
    /// `VERSION_ID`, for example `12`.
    pub version_id: Option<String>,
}

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Numeric user.
    pub uid: u32,
    /// Numeric primary group.
    pub gid: u32,
}

/// What stands at the end of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The path without links.
    pub path: String,
    /// What is there.
    pub kind: Kind,
}

/// What an object is. Links are none: they are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file that nobody may execute.
    File,
    /// A regular file with an execute bit.
    Program,
    /// A device, a socket or a pipe.
    Special,
}

/// Where a path leads.
enum Walked {
    To(Node),
    Nowhere,
    /// Below one of [`UNKNOWN`].
    Beyond,
}

impl Facts {
    /// What `path` leads to, with links followed as the target would: inside the root, at most 40 of them, and `..`
    /// of the root is the root. `None` where nothing is, or nothing is known.
    #[must_use]
    pub fn resolve(&self, path: &str) -> Option<Node> {
        match self.walk(path) {
            Walked::To(node) => Some(node),
            Walked::Nowhere | Walked::Beyond => None,
        }
    }

    /// Whether what [`Self::resolve`] says of `path` is certain; false below one of [`UNKNOWN`].
    #[must_use]
    pub fn knows(&self, path: &str) -> bool {
        !matches!(self.walk(path), Walked::Beyond)
    }

    /// Whether the target can execute `program`: a path, or a name without a slash in the directories that systemd
    /// searches.
    #[must_use]
    pub fn has_program(&self, program: &str) -> bool {
        let is_program = |path: &str| self.resolve(path).is_some_and(|node| node.kind == Kind::Program);
        if program.contains('/') {
            is_program(program)
        } else {
            !program.is_empty()
                && PROGRAM_DIRS
                    .iter()
                    .any(|dir| is_program(&format!("{dir}/{program}")))
        }
    }

    /// Whether the target has the user `name`.
    #[must_use]
    pub fn has_user(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }

    /// Whether the target has the group `name`.
    #[must_use]
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// Whether the target has the unit `name`. An instance such as `a@x.service` is provided by its template.
    #[must_use]
    pub fn has_unit(&self, name: &str) -> bool {
        self.units.contains(name) || template_of(name).is_some_and(|template| self.units.contains(&template))
    }

    /// Whether `path` is read-only in the target, as far as its image says.
    #[must_use]
    pub fn is_read_only(&self, path: &str) -> bool {
        let real = self.resolve(path).map(|node| node.path);
        let path = real.as_deref().unwrap_or(path);
        self.read_only.iter().any(|at| is_below(path, at) || path == at)
    }

    fn walk(&self, path: &str) -> Walked {
        let mut links_left = LINKS_FOLLOWED;
        // What is still to be walked, the next step last.
        let mut steps: Vec<&str> = path.split('/').rev().collect();
        // Where the walk is; the root is the empty path here, so that a step can simply be appended.
        let mut here = String::new();
        while let Some(step) = steps.pop() {
            match step {
                "" | "." => continue,
                ".." => {
                    here.truncate(here.rfind('/').unwrap_or_default());
                    continue;
                }
                name => here.extend(["/", name]),
            }
            if let Some(target) = self.links.get(&here) {
                let Some(left) = links_left.checked_sub(1) else {
                    return Walked::Nowhere;
                };
                links_left = left;
                here.truncate(if target.starts_with('/') {
                    0
                } else {
                    here.rfind('/').unwrap_or_default()
                });
                steps.extend(target.split('/').rev());
            } else if !self.directories.contains(&here) {
                return self.at_end(here, steps.is_empty());
            }
        }
        let path = if here.is_empty() { "/".to_owned() } else { here };
        Walked::To(Node {
            path,
            kind: Kind::Directory,
        })
    }

    /// Ends a walk at what is no directory, or not there.
    fn at_end(&self, path: String, is_last: bool) -> Walked {
        let kinds = [
            (Kind::File, &self.files),
            (Kind::Program, &self.programs),
            (Kind::Special, &self.special),
        ];
        match kinds.iter().find(|(_, paths)| paths.contains(&path)) {
            Some((kind, _)) if is_last => Walked::To(Node { path, kind: *kind }),
            Some(_) => Walked::Nowhere,
            None if UNKNOWN.iter().any(|at| is_below(&path, at) || path == *at) => Walked::Beyond,
            None => Walked::Nowhere,
        }
    }
}

/// Whether `path` is below the directory `dir`; both are clean.
#[must_use]
pub fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.starts_with('/') || (dir == "/" && !rest.is_empty()))
}

/// Whether `name` ends as the name of a unit does.
#[must_use]
pub fn is_unit_name(name: &str) -> bool {
    rules::is_unit_name(name)
}

/// `a@.service` for `a@x.service`; `None` for what is no instance.
pub(crate) fn template_of(name: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    let (prefix, instance) = stem.split_once('@')?;
    (!prefix.is_empty() && !instance.is_empty()).then(|| format!("{prefix}@.{kind}"))
}

#[cfg(test)]
mod tests;
