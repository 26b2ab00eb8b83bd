//! A node from a blank machine: image, initramfs, disks and cluster put together, booted as often as a test likes.

mod boot;
mod boot_entry;
mod contents;
mod detection;
mod network_boot;
mod user_data;

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::boot_entry::Entry;
use self::user_data::Servers;
use crate::api::{self, Api, Offered};
use crate::aws::{Aws, AwsError};
use crate::boot_server::{BootServer, BootServerError};
use crate::cluster::{Cluster, ClusterError, MACHINE_CREDENTIAL, Offer, Served};
use crate::config_drive::ConfigDriveError;
use crate::config_server::Mode;
use crate::console::{Line, Next};
use crate::control_plane::ControlPlaneError;
use crate::digest::{self, DigestError};
use crate::host::{self, Acceleration, HostError};
use crate::image::{self, Base, ImageError, RootDisk};
use crate::initramfs::{self, InitramfsError};
use crate::qemu::{self, Disk, Guest, Link, Machine, Network, QemuError, Watched};
use crate::report::Reader;
use crate::run::RunError;
use crate::workspace;

pub use self::boot::{Boot, End};
pub use self::network_boot::{NetworkMachine, Start};
pub use self::user_data::UserData;

/// How long one boot may take. A warm one needs 30 s alone on two cores; tests share theirs.
pub const BOOT_LIMIT: Duration = Duration::from_secs(240);

/// What the cluster's config server tells of its API server.
fn served_of(api: &Api) -> [Served; 2] {
    [
        Served {
            name: "cluster-ca.crt",
            bytes: api.authority_pem().into_bytes(),
            bearer: None,
        },
        Served {
            name: "token",
            bytes: api.token().as_bytes().to_vec(),
            bearer: Some(MACHINE_CREDENTIAL),
        },
    ]
}

