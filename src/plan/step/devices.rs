//! What the steps of the disks stage are made of.

use std::path::PathBuf;

use serde::Serialize;

use super::Step;
use crate::gpt;
use crate::invocation::Invocation;
use crate::plan::partitions::{KernelChange, KernelView};

/// File system formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// btrfs.
    Btrfs,
    /// ext4.
    Ext4,
    /// FAT.
    Vfat,
    /// XFS.
    Xfs,
    /// A swap area.
    Swap,
    /// No file system: the device is left without any signature.
    None,
}

/// What is erased from a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// What is there, by name.
    pub found: String,
    /// Left behind by an interrupted run of this very config, so not somebody's data.
    pub unfinished: bool,
}

/// A member of an array that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The path in the config.
    pub device: PathBuf,
    /// The node.
    pub node: PathBuf,
    /// What is erased first.
    pub erase: Option<Erased>,
}

/// What opens an encrypted volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlock {
    /// Its key.
    Key,
    /// Clevis.
    Clevis,
    /// The key that an earlier boot stored in the target: the mount stage opens it.
    Stored,
}

/// One change of a disk's partition table, in the order of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableWrite {
    /// Whatever table there was is gone: the kernel forgets every partition first.
    pub wiped: bool,
    /// Stretches that are filled with zeros.
    pub erase: Vec<gpt::Extent>,
    /// The table as it will be, unfinished marks included; `None` leaves the disk without one.
    pub table: Option<gpt::Table>,
    /// What the kernel is told at the end.
    pub kernel: Vec<KernelChange>,
    /// What it shows then.
    pub view: KernelView,
}

impl TableWrite {
    /// A table that differs from the one that is there in what its entries say, and in no boundary: the kernel need not be
    /// told, and its partitions may be in use.
    #[must_use]
    pub fn of_entries(table: gpt::Table) -> Self {
        Self {
            wiped: false,
            erase: Vec::new(),
            table: Some(table),
            kernel: Vec::new(),
            view: KernelView::default(),
        }
    }
}

impl Step {
    /// Puts words in the place of identifiers that only the boot itself derives: a plan that is made elsewhere or earlier
    /// has others, and each time new ones.
    pub fn leave_open(&mut self) {
        let calls: &mut [Invocation] = match self {
            Self::FormatVolume { calls, .. } => calls,
            Self::CreateArray { call, .. } | Self::MakeFilesystem { call, .. } => std::slice::from_mut(call),
            _ => &mut [],
        };
        calls.iter_mut().for_each(Invocation::leave_open);
    }
}
