//! Handing a machine its config.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{ScenarioError, file_error};
use crate::aws::{self, Aws};
use crate::boot_server::{BOOT_ADDRESS, BootServer, Shelf};
use crate::cluster::Offer;
use crate::config_drive;
use crate::cpio::Archive;
use crate::qemu::{Disk, Identity, Link, Machine, Network};

/// By which way a machine gets its config, and so of which platform it is.
#[derive(Clone, Debug)]
pub enum UserData {
    /// `qemu`: this file as a firmware entry.
    Firmware(PathBuf),
    /// `qemu`: this file as the content of a virtio disk.
    VirtioDisk(PathBuf),
    /// `kubevirt`: this file on a config drive of OpenStack's kind.
    ConfigDrive(PathBuf),
    /// `azurestack`: this file on the UDF disc of its provisioning agent, which is known by what is on it alone.
    AzureDisc(PathBuf),
    /// `proxmoxve`: this file on a drive of NoCloud's kind.
    NoCloudDrive(PathBuf),
    /// `nocloud`: this file on a server that the machine's serial number names, by what its firmware calls it.
    NoCloudServer(PathBuf),
    /// `aws`: a pointer of the stand-in's own to the worker config in its store.
    Aws,
}

impl UserData {
    /// The platform's id.
    #[must_use]
    pub fn platform(&self) -> &'static str {
        match self {
            Self::Firmware(_) | Self::VirtioDisk(_) => "qemu",
            Self::ConfigDrive(_) => "kubevirt",
            Self::AzureDisc(_) => "azurestack",
            Self::NoCloudDrive(_) => "proxmoxve",
            Self::NoCloudServer(_) => "nocloud",
            Self::Aws => "aws",
        }
    }

    /// Gives the machine, which is off, what it gets its config from; whatever that needs is in `folder`. Servers that
    /// it needs are returned.
    pub(super) fn hand_over(
        &self,
        machine: &mut Machine,
        folder: &Path,
        pipe: &Path,
        offer: &Offer,
    ) -> Result<Servers, ScenarioError> {
        let mut servers = Servers::default();
        match self {
            Self::Firmware(file) => machine.config = Some(file.clone()),
            Self::VirtioDisk(file) => {
                let image = folder.join("ignition.img");
                let disk = Disk::blank(image.clone(), "ignition", 1, 512).map_err(file_error(&image))?;
                let config = fs::read(file).map_err(file_error(file))?;
                let written = OpenOptions::new()
                    .write(true)
                    .open(&image)
                    .and_then(|mut image| image.write_all(&config));
                written.map_err(file_error(&image))?;
                machine.disks.push(disk);
            }
            Self::ConfigDrive(file) => {
                let image = folder.join("config-drive.iso");
                config_drive::openstack(&image, file)?;
                machine.disc = Some(image);
            }
            Self::AzureDisc(file) => {
                let image = folder.join("custom-data.iso");
                config_drive::azure(&image, file)?;
                machine.disc = Some(image);
            }
            Self::NoCloudDrive(file) => {
                let image = folder.join("cidata.img");
                let drive = Disk::blank(image.clone(), "cidata", 4, 512).map_err(file_error(&image))?;
                config_drive::fill(&image, file)?;
                machine.disks.push(drive);
            }
            Self::NoCloudServer(file) => servers.seed = Some(name_server(machine, file, pipe)?),
            Self::Aws => {
                let aws = Aws::start(&offer.worker, &offer.fixtures.join("pki/ca.crt"))?;
                connect(machine, &aws, pipe)?;
                servers.aws = Some(aws);
            }
        }
        Ok(servers)
    }
}

/// What one machine has beside its cluster.
#[derive(Default)]
pub(super) struct Servers {
    /// Of Amazon's cloud.
    pub(super) aws: Option<Aws>,
    /// With the config of a machine whose serial number names it.
    pub(super) seed: Option<BootServer>,
}

/// The UUID of a machine with a named server, as its kernel writes it, and where on that server its config is.
const UUID: &str = "6f1c0a52-3e0e-4d0b-9d6a-7b1f5a2c9e10";
const SEED: &str = "6f1c0a52-3e0e-4d0b-9d6a-7b1f5a2c9e10/user-data";

/// Starts a server with the config, lets the machine reach it, and has its firmware say where it is.
fn name_server(machine: &mut Machine, config: &Path, pipe: &Path) -> Result<BootServer, ScenarioError> {
    let server = BootServer::start(Shelf {
        assets: BTreeMap::from([(SEED, config.to_path_buf())]),
        ..Shelf::default()
    })?;
    if let Some(first) = machine.networks.first_mut() {
        first.links.push(Link {
            address: BOOT_ADDRESS.to_owned(),
            pipe: pipe.to_path_buf(),
            port: server.port(),
        });
    }
    machine.identity = Some(Identity {
        uuid: UUID.to_owned(),
        serial: format!("ds=nocloud;s=http://{BOOT_ADDRESS}/assets/__dmi.system-uuid__"),
    });
    Ok(server)
}

/// Lets the machine reach the store beside the cluster, by name, and the metadata service by a network of its own: QEMU
/// leads no network to addresses outside of it.
fn connect(machine: &mut Machine, aws: &Aws, pipe: &Path) -> Result<(), ScenarioError> {
    let link = |address: &str, port: u16| Link {
        address: address.to_owned(),
        pipe: pipe.to_path_buf(),
        port,
    };
    if let Some(first) = machine.networks.first_mut() {
        first.links.push(link(aws::STORE_ADDRESS, aws.store_port()));
    }
    machine.networks.push(Network {
        subnet: Some("169.254.0.0/16"),
        links: vec![link(aws::METADATA_ADDRESS, aws.metadata_port())],
        ..Network::default()
    });
    let mut hosts = Archive::default();
    hosts.file("etc/hosts", 0o644, Aws::hosts().as_bytes());
    let initramfs = &machine.initramfs;
    OpenOptions::new()
        .append(true)
        .open(initramfs)
        .and_then(|mut file| file.write_all(&hosts.finish()))
        .map_err(file_error(initramfs))
}
