//! What a whole first boot would do, without doing any of it.

mod guess;
mod maps;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use kindling_config_spec::Source;
use kindling_config_spec::json;
use kindling_config_spec::order::{OrderedMap, OrderedSet};
use kindling_config_spec::types::{Config, Disk as WantedDisk};
use kindling_config_spec::units::{Bytes, MIB, SectorSize};
use serde::Serialize;

use super::given::{self, Given};
use super::node::{self, Fetching};
use super::places::located;
use super::{Environment, disks};
use crate::fetch::Fetcher;
use crate::gpt::Found;
use crate::host::devices::{Devices, System};
use crate::host::journal::Journal;
use crate::host::machine::Machine;
use crate::host::process;
use crate::host::sysroot::Sysroot;
use crate::identity::{Seed, sha256_hex_of};
use crate::inventory::disks::{Content, Disk};
use crate::inventory::mapped::Mapped;
use crate::inventory::mounts::MountPoints;
use crate::inventory::observe;
use crate::inventory::recorded::Recorded;
use crate::inventory::target::Target;
use crate::node::expand::Expanded;
use crate::node::handed::DIRECTORY;
use crate::plan::disks::{Known, Place, plan_layout};
use crate::plan::map::DiskMap;
use crate::plan::partitions::InUse;
use crate::plan::{Plan, Stage, Step, files, kargs, mounts, show};
use crate::render::Rendered;
use crate::report::Failure;
use guess::{Guess, Lookup};
use maps::maps;

/// A disk that is not on this machine is assumed blank and at least this large.
const ASSUMED_DISK: u64 = 8 << 30;

/// The plans of all stages, and what was assumed.
#[derive(Debug, Serialize)]
pub struct DryRun {
    /// The config's documents, in the order they were read.
    documents: Vec<String>,
    /// What is doubtful in the config, with its lines.
    warnings: Vec<String>,
    /// What the plans rest on that was not looked at.
    assumptions: Vec<String>,
    /// One plan a stage.
    stages: Vec<Plan>,
    /// The disks of the config before and after.
    disks: Vec<DiskMap>,
}

impl DryRun {
    /// How much all stages change, and how much of that can destroy data.
    #[must_use]
    pub fn count(&self) -> show::Count {
        let counts = self.stages.iter().map(show::count);
        counts.fold(show::Count::default(), |total, count| show::Count {
            changes: total.changes + count.changes,
            destroys: total.destroys + count.destroys,
        })
    }

    /// The plans as JSON, for programs. Holds no content and no secret.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::pretty(self)
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "config: {}", self.documents.join(", "))?;
        for warning in &self.warnings {
            writeln!(out, "{}", warning.trim_end())?;
        }
        for assumption in &self.assumptions {
            writeln!(out, "assumed: {assumption}")?;
        }
        for plan in &self.stages {
            writeln!(out, "{}", show::show(plan))?;
            if plan.stage == Stage::Disks {
                for disk in &self.disks {
                    writeln!(out, "{disk}")?;
                }
            }
        }
        let count = self.count();
        match (
            count.changes,
            show::counted(count.changes, "change"),
            count.destroys,
        ) {
            (0, ..) => write!(out, "nothing to change"),
            (_, changes, 0) => write!(out, "{changes}; no data is destroyed"),
            (_, changes, 1) => write!(out, "{changes}; 1 step marked ! destroys data"),
            (_, changes, destroys) => write!(out, "{changes}; {destroys} steps marked ! destroy data"),
        }
    }
}

/// Plans every stage for `source`, called `name` in findings. References are fetched; nothing is written. Without
/// `root` an empty target is assumed. Disks are those of `inventory`, or else of this machine; others are assumed blank.
///
/// # Errors
/// The record that the boot would end with.
pub fn plan(
    source: Source<'_>,
    name: &str,
    root: Option<&Path>,
    inventory: Option<&Recorded>,
    environment: &Environment,
) -> Result<DryRun, Failure> {
    let Given {
        rendered,
        warnings,
        fetcher,
    } = given::read(source, name, false)?;
    let written = rendered.written().clone();
    plan_given(rendered, warnings, &fetcher, root, inventory, environment)
        .map_err(|failure| located(failure, &written))
}

