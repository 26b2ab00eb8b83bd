//! The target's tree and accounts as data.

use std::path::PathBuf;

use kindling_config_spec::order::{OrderedMap, OrderedSet};
use kindling_config_spec::units::Mode;
use serde::{Deserialize, Serialize};

use super::disks::Content;
use crate::invocation::Program;
use crate::shadow::Databases;

/// What an object in the target's tree is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, not followed.
    Symlink {
        /// What it holds, as it is written.
        target: PathBuf,
    },
    /// A device, a socket or a pipe.
    Other,
}

impl Kind {
    /// The kind in words, for a message.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Symlink { .. } => "a symbolic link",
            Self::Other => "a special file",
        }
    }
}

/// One object in the target's tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Permission bits.
    pub mode: Mode,
    /// Device and inode number: two names with equal ones are hard links of one object.
    pub inode: (u64, u64),
}

/// A user of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Numeric user.
    pub uid: u32,
    /// Numeric primary group.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
}

/// What one call of an account program does. A program that is killed leaves it half done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccountWork {
    /// Creates a user.
    NewUser {
        /// The user.
        name: String,
        /// The home directory it makes, where nothing stood before.
        home: Option<PathBuf>,
        /// It makes the group of the same name, where no such group was before.
        #[serde(default)]
        own_group: bool,
    },
    /// Creates a group.
    NewGroup {
        /// The group.
        name: String,
    },
    /// Changes or deletes a user or a group; it is done once more, from the start.
    Change {
        /// The user or the group.
        name: String,
    },
}

/// The device of an encrypted volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its node, links resolved.
    pub node: PathBuf,
    /// What is on it.
    pub content: Content,
    /// The label of a volume with a subsystem, letter by letter: in [`Content`] letters beyond ASCII are spelt out.
    pub label: Option<String>,
}

/// What the files stage must know about the target before it plans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What stands at each path the config names, by the path as configured. Absent paths are absent here.
    pub nodes: OrderedMap<PathBuf, Node>,
    /// Each configured path with the links among its parents replaced.
    pub resolved: OrderedMap<PathBuf, PathBuf>,
    /// Directories above those paths that exist.
    pub existing_parents: OrderedSet<PathBuf>,
    /// Users that exist, by name.
    pub users: OrderedMap<String, Account>,
    /// Groups that exist, by name, with their number.
    pub groups: OrderedMap<String, u32>,
    /// Files that an interrupted earlier run of ours put there, and whose content is complete.
    pub complete: OrderedSet<PathBuf>,
    /// Files that it put where nothing was, and whose content did not reach the medium whole.
    pub half_written: OrderedSet<PathBuf>,
    /// Key files that it put where nothing was. Whether they hold the keys of now is not known.
    pub own_keys: OrderedSet<PathBuf>,
    /// Account programs that an earlier run began and did not see the end of.
    pub unfinished: OrderedSet<AccountWork>,
    /// By user that is to be created: the home that this makes, where nothing stands.
    pub new_homes: OrderedMap<String, PathBuf>,
    /// The account databases without passwords, and the settings for new accounts.
    #[serde(skip)]
    pub databases: Databases,
    /// Numbers of the config that some user has whom only the target's name service knows.
    pub foreign_uids: OrderedSet<u32>,
    /// Numbers of the config that some group has which only the target's name service knows.
    pub foreign_gids: OrderedSet<u32>,
    /// What stands where homes are or shall be.
    pub homes: OrderedMap<PathBuf, Node>,
    /// Account programs that the initramfs lacks.
    #[serde(skip)]
    pub missing_programs: OrderedSet<Program>,
    /// The target's accounts were read, so that a name which is not in `users` or `groups` does not exist.
    pub accounts_known: bool,
    /// Where something is mounted at or below the root, each with the links of its path replaced.
    pub mount_points: OrderedSet<PathBuf>,
    /// Configured paths that cannot be made, with what stands above them and is no directory.
    pub blocked: OrderedMap<PathBuf, (PathBuf, Kind)>,
    /// The result file of an earlier provisioning, as it stands.
    pub previous_result: Option<String>,
    /// The digest of another config whose files stage began here and never came to its end.
    #[serde(skip)]
    pub begun_with: Option<String>,
    /// `/etc/crypttab`, as it stands.
    pub crypttab: Option<String>,
    /// `/etc/kernel/cmdline`, as it stands.
    pub kernel_cmdline: Option<String>,
    /// Encrypted volumes that are there, by name. `None` in a dry run: nobody looked, since they are not made yet.
    pub volumes: Option<OrderedMap<String, Volume>>,
    /// systemd will take the next boot for the first, and apply presets then: no machine id, or `uninitialized`
    /// (machine-id(5), "First Boot Semantics").
    pub awaits_presets: bool,
    /// The SELinux file contexts of the target's policy, when it has one.
    pub selinux_contexts: Option<PathBuf>,
}
