//! What is measured: configs of spec 3.3.0, the newest the distribution's reference reads, and the disks they are for.

use serde_json::{Value, json};

/// A blank disk of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlankDisk {
    /// The disk's serial number.
    pub(super) serial: &'static str,
    /// Size in MiB.
    pub(super) mebibytes: u64,
}

/// All disks of the guest.
pub(super) const DISKS: &[BlankDisk] = &[
    BlankDisk {
        serial: "bench-0",
        mebibytes: 2048,
    },
    BlankDisk {
        serial: "bench-1",
        mebibytes: 1024,
    },
    BlankDisk {
        serial: "bench-2",
        mebibytes: 1024,
    },
    BlankDisk {
        serial: "bench-3",
        mebibytes: 1024,
    },
    BlankDisk {
        serial: "bench-4",
        mebibytes: 1024,
    },
];

/// One config, and what it leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Work {
    /// Name of its files and in the guest's lines; works run in the order of their names.
    pub(super) name: &'static str,
    /// For people.
    pub(super) title: &'static str,
    /// The config.
    pub(super) config: Value,
    /// The disks it names.
    pub(super) disks: Vec<String>,
    /// The devices it makes, each with the content type that blkid has for it, where there is one.
    pub(super) devices: Vec<(String, Option<&'static str>)>,
}

/// Partitions of one disk: format and size in MiB; mkfs.xfs makes nothing below 300 MiB. 0 is the rest of the disk.
type Layout = &'static [(&'static str, u64)];

const EIGHT: Layout = &[
    ("ext4", 256),
    ("xfs", 320),
    ("vfat", 128),
    ("swap", 128),
    ("ext4", 256),
    ("xfs", 320),
    ("vfat", 128),
    ("ext4", 0),
];
const FOUR: Layout = &[("ext4", 256), ("xfs", 320), ("vfat", 128), ("swap", 0)];

/// All works.
#[must_use]
pub(super) fn all() -> Vec<Work> {
    let on = |layout: Layout, disks: &[BlankDisk], with_file_systems: bool| Disks {
        disks: disks.iter().map(|disk| (disk.serial, layout)).collect(),
        with_file_systems,
    };
    let (large, small) = (&DISKS[..1], &DISKS[1..]);
    vec![
        on(EIGHT, &[], false).work("0-nothing", "nothing to do"),
        on(EIGHT, large, false).work("1-table", "one disk, eight partitions, no file systems"),
        on(EIGHT, large, true).work("2-one-disk", "one disk, eight partitions and file systems"),
        on(FOUR, small, true).work(
            "3-four-disks",
            "four disks, four partitions and file systems each",
        ),
    ]
}

struct Disks {
    disks: Vec<(&'static str, Layout)>,
    with_file_systems: bool,
}

impl Disks {
    fn work(&self, name: &'static str, title: &'static str) -> Work {
        let mut work = Work {
            name,
            title,
            config: Value::Null,
            disks: Vec::new(),
            devices: Vec::new(),
        };
        let (mut disks, mut filesystems) = (Vec::new(), Vec::new());
        for (number, (serial, layout)) in self.disks.iter().enumerate() {
            let mut partitions = Vec::new();
            for (index, &(format, mebibytes)) in layout.iter().enumerate() {
                // FAT has upper case and eleven characters.
                let label = format!("D{number}-P{}", index + 1);
                partitions.push(json!({"number": index + 1, "label": label, "sizeMiB": mebibytes}));
                let device = format!("/dev/disk/by-partlabel/{label}");
                work.devices
                    .push((device.clone(), self.with_file_systems.then_some(format)));
                if self.with_file_systems {
                    filesystems.push(json!({"device": device, "format": format, "label": label}));
                }
            }
            let device = format!("/dev/disk/by-id/virtio-{serial}");
            disks.push(json!({"device": device, "partitions": partitions}));
            work.disks.push(device);
        }
        work.config = json!({
            "ignition": {"version": "3.3.0"},
            "storage": {"disks": disks, "filesystems": filesystems},
        });
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disk_named_is_one_of_the_guest_and_large_enough() {
        for work in all() {
            for disk in work.config["storage"]["disks"].as_array().unwrap() {
                let device = disk["device"].as_str().unwrap();
                let serial = device.strip_prefix("/dev/disk/by-id/virtio-").unwrap();
                let size = DISKS.iter().find(|disk| disk.serial == serial).unwrap().mebibytes;
                let partitions = disk["partitions"].as_array().unwrap();
                let sizes = partitions
                    .iter()
                    .map(|partition| partition["sizeMiB"].as_u64().unwrap());
                // The last one takes the rest: some room for it, and for both tables.
                assert!(sizes.sum::<u64>() + 64 <= size, "{}", work.name);
            }
        }
    }

    #[test]
    fn works_differ_and_say_what_they_leave() {
        let count = |name: &str| {
            let works = all();
            let work = works.iter().find(|work| work.name == name).unwrap();
            let made = work.devices.iter().filter(|(_, format)| format.is_some());
            (work.disks.len(), work.devices.len(), made.count())
        };
        assert_eq!(count("0-nothing"), (0, 0, 0));
        assert_eq!(count("1-table"), (1, 8, 0));
        assert_eq!(count("2-one-disk"), (1, 8, 8));
        assert_eq!(count("3-four-disks"), (4, 16, 16));
        let mut names: Vec<_> = all().iter().map(|work| work.name).collect();
        let given = names.clone();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names, given);
    }
}
