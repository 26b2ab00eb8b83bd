use kindling_config_spec::types::{Config, Disk as WantedDisk, Filesystem, Partition};
use kindling_config_spec::units::{Bytes, MIB, SectorSize};

use super::*;
use crate::gpt::{CopyState, Health, MbrState, Table};
use crate::inventory::disks::Signature;
use crate::plan::partitions::InUse;
use crate::plan::show;

mod layers;
mod mapped;
mod stacks;
mod start;

const DISK: &str = "/dev/vdb";

fn partition(number: i64, label: &str) -> Partition {
    Partition {
        number,
        label: Some(label.into()),
        size_mib: Some(16),
        ..Partition::default()
    }
}

fn ext4(device: &str) -> Filesystem {
    Filesystem {
        device: device.into(),
        format: Some("ext4".into()),
        ..Filesystem::default()
    }
}

fn known(kind: &str) -> Content {
    Content::Known(Signature {
        kind: kind.into(),
        ..Signature::default()
    })
}

fn held(content: Content) -> Held {
    Held { content, user: None }
}

fn good() -> Health {
    Health {
        primary: CopyState::Good,
        backup: CopyState::Good,
        mbr: MbrState::Protective,
    }
}

/// One machine and what is asked of it.
struct Case {
    config: Config,
    disks: OrderedMap<String, Disk>,
    contents: OrderedMap<String, Held>,
    /// Everything else that was found.
    observed: Observed,
    seed: Seed,
    /// Paths that lead elsewhere.
    links: OrderedMap<PathBuf, PathBuf>,
}

impl Case {
    fn new(partitions: Vec<Partition>, filesystems: Vec<Filesystem>) -> Self {
        let mut config = Config::default();
        config.storage.filesystems = filesystems;
        let mut case = Self {
            config,
            disks: OrderedMap::new(),
            contents: OrderedMap::new(),
            observed: Observed::default(),
            seed: Seed::new("machine", "config"),
            links: OrderedMap::new(),
        };
        case.add(DISK, partitions);
        case
    }

    fn add(&mut self, device: &str, partitions: Vec<Partition>) {
        self.config.storage.disks.push(WantedDisk {
            device: device.into(),
            partitions,
            ..WantedDisk::default()
        });
        let disk = Disk {
            node: device.into(),
            aliases: OrderedSet::new(),
            mapped: None,
            sector: SectorSize::S512,
            size: Bytes(256 * MIB),
            found: Found::Blank,
            in_use: InUse::default(),
            content: Content::Blank,
            assumed: false,
        };
        self.disks.insert(device.into(), disk);
    }

    fn disk(&mut self) -> &mut Disk {
        self.disks.get_mut(DISK).unwrap()
    }

    fn plan(&self) -> Result<Plan, Vec<Conflict>> {
        let known = Known {
            disks: &self.disks,
            seed: &self.seed,
            fresh: [7; 16],
        };
        let mut layout = plan_layout(&self.config, &known)?;
        for place in layout.places.values_mut() {
            if let Place::Device(path) = place {
                *path = self.links.get(path).unwrap_or(path).clone();
            }
        }
        let layout = settle_places(&self.config, &known, layout)?;
        let observed = Observed {
            held: self.contents.clone(),
            ..self.observed.clone()
        };
        plan_disks(&self.config, &known, layout, &observed)
    }

    fn codes(&self) -> Vec<&'static str> {
        self.plan().map_or_else(
            |conflicts| conflicts.iter().map(|conflict| conflict.code).collect(),
            |_| Vec::new(),
        )
    }

    /// The table the first step writes.
    fn written(&self) -> Table {
        let plan = self.plan().unwrap();
        let written = plan.steps.iter().find_map(|planned| match &planned.step {
            Step::WriteTable { write, .. } => write.table.clone(),
            _ => None,
        });
        written.expect("a table is written")
    }

    /// The machine after its first step, the file systems left as they were.
    fn interrupted(mut self) -> Self {
        let table = self.written();
        self.disk().found = Found::Gpt {
            table,
            health: good(),
        };
        self
    }
}

