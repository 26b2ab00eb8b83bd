//! The host: the tools that guests need, and how fast this processor can run one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::{self, RunError};

/// UEFI firmware of guests.
pub const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// Its variables, as of a machine that never ran.
pub const FIRMWARE_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// The boot loader that the firmware starts.
pub const BOOT_LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";

/// What a network card brings to start a machine by.
pub const NETWORK_LOADER: &str = "/usr/lib/ipxe/qemu/efi-virtio.rom";

/// A program guests are built or run with, and the Debian package it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Bare name; the path of what the host does not run itself.
    pub program: &'static str,
    /// Package to install where it is missing.
    pub package: &'static str,
}

/// All of them. [`install_tools`] asks for nothing else.
pub const TOOLS: &[Tool] = &[
    Tool {
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
    },
    Tool {
        program: "virtiofsd",
        package: "qemu-system-common",
    },
    Tool {
        program: "mmdebstrap",
        package: "mmdebstrap",
    },
    Tool {
        program: "mke2fs",
        package: "e2fsprogs",
    },
    Tool {
        program: "debugfs",
        package: "e2fsprogs",
    },
    Tool {
        program: "unshare",
        package: "util-linux",
    },
    Tool {
        program: "setpriv",
        package: "util-linux",
    },
    Tool {
        program: "mount",
        package: "mount",
    },
    Tool {
        program: FIRMWARE,
        package: "ovmf",
    },
    Tool {
        program: BOOT_LOADER,
        package: "systemd-boot-efi",
    },
    Tool {
        program: "sfdisk",
        package: "fdisk",
    },
    Tool {
        program: "mkfs.fat",
        package: "dosfstools",
    },
    Tool {
        program: "mcopy",
        package: "mtools",
    },
    Tool {
        program: "xorrisofs",
        package: "xorriso",
    },
    Tool {
        program: "genisoimage",
        package: "genisoimage",
    },
    Tool {
        program: NETWORK_LOADER,
        package: "ipxe-qemu",
    },
    Tool {
        program: "mksquashfs",
        package: "squashfs-tools",
    },
    Tool {
        program: "zstd",
        package: "zstd",
    },
    Tool {
        program: "cp",
        package: "coreutils",
    },
];

/// How guests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// By the processor.
    Kvm,
    /// By emulation.
    Emulation,
}

impl Acceleration {
    /// QEMU's arguments for it. Two CPUs each: one for the stage, one for everything that starts beside it. What is emulated has no more
    /// than distributions ask for (x86-64-v2): with all that QEMU can imitate, a guest takes a fifth more of the host's processor, for a
    /// fifth level of page tables and for wide registers of which each operation is a call. And all translated code is kept.
    #[must_use]
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &["-accel", "kvm", "-cpu", "max", "-smp", "2"],
            Self::Emulation => &[
                "-accel",
                "tcg,thread=multi,tb-size=512",
                "-cpu",
                "Nehalem",
                "-smp",
                "2",
            ],
        }
    }

    /// The word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Emulation => "software emulation",
        }
    }
}

/// A host that cannot build or run guests.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A needed package could not be installed.
    #[error("cannot install {packages}")]
    Install {
        /// Package names, separated by blanks.
        packages: String,
        /// What the package manager said.
        source: RunError,
    },
    /// Installed, and still no such program.
    #[error("{program} is missing although {package} is installed")]
    StillMissing {
        /// The program.
        program: &'static str,
        /// The package that should have brought it.
        package: &'static str,
    },
    /// The probe's files could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Tools whose program is not on this host.
#[must_use]
pub fn missing_tools() -> Vec<Tool> {
    TOOLS
        .iter()
        .copied()
        .filter(|tool| run::find(tool.program).is_none())
        .collect()
}

