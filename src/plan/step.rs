//! What a plan is made of.

mod devices;
mod nodes;

use std::fmt;
use std::path::PathBuf;

use kindling_config_spec::order::{OrderedMap, OrderedSet};
use kindling_config_spec::types::Resource;
use kindling_config_spec::units::{Mode, SectorSize};
use serde::{Deserialize, Serialize};

use super::crypttab;
use super::partitions::{KernelView, SlotOutcome};
use crate::gpt;
use crate::inventory::stack::Stacked;
use crate::inventory::target::AccountWork;
use crate::invocation::Invocation;
use crate::shadow::Edit;

pub use devices::{Erased, Format, Member, TableWrite, Unlock};
pub use nodes::{Before, FileStep};

/// The stages of a first boot, in their order. The names are those of the command line and the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Acquires the config without the network, or asks for the network.
    FetchOffline,
    /// Acquires the config.
    Fetch,
    /// Has the boot loader's kernel arguments changed.
    Kargs,
    /// Partition tables and file systems.
    Disks,
    /// Mounts the target's file systems.
    Mount,
    /// Users, files, units.
    Files,
    /// Undoes the mount stage.
    Umount,
    /// The machine joins its cluster. None of [`Self::ALL`]: most boots have nothing to join, and it may come after the others.
    Join,
}

impl Stage {
    /// Every stage of every first boot, in its order.
    pub const ALL: &[Self] = &[
        Self::FetchOffline,
        Self::Fetch,
        Self::Kargs,
        Self::Disks,
        Self::Mount,
        Self::Files,
        Self::Umount,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FetchOffline => "fetch-offline",
            Self::Fetch => "fetch",
            Self::Kargs => "kargs",
            Self::Disks => "disks",
            Self::Mount => "mount",
            Self::Files => "files",
            Self::Umount => "umount",
            Self::Join => "join",
        }
    }

    /// The stage of that name, as records have it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = Self::ALL.iter().chain(&[Self::Join]).copied();
        all.into_iter().find(|stage| stage.name() == name)
    }

    /// The stage of [`Self::ALL`] that has that name, as command lines have it.
    #[must_use]
    pub fn asked(name: &str) -> Option<Self> {
        Self::from_name(name).filter(|stage| Self::ALL.contains(stage))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What one stage does, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The stage.
    pub stage: Stage,
    /// Its steps.
    pub steps: Vec<Planned>,
}

impl Plan {
    /// A plan without steps.
    #[must_use]
    pub fn empty(stage: Stage) -> Self {
        Self {
            stage,
            steps: Vec::new(),
        }
    }

    /// Adds a step that the config asks for at `pointer`.
    pub fn push(&mut self, pointer: impl Into<String>, step: Step) {
        self.steps.push(Planned {
            pointer: pointer.into(),
            step,
        });
    }
}

/// A step, and the place in the rendered config that asks for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// RFC 6901.
    pub pointer: String,
    /// What is done.
    #[serde(flatten)]
    pub step: Step,
}

/// Owner of a file or directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Id {
    /// As it is; 0 for something new.
    Keep,
    /// A number.
    Number(u32),
    /// A name, looked up in the target when the step runs, since a step before it may create it.
    Name(String),
}

/// Owner, group and mode of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ownership {
    /// User.
    pub user: Id,
    /// Group.
    pub group: Id,
    /// Permission bits; `None` leaves them.
    pub mode: Option<Mode>,
}

/// Bytes that a step writes. Their content never appears in a printed plan.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Carried by the config.
    Inline(#[serde(serialize_with = "only_length")] Vec<u8>),
    /// Fetched, unpacked and verified before the first write of the stage.
    Remote(#[serde(serialize_with = "only_source")] Box<Resource>),
    /// A key: whoever runs the plan has it.
    Secret(Secret),
    /// Lines of crypttab(5), behind what the parts before leave.
    Crypttab(Vec<crypttab::Line>),
}

/// Which key a file holds. The key itself stands in no plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// What opens the volume of this name.
    Volume(String),
    /// What zkey(1) keeps of a secure key, by the name of the file.
    SecureKey(String),
}

fn only_length<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(bytes.len() as u64)
}

fn only_source<S: serde::Serializer>(resource: &Resource, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&super::show::source(resource))
}

