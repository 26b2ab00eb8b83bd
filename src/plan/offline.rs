//! What of a config can be done where the machine does not run, and what must wait for its first boot.

mod held;

use std::path::PathBuf;

use kindling_config_spec::order::OrderedSet;
use kindling_config_spec::types::Config;
use kindling_config_spec::types::kindling::FileExtra;

use super::Conflict;
use crate::inventory::recorded::Recorded;
pub use held::{boot_devices, labelled_boot};

/// How far a config is carried out away from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Files, directories, links and units only, as `ignition-apply` (engine.md 1.4).
    Bare,
    /// A root below some directory, with its accounts.
    Tree,
    /// The disks of a machine, as images.
    Image,
}

/// A section of the config that one extent or another cannot carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    KernelArguments,
    Disks,
    Raid,
    Filesystems,
    Luks,
    Users,
    Groups,
    /// Files with values of the machine in them.
    Values,
}

impl Section {
    /// In the order in which the stages would come to them.
    pub(super) const ALL: [Self; 8] = [
        Self::KernelArguments,
        Self::Disks,
        Self::Raid,
        Self::Filesystems,
        Self::Luks,
        Self::Users,
        Self::Groups,
        Self::Values,
    ];

    pub(super) fn pointer(self) -> &'static str {
        match self {
            Self::KernelArguments => "/kernelArguments",
            Self::Disks => "/storage/disks",
            Self::Raid => "/storage/raid",
            Self::Filesystems => "/storage/filesystems",
            Self::Luks => "/storage/luks",
            Self::Users => "/passwd/users",
            Self::Groups => "/passwd/groups",
            Self::Values => "/kindling/files",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::KernelArguments => "kernel arguments",
            Self::Disks => "partition tables",
            Self::Raid => "arrays",
            Self::Filesystems => "file systems",
            Self::Luks => "encrypted volumes",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Values => "contents with placeholders",
        }
    }

    pub(super) fn is_asked_for(self, config: &Config) -> bool {
        let (storage, passwd) = (&config.storage, &config.passwd);
        match self {
            Self::KernelArguments => {
                let arguments = &config.kernel_arguments;
                !arguments.should_exist.is_empty() || !arguments.should_not_exist.is_empty()
            }
            Self::Disks => !storage.disks.is_empty(),
            Self::Raid => !storage.raid.is_empty(),
            Self::Filesystems => !storage.filesystems.is_empty(),
            Self::Luks => !storage.luks.is_empty(),
            Self::Users => !passwd.users.is_empty(),
            Self::Groups => !passwd.groups.is_empty(),
            Self::Values => config
                .storage
                .files
                .iter()
                .any(|file| has_values(config, &file.path)),
        }
    }

    /// The table of docs/semantics.md, "Away from the machine".
    pub(super) fn is_carried_out(self, extent: Extent) -> bool {
        match self {
            // Keys, arrays and values belong to the machine that has them.
            Self::Raid | Self::Luks | Self::Values => false,
            // A root alone need not be what a boot loader reads.
            Self::KernelArguments | Self::Disks | Self::Filesystems => extent == Extent::Image,
            Self::Users | Self::Groups => extent != Extent::Bare,
        }
    }

    pub(super) fn copy(self, from: &Config, to: &mut Config) {
        match self {
            Self::KernelArguments => to.kernel_arguments = from.kernel_arguments.clone(),
            Self::Disks => to.storage.disks.clone_from(&from.storage.disks),
            Self::Raid => to.storage.raid.clone_from(&from.storage.raid),
            Self::Filesystems => to.storage.filesystems.clone_from(&from.storage.filesystems),
            Self::Luks => to.storage.luks.clone_from(&from.storage.luks),
            Self::Users => to.passwd.users.clone_from(&from.passwd.users),
            Self::Groups => to.passwd.groups.clone_from(&from.passwd.groups),
            Self::Values => {
                let files = from.storage.files.iter();
                let with_values = files.filter(|file| has_values(from, &file.path));
                to.storage.files.extend(with_values.cloned());
            }
        }
    }

    pub(super) fn drop_from(self, config: &mut Config) {
        let (storage, passwd) = (&mut config.storage, &mut config.passwd);
        match self {
            Self::KernelArguments => config.kernel_arguments = Default::default(),
            Self::Disks => storage.disks.clear(),
            Self::Raid => storage.raid.clear(),
            Self::Filesystems => storage.filesystems.clear(),
            Self::Luks => storage.luks.clear(),
            Self::Users => passwd.users.clear(),
            Self::Groups => passwd.groups.clear(),
            Self::Values => {
                let extra = &config.kindling.files;
                storage.files.retain(|file| !expands(extra.get(&file.path)));
            }
        }
    }
}

