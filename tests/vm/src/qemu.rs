//! One guest under QEMU: its command line, its console, and its certain end.

mod network;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use time::OffsetDateTime;

use crate::console::Console;
use crate::host::{Acceleration, FIRMWARE};
use crate::run::{self, RunError};

pub use self::network::{Link, Network};

/// The address guests know the cluster by. It is in the fixtures and in the certificate.
pub const CLUSTER_ADDRESS: &str = "10.0.2.100:6443";

/// A disk beside the root disk. The first is `/dev/vdb`, and so on.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Raw image.
    pub path: PathBuf,
    /// Shows as `/dev/disk/by-id/virtio-<serial>`; at most 20 bytes.
    pub serial: String,
    /// Logical sector size in bytes.
    pub sector_bytes: u32,
    /// By how many ways the guest sees it: by one as a virtio disk, by more as so many SCSI disks with one serial.
    pub ways: usize,
}

impl Disk {
    /// Makes a blank disk: a file without blocks.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn blank(path: PathBuf, serial: &str, mebibytes: u64, sector_bytes: u32) -> io::Result<Self> {
        File::create(&path)?.set_len(mebibytes << 20)?;
        Ok(Self {
            path,
            serial: serial.to_owned(),
            sector_bytes,
            ways: 1,
        })
    }

    /// The same disk, seen by so many ways.
    #[must_use]
    pub fn by_ways(self, ways: usize) -> Self {
        Self { ways, ..self }
    }

    /// QEMU's options for a disk of several ways, with a bus of its own.
    fn on_scsi(&self, number: usize) -> Vec<[String; 2]> {
        let image = format!(
            "driver=raw,node-name=d{number},discard=unmap,cache.no-flush=on,file.driver=file,file.filename={}",
            escaped(&self.path)
        );
        let bus = format!("virtio-scsi-pci,id=bus{number}");
        let sector = self.sector_bytes;
        let disk = format!(
            "scsi-hd,bus=bus{number}.0,drive=d{number},share-rw=on,serial={},logical_block_size={sector},physical_block_size={sector}",
            self.serial
        );
        let mut options = vec![["-blockdev".to_owned(), image], ["-device".to_owned(), bus]];
        options.extend((0..self.ways).map(|_| ["-device".to_owned(), disk.clone()]));
        options
    }
}

/// A disk that the guest sees only when it asks for it, by its place among the others on their SCSI bus. All have one
/// serial, so that each in turn is the same disk to whoever looks for it by name.
#[derive(Clone, Debug)]
pub struct Shelved {
    /// Raw image.
    pub path: PathBuf,
    /// Logical sector size in bytes.
    pub sector_bytes: u32,
    /// Where its writes are logged ([`crate::writes`]), if they are: a file that is there.
    pub log: Option<PathBuf>,
}

impl Shelved {
    /// The kernel's argument by which it looks for no disk of its own accord.
    pub const ARGUMENT: &str = "scsi_mod.scan=manual";

    /// QEMU's options for their bus.
    const BUS: [&str; 2] = ["-device", "virtio-scsi-pci,id=shelf"];

    /// QEMU's options for the disk at this place of the bus, from 0 to 255. The guest knows it as
    /// `/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_replayed`.
    fn options(&self, place: usize) -> Vec<[String; 2]> {
        let raw = |node: &str| {
            format!(
                "driver=raw,node-name={node},discard=unmap,cache.no-flush=on,file.driver=file,file.filename={}",
                escaped(&self.path)
            )
        };
        let mut options = Vec::new();
        let mut add = |option: &str, value: String| options.push([option.to_owned(), value]);
        match &self.log {
            None => add("-blockdev", raw(&format!("shelf{place}"))),
            Some(log) => {
                let below = format!("recorded{place}");
                add("-blockdev", raw(&below));
                // The log holds the flushes that this node is told of, so nothing above it may swallow them.
                let logging = format!(
                    "driver=blklogwrites,node-name=shelf{place},discard=unmap,log-sector-size=512,file={below},\
                     log.driver=file,log.cache.no-flush=on,log.filename={}",
                    escaped(log)
                );
                add("-blockdev", logging);
            }
        }
        let sector = self.sector_bytes;
        let disk = format!(
            "scsi-hd,bus=shelf.0,scsi-id={place},drive=shelf{place},serial=replayed,logical_block_size={sector},\
             physical_block_size={sector}"
        );
        add("-device", disk);
        options
    }
}