impl fmt::Debug for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(out, "Inline({} bytes)", bytes.len()),
            Self::Remote(resource) => write!(out, "Remote({})", super::show::source(resource)),
            Self::Secret(secret) => write!(out, "{secret:?}"),
            Self::Crypttab(lines) => write!(out, "Crypttab({lines:?})"),
        }
    }
}

/// One line of the account database or one node of the tree as a step leaves it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Runs the distribution's hook for the boot loader's kernel arguments.
    KernelArguments {
        /// The one call of the hook.
        call: Invocation,
    },
    /// Writes a partition table and tells the kernel what changed in it.
    WriteTable {
        /// The path in the config.
        device: PathBuf,
        /// The disk's node.
        node: PathBuf,
        /// What is written.
        write: Box<TableWrite>,
        /// What happens to each configured partition, for the reader of the plan.
        slots: Vec<SlotOutcome>,
        /// What stood on the disk before, in words.
        before: String,
        /// The partitions that go with a table which is wiped, by number.
        lost: OrderedMap<u32, gpt::Entry>,
        /// The disk's logical sector size.
        sector: SectorSize,
    },
    /// A disk whose partitions already are as the config asks.
    KeepTable {
        /// The path in the config.
        device: PathBuf,
        /// The disk's node.
        node: PathBuf,
        /// What happens to each configured partition: nothing.
        slots: Vec<SlotOutcome>,
        /// What the kernel has to show: a run that was killed may not have told it of everything.
        view: KernelView,
    },
    /// Stops arrays and removes mappings that stand on devices which may be wiped.
    TakeDown {
        /// What is taken down, in this order.
        stack: Vec<Stacked>,
        /// Partitions and disks that the config takes away, and that would bring it back: their signatures go.
        erase: OrderedSet<PathBuf>,
    },
    /// Makes an array.
    CreateArray {
        /// As the config names it, below `/dev`.
        device: PathBuf,
        /// Its node or the link to it.
        node: PathBuf,
        /// Its members, in their order.
        members: Vec<Member>,
        /// The call that makes it.
        call: Invocation,
    },
    /// An array that runs as the config asks.
    KeepArray {
        /// As the config names it, below `/dev`.
        device: PathBuf,
    },
    /// Makes and opens an encrypted volume.
    FormatVolume {
        /// Its name.
        name: String,
        /// The path of its device in the config.
        device: PathBuf,
        /// The device's node.
        node: PathBuf,
        /// What is erased first.
        erase: Option<Erased>,
        /// The calls, in order.
        calls: Vec<Invocation>,
    },
    /// An encrypted volume that is there as the config asks. It is open already: else nobody could tell what is in it.
    KeepVolume {
        /// Its name.
        name: String,
        /// The path of its device in the config.
        device: PathBuf,
        /// By what it was opened.
        unlock: Unlock,
        /// The call that stores what later boots open it with, where that changes.
        refresh: Option<Invocation>,
    },
    /// Erases every signature on a device.
    WipeSignatures {
        /// The path in the config.
        device: PathBuf,
        /// The node.
        node: PathBuf,
        /// What goes.
        erase: Erased,
    },
    /// Makes a file system.
    MakeFilesystem {
        /// The path in the config.
        device: PathBuf,
        /// The node.
        node: PathBuf,
        /// Its format.
        format: Format,
        /// The call that makes it; its last argument is the node.
        call: Invocation,
    },
    /// A file system that already is as the config asks.
    KeepFilesystem {
        /// The path in the config.
        device: PathBuf,
        /// Its format by name.
        format: String,
    },
    /// Takes the unfinished marks off a table once every file system on the disk is complete.
    FinishTable {
        /// The path in the config.
        device: PathBuf,
        /// The disk's node.
        node: PathBuf,
        /// The table without the marks.
        table: gpt::Table,
        /// The partitions that carried one.
        numbers: OrderedSet<u32>,
    },
    /// Waits until udev has finished with the devices that were changed.
    SettleDevices {
        /// Their nodes.
        nodes: OrderedSet<PathBuf>,
    },
    /// Mounts a file system below the root.
    Mount {
        /// The path in the target.
        path: PathBuf,
        /// The call; device and full target are its last two arguments.
        call: Invocation,
        /// Already mounted there, by an earlier run of the stage.
        mounted: bool,
        /// What of it gets SELinux labels; nothing on a target without a policy.
        labels: Option<MountLabels>,
    },
    /// Unmounts what the mount stage mounted.
    Unmount {
        /// The path in the target.
        path: PathBuf,
        /// The path as the initramfs sees it.
        point: PathBuf,
        /// Nothing is mounted there any more.
        absent: bool,
    },
    /// Creates, changes or deletes a group or a user.
    Account {
        /// The call.
        call: Invocation,
        /// It would find nothing to do.
        already: bool,
        /// What the call does: half done until it ends.
        work: AccountWork,
        /// The home directory that is not there any more afterwards: deleted, or moved away.
        leaves: Option<PathBuf>,
    },
    /// Does by itself what an account program would, where the initramfs has no such program.
    EditAccount {
        /// What is done. It prints as the program's call, and its password never.
        edit: Box<Edit>,
        /// It would find nothing to do.
        already: bool,
        /// What the edit does: half done until it ends.
        work: AccountWork,
        /// As for a program.
        leaves: Option<PathBuf>,
    },
    /// Removes the locks and unfinished files that killed account programs left in the target.
    ClearAccountLocks,
    /// Gives the directories that the mount stage made below a home to the user whose home it is, mode 0700.
    HandOver {
        /// Every directory the mount stage made.
        made: Vec<PathBuf>,
        /// The user.
        user: String,
    },
    /// Writes the SSH keys a user may log in with.
    AuthorizedKeys {
        /// The user.
        user: String,
        /// Below the home directory.
        file: PathBuf,
        /// The keys: public, but nobody needs them in a log.
        #[serde(skip)]
        keys: Vec<String>,
    },
    /// Removes whatever stands at a path.
    Remove {
        /// The path.
        path: PathBuf,
        /// What it is, in words.
        found: String,
    },
    /// Makes a directory with its parents, or sets owner and mode of an existing one.
    Directory {
        /// The path.
        path: PathBuf,
        /// Owner and mode.
        ownership: Ownership,
        /// It is there.
        exists: bool,
    },
    /// Makes a directory that only root may enter.
    PrivateDirectory {
        /// The path.
        path: PathBuf,
    },
    /// Puts a file with all its content in one visible step.
    File(FileStep),
    /// Makes a symbolic link.
    Symlink {
        /// The path.
        path: PathBuf,
        /// What it holds.
        target: PathBuf,
        /// Owner; the mode of a link means nothing.
        ownership: Ownership,
        /// It is there, with this target.
        exists: bool,
    },
    /// Gives an existing file a further name.
    HardLink {
        /// The path.
        path: PathBuf,
        /// The file.
        target: PathBuf,
        /// It is there, the same file.
        exists: bool,
    },
    /// Adds lines to the preset file, by which systemd enables units on a boot it considers the first.
    Preset {
        /// The lines, in their order.
        lines: Vec<PresetLine>,
    },
    /// Enables units as the presets say: what systemd does when it takes a boot for the first.
    ApplyPresets {
        /// The call.
        call: Invocation,
    },
    /// Writes the result file, the last of what the stage writes.
    Result {
        /// Its content: JSON, with a line end.
        #[serde(skip)]
        text: String,
        /// It is there, written by an earlier run of this very first boot.
        already: bool,
        /// Mount points whose file systems are forced to the medium before it appears, besides the root's.
        synced: OrderedSet<PathBuf>,
    },
    /// Labels what was written, on a target with SELinux.
    Relabel {
        /// The policy's file contexts.
        contexts: PathBuf,
        /// The first path of each that did not exist.
        paths: OrderedSet<PathBuf>,
        /// Users whose homes, with all they hold, are labelled: where those are is known once the users are.
        homes_of: OrderedSet<String>,
    },
    /// Takes the unfinished mark off an encrypted volume, once what opens it is on the medium.
    FinishVolume {
        /// The path in the config.
        device: PathBuf,
        /// What must be on the medium before: the files that open the volume.
        stored: OrderedSet<PathBuf>,
        /// The call that takes it off.
        call: Invocation,
    },
}

/// What a mount leaves labelled: the directories that are made for it, and the root of a file system that is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MountLabels {
    /// The policy's file contexts, in the target.
    pub contexts: PathBuf,
    /// The format can hold labels at all.
    pub inside: bool,
}

/// One line of the preset file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PresetLine {
    /// Written as it is, without a line end.
    Enable(String),
    /// `disable UNIT`, and only if the unit is enabled in the target: then that is undone as well
    /// (engine.md 4.6.7). Whether it is can depend on the unit file this very plan writes.
    DisableIfEnabled(String),
}
