//! The disks of a machine that does not run, each in a file or on a disk of this machine.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};
use kindling_config_spec::types::Config;
use kindling_config_spec::units::SectorSize;

use super::rootless::{self, OnCopies};
use super::stamp::{self, Shows};
use super::{Below, Request, kernel_arguments, partitions};
use crate::apply::{Applied, Host, Keys, Noted, apply};
use crate::fetch::Origin;
use crate::host::copies::Copies;
use crate::host::devices::{DeviceError, Devices, Locks, System};
use crate::host::loops::Held;
use crate::host::machine::Machine;
use crate::host::mounts;
use crate::host::probe::ProbeError;
use crate::host::process::{self, Processes};
use crate::host::sysroot::Sysroot;
use crate::host::user_namespace::IdMap;
use crate::identity::{Seed, sha256_hex_of};
use crate::inventory::disks::{Content, Disk, Probe};
use crate::inventory::observe;
use crate::inventory::recorded::{Format, Recorded};
use crate::inventory::stack::{Mapping, User};
use crate::invocation::{Invocation, Program};
use crate::node::expand::Expanded;
use crate::plan::Stage;
use crate::plan::disks::Known;
use crate::plan::offline::{Extent, FIRST_BOOT_STAMP, root_node};
use crate::plan::partitions::KernelView;
use crate::plan::split::Unseen;
use crate::plan::step::TableWrite;
use crate::report::Failure;
use crate::report::progress::StageRecord;
use crate::stages::disks::look::Live;
use crate::stages::given::Given;
use crate::stages::places::located;
use crate::stages::{announce, disks, mount};

/// What stands for a disk of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What the config calls the disk; `None` for the only one it names.
    pub device: Option<PathBuf>,
    /// A file, or a whole disk of this machine that nobody uses.
    pub file: PathBuf,
    /// Logical sectors of a file; a disk has its own.
    pub sector: SectorSize,
}

