//! The `storage` section.

mod disk;
mod filesystem;
mod luks;
mod node;
mod raid;

pub(crate) use luks::{CEX, TANG};
pub(crate) use node::OWNER;

use super::{Joining, Table, objects};
use crate::version::Version::{V3_0_0, V3_2_0};

pub(super) static STORAGE: Table = Table {
    name: "storage",
    fields: &[
        objects(
            V3_0_0,
            "directories",
            &node::DIRECTORY,
            Joining::ByAcross("path", "files and links"),
            "Directories to make.",
        ),
        objects(
            V3_0_0,
            "disks",
            &disk::DISK,
            Joining::By("device"),
            "Disks and the partitions they shall have.",
        ),
        objects(
            V3_0_0,
            "files",
            &node::FILE,
            Joining::ByAcross("path", "directories and links"),
            "Regular files to write.",
        ),
        objects(
            V3_0_0,
            "filesystems",
            &filesystem::FILESYSTEM,
            Joining::By("device"),
            "File systems to make, and where they are mounted while files are written.",
        ),
        objects(
            V3_0_0,
            "links",
            &node::LINK,
            Joining::ByAcross("path", "directories and files"),
            "Symbolic and hard links to make.",
        ),
        objects(
            V3_2_0,
            "luks",
            &luks::LUKS,
            Joining::By("name"),
            "Encrypted volumes to make (LUKS).",
        ),
        objects(
            V3_0_0,
            "raid",
            &raid::RAID,
            Joining::By("name"),
            "Software RAID arrays, made by mdadm.",
        ),
    ],
};
