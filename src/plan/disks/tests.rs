use kindling_config_spec::types::{Config, Disk as WantedDisk, Filesystem, Partition};
use kindling_config_spec::units::{Bytes, MIB, SectorSize};

use super::*;
use crate::gpt::{CopyState, Health, MbrState};
use crate::inventory::disks::Signature;
use crate::plan::partitions::InUse;
use crate::plan::show;

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
    disks: BTreeMap<String, Disk>,
    contents: BTreeMap<String, Content>,
    seed: Seed,
}

impl Case {
    fn new(partitions: Vec<Partition>, filesystems: Vec<Filesystem>) -> Self {
        let mut config = Config::default();
        config.storage.filesystems = filesystems;
        let mut case = Self {
            config,
            disks: BTreeMap::new(),
            contents: BTreeMap::new(),
            seed: Seed::new("machine", "config"),
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
        let layout = plan_layout(&self.config, &known)?;
        plan_disks(&self.config, &known, layout, &self.contents)
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
