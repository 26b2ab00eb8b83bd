//! Merging the `storage` section.

use super::lists::{Elsewhere, append, keyed, keyed_apart};
use super::{Merge, objects};
use crate::frontend::names;
use crate::types::{
    Cex, Clevis, ClevisCustom, Directory, Disk, File, Filesystem, Link, Luks, Owner, Partition, Raid,
    Storage, Tang,
};

impl Merge for Storage {
    /// Directories, files and links share one key space: a path has one kind, the child's.
    fn over(self, child: Self) -> Self {
        let as_directory = Elsewhere::of(&child.directories);
        let as_file = Elsewhere::of(&child.files);
        let as_link = Elsewhere::of(&child.links);
        Self {
            directories: keyed_apart(self.directories, child.directories, &[&as_file, &as_link]),
            disks: keyed(self.disks, child.disks),
            files: keyed_apart(self.files, child.files, &[&as_directory, &as_link]),
            filesystems: keyed(self.filesystems, child.filesystems),
            links: keyed_apart(self.links, child.links, &[&as_directory, &as_file]),
            luks: keyed(self.luks, child.luks),
            raid: keyed(self.raid, child.raid),
        }
    }
}

impl Merge for Disk {
    fn over(self, child: Self) -> Self {
        Self {
            device: child.device,
            partitions: keyed(self.partitions, child.partitions),
            wipe_table: child.wipe_table.or(self.wipe_table),
        }
    }
}

impl Merge for Partition {
    fn over(self, child: Self) -> Self {
        objects(self, child, |parent, child| Self {
            guid: child.guid.or(parent.guid),
            label: child.label.or(parent.label),
            number: child.number,
            resize: child.resize.or(parent.resize),
            should_exist: child.should_exist.or(parent.should_exist),
            size_mib: child.size_mib.or(parent.size_mib),
            start_mib: child.start_mib.or(parent.start_mib),
            type_guid: child.type_guid.or(parent.type_guid),
            wipe_partition_entry: child.wipe_partition_entry.or(parent.wipe_partition_entry),
        })
    }
}

impl Merge for Raid {
    fn over(self, child: Self) -> Self {
        Self {
            devices: keyed(self.devices, child.devices),
            level: child.level.or(self.level),
            name: child.name,
            options: append(self.options, child.options),
            spares: child.spares.or(self.spares),
        }
    }
}

impl Merge for Filesystem {
    fn over(self, child: Self) -> Self {
        Self {
            device: child.device,
            format: child.format.or(self.format),
            label: child.label.or(self.label),
            mount_options: append(self.mount_options, child.mount_options),
            options: append(self.options, child.options),
            path: path(self.path, child.path),
            uuid: child.uuid.or(self.uuid),
            wipe_filesystem: child.wipe_filesystem.or(self.wipe_filesystem),
        }
    }
}

/// The path that stands for a name of Ignition 2 takes the place of none that somebody wrote: files that are meant for that one would
/// be on the root. Those that go by the name have no file system then, and a rule says so.
fn path(parent: Option<String>, child: Option<String>) -> Option<String> {
    let is_of_name = |path: &String| names::above(path) == Some(path);
    match (parent, child) {
        (Some(parent), Some(child)) if is_of_name(&child) && !is_of_name(&parent) => Some(parent),
        (parent, child) => child.or(parent),
    }
}

impl Merge for Luks {
    fn over(self, child: Self) -> Self {
        Self {
            cex: self.cex.over(child.cex),
            clevis: self.clevis.over(child.clevis),
            device: child.device.or(self.device),
            discard: child.discard.or(self.discard),
            key_file: self.key_file.over(child.key_file),
            label: child.label.or(self.label),
            name: child.name,
            open_options: keyed(self.open_options, child.open_options),
            options: append(self.options, child.options),
            uuid: child.uuid.or(self.uuid),
            wipe_volume: child.wipe_volume.or(self.wipe_volume),
        }
    }
}

impl Merge for Cex {
    fn over(self, child: Self) -> Self {
        Self {
            enabled: child.enabled.or(self.enabled),
        }
    }
}

impl Merge for Clevis {
    fn over(self, child: Self) -> Self {
        Self {
            custom: self.custom.over(child.custom),
            tang: keyed(self.tang, child.tang),
            threshold: child.threshold.or(self.threshold),
            tpm2: child.tpm2.or(self.tpm2),
        }
    }
}

impl Merge for ClevisCustom {
    fn over(self, child: Self) -> Self {
        Self {
            config: child.config.or(self.config),
            needs_network: child.needs_network.or(self.needs_network),
            pin: child.pin.or(self.pin),
        }
    }
}

impl Merge for Tang {
    fn over(self, child: Self) -> Self {
        Self {
            advertisement: child.advertisement.or(self.advertisement),
            thumbprint: child.thumbprint.or(self.thumbprint),
            url: child.url,
        }
    }
}

impl Merge for Owner {
    fn over(self, child: Self) -> Self {
        Self {
            id: child.id.or(self.id),
            name: child.name.or(self.name),
        }
    }
}

impl Merge for File {
    fn over(self, child: Self) -> Self {
        Self {
            append: append(self.append, child.append),
            contents: self.contents.over(child.contents),
            group: self.group.over(child.group),
            mode: child.mode.or(self.mode),
            overwrite: child.overwrite.or(self.overwrite),
            path: child.path,
            user: self.user.over(child.user),
        }
    }
}

impl Merge for Directory {
    fn over(self, child: Self) -> Self {
        Self {
            group: self.group.over(child.group),
            mode: child.mode.or(self.mode),
            overwrite: child.overwrite.or(self.overwrite),
            path: child.path,
            user: self.user.over(child.user),
        }
    }
}

impl Merge for Link {
    fn over(self, child: Self) -> Self {
        Self {
            group: self.group.over(child.group),
            hard: child.hard.or(self.hard),
            overwrite: child.overwrite.or(self.overwrite),
            path: child.path,
            target: child.target.or(self.target),
            user: self.user.over(child.user),
        }
    }
}
