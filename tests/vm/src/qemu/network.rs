//! The networks of a guest: what it can reach, and whether it starts from there.

use std::path::PathBuf;

use super::escaped;

/// How a guest's connections to one address reach a stand-in on the host.
#[derive(Clone, Debug)]
pub struct Link {
    /// Address and port as the guest knows them.
    pub address: String,
    /// This crate's program; QEMU starts `<pipe> pipe <port>` for each connection, so no port of the host is fixed.
    pub pipe: PathBuf,
    /// The stand-in's port on the host's loopback.
    pub port: u16,
}

/// A network of the guest, with a network card of its own. It leads to its links and nowhere else: its DHCP server tells
/// neither a router nor a name server.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Its addresses; QEMU's usual 10.0.2.0/24 without them.
    pub subnet: Option<&'static str>,
    /// What can be reached in it.
    pub links: Vec<Link>,
    /// The address of its card; QEMU's own without.
    pub mac: Option<&'static str>,
    /// What it serves by TFTP, where the machine starts from it: the loader on the card (iPXE) asks DHCP, which names
    /// [`Network::SCRIPT`].
    pub start: Option<PathBuf>,
}

impl Network {
    /// The first file that a machine fetches which starts from a network: a script of the loader's.
    pub const SCRIPT: &str = "start.ipxe";

    /// QEMU's options for the network and its card.
    pub(super) fn options(&self, number: usize) -> [[String; 2]; 2] {
        let mut network = format!("user,id=n{number},restrict=on,ipv6=off");
        if let Some(subnet) = self.subnet {
            network += &format!(",net={subnet}");
        }
        for link in &self.links {
            network += &format!(
                ",guestfwd=tcp:{}-cmd:'{}' pipe {}",
                link.address,
                escaped(&link.pipe),
                link.port
            );
        }
        let mut card = format!("virtio-net-pci,netdev=n{number}");
        if let Some(mac) = self.mac {
            card += &format!(",mac={mac}");
        }
        match &self.start {
            None => card += ",romfile=",
            Some(folder) => {
                network += &format!(",tftp={},bootfile={}", escaped(folder), Self::SCRIPT);
                // Its own loader: QEMU fits the one that it chooses to the card, and no other.
                card += ",bootindex=0";
            }
        }
        [["-netdev".to_owned(), network], ["-device".to_owned(), card]]
    }
}