#[test]
fn a_whole_disk_with_data_and_no_table_is_left_alone() {
    for (content, codes) in [
        (Content::Blank, vec![]),
        (known("ext4"), vec!["disk-has-data"]),
        (known("LVM2_member"), vec!["disk-has-data"]),
        (known("dos partition table"), vec!["disk-has-data"]),
        (
            Content::Ambiguous(vec!["several signatures".into()]),
            vec!["disk-has-data"],
        ),
    ] {
        let mut case = Case::new(vec![partition(1, "data")], vec![]);
        case.disk().content = content.clone();
        assert_eq!(case.codes(), codes, "{content:?}");
        case.config.storage.disks[0].wipe_table = Some(true);
        let plan = case.plan().unwrap();
        let destroys = usize::from(content != Content::Blank);
        assert_eq!(show::count(&plan).destroys, destroys, "{}", show::show(&plan));
        case.config.storage.disks[0] = WantedDisk {
            device: DISK.into(),
            ..WantedDisk::default()
        };
        assert_eq!(case.codes(), Vec::<&str>::new());
    }
}

#[test]
fn a_backup_table_is_not_repaired_over_live_data() {
    for (primary, content, codes) in [
        (CopyState::Missing, known("ext4"), vec!["disk-has-data"]),
        (CopyState::Missing, known("gpt partition table"), vec![]),
        (CopyState::Missing, known("PMBR partition table"), vec![]),
        (CopyState::Good, Content::Blank, vec![]),
    ] {
        let mut case = Case::new(vec![partition(1, "data")], vec![]).interrupted();
        let Found::Gpt { health, .. } = &mut case.disk().found else {
            panic!()
        };
        health.primary = primary.clone();
        case.disk().content = content.clone();
        assert_eq!(case.codes(), codes, "{primary:?} {content:?}");
    }
}

#[test]
fn erasing_a_table_is_told_as_loss() {
    let mut case = Case::new(vec![partition(1, "data")], vec![]).interrupted();
    assert_eq!(show::count(&case.plan().unwrap()).destroys, 0);
    case.config.storage.disks[0].wipe_table = Some(true);
    assert!(show::count(&case.plan().unwrap()).destroys > 0);
}

fn finished(plan: &Plan) -> Vec<OrderedSet<u32>> {
    let finishes = plan.steps.iter().filter_map(|planned| match &planned.step {
        Step::FinishTable { numbers, .. } => Some(numbers.clone()),
        _ => None,
    });
    finishes.collect()
}

/// One partition with a file system, cut short while that was made.
fn cut_short() -> Case {
    let mut case = Case::new(vec![partition(1, "data")], vec![ext4("/dev/vdb1")]).interrupted();
    case.contents.insert("/dev/vdb1".into(), held(known("xfs")));
    case
}

#[test]
fn an_interrupted_run_goes_on_and_takes_its_mark_off() {
    let mut case = cut_short();
    let Found::Gpt { table, .. } = &case.disk().found else {
        panic!()
    };
    assert_ne!(table.entries[&1].attributes, 0);
    let plan = case.plan().unwrap();
    assert_eq!(finished(&plan), [OrderedSet::from([1])]);
    assert!(
        plan.steps.iter().any(
            |planned| matches!(planned.step, Step::WipeSignatures { ref erase, .. } if erase.unfinished)
        )
    );
    let last = plan.steps.iter().rev().find_map(|planned| match &planned.step {
        Step::FinishTable { table, .. } => Some(table),
        _ => None,
    });
    assert_eq!(last.unwrap().entries[&1].attributes, 0);
}

#[test]
fn another_config_does_not_inherit_the_leave_to_erase() {
    let mut case = cut_short();
    case.seed = Seed::new("machine", "corrected");
    assert_eq!(case.codes(), ["filesystem-differs"]);
}

#[test]
fn attribute_bits_of_others_are_no_mark_and_stay() {
    for attributes in [1_u64 << 55, 1 << 48 | 1 << 56, 0xff << 48] {
        let mut case = cut_short();
        let Found::Gpt { table, .. } = &mut case.disk().found else {
            panic!()
        };
        table.entries.get_mut(&1).unwrap().attributes = attributes;
        assert_eq!(case.codes(), ["filesystem-differs"], "{attributes:x}");
        case.contents.clear();
        let plan = case.plan().unwrap();
        assert_eq!(finished(&plan), [], "{attributes:x}");
        assert!(!show::show(&plan).contains("write the partition table"));
    }
}