fn plan_given(
    rendered: Rendered,
    warnings: Vec<String>,
    fetcher: &Fetcher,
    root: Option<&Path>,
    inventory: Option<&Recorded>,
    environment: &Environment,
) -> Result<DryRun, Failure> {
    let config = rendered.config();
    let mut dry_run = DryRun {
        documents: rendered
            .origins()
            .iter()
            .map(|origin| origin.source.clone())
            .collect(),
        warnings,
        assumptions: Vec::new(),
        stages: vec![kargs::plan_kargs(config)],
        disks: Vec::new(),
    };
    if dry_run.stages.iter().any(|plan| !plan.steps.is_empty()) {
        dry_run.assumptions.push(
            "boot entries lack the kernel arguments: stage kargs changes them, and the machine boots once more"
                .into(),
        );
    }
    let digest = sha256_hex_of(config);
    let machine = Machine::read();
    let processes = process::System::new(environment.path.clone());
    dry_run.plan_disks(config, &digest, &machine, &processes, inventory)?;
    let expanded = dry_run.expand_node(rendered.into_config(), fetcher)?;
    dry_run.plan_target(&expanded, &digest, &machine, &processes, root, environment)?;
    Ok(dry_run)
}

impl DryRun {
    /// The config as the files stage has it. Nothing is fetched for it.
    fn expand_node(&mut self, config: Config, fetcher: &Fetcher) -> Result<Expanded, Failure> {
        let Some(settled) = node::settle(&config, fetcher, Fetching::Nothing)? else {
            return Ok(Expanded {
                config,
                ..Expanded::default()
            });
        };
        self.assumptions.extend(settled.missing());
        Ok(settled.expand(config, &Path::new(DIRECTORY).join("bin/kindling")))
    }

    fn plan_disks(
        &mut self,
        config: &Config,
        digest: &str,
        machine: &Machine,
        processes: &process::System,
        inventory: Option<&Recorded>,
    ) -> Result<(), Failure> {
        let devices = Lookup {
            system: System::new(0, processes.clone()),
            inventory,
            absent: Mutex::default(),
        };
        let here = if inventory.is_some() {
            "in the inventory"
        } else {
            "readable here"
        };
        let mut disks = OrderedMap::new();
        for wanted in &config.storage.disks {
            let disk = match devices.disk(wanted.device.as_ref()) {
                Ok(mut disk) => {
                    if inventory.is_none() {
                        disks::look_beside(processes, &devices, &mut disk)?;
                    }
                    disk
                }
                Err(_) => {
                    let disk = assumed(wanted);
                    self.assumptions.push(format!(
                        "{} is not {here}: a blank disk of {}",
                        wanted.device, disk.size
                    ));
                    disk
                }
            };
            disks.insert(wanted.device.clone(), disk);
        }
        // Another machine derives other identifiers, and even this one: a new table gets random ones. So that two plans
        // can be compared, they are the same each time here, and the printed ones stay open.
        let id = if inventory.is_some() { "" } else { &machine.id };
        let seed = Seed::new(id, digest);
        let known = Known {
            disks: &disks,
            seed: &seed,
            fresh: [0; 16],
        };
        let look = Guess {
            processes,
            devices: &devices,
            inventory,
            disks: &disks,
        };
        let (mut plan, observed) = disks::plan_known(config, &known, &devices, &look)?;
        plan.steps
            .iter_mut()
            .for_each(|planned| planned.step.leave_open());
        self.assumptions.extend(observed.unseen.iter().map(|device| {
            format!("{device} is in a volume that is closed: its key opens it, and it holds what the config asks for")
        }));
        self.assumptions.extend(unrecorded(config, &known, inventory));
        let absent = devices.absent.into_inner().unwrap_or_default();
        self.assumptions.extend(
            absent
                .iter()
                .map(|at| format!("{} is not {here}: blank", at.display())),
        );
        self.disks = maps(config, &known, &plan, inventory);
        self.stages.push(plan);
        Ok(())
    }