/// A folder of the host that a guest may mount by virtiofs.
#[derive(Clone, Debug)]
pub struct Share {
    /// What the guest calls it.
    pub tag: String,
    /// The folder.
    pub folder: PathBuf,
    /// Where QEMU meets the program that serves it; made by [`Guest::start`].
    pub socket: PathBuf,
}

impl Share {
    /// Starts the program that serves the folder until the guest ends. It gets the socket ready to be connected to.
    fn serve(&self, log: &Path) -> Result<Child, QemuError> {
        let failed = |source| QemuError::Start {
            log: log.to_path_buf(),
            source,
        };
        let socket = OwnedFd::from(UnixListener::bind(&self.socket).map_err(failed)?);
        let out = File::create(log).map_err(failed)?;
        Command::new(run::get("setpriv")?)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(run::get("virtiofsd")?)
            .args(["--fd=0", "-o", "sandbox=chroot", "-o"])
            .arg(format!("source={}", text(&self.folder)))
            .stdin(socket)
            .stdout(out.try_clone().map_err(failed)?)
            .stderr(out)
            .spawn()
            .map_err(failed)
    }

    /// The guest's memory must be one that the program can read as well.
    fn arguments(&self) -> Vec<String> {
        [
            "-object",
            &format!("memory-backend-memfd,id=ram,size={MEMORY_MIB}M,share=on"),
            "-machine",
            "memory-backend=ram",
            "-chardev",
            &format!("socket,id=share,path={}", escaped(&self.socket)),
            "-device",
            &format!("vhost-user-fs-pci,chardev=share,tag={}", self.tag),
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

/// What a guest is made of.
#[derive(Clone, Debug)]
pub struct Machine {
    /// KVM or emulation.
    pub acceleration: Acceleration,
    /// Kernel image. Neither it nor the next two are of use to a machine that starts from a network.
    pub kernel: PathBuf,
    /// Initramfs.
    pub initramfs: PathBuf,
    /// Kernel arguments after those every guest has.
    pub arguments: Vec<String>,
    /// Firmware that keeps its variables in this file. It starts the boot loader of the last disk, which has to find
    /// kernel, initramfs and arguments by itself, and the machine starts again whenever it is told to. Without it QEMU
    /// puts the three into the memory, and a machine that starts again is off.
    pub firmware: Option<PathBuf>,
    /// More than the serial line to look at.
    pub watched: Option<Watched>,
    /// Root disk; written to.
    pub root: PathBuf,
    /// The root disk takes no writes.
    pub is_root_read_only: bool,
    /// More disks; written to.
    pub disks: Vec<Disk>,
    /// Disks to be asked for; [`Shelved::ARGUMENT`] belongs to them.
    pub shelf: Vec<Shelved>,
    /// User data, handed over as `opt/com.coreos/config`.
    pub config: Option<PathBuf>,
    /// What is in the optical drive, where the machine has one.
    pub disc: Option<PathBuf>,
    /// Networks, the first card first.
    pub networks: Vec<Network>,
    /// What its firmware says of it; QEMU's own words without.
    pub identity: Option<Identity>,
    /// By how much its clock is ahead when it is switched on.
    pub clock_ahead: Duration,
    /// A folder to mount by virtiofs.
    pub share: Option<Share>,
}

/// A screen and a line to the hypervisor, both of them consoles, the screen the preferred one. A second serial line would be
/// none: the kernel takes one console of each kind (Documentation/admin-guide/serial-console.rst).
#[derive(Clone, Debug)]
pub struct Watched {
    /// Where QEMU's monitor listens, which shows the screen.
    pub monitor: PathBuf,
    /// What comes over the line.
    pub line: PathBuf,
}

impl Watched {
    /// Kernel arguments that go with it.
    pub const ARGUMENTS: &str = "console=hvc0 console=tty0";

    fn options(&self) -> [[String; 2]; 5] {
        let (monitor, line) = (escaped(&self.monitor), escaped(&self.line));
        [
            ["-device", "VGA"].map(str::to_owned),
            ["-device", "virtio-serial-pci"].map(str::to_owned),
            ["-chardev".to_owned(), format!("file,id=line,path={line}")],
            ["-device", "virtconsole,chardev=line"].map(str::to_owned),
            ["-qmp".to_owned(), format!("unix:{monitor},server=on,wait=off")],
        ]
    }
}

/// What the firmware says of a machine.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The UUID of the product.
    pub uuid: String,
    /// Its serial number.
    pub serial: String,
}

const MEMORY_MIB: u32 = 1024;

/// Kernel arguments of every guest. A failure powers it off: nobody types into the emergency shell, and a guest that
/// waits for that would look like one that hangs. The timer is not checked: on a busy host an emulated one fails that.
/// Nor are the kernel's ciphers: under emulation a test of one was seen that never came to its end. Programs stand at the same
/// address each time: what QEMU has translated of one it knows by that, and with other addresses translates again at every
/// start, which takes as long as all the rest. (The machine of `scenario/network_boot.rs` keeps them random.)
pub const ARGUMENTS: &str = "root=LABEL=root ro console=ttyS0 quiet mitigations=off no_timer_check cryptomgr.notests \
                         norandmaps panic=-1 rd.shell=0 rd.emergency=poweroff";

/// A guest that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// A program is missing.
    #[error("cannot start a guest")]
    Program(#[from] RunError),
    /// The process or its console could not be made.
    #[error("cannot start a guest with the console in {}", log.display())]
    Start {
        /// The console's log.
        log: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A running guest. It ends with this value at the latest.
pub struct Guest {
    child: Child,
    /// What serves the share.
    server: Option<Child>,
    /// What it says.
    pub console: Console,
}

impl Guest {
    /// Starts `machine`; its console is also written to `log`, and QEMU's own words to `log` with `.qemu` appended.
    ///
    /// # Errors
    /// [`QemuError`].
    pub fn start(machine: &Machine, log: &Path) -> Result<Self, QemuError> {
        let failed = |source| QemuError::Start {
            log: log.to_path_buf(),
            source,
        };
        let beside = |end: &str| {
            let mut name = log.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        let share = machine.share.as_ref();
        let server = share
            .map(|share| share.serve(&beside(".virtiofsd")))
            .transpose()?;
        // setpriv: when this process is killed outright, the guest goes with it.
        let mut child = Command::new(run::get("setpriv")?)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(run::get("qemu-system-x86_64")?)
            .args(machine.command_line())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(beside(".qemu")).map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let output = child.stdout.take().expect("stdout was asked for as a pipe");
        match Console::read(output, log) {
            Ok(console) => Ok(Self {
                child,
                server,
                console,
            }),
            Err(source) => {
                drop(child.kill());
                Err(failed(source))
            }
        }
    }

    /// Ends the guest and returns all of its console that was read.
    #[must_use]
    pub fn into_console(mut self) -> Vec<crate::console::Line> {
        self.stop();
        self.console.take_seen()
    }

    fn stop(&mut self) {
        for child in std::iter::once(&mut self.child).chain(&mut self.server) {
            // Both fail only when it is already gone.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Machine {
    /// QEMU's arguments.
    #[must_use]
    pub fn command_line(&self) -> Vec<OsString> {
        let mut line: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| line.extend(words.iter().map(OsString::from));
        add(&[
            "-M",
            "q35",
            "-m",
            &MEMORY_MIB.to_string(),
            "-nodefaults",
            "-display",
            "none",
            "-serial",
            "stdio",
        ]);
        add(self.acceleration.arguments());
        add(&["-device", "virtio-rng-pci"]);
        if !self.clock_ahead.is_zero() {
            add(&["-rtc", &format!("base={}", date_and_time(self.clock_ahead))]);
        }
        if let Some(Identity { uuid, serial }) = &self.identity {
            add(&["-smbios", &format!("type=1,uuid={uuid},serial={serial}")]);
        }
        if self.networks.iter().any(|network| network.start.is_some()) {
            add(&["-no-reboot"]);
        } else if let Some(variables) = &self.firmware {
            // Parallel flash: first the code, then the variables.
            let code = format!("if=pflash,format=raw,readonly=on,file={FIRMWARE}");
            let variables = format!("if=pflash,format=raw,file={}", escaped(variables));
            add(&["-drive", &code, "-drive", &variables]);
        } else {
            add(&["-no-reboot", "-kernel", &text(&self.kernel)]);
            add(&["-initrd", &text(&self.initramfs)]);
            add(&["-append", &format!("{ARGUMENTS} {}", self.arguments.join(" "))]);
        }
        let root = Disk {
            path: self.root.clone(),
            serial: "root".to_owned(),
            sector_bytes: 512,
            ways: 1,
        };
        for (number, disk) in std::iter::once(&root).chain(&self.disks).enumerate() {
            if disk.ways > 1 {
                disk.on_scsi(number)
                    .iter()
                    .for_each(|[option, value]| add(&[option, value]));
                continue;
            }
            let protected = if self.is_root_read_only && number == 0 {
                "on"
            } else {
                "off"
            };
            // The images live for one run: what the host loses in a crash is lost anyway.
            add(&[
                "-drive",
                &format!(
                    "if=none,id=d{number},format=raw,readonly={protected},cache=unsafe,discard=unmap,file={}",
                    escaped(&disk.path)
                ),
            ]);
            let sector = disk.sector_bytes;
            // With an order given, firmware looks for a boot loader there and does not wait for the network's.
            let is_first = self.firmware.is_some() && number == self.disks.len();
            let order = if is_first { ",bootindex=0" } else { "" };
            add(&[
                "-device",
                &format!(
                    "virtio-blk-pci,drive=d{number},serial={},logical_block_size={sector},physical_block_size={sector}{order}",
                    disk.serial
                ),
            ]);
        }
        if !self.shelf.is_empty() {
            add(&Shelved::BUS);
        }
        for (place, disk) in self.shelf.iter().enumerate() {
            for [option, value] in disk.options(place) {
                add(&[&option, &value]);
            }
        }
        for [option, value] in self.watched.iter().flat_map(Watched::options) {
            add(&[&option, &value]);
        }
        if let Some(share) = &self.share {
            line.extend(share.arguments().into_iter().map(OsString::from));
        }
        let mut add = |words: &[&str]| line.extend(words.iter().map(OsString::from));
        if let Some(config) = &self.config {
            add(&[
                "-fw_cfg",
                &format!("name=opt/com.coreos/config,file={}", escaped(config)),
            ]);
        }
        if let Some(disc) = &self.disc {
            let image = format!(
                "if=none,id=disc,format=raw,media=cdrom,readonly=on,file={}",
                escaped(disc)
            );
            add(&["-drive", &image]);
            // The distribution's kernel for virtual machines has no driver for drives on IDE or SATA.
            add(&["-device", "virtio-scsi-pci,id=optical"]);
            add(&["-device", "scsi-cd,bus=optical.0,drive=disc"]);
        }
        for (number, network) in self.networks.iter().enumerate() {
            for [option, value] in network.options(number) {
                add(&[&option, &value]);
            }
        }
        line
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// `2031-04-05T06:07:08`, so much from now, in UTC.
fn date_and_time(ahead: Duration) -> String {
    let then = OffsetDateTime::now_utc() + ahead;
    let (hour, minute, second) = then.to_hms();
    format!("{}T{hour:02}:{minute:02}:{second:02}", then.date())
}

/// In QEMU's option lists a comma ends a value unless it is doubled.
fn escaped(path: &Path) -> String {
    text(path).replace(',', ",,")
}