impl Request<'_> {
    /// Carries the config out on the disks in `images`, and below the root that is on one of them.
    ///
    /// # Errors
    /// The record. Nothing was changed if it is of the config, of the images, or of a plan.
    pub fn into_images(&self, images: &[Image]) -> Result<Applied, Failure> {
        let (given, expanded) = self.read(Extent::Image, &Unseen)?;
        let written = self.written(&given);
        self.make(given, expanded, images)
            .map_err(|failure| located(failure, &written))
    }

    fn make(&self, mut given: Given, expanded: Expanded, images: &[Image]) -> Result<Applied, Failure> {
        let images = named(images, &expanded.config)?;
        let noted = Noted::begin();
        given.fetcher = given.fetcher.noted_in(&noted.runs);
        let processes = process::System::new(self.environment.path.clone()).noted_in(&noted.runs);
        let ids = IdMap::read();
        let is_root = ids.iter().all(IdMap::is_of_machine);
        if !is_root {
            rootless::find_programs(&processes)?;
            rootless::refuse(&expanded.config, &images, &ids, self.split.is_some())?;
        }
        // Whatever ends this process takes its mounts along, and nobody else sees them.
        mounts::keep_to_ourselves()
            .map_err(|error| {
                std::io::Error::new(error.kind(), format!("cannot have mounts of our own: {error}"))
            })
            .map_err(|error| match is_root {
                true => attach_failure(&error),
                false => rootless::no_mounts(&error),
            })?;
        if is_root {
            let attached = attach(&images, &processes)?;
            let nodes: Vec<PathBuf> = attached.iter().map(|held| held.node().to_owned()).collect();
            let machine = Machine::read();
            let system = System::new(u128::from_be_bytes(machine.fresh), processes.clone());
            let ground = Ground {
                disks: images.into_keys().zip(nodes).collect(),
                processes: &processes,
                devices: &system,
                copies: None,
            };
            let done = self.carry_out(&given, expanded, &noted, &machine, &ground)?;
            self.remove_stamps(&done, &Shows::Kernel(&processes, &system))?;
            return Ok(done.applied);
        }
        let files = images.values().map(|image| (image.file.as_path(), image.sector));
        let copies = Copies::take(files).map_err(|error| attach_failure(&error))?;
        let on_copies = OnCopies::new(&processes, &copies);
        let ground = Ground {
            disks: images
                .keys()
                .cloned()
                .zip(copies.nodes().map(Path::to_owned))
                .collect(),
            processes: &on_copies,
            devices: &copies,
            copies: Some(&copies),
        };
        let done = self.carry_out(&given, expanded, &noted, &Machine::read(), &ground)?;
        let first = on_copies.end().map_err(|error| attach_failure(&error))?;
        self.remove_stamps(&done, &Shows::Program(&processes, &copies))?;
        copies
            .commit(first.as_deref())
            .map_err(|error| attach_failure(&error))?;
        Ok(done.applied)
    }

    /// With `--split` a first boot is still to come; and what was filled need not be what boots.
    fn remove_stamps(&self, done: &Done, shows: &Shows<'_>) -> Result<(), Failure> {
        match self.split {
            None if done.boots => {
                stamp::remove(&done.recorded, shows).map_err(|error| attach_failure(&*error))
            }
            None => {
                stamp::leave(&done.recorded);
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    fn carry_out(
        &self,
        given: &Given,
        expanded: Expanded,
        noted: &Noted,
        machine: &Machine,
        ground: &Ground<'_>,
    ) -> Result<Done, Failure> {
        let Expanded { config, origins } = expanded;
        let processes = ground.processes;
        let mut devices = Attached {
            system: ground.devices,
            recorded: Recorded::default(),
        };
        devices.look(ground)?;
        let keys = Keys::new();
        let digest = sha256_hex_of(&config);
        let looked;
        let made = {
            let host = host(processes, &devices, &keys, noted);
            looked = kernel_arguments::check(&config, &devices.recorded, &host)?;
            noted.runs.begin_anew();
            make_disks(&config, &digest, machine, &host)?
        };
        let mut tally = made.tally;
        let disks = StageRecord::new(Stage::Disks, noted.runs.timed(), made, "ok");
        if let Some(copies) = ground.copies {
            copies.put_back().map_err(|error| attach_failure(&error))?;
        }
        devices.look(ground)?;
        let config = with_nodes(config, &devices)?;
        let host = Host {
            fetcher: Some(&given.fetcher),
            ..host(processes, &devices, &keys, noted)
        };
        let kargs = kernel_arguments::put(&config, &devices.recorded, &looked, &host, noted)?;
        let root = mounts::Place::new().map_err(|error| attach_failure(&error))?;
        let filesystems = || config.storage.filesystems.iter();
        let others = filesystems().map(|one| PathBuf::from(&one.device)).into_set();
        if !filesystems().any(is_root) {
            let node = root_node(&devices.recorded, &others).map_err(|conflict| Failure {
                code: conflict.code.to_owned(),
                stage: Stage::Mount,
                what: conflict.message,
                place: None,
                // Tables and file systems may have been made by now, so that nobody may say that nothing was changed.
                why: Vec::new(),
                next: conflict.next,
            })?;
            devices.refuse_root(&node, ground)?;
            partitions::show(&devices.recorded, &OrderedSet::new(), &devices)
                .map_err(|error| disks::device_failure(&error))?;
            let call = Invocation::new(Program::Mount).arg(node).arg(root.path());
            processes.run(&call).map_err(|error| attach_failure(&error))?;
        }
        noted.runs.begin_anew();
        let mounted = mount::mount(&config, root.path(), &host)?;
        let mount_tally = mounted.applied.tally;
        let mount = StageRecord::new(Stage::Mount, noted.runs.timed(), mounted.applied, "ok");
        let mut stages = vec![disks];
        if let Some(kargs) = kargs {
            tally.changed += kargs.changed;
            tally.already_so += kargs.already_so;
            stages.push(kargs);
        }
        stages.push(mount);
        noted.runs.begin_anew();
        let before = (given.rendered.origins().to_vec(), stages);
        let expanded = Expanded { config, origins };
        let boots = stamp::boots(root.path());
        let files = self.fill(&expanded, digest, root.path(), &mounted.made, before, &host)?;
        for part in [mount_tally, files.tally] {
            tally.changed += part.changed;
            tally.already_so += part.already_so;
        }
        mount::unmount(&expanded.config, root.path(), &host)?;
        root.leave().map_err(|error| attach_failure(&error))?;
        let applied = Applied {
            tally,
            ..Applied::default()
        };
        Ok(Done {
            applied,
            recorded: devices.recorded,
            boots,
        })
    }

    fn fill(
        &self,
        expanded: &Expanded,
        digest: String,
        root: &Path,
        made: &[PathBuf],
        before: (Vec<Origin>, Vec<StageRecord>),
        host: &Host<'_>,
    ) -> Result<Applied, Failure> {
        let sysroot = Sysroot::open(root).map_err(|error| super::unreadable(&error))?;
        let (documents, stages) = before;
        let below = Below {
            sysroot: &sysroot,
            made_by_mount: made,
            documents,
            stages,
            extent: Extent::Image,
        };
        let applied = self.files(expanded, digest, below, host)?;
        let finished = sysroot
            .remove(Path::new(mounts::NOTED))
            .and_then(|()| match self.split {
                None => sysroot.remove(Path::new(FIRST_BOOT_STAMP)),
                Some(_) => Ok(()),
            })
            .and_then(|()| sysroot.sync(Path::new("/")));
        finished.map_err(|error| super::unreadable(&error))?;
        Ok(applied)
    }
}

/// A config that was carried out.
struct Done {
    applied: Applied,
    /// What the images hold now.
    recorded: Recorded,
    /// Whether the root had a system in it before.
    boots: bool,
}

fn host<'a>(
    processes: &'a dyn Processes,
    devices: &'a Attached<'a>,
    keys: &'a Keys,
    noted: &'a Noted,
) -> Host<'a> {
    Host {
        processes,
        devices,
        keys,
        sysroot: None,
        fetcher: None,
        journal: None,
        receipt: None,
        noted: Some(noted),
    }
}