    fn plan_target(
        &mut self,
        expanded: &Expanded,
        digest: &str,
        machine: &Machine,
        processes: &process::System,
        root: Option<&Path>,
        environment: &Environment,
    ) -> Result<(), Failure> {
        let Expanded { config, origins } = expanded;
        let below = Path::new("/sysroot");
        let target = match root {
            None => {
                self.assumptions
                    .push("the target has no accounts and no files of its own (--root DIR compares)".into());
                Target::default()
            }
            Some(root) => read_target(config, digest, processes, root)?,
        };
        let points = MountPoints::new();
        let mount = mounts::plan_mount(config, &points, target.selinux_contexts.as_deref(), below)
            .map_err(|conflicts| Failure::of_conflicts(Stage::Mount, &conflicts))?;
        let mounted: OrderedSet<PathBuf> = mount
            .steps
            .iter()
            .filter_map(|planned| mount_path(&planned.step))
            .collect();
        self.stages.push(mount);
        let target = after_mounts(target, &mounted);
        let known = files::Known {
            target: &target,
            root: below,
            made_by_mount: &[],
            key_file: environment.key_file,
            boot_id: &machine.boot_id,
            now: &machine.now,
            user_config_provided: true,
            keys: None,
            extent: None,
            is_part: false,
            applies_presets: false,
            origins,
        };
        if !config.storage.luks.is_empty() {
            self.assumptions.push(
                "keys of encrypted volumes, and UUIDs that the config leaves open, are known in the boot only".into(),
            );
        }
        let plan = files::plan_files(config, &known)
            .map_err(|conflicts| Failure::of_conflicts(Stage::Files, &conflicts))?;
        self.stages.push(plan);
        let mut umount = mounts::plan_umount(config, &points, below);
        for planned in &mut umount.steps {
            if let Step::Unmount { absent, .. } = &mut planned.step {
                *absent = false;
            }
        }
        self.stages.push(umount);
        Ok(())
    }
}

fn mount_path(step: &Step) -> Option<PathBuf> {
    match step {
        Step::Mount { path, .. } => Some(path.clone()),
        _ => None,
    }
}

fn read_target(
    config: &Config,
    digest: &str,
    processes: &process::System,
    root: &Path,
) -> Result<Target, Failure> {
    let unreadable = |error: &dyn std::error::Error| {
        Failure::of(
            Stage::Files,
            "root-unreadable",
            error,
            "check the directory given as --root".to_owned(),
        )
    };
    let sysroot = Sysroot::open(root).map_err(|error| unreadable(&error))?;
    let journal = Journal::new(&sysroot, digest.to_owned());
    let found = observe::target(config, &sysroot, processes, &journal);
    let mut target = found.map_err(|error| unreadable(&error))?;
    // Those of this machine say nothing of the initramfs.
    target.missing_programs.clear();
    Ok(target)
}

/// What stands below a mount point is not seen once something is mounted there.
fn after_mounts(mut target: Target, mounted: &OrderedSet<PathBuf>) -> Target {
    let hidden = |path: &PathBuf| path.ancestors().skip(1).any(|above| mounted.contains(above));
    target.nodes.retain(|path, _| !hidden(path));
    target.homes.retain(|path, _| !hidden(path));
    target.complete.retain(|path| !hidden(path));
    target.half_written.retain(|path| !hidden(path));
    target.own_keys.retain(|path| !hidden(path));
    target
}