/// Installs what is missing by `apt-get`, as root or by `sudo`; returns the packages it installed.
///
/// # Errors
/// [`HostError::Install`] with what the package manager said; [`HostError::StillMissing`].
pub fn install_tools(logs: &Path) -> Result<Vec<&'static str>, HostError> {
    let mut packages: Vec<&str> = missing_tools().iter().map(|tool| tool.package).collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(packages);
    }
    let failed = |source| HostError::Install {
        packages: packages.join(" "),
        source,
    };
    let log = logs.join("install.log");
    // A fresh machine has no package lists.
    let mut update = run::as_root("apt-get").map_err(failed)?;
    run::to_end("apt-get update", update.args(["update", "--quiet"]), &log).map_err(failed)?;
    let mut install = run::as_root("env").map_err(failed)?;
    install
        .args([
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "--yes",
            "--quiet",
            "--no-install-recommends",
        ])
        .args(&packages);
    run::to_end("apt-get install", &mut install, &log).map_err(failed)?;
    match missing_tools().first() {
        Some(tool) => Err(HostError::StillMissing {
            program: tool.program,
            package: tool.package,
        }),
        None => Ok(packages),
    }
}

/// How long the probe's guest may take. Emulation needs a tenth of a second for it; a KVM that is slower than this (some
/// nested ones are, others never come back) would lose against emulation in every guest.
const PROBE_LIMIT: Duration = Duration::from_millis(1500);

/// What QEMU exits with when the guest writes [`PROBE_VALUE`] to its debug-exit port: twice the value, plus one.
const PROBE_STATUS: i32 = 33;
const PROBE_VALUE: u8 = 0x10;
const PROBE_PORT: u8 = 0xf4;

/// A boot sector: `mov al, VALUE; out PORT, al; hlt; jmp $-1`.
fn probe_disk() -> Vec<u8> {
    let mut disk = vec![0; 1 << 20];
    disk[..7].copy_from_slice(&[0xb0, PROBE_VALUE, 0xe6, PROBE_PORT, 0xf4, 0xeb, 0xfd]);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

/// Whether KVM works here: a guest of one boot sector is started with the guests' own processor arguments. The answer is
/// kept in `cache` for as long as this kernel runs.
///
/// # Errors
/// [`HostError::Write`] for files in `cache`.
pub fn acceleration(cache: &Path) -> Result<Acceleration, HostError> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let kept = cache.join("acceleration");
    if let Ok(text) = fs::read_to_string(&kept)
        && let Some((of, answer)) = text.split_once(' ')
        && of == boot.trim()
    {
        return Ok(if answer == "kvm" {
            Acceleration::Kvm
        } else {
            Acceleration::Emulation
        });
    }
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).map_err(|source| HostError::Write {
            path: path.to_path_buf(),
            source,
        })
    };
    let found = if Path::new("/dev/kvm").exists() {
        let disk = cache.join("probe.img");
        write(&disk, &probe_disk())?;
        if probe(&disk) {
            Acceleration::Kvm
        } else {
            Acceleration::Emulation
        }
    } else {
        Acceleration::Emulation
    };
    let word = if found == Acceleration::Kvm { "kvm" } else { "tcg" };
    write(&kept, format!("{} {word}", boot.trim()).as_bytes())?;
    Ok(found)
}

fn probe(disk: &Path) -> bool {
    let Some(qemu) = run::find("qemu-system-x86_64") else {
        return false;
    };
    let child = Command::new(qemu)
        .args([
            "-M",
            "q35",
            "-m",
            "64",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
        ])
        .args(Acceleration::Kvm.arguments())
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
        .arg("-drive")
        .arg(format!(
            "file={},format=raw,if=ide,readonly=off,snapshot=on",
            disk.display()
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let end = Instant::now() + PROBE_LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.code() == Some(PROBE_STATUS),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            _ => break,
        }
    }
    // A guest stuck in the kernel may not die at once; nobody waits for it.
    drop(child.kill());
    std::thread::spawn(move || child.wait());
    false
}
