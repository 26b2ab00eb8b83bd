//! Devices that only a config can make, and whether this one does.

use super::{Setting, lint};
use crate::diagnostic::Pointer;
use crate::rules::Findings;
use crate::suggest::{quoted, similar};
use crate::types::{Config, Partition};

/// Labels of the partitions that images of the field bring along.
const OF_IMAGES: [&str; 6] = [
    "root",
    "boot",
    "EFI-SYSTEM",
    "BIOS-BOOT",
    "PowerPC-PReP-boot",
    "reserved",
];

/// Where a device is used, and its path.
fn used(config: &Config) -> impl Iterator<Item = (Pointer, &str)> {
    let storage = &config.storage;
    let at = |list: &str, index| Pointer::root().key("storage").key(list).index(index);
    let arrays = storage.raid.iter().enumerate().flat_map(move |(array, raid)| {
        let at_member = move |member| at("raid", array).key("devices").index(member);
        let members = raid.devices.iter().enumerate();
        members.map(move |(member, device)| (at_member(member), device.as_str()))
    });
    let volumes = storage
        .luks
        .iter()
        .enumerate()
        .filter_map(move |(index, volume)| {
            Some((at("luks", index).key("device"), volume.device.as_deref()?))
        });
    let filesystems = storage.filesystems.iter().enumerate();
    let filesystems = filesystems
        .filter(|(_, filesystem)| filesystem.format.as_deref() != Some("virtiofs"))
        .map(move |(index, filesystem)| (at("filesystems", index).key("device"), filesystem.device.as_str()));
    arrays.chain(volumes).chain(filesystems)
}

/// A place whose devices the config names itself.
struct Makers<'a> {
    /// The start of such a device's path.
    below: &'static str,
    /// What makes them.
    what: &'static str,
    /// The names this config gives.
    names: Vec<&'a str>,
}

fn makers(config: &Config) -> [Makers<'_>; 4] {
    let storage = &config.storage;
    let volumes = || storage.luks.iter().map(|volume| volume.name.as_str()).collect();
    [
        Makers {
            below: "/dev/md/",
            what: "array of storage.raid",
            names: storage.raid.iter().map(|array| array.name.as_str()).collect(),
        },
        Makers {
            below: "/dev/mapper/",
            what: "volume of storage.luks",
            names: volumes(),
        },
        Makers {
            below: "/dev/disk/by-id/dm-name-",
            what: "volume of storage.luks",
            names: volumes(),
        },
        Makers {
            below: "/dev/disk/by-partlabel/",
            what: "partition of storage.disks",
            names: partitions(config)
                .filter(|partition| partition.should_exist != Some(false))
                .filter_map(|partition| partition.label.as_deref())
                .collect(),
        },
    ]
}

fn partitions(config: &Config) -> impl Iterator<Item = &Partition> {
    config.storage.disks.iter().flat_map(|disk| &disk.partitions)
}

pub(super) fn devices_are_made(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    let makers = makers(config);
    for (at, device) in used(config) {
        for Makers { below, what, names } in &makers {
            let Some(name) = device.strip_prefix(below) else {
                continue;
            };
            let of_image = *below == "/dev/disk/by-partlabel/" && OF_IMAGES.contains(&name);
            if names.contains(&name) || of_image {
                continue;
            }
            let help = match similar(name, names.iter().copied()) {
                Some(meant) => format!("did you mean {below}{meant}?"),
                None => "make it in this config; if the image or another config brings it, nothing is wrong"
                    .to_owned(),
            };
            findings
                .report(
                    lint::DEVICE_UNMADE.rule,
                    at.clone(),
                    format!("no {what} is called {}", quoted(name)),
                )
                .help(help);
        }
        numbered_partition_is_made(config, &at, device, findings);
    }
}

/// A partition by its node, on a disk whose table is made anew by this config.
fn numbered_partition_is_made(config: &Config, at: &Pointer, device: &str, findings: &mut Findings) {
    for disk in &config.storage.disks {
        let number = device
            .strip_prefix(&disk.device)
            .map(|rest| {
                rest.strip_prefix("-part")
                    .or(rest.strip_prefix('p'))
                    .unwrap_or(rest)
            })
            .and_then(|digits| digits.parse::<i64>().ok());
        let Some(number) = number.filter(|_| disk.wipe_table == Some(true)) else {
            continue;
        };
        // An entry without a number takes the next free one.
        let made = disk
            .partitions
            .iter()
            .any(|partition| partition.number == 0 || partition.number == number);
        if !made {
            findings
                .report(
                    lint::DEVICE_UNMADE.rule,
                    at.clone(),
                    format!(
                        "{} is wiped, and gets no partition {number}",
                        quoted(&disk.device)
                    ),
                )
                .help("add the partition, or name one that is made");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::expect;

    #[test]
    fn devices_nobody_makes() {
        expect(
            &Setting::default(),
            &[
                (
                    r#""storage":{"filesystems":[{"device":"/dev/md/data","format":"xfs"}]}"#,
                    &["warning $.storage.filesystems.0.device device-unmade"],
                ),
                (
                    r#""storage":{"raid":[{"name":"data","level":"raid1","devices":["/dev/vda","/dev/disk/by-partlabel/b"]}],
                    "luks":[{"name":"v","device":"/dev/md/data"}],
                    "filesystems":[{"device":"/dev/mapper/v","format":"xfs"},{"device":"/dev/disk/by-id/dm-name-w","format":"xfs"}]}"#,
                    &[
                        "warning $.storage.filesystems.1.device device-unmade",
                        "warning $.storage.raid.0.devices.1 device-unmade",
                    ],
                ),
                (
                    r#""storage":{"disks":[{"device":"/dev/vda","partitions":[{"label":"data"}]}],
                    "filesystems":[{"device":"/dev/disk/by-partlabel/data","format":"xfs"},
                    {"device":"/dev/disk/by-partlabel/root","format":"xfs"}]}"#,
                    &[],
                ),
                (
                    r#""storage":{"disks":[{"device":"/dev/vda","wipeTable":true,"partitions":[{"number":1}]}],
                    "filesystems":[{"device":"/dev/vda1","format":"xfs"},{"device":"/dev/vda2","format":"xfs"}]}"#,
                    &["warning $.storage.filesystems.1.device device-unmade"],
                ),
            ],
        );
    }
}