/// A blank disk that the wanted partitions fit on.
fn assumed(wanted: &WantedDisk) -> Disk {
    let ends = wanted.partitions.iter().map(|partition| {
        let start = u64::try_from(partition.start_mib.unwrap_or(0)).unwrap_or(0);
        let size = u64::try_from(partition.size_mib.unwrap_or(0)).unwrap_or(0);
        (start, size)
    });
    let sizes: u64 = ends
        .clone()
        .fold(0, |sum: u64, (_, size)| sum.saturating_add(size));
    let last = ends
        .map(|(start, size)| start.saturating_add(size))
        .max()
        .unwrap_or(0);
    let needed = sizes.max(last).saturating_add(1024).saturating_mul(MIB);
    Disk {
        node: PathBuf::from(&wanted.device),
        aliases: OrderedSet::new(),
        mapped: Mapped::named_by(wanted.device.as_ref()),
        sector: SectorSize::S512,
        size: Bytes(needed.clamp(ASSUMED_DISK, 1 << 60)),
        found: Found::Blank,
        in_use: InUse::default(),
        content: Content::Blank,
        assumed: true,
    }
}

/// Partitions that get a file system where the record shows none: nobody looked at what lies there.
fn unrecorded(config: &Config, known: &Known<'_>, inventory: Option<&Recorded>) -> Vec<String> {
    let (Some(inventory), Ok(layout)) = (inventory, plan_layout(config, known)) else {
        return Vec::new();
    };
    let places = layout.places.values();
    let partitions = places.filter_map(|place| match place {
        Place::Partition(partition) if inventory.disk(partition.disk.as_ref()).is_some() => Some(partition),
        _ => None,
    });
    let new = partitions.filter(|partition| inventory.content(partition).is_none());
    let mut by_disk: OrderedMap<&str, OrderedSet<u32>> = OrderedMap::new();
    for partition in new {
        by_disk
            .entry(&partition.disk)
            .or_default()
            .insert(partition.number);
    }
    let line = |(disk, numbers): (&str, OrderedSet<u32>)| {
        let noun = if numbers.len() == 1 {
            "partition"
        } else {
            "partitions"
        };
        let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let numbers = numbers.join(", ");
        format!("nothing is recorded of where {noun} {numbers} of {disk} will be: blank")
    };
    by_disk.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::SystemDirs;
    use crate::plan::accounts::KeyFile;
    use kindling_config_spec::types::Luks;

    #[test]
    fn encrypted_volumes_are_shown_before_they_have_a_key_and_a_uuid() {
        let nowhere = || PathBuf::from("/nonexistent");
        let environment = Environment {
            dirs: SystemDirs::new(None, None, None),
            command_line: nowhere(),
            config_file: nowhere(),
            key_file: KeyFile::Fragment,
            path: "".into(),
            run_dir: nowhere(),
        };
        let mut config = Config::default();
        config.storage.luks.push(Luks {
            name: "data".into(),
            device: Some("/dev/vdb".into()),
            ..Luks::default()
        });
        let mut dry_run = DryRun {
            documents: Vec::new(),
            warnings: Vec::new(),
            assumptions: Vec::new(),
            stages: Vec::new(),
            disks: Vec::new(),
        };
        let (machine, processes) = (Machine::read(), process::System::new("".into()));
        dry_run
            .plan_target(
                &Expanded {
                    config,
                    ..Expanded::default()
                },
                "digest",
                &machine,
                &processes,
                None,
                &environment,
            )
            .unwrap();
        let text = dry_run.to_string();
        for line in [
            "assumed: keys of encrypted volumes, and UUIDs that the config leaves open, are known in the boot only",
            "  + /etc/luks/data (0600 0:0): the key of the volume data",
            "  + /etc/crypttab (0600): a line for the volume data with the UUID that it will have",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}\n{text}");
        }
        let json: serde_json::Value = serde_json::from_str(&dry_run.to_json()).unwrap();
        let steps = json["stages"][1]["steps"].as_array().unwrap();
        let secret = serde_json::json!([{ "secret": { "volume": "data" } }]);
        assert!(steps.iter().any(|step| step["content"] == secret), "{json}");
    }
}