pub(super) fn is_root(filesystem: &kindling_config_spec::types::Filesystem) -> bool {
    filesystem.path.as_deref() == Some("/")
}

/// The images by what the config calls their disks.
fn named(images: &[Image], config: &Config) -> Result<OrderedMap<PathBuf, Image>, Failure> {
    let refused = |what: String, next: &str| Failure {
        code: "image-unknown".to_owned(),
        stage: Stage::Disks,
        what,
        place: None,
        why: vec!["nothing was changed".to_owned()],
        next: next.to_owned(),
    };
    let mut by_device = OrderedMap::new();
    for image in images {
        let file = image.file.display();
        let device = match (&image.device, config.storage.disks.as_slice()) {
            (Some(device), _) => device.clone(),
            (None, [only]) => PathBuf::from(&only.device),
            // Nobody calls it anything.
            (None, []) => image.file.clone(),
            (None, _) => {
                let what = format!("which disk of the config is {file}?");
                return Err(refused(what, "say it for each image: --image /dev/vda=FILE"));
            }
        };
        if by_device.insert(device.clone(), image.clone()).is_some() {
            let what = format!("two images are given for {}", device.display());
            return Err(refused(what, "give each disk one image"));
        }
    }
    let same = |one: &Image, other: &Image| {
        let id = |image: &Image| image.file.metadata().ok().map(|at| (at.dev(), at.ino()));
        id(one).is_some() && id(one) == id(other)
    };
    for (index, image) in images.iter().enumerate() {
        if images.iter().skip(index + 1).any(|other| same(image, other)) {
            let what = format!("{} is given for two disks", image.file.display());
            return Err(refused(what, "give each disk an image of its own"));
        }
    }
    for disk in &config.storage.disks {
        if !by_device.contains_key(Path::new(&disk.device)) {
            let what = format!("the config's disk {} has no image", disk.device);
            return Err(refused(
                what,
                "give it one: --image DEVICE=FILE; truncate -s makes an empty one",
            ));
        }
    }
    Ok(by_device)
}

fn attach(images: &OrderedMap<PathBuf, Image>, processes: &process::System) -> Result<Vec<Held>, Failure> {
    let attach = |image: &Image| {
        Held::take(processes, &image.file, image.sector).map_err(|error| attach_failure(&error))
    };
    images.values().map(attach).collect()
}

fn attach_failure(error: &dyn std::error::Error) -> Failure {
    let next = "check the image; docs/semantics.md says what it takes as root, and without root".to_owned();
    Failure::of(Stage::Disks, "image-unusable", error, next)
}

/// The disks stage, on the images.
fn make_disks(config: &Config, digest: &str, machine: &Machine, host: &Host<'_>) -> Result<Applied, Failure> {
    let disks = disks::look_at(config, host.processes, host.devices)?;
    let known = Known {
        disks: &disks,
        // No machine's own: every machine that boots the image is meant.
        seed: &Seed::new("", digest),
        fresh: machine.fresh,
    };
    let keys = Keys::new();
    let live = Live {
        processes: host.processes,
        devices: host.devices,
        keys: &keys,
        left: &keys,
    };
    let (plan, _) = disks::plan_known(config, &known, host.devices, &live)?;
    announce(&plan)?;
    apply(&plan, host).map_err(|failed| Failure::of_step(Stage::Disks, &failed))
}