/// Whether the file of that path has placeholders for values of the machine.
pub(super) fn has_values(config: &Config, path: &str) -> bool {
    expands(config.kindling.files.get(path))
}

fn expands(extra: Option<&FileExtra>) -> bool {
    extra.is_some_and(|extra| extra.expand == Some(true))
}

/// The sections that must wait for the first boot, one conflict each.
#[must_use]
pub fn waiting(config: &Config, extent: Extent) -> Vec<Conflict> {
    let next = match extent {
        Extent::Bare => "give --ignore-unsupported to skip it, or let the first boot do it",
        Extent::Tree | Extent::Image => "give --split to write what must wait to a config for the first boot",
    };
    let asked = Section::ALL
        .iter()
        .filter(|section| section.is_asked_for(config) && !section.is_carried_out(extent));
    asked
        .map(|section| {
            let message = format!("{} cannot be made away from the machine", section.name());
            Conflict::new(section.pointer(), "waits-for-first-boot", message, next)
        })
        .collect()
}

/// Leaves out of `config` what must wait.
pub fn leave_out(config: &mut Config, extent: Extent) {
    for section in Section::ALL {
        if !section.is_carried_out(extent) {
            section.drop_from(config);
        }
    }
}

/// What makes a boot the first (engine.md 2.10): the boot loader looks for it. Of an image that is complete it is gone.
pub const FIRST_BOOT_STAMP: &str = "/boot/ignition.firstboot";

/// Types of root partitions, as an entry of the table holds them (Discoverable Partitions Specification, "Root Partition";
/// x86-64, x86, 64- and 32-bit ARM, 64-bit RISC-V, IBM Z, little-endian POWER, LoongArch).
const ROOT_TYPES: [&str; 8] = [
    "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
    "44479540-F297-41B2-9AF7-D131D5F0458A",
    "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
    "69DAD710-2CE4-4E3C-B16C-21A1D49ABED3",
    "72EC70A6-CF74-40E6-BD49-4BDA08E8F224",
    "5EEAD9A9-FE09-4A1E-A1D7-520D00531306",
    "C31C45E6-3F39-412E-80FB-4809C4980599",
    "77055800-792C-4F94-B39A-98C91B762BB6",
];

/// File systems that a root can be on.
const LINUX: [&str; 6] = ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"];

