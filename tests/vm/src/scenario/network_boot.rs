//! A machine with a blank disk that starts from the network: a live system, which may install to the disk, and then the disk.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Boot, Built, RunFolder, ScenarioError, file_error, watched};
use crate::boot_server::{BOOT_ADDRESS, BootServer, Group, Shelf};
use crate::console::Line;
use crate::qemu::{Identity, Link, Machine, Network};
use crate::{initramfs, live, run, workspace};

/// The hardware address of the machine's card.
const MAC: &str = "52:54:00:a1:9c:ae";
/// What its firmware says of it.
const UUID: &str = "16e7d8a7-bfa9-428b-9117-363341bb330b";
/// Its serial number.
const SERIAL: &str = "VM 42";

/// Kernel arguments of guests that no guide should have: those that keep a guest from waiting for anybody.
const EXTRA: &str = "quiet mitigations=off no_timer_check cryptomgr.notests panic=-1 rd.shell=0 rd.emergency=poweroff \
                     kindling.demo=1";

/// What the installed system's boot loader tells the kernel besides. It knows no addresses of cards: the engine does.
const INSTALLED: &str = "ignition.firstboot ignition.platform.id=metal \
     ignition.config.url=http://10.0.2.100:8080/ignition?mac=${machine.mac}&serial=${machine.serial}&os=installed";

/// From where a machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the network, by the loader on its card.
    Network,
    /// From its disk. The harness stands for the boot loader there.
    Disk,
}

/// The machine with the server it starts from.
pub struct NetworkMachine {
    folder: RunFolder,
    log: PathBuf,
    machine: Machine,
    tftp: PathBuf,
    /// What it starts from.
    pub server: BootServer,
}

impl NetworkMachine {
    /// Makes the machine, off. `pipe` is this crate's program. The server has the files of
    /// `fixtures/guides/pxe`.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn new(
        name: &str,
        built: &Built,
        pipe: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, ScenarioError> {
        let guide = workspace::root().join("fixtures/guides/pxe");
        let folder = RunFolder::new(name)?;
        let at = |name: &str| folder.path().join(name);
        let cache = workspace::cache();
        let lock = cache.join("lock");
        let held = File::create(&lock).map_err(file_error(&lock))?;
        held.lock().map_err(file_error(&lock))?;
        let live = live::live(&cache, &built.base, progress)?;
        drop(held);

        let root = at("root.img");
        File::create(&root)
            .and_then(|file| file.set_len(DISK_BYTES))
            .map_err(file_error(&root))?;
        let whole = at("whole.img");
        initramfs::assemble(&built.dracut, &workspace::dracut_module(), &built.engine, &whole)?;
        // A third of it, over a network.
        let packed = at("initramfs.img");
        let mut zstd = Command::new(run::get("zstd").map_err(ScenarioError::Prepare)?);
        zstd.args(["-3", "--quiet", "-o"]).args([&packed, &whole]);
        run::to_end("zstd", &mut zstd, &at("zstd.log")).map_err(ScenarioError::Prepare)?;

        let parts = at("parts");
        split(&built.engine, &guide.join("node.ign"), &parts, &at("split.log"))?;
        let server = BootServer::start(Shelf {
            script: guide.join("boot.ipxe"),
            assets: BTreeMap::from([
                ("vmlinuz", built.root.kernel.clone()),
                ("initramfs.img", packed),
                ("live.img", live.archive),
                ("disk.img.gz", live.disk),
                ("kindling", built.engine.clone()),
                ("install", guide.join("install")),
                ("baked.ign", parts.join("baked.ign")),
            ]),
            groups: vec![
                Group {
                    selector: vec![("mac", MAC)],
                    config: guide.join("install.ign"),
                },
                Group {
                    selector: vec![("mac", MAC), ("os", "installed")],
                    config: parts.join("first-boot.ign"),
                },
            ],
        })?;
        let tftp = at("tftp");
        fs::create_dir(&tftp).map_err(file_error(&tftp))?;
        let script = tftp.join(Network::SCRIPT);
        let text = format!("#!ipxe\nset extra {EXTRA}\nchain http://{BOOT_ADDRESS}/boot.ipxe\n");
        fs::write(&script, text).map_err(file_error(&script))?;
        let machine = Machine {
            acceleration: built.acceleration,
            is_root_read_only: false,
            watched: None,
            kernel: built.root.kernel.clone(),
            initramfs: whole,
            arguments: vec!["kindling.demo=1".to_owned(), INSTALLED.to_owned()],
            firmware: None,
            root,
            disks: Vec::new(),
            shelf: Vec::new(),
            config: None,
            disc: None,
            networks: vec![Network {
                links: vec![Link {
                    address: BOOT_ADDRESS.to_owned(),
                    pipe: pipe.to_path_buf(),
                    port: server.port(),
                }],
                mac: Some(MAC),
                ..Network::default()
            }],
            identity: Some(Identity {
                uuid: UUID.to_owned(),
                serial: SERIAL.to_owned(),
            }),
            clock_ahead: Duration::ZERO,
            share: None,
        };
        Ok(Self {
            log: cache.join(format!("runs/{name}.console")),
            folder,
            machine,
            tftp,
            server,
        })
    }

    /// The disk, to be looked into while the machine is off.
    #[must_use]
    pub fn disk(&self) -> &Path {
        &self.machine.root
    }

    /// The run's folder, gone with this value.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the machine and waits until it has reported and is off, or has stopped.
    ///
    /// # Errors
    /// [`ScenarioError`] when it cannot be started at all.
    pub fn boot(&mut self, start: Start, watch: &mut dyn FnMut(&Line)) -> Result<Boot, ScenarioError> {
        let from = (start == Start::Network).then(|| self.tftp.clone());
        for network in &mut self.machine.networks {
            network.start.clone_from(&from);
        }
        watched(&self.machine, &self.log, true, &mut |line| {
            watch(line);
            ControlFlow::Continue(())
        })
    }
}

/// Larger than the image.
const DISK_BYTES: u64 = 1 << 30;

/// The config in two, as the operator makes them at the desk.
fn split(engine: &Path, config: &Path, parts: &Path, log: &Path) -> Result<(), ScenarioError> {
    let mut command = Command::new(engine);
    let words: [&OsStr; 4] = [
        "apply".as_ref(),
        config.as_ref(),
        "--split".as_ref(),
        parts.as_ref(),
    ];
    command.args(words);
    run::to_end("kindling", &mut command, log).map_err(ScenarioError::Prepare)
}