#[test]
fn where_the_config_lets_us_erase_nothing_is_marked() {
    let wiped = Filesystem {
        wipe_filesystem: Some(true),
        ..ext4("/dev/vdb1")
    };
    let case = Case::new(vec![partition(1, "data")], vec![wiped]);
    assert_eq!(case.written().entries[&1].attributes, 0);
    assert_eq!(finished(&case.plan().unwrap()), []);
}

#[test]
fn marks_on_partitions_that_the_config_does_not_name_stay() {
    let mut case = cut_short();
    case.config.storage.disks[0].partitions = vec![partition(2, "other")];
    case.config.storage.filesystems.clear();
    assert_eq!(finished(&case.plan().unwrap()), []);
    assert_ne!(case.written().entries[&1].attributes, 0);
}

#[test]
fn one_device_under_two_names_is_refused() {
    let mut disks = Case::new(vec![partition(1, "data")], vec![]);
    disks.add("/dev/disk/by-id/x", vec![partition(2, "more")]);
    assert_eq!(disks.codes(), Vec::<&str>::new());
    disks.disks.get_mut("/dev/disk/by-id/x").unwrap().node = DISK.into();
    assert_eq!(disks.codes(), ["device-repeated"]);

    for (filesystems, codes) in [
        (vec!["/dev/vdc", "/dev/vdd"], vec![]),
        (vec!["/dev/vdc", "/dev/disk/by-id/c"], vec!["device-repeated"]),
        (
            vec!["/dev/vdb1", "/dev/disk/by-partlabel/data"],
            vec!["device-repeated"],
        ),
        (vec!["/dev/vdb1", DISK], vec!["device-repeated"]),
    ] {
        let mut case = Case::new(
            vec![partition(1, "data")],
            filesystems.iter().map(|device| ext4(device)).collect(),
        );
        case.links.insert("/dev/disk/by-id/c".into(), "/dev/vdc".into());
        assert_eq!(case.codes(), codes, "{filesystems:?}");
    }
}

#[test]
fn a_partition_is_known_by_every_link_to_its_disk() {
    let mut case = Case::new(
        vec![partition(1, "data")],
        vec![ext4("/dev/disk/by-id/virtio-x-part1")],
    );
    case.disk().aliases.insert("/dev/disk/by-id/virtio-x".into());
    assert_ne!(case.written().entries[&1].attributes, 0);
    let shown = show::show(&case.plan().unwrap());
    assert!(
        shown.ends_with("wait for udev to finish with 2 devices"),
        "{shown}"
    );
}

#[test]
fn a_link_to_a_partition_counts_as_the_partition_only_if_it_stays() {
    let link = "/dev/disk/by-uuid/5a0e";
    let mut case = Case::new(vec![partition(1, "data")], vec![]).interrupted();
    case.config.storage.filesystems = vec![ext4(link), ext4("/dev/vdb1")];
    case.links.insert(link.into(), "/dev/vdb1".into());
    assert_eq!(case.codes(), ["device-repeated"]);
    case.config.storage.filesystems.pop();
    assert_eq!(case.codes(), Vec::<&str>::new());
    case.config.storage.disks[0].wipe_table = Some(true);
    assert_eq!(case.codes(), ["partition-not-kept"]);
}

#[test]
fn a_device_in_use_gets_no_file_system_but_may_keep_its_own() {
    let used = |content| Held {
        content,
        user: Some("mounted at /data".into()),
    };
    let mut case = Case::new(vec![], vec![ext4("/dev/vdc")]);
    for (content, codes) in [
        (Content::Blank, vec!["device-in-use"]),
        (known("ext4"), vec![]),
        (known("xfs"), vec!["filesystem-differs"]),
    ] {
        case.contents.insert("/dev/vdc".into(), used(content));
        assert_eq!(case.codes(), codes);
    }
    let mut case = Case::new(vec![partition(1, "data")], vec![ext4("/dev/vdb1")]).interrupted();
    assert_eq!(case.codes(), Vec::<&str>::new());
    case.disk().in_use.partitions.insert(1, "mounted at /data".into());
    assert_eq!(case.codes(), ["device-in-use"]);
}