/// Anything that keeps a scenario from running; a boot that goes wrong is an [`End`], not an error.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The host lacks something.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The image could not be built or read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The initramfs could not be built.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// A program of the host failed.
    #[error(transparent)]
    Tool(RunError),
    /// The cluster stand-in did not start.
    #[error("cannot start the cluster stand-in")]
    Cluster(#[from] ClusterError),
    /// The API server did not start.
    #[error("cannot start the API server")]
    Api(#[from] ControlPlaneError),
    /// The AWS stand-in did not start.
    #[error("cannot start the AWS stand-in")]
    Aws(#[from] AwsError),
    /// The boot server did not start.
    #[error("cannot start the boot server")]
    BootServer(#[from] BootServerError),
    /// A program that prepares the machine failed.
    #[error("cannot prepare the machine")]
    Prepare(#[source] RunError),
    /// The config drive could not be made.
    #[error(transparent)]
    ConfigDrive(#[from] ConfigDriveError),
    /// The guest did not start.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// The engine's digest could not be taken.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The engine was not built.
    #[error("there is no engine at {}: build it first, or name another with KINDLING_BINARY", path.display())]
    NoEngine {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file of the run could not be made.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> ScenarioError {
    let path = path.to_path_buf();
    move |source| ScenarioError::File { path, source }
}

/// What every guest of this checkout shares.
#[derive(Clone, Debug)]
pub struct Built {
    /// How guests run here.
    pub acceleration: Acceleration,
    /// The pristine root disk.
    pub root: RootDisk,
    /// dracut's part of the initramfs.
    pub dracut: PathBuf,
    /// The engine that will be appended.
    pub engine: PathBuf,
    /// What the root disk was made of.
    base: Base,
}

impl Built {
    /// The directory that the root disk was made from.
    #[must_use]
    pub fn base_root(&self) -> &Path {
        &self.base.root
    }
}

/// Installs tools and builds images, where they are not there yet, telling `progress` what takes time. Processes that do
/// this at once wait for each other.
///
/// # Errors
/// [`ScenarioError`].
pub fn set_up(engine: &Path, progress: &mut dyn FnMut(&str)) -> Result<Built, ScenarioError> {
    if !engine.is_file() {
        return Err(ScenarioError::NoEngine {
            path: engine.to_path_buf(),
        });
    }
    let cache = workspace::cache();
    fs::create_dir_all(cache.join("runs")).map_err(file_error(&cache))?;
    let lock = cache.join("lock");
    let lock_file = File::create(&lock).map_err(file_error(&lock))?;
    lock_file.lock().map_err(file_error(&lock))?;

    let missing = host::missing_tools();
    if !missing.is_empty() {
        progress("installing the tools that guests need");
        let installed = host::install_tools(&cache)?;
        progress(&format!("installed {}", installed.join(", ")));
    }
    let acceleration = host::acceleration(&cache)?;
    progress(&format!("guests run under {}", acceleration.name()));
    let base = image::base(&cache, progress)?;
    let root = image::root_disk(&cache, &base, progress)?;
    let dracut = initramfs::dracut(&cache, &base, &workspace::dracut_module(), engine, progress)?;
    Ok(Built {
        acceleration,
        root,
        dracut,
        engine: engine.to_path_buf(),
        base,
    })
}

/// A folder for one run's disks. Removed with this value; leftovers of processes that are gone are removed by the next.
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Makes the folder for a run called `name`.
    ///
    /// # Errors
    /// [`ScenarioError::File`].
    pub fn new(name: &str) -> Result<Self, ScenarioError> {
        let runs = workspace::cache().join("runs");
        fs::create_dir_all(&runs).map_err(file_error(&runs))?;
        for entry in fs::read_dir(&runs).map_err(file_error(&runs))?.flatten() {
            let of = entry.path();
            let process = of
                .extension()
                .and_then(|process| process.to_str())
                .unwrap_or_default();
            if of.is_dir() && !Path::new("/proc").join(process).exists() {
                drop(fs::remove_dir_all(&of));
            }
        }
        let path = runs.join(format!("{name}.{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).map_err(file_error(&path))?;
        Ok(Self(path))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A machine with a root disk, a second blank disk and a cluster: what the demo shows.
pub struct Node {
    built: Built,
    folder: RunFolder,
    log: PathBuf,
    machine: Machine,
    platform: &'static str,
    /// Where the boot entry is that it starts by, if it has one.
    entry: Option<Entry>,
    /// How it finds out itself whether a boot is the first, if nobody tells it.
    detection: Option<String>,
    /// Kernel arguments of its own.
    arguments: Vec<String>,
    /// The cluster it belongs to.
    pub cluster: Cluster,
    /// The API server that it can join, if there is one.
    pub api: Option<Arc<Api>>,
    /// Amazon's services, for a machine of theirs.
    pub aws: Option<Aws>,
    /// The server that the machine's serial number names, if it does.
    pub seed: Option<BootServer>,
}

/// Size of the second disk in MiB; `fixtures/vm/worker.ign` has room on it.
pub const DATA_DISK_MIB: u64 = 1024;

impl Node {
    /// Makes the machine, off. `pipe` is this crate's program.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn new(
        name: &str,
        built: &Built,
        user_data: &UserData,
        pipe: &Path,
        offer: Offer,
    ) -> Result<Self, ScenarioError> {
        let mut offer = offer;
        let api = offer.api.take().map(Api::start).transpose()?.map(Arc::new);
        if let Some(api) = &api {
            offer.files.extend(served_of(api));
        }
        let cluster = Cluster::start(offer.clone())?;
        let folder = RunFolder::new(name)?;
        let (root, initramfs) = (
            folder.path().join("root.img"),
            folder.path().join("initramfs.img"),
        );
        image::copy(&built.root, &root)?;
        initramfs::assemble(
            &built.dracut,
            &workspace::dracut_module(),
            &built.engine,
            &initramfs,
        )?;
        let data = folder.path().join("data.img");
        let disk = Disk::blank(data.clone(), "data", DATA_DISK_MIB, 512).map_err(file_error(&data))?;
        let of_cluster = Link {
            address: qemu::CLUSTER_ADDRESS.to_owned(),
            pipe: pipe.to_path_buf(),
            port: cluster.port(),
        };
        let of_api = api.as_ref().map(|api| Link {
            address: api::ADDRESS.to_owned(),
            pipe: pipe.to_path_buf(),
            port: api.port(),
        });
        let mut machine = Machine {
            acceleration: built.acceleration,
            kernel: built.root.kernel.clone(),
            initramfs,
            arguments: Vec::new(),
            firmware: None,
            watched: None,
            root,
            is_root_read_only: false,
            disks: vec![disk],
            shelf: Vec::new(),
            config: None,
            disc: None,
            networks: vec![Network {
                links: [of_cluster].into_iter().chain(of_api).collect(),
                ..Network::default()
            }],
            identity: None,
            clock_ahead: Duration::ZERO,
            share: None,
        };
        let Servers { aws, seed } = user_data.hand_over(&mut machine, folder.path(), pipe, &offer)?;
        let log = workspace::cache().join(format!("runs/{name}.console"));
        Ok(Self {
            built: built.clone(),
            folder,
            log,
            machine,
            platform: user_data.platform(),
            entry: None,
            detection: None,
            arguments: Vec::new(),
            cluster,
            api,
            aws,
            seed,
        })
    }

    /// Sets the clock wrong: the machine believes that it is so much later.
    pub fn set_clock_ahead(&mut self, by: Duration) {
        self.machine.clock_ahead = by;
    }

    /// Takes the network cards out.
    pub fn take_network_away(&mut self) {
        self.machine.networks.clear();
    }

    /// Protects the root disk: it takes no writes.
    pub fn set_root_read_only(&mut self) {
        self.machine.is_root_read_only = true;
    }

    /// Gives the machine a screen and a line to the hypervisor, and tells where both can be seen.
    pub fn add_consoles(&mut self) -> Watched {
        let watched = Watched {
            monitor: self.folder.path().join("monitor"),
            line: self.folder.path().join("line"),
        };
        self.machine.watched = Some(watched.clone());
        watched
    }

    /// Adds kernel arguments to those of all later boots; of one that is given twice the last counts.
    pub fn add_arguments(&mut self, arguments: &str) {
        self.arguments.push(arguments.to_owned());
    }

    /// Where the consoles of this machine's boots are kept after the run.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The root disk, to look into while the machine is off.
    #[must_use]
    pub fn root_disk(&self) -> &Path {
        &self.machine.root
    }

    /// The second disk, to look into while the machine is off.
    #[must_use]
    pub fn data_disk(&self) -> &Path {
        &self.machine.disks[0].path
    }

    /// The run's folder, gone with this value.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// SHA-256 of the engine on the host, as the guest's report should have it.
    ///
    /// # Errors
    /// [`ScenarioError::Digest`].
    pub fn engine_digest(&self) -> Result<String, ScenarioError> {
        Ok(digest::of_file(&self.built.engine)?)
    }

    /// Starts the machine and waits until it has reported and is off, or has stopped.
    ///
    /// # Errors
    /// [`ScenarioError`] when it cannot be started at all.
    pub fn boot(&mut self, watch: &mut dyn FnMut(&Line)) -> Result<Boot, ScenarioError> {
        self.run(&mut |line| {
            watch(line);
            ControlFlow::Continue(())
        })
    }

    /// Starts the machine and takes its power away `delay` after a line of the console that holds `mark`. What the
    /// guest had not brought to its disks by then is lost.
    ///
    /// # Errors
    /// [`ScenarioError`] when it cannot be started at all.
    pub fn boot_until_power_cut(&mut self, mark: &str, delay: Duration) -> Result<Boot, ScenarioError> {
        self.run(&mut |line| {
            if line.text.contains(mark) {
                std::thread::sleep(delay);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
    }

    fn run(&mut self, watch: &mut dyn FnMut(&Line) -> ControlFlow<()>) -> Result<Boot, ScenarioError> {
        let was_first = image::has_firstboot_stamp(&self.machine.root)?;
        self.machine.arguments = self.arguments(was_first);
        self.machine.arguments.push(self.boot_options()?);
        if self.machine.watched.is_some() {
            self.machine.arguments.push(Watched::ARGUMENTS.to_owned());
        }
        self.machine.arguments.extend(self.arguments.iter().cloned());
        watched(&self.machine, &self.log, was_first, watch)
    }
}

/// Starts a machine, and reads its console until it is off or `watch` has seen enough.
fn watched(
    machine: &Machine,
    log: &Path,
    was_first: bool,
    watch: &mut dyn FnMut(&Line) -> ControlFlow<()>,
) -> Result<Boot, ScenarioError> {
    let started = Instant::now();
    let mut guest = Guest::start(machine, log)?;
    let mut reader = Reader::default();
    let mut report = None;
    let end = loop {
        match guest.console.next(started + BOOT_LIMIT) {
            Next::Line(line) => {
                report = reader.take(&line.text).or(report);
                if watch(&line).is_break() {
                    break End::Cut;
                }
            }
            // Only a clean power-off leaves disks that a later boot may be judged by.
            Next::Closed => break report.map_or(End::Stopped, End::Reported),
            Next::TimedOut => break End::TimedOut,
        }
    };
    Ok(Boot {
        end,
        was_first,
        took: started.elapsed(),
        console: guest.into_console(),
    })
}

/// The offer of the demo: the worker config and files of `fixtures/vm`, without faults.
#[must_use]
pub fn worker_offer() -> Offer {
    let fixtures = workspace::fixtures();
    Offer {
        worker: fixtures.join("worker.ign"),
        fixtures,
        pools: Vec::new(),
        files: Vec::new(),
        api: None,
        adds_files: false,
        mode: Mode::Cluster,
        certificate: "pki/server",
        fail_first: 0,
    }
}

/// The offer of the demo: a pool whose machines join by a certificate of their own, and the API server for it.
#[must_use]
pub fn node_offer(api: Offered) -> Offer {
    let worker = worker_offer();
    let config = worker.fixtures.join("node.ign");
    Offer {
        pools: vec![("node", Some(config))],
        api: Some(api),
        ..worker
    }
}