/// Where the root is on disks whose config does not make it: the one root partition by its type, else the one file system
/// labelled `root`, else the one file system for Linux; never one of `others`, which the config mounts elsewhere.
///
/// # Errors
/// None, or more than one.
pub fn root_node(disks: &Recorded, others: &OrderedSet<PathBuf>) -> Result<PathBuf, Conflict> {
    let mut tries: [Vec<PathBuf>; 3] = Default::default();
    held::each(disks, &mut |one| {
        let kind = one.signature.kind.as_str();
        if others.contains(&one.node) || !LINUX.contains(&kind) {
            return;
        }
        let [by_type, by_label, all] = &mut tries;
        let type_guid = one.kind.map(|kind| kind.to_string()).unwrap_or_default();
        if ROOT_TYPES.contains(&type_guid.as_str()) {
            by_type.push(one.node.clone());
        }
        if one.signature.has_label("root") {
            by_label.push(one.node.clone());
        }
        all.push(one.node);
    });
    let first = tries.iter().find(|nodes| !nodes.is_empty());
    match first.map(Vec::as_slice) {
        Some([only]) => Ok(only.clone()),
        several => {
            let count = several.map_or(0, <[_]>::len);
            Err(Conflict::new(
                "",
                "root-unknown",
                format!("{count} of the file systems on the images may be the root"),
                "give the root partition its type or its file system the label root, or make it with path / in the config",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use kindling_config_spec::order::{Gather, OrderedMap};
    use kindling_config_spec::units::{Bytes, SectorSize};

    use crate::gpt::{CopyState, Entry, Found, Guid, Health, Label, MbrState, Table};
    use crate::inventory::disks::{Content, Disk, Signature};
    use crate::inventory::recorded::RecordedDisk;
    use crate::plan::entries::{IN_ROOT, OWN};
    use crate::plan::partitions::InUse;

    #[test]
    fn the_page_says_what_waits_as_the_code_does() {
        let extents = [Extent::Bare, Extent::Tree, Extent::Image];
        let rows: Vec<Vec<&str>> = Section::ALL
            .iter()
            .map(|section| {
                let word = |extent| {
                    if section.is_carried_out(extent) {
                        "done"
                    } else {
                        "waits"
                    }
                };
                std::iter::once(section.name()).chain(extents.map(word)).collect()
            })
            .collect();
        assert_eq!(crate::plan::page::table("## Away from the machine"), rows);
    }

    fn holding(kind: &str, label: Option<&str>) -> Content {
        Content::Known(Signature {
            kind: kind.into(),
            label: label.map(str::to_owned),
            ..Signature::default()
        })
    }

    /// A disk with partitions of these types and contents.
    fn disk(partitions: &[(&str, Content)]) -> Recorded {
        let (size, sector) = (Bytes(1 << 30), SectorSize::S512);
        let mut table = Table::new(Guid::from_random([9; 16]), size, sector).unwrap();
        let mut contents = OrderedMap::new();
        for (number, (kind, content)) in (1_u32..).zip(partitions) {
            let first = 2048 * u64::from(number);
            let entry = Entry {
                type_guid: kind.parse().unwrap(),
                guid: Guid::from_random([1; 16]),
                first: kindling_config_spec::units::Lba(first),
                last: kindling_config_spec::units::Lba(first + 2047),
                attributes: 0,
                label: Label::default(),
                extra: Vec::new(),
            };
            table.entries.insert(number, entry);
            contents.insert(number, content.clone());
        }
        let health = Health {
            primary: CopyState::Good,
            backup: CopyState::Good,
            mbr: MbrState::Protective,
        };
        let disk = Disk {
            node: "/dev/loop0".into(),
            aliases: Default::default(),
            mapped: None,
            sector,
            size,
            found: Found::Gpt { table, health },
            in_use: InUse::default(),
            content: Content::Blank,
            assumed: false,
        };
        Recorded {
            disks: vec![RecordedDisk { disk, contents }],
            ..Recorded::default()
        }
    }

    #[test]
    fn entries_are_looked_for_where_a_boot_loader_may() {
        let plain = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
        let disks = disk(&[
            ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", holding("vfat", None)),
            ("BC13C2FF-59E6-4262-A352-B275FD6F7172", Content::Blank),
            (plain, holding("ext4", Some("boot"))),
            (plain, holding("ext4", Some("root"))),
        ]);
        let root = PathBuf::from("/dev/loop0p4");
        for (gone, expected) in [
            (
                &[][..],
                &[
                    ("/dev/loop0 partition 1", OWN),
                    ("/dev/loop0 partition 3", OWN),
                    ("/dev/loop0 partition 4", IN_ROOT),
                ][..],
            ),
            (
                &["/dev/loop0p3", "/dev/loop0p4"],
                &[("/dev/loop0 partition 1", OWN)],
            ),
            (&["/dev/loop0"], &[]),
        ] {
            let gone: OrderedSet<PathBuf> = gone.iter().map(PathBuf::from).into_set();
            let found = boot_devices(&disks, Some(&root), &gone);
            let found: Vec<_> = found
                .iter()
                .map(|one| (one.name.to_str().unwrap(), one.below))
                .collect();
            assert_eq!(found, expected, "{gone:?}");
        }
    }

    #[test]
    fn the_root_is_found_by_type_then_by_label_then_where_there_is_one() {
        let plain = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
        let [typed, ..] = ROOT_TYPES;
        let esp = ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", holding("vfat", None));
        for (partitions, expected) in [
            (
                vec![esp.clone(), (plain, holding("ext4", None))],
                Ok("/dev/loop0p2"),
            ),
            (
                vec![
                    (plain, holding("xfs", None)),
                    (plain, holding("ext4", Some("root"))),
                ],
                Ok("/dev/loop0p2"),
            ),
            (
                vec![
                    (typed, holding("xfs", None)),
                    (plain, holding("ext4", Some("root"))),
                ],
                Ok("/dev/loop0p1"),
            ),
            (
                vec![(plain, holding("xfs", None)), (plain, holding("ext4", None))],
                Err("2 of"),
            ),
            (
                vec![(typed, holding("xfs", None)), (typed, holding("ext4", None))],
                Err("2 of"),
            ),
            (vec![esp], Err("0 of")),
        ] {
            match (root_node(&disk(&partitions), &OrderedSet::new()), expected) {
                (Ok(node), Ok(expected)) => assert_eq!(node, PathBuf::from(expected)),
                (Err(conflict), Err(start)) => assert!(conflict.message.starts_with(start), "{conflict:?}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
    }
}