/// The config with the nodes of file systems in place of what the machine will call them.
fn with_nodes(mut config: Config, devices: &Attached<'_>) -> Result<Config, Failure> {
    for filesystem in &mut config.storage.filesystems {
        let node = devices
            .node(filesystem.device.as_ref())
            .map_err(|error| disks::device_failure(&error))?;
        filesystem.device = node.to_string_lossy().into_owned();
    }
    Ok(config)
}

/// What the images are here: block devices, or files.
struct Ground<'a> {
    /// What the config calls each, and its node.
    disks: Vec<(PathBuf, PathBuf)>,
    processes: &'a dyn Processes,
    devices: &'a dyn Devices,
    /// The files.
    copies: Option<&'a Copies>,
}

/// The devices that images are: no other is looked at, whatever the config calls them and this machine has.
struct Attached<'a> {
    system: &'a dyn Devices,
    recorded: Recorded,
}

impl Attached<'_> {
    /// Records what the images hold now.
    fn look(&mut self, ground: &Ground<'_>) -> Result<(), Failure> {
        let record = |(device, node): &(PathBuf, PathBuf)| {
            let mut recorded = observe::record(ground.processes, self.system, self.system.disk(node)?)?;
            recorded.disk.aliases = [device.clone()].into();
            Ok(recorded)
        };
        let disks: Result<Vec<_>, ProbeError> = ground.disks.iter().map(record).collect();
        self.recorded = Recorded {
            version: Format,
            disks: disks.map_err(|error| attach_failure(&error))?,
            arrays: Vec::new(),
        };
        Ok(())
    }
}

impl Attached<'_> {
    /// Sees to it that a program can show the root's files, where the kernel may not.
    fn refuse_root(&self, node: &Path, ground: &Ground<'_>) -> Result<(), Failure> {
        if ground.copies.is_none() {
            return Ok(());
        }
        match self.recorded.content_of(node) {
            Some(Content::Known(found)) if !rootless::can_be_filled(&found.kind) => {
                let what = format!(
                    "the root is a {}, which cannot be mounted without root",
                    found.kind
                );
                Err(rootless::needs_root("", what, rootless::FILLED))
            }
            _ => Ok(()),
        }
    }
}

impl Devices for Attached<'_> {
    fn wait_for(&self, devices: &[PathBuf]) -> Result<(), DeviceError> {
        let nodes: Result<Vec<PathBuf>, DeviceError> =
            devices.iter().map(|device| self.node(device)).collect();
        self.system.wait_for(&nodes?)
    }

    fn node(&self, device: &Path) -> Result<PathBuf, DeviceError> {
        let mut nodes = self.recorded.nodes(device);
        match (nodes.pop(), nodes.is_empty()) {
            (Some(node), true) => Ok(node),
            _ => Err(DeviceError::Missing {
                missing: vec![device.to_owned()],
                waited: Duration::ZERO,
            }),
        }
    }

    fn disk(&self, device: &Path) -> Result<Disk, DeviceError> {
        let mut disk = self.system.disk(&self.node(device)?)?;
        disk.aliases = [device.to_owned()].into();
        Ok(disk)
    }

    fn readable(&self, probe: &Probe) -> Result<(), DeviceError> {
        self.system.readable(probe)
    }

    fn is_zero(&self, probe: &Probe) -> bool {
        self.system.is_zero(probe)
    }

    fn used_by(&self, node: &Path) -> Result<Option<User>, DeviceError> {
        self.system.used_by(node)
    }

    fn is_there(&self, node: &Path) -> bool {
        self.system.is_there(node)
    }

    fn lock(&self, nodes: &[PathBuf]) -> Result<Locks, DeviceError> {
        self.system.lock(nodes)
    }

    fn arrays_on(&self, node: &Path) -> Result<Vec<PathBuf>, DeviceError> {
        self.system.arrays_on(node)
    }

    fn mapping(&self, _name: &str) -> Result<Option<Mapping>, DeviceError> {
        // This machine's mappings are none of the image's.
        Ok(None)
    }

    fn write_table(&self, node: &Path, write: &TableWrite) -> Result<(), DeviceError> {
        self.system.write_table(node, write)
    }

    fn hold(&self, node: &Path, view: &KernelView) -> Result<(), DeviceError> {
        self.system.hold(node, view)
    }

    fn settle(&self, nodes: &[PathBuf]) -> Result<(), DeviceError> {
        self.system.settle(nodes)
    }
}
