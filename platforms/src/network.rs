//! Interfaces as platforms describe them, and how they are written down: [`networkd`] and [`dracut`].

pub(crate) mod cloud_init;
mod dracut;
mod networkd;
pub(crate) mod openstack;

use core::net::IpAddr;
use std::fmt;

pub use dracut::arguments;
pub use networkd::{UnitFile, units};

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address.
    pub address: IpAddr,
    /// Bits: at most 32 or 128.
    pub prefix: u8,
}

impl Network {
    /// `None` for a prefix longer than the address.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= most).then_some(Self { address, prefix })
    }

    /// From `198.51.100.2/24`, or an address with its mask (`255.255.255.0`, `ffff:ffff::`) or the length of a prefix.
    #[must_use]
    pub fn parse(address: &str, mask: Option<&str>) -> Option<Self> {
        if let Some((address, prefix)) = address.split_once('/') {
            return Self::new(address.parse().ok()?, prefix.parse().ok()?);
        }
        let mask = mask?.trim();
        let prefix = match mask.parse::<IpAddr>() {
            Ok(mask) => prefix_of(mask)?,
            Err(_) => mask.parse().ok()?,
        };
        Self::new(address.trim().parse().ok()?, prefix)
    }

    /// Everywhere: `0.0.0.0/0` or `::/0`, like `gateway`.
    #[must_use]
    pub fn everywhere(gateway: IpAddr) -> Self {
        let address: IpAddr = match gateway {
            IpAddr::V4(_) => [0; 4].into(),
            IpAddr::V6(_) => [0u16; 8].into(),
        };
        Self { address, prefix: 0 }
    }

    /// The mask of a network of version 4, in dots; `None` for version 6.
    #[must_use]
    pub fn mask(self) -> Option<IpAddr> {
        let hosts = 32_u32.checked_sub(u32::from(self.prefix))?;
        let bits = u32::MAX.checked_shl(hosts).unwrap_or(0);
        self.address.is_ipv4().then(|| IpAddr::from(bits.to_be_bytes()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

/// `None` for a mask with a hole.
fn prefix_of(mask: IpAddr) -> Option<u8> {
    let (bits, width) = match mask {
        IpAddr::V4(mask) => (u128::from(u32::from(mask)) << 96, 32),
        IpAddr::V6(mask) => (u128::from(mask), 128),
    };
    let ones = bits.leading_ones();
    let has_hole = bits.checked_shl(ones).unwrap_or(0) != 0;
    (!has_hole && ones <= width)
        .then(|| u8::try_from(ones).ok())
        .flatten()
}

/// A way to somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: Network,
    /// Through whom.
    pub gateway: IpAddr,
}

/// Which addresses come by DHCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dhcp {
    /// Of version 4.
    V4,
    /// Of version 6.
    V6,
    /// Of both.
    Both,
}

impl Dhcp {
    /// One more version.
    #[must_use]
    pub fn and(self, other: Option<Self>) -> Self {
        match other {
            None => self,
            Some(other) if other == self => self,
            Some(_) => Self::Both,
        }
    }
}

/// An interface, known by its name, by its hardware address, or by where it is plugged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name, where the platform gives one that holds on this machine.
    pub name: Option<String>,
    /// Its hardware address, in lower case with colons.
    pub mac: Option<String>,
    /// A pattern of `ID_PATH`: `pci-*`.
    pub path: Option<String>,
    /// Files are read in the order of this number, 0 to 99.
    pub priority: u8,
    /// Its addresses.
    pub addresses: Vec<Network>,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Who answers for names.
    pub nameservers: Vec<IpAddr>,
    /// What comes by DHCP.
    pub dhcp: Option<Dhcp>,
    /// The bond it is a part of.
    pub bond: Option<String>,
    /// It is a bond of this mode, as the kernel numbers them.
    pub bonding: Option<Bonding>,
    /// Left alone.
    pub is_unmanaged: bool,
    /// What networkd calls "online" for it, where that is not the default: `no`, `degraded-carrier`.
    pub required_for_online: Option<&'static str>,
}

/// A hardware address as systemd and the kernel write it; `None` for what is none.
pub(crate) fn hardware_address(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase().replace('-', ":");
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|at| at.is_ascii_hexdigit());
    (text.split(':').count() == 6 && text.split(':').all(is_pair)).then_some(text)
}

/// What a kernel takes for the name of an interface, and a unit for that name alone; `None` for what is none.
pub(crate) fn interface_name(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = |at: u8| at.is_ascii_alphanumeric() || b"._-@".contains(&at);
    let is_name =
        (1..=15).contains(&text.len()) && text.bytes().all(is_plain) && !text.trim_matches('.').is_empty();
    is_name.then(|| text.to_owned())
}

/// Adds what is not there yet.
pub(crate) fn add_new(known: &mut Vec<IpAddr>, more: impl IntoIterator<Item = IpAddr>) {
    for address in more {
        if !known.contains(&address) {
            known.push(address);
        }
    }
}

/// How a bond works (kernel documentation, networking/bonding).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bonding {
    mode: u8,
}

/// In the order of the kernel's numbers.
const BONDING_MODES: [&str; 7] = [
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
];

impl Bonding {
    /// `None` for a number the kernel does not have.
    #[must_use]
    pub fn from_number(mode: u64) -> Option<Self> {
        let mode = u8::try_from(mode).ok()?;
        (usize::from(mode) < BONDING_MODES.len()).then_some(Self { mode })
    }

    /// The mode's name.
    #[must_use]
    pub fn mode(self) -> &'static str {
        BONDING_MODES[usize::from(self.mode)]
    }

    /// Whether the other side must speak LACP.
    #[must_use]
    pub fn is_lacp(self) -> bool {
        self.mode == 4
    }
}

impl Interface {
    /// Its first address of version 4, and of version 6.
    pub(crate) fn first_addresses(&self) -> (Option<String>, Option<String>) {
        let first = |is_ipv4| {
            let mut addresses = self.addresses.iter().map(|network| network.address);
            let found = addresses.find(|address| address.is_ipv4() == is_ipv4);
            found.map(|address| address.to_string())
        };
        (first(true), first(false))
    }

    /// What it is called in the name of a file: name, hardware address, path, whichever is there first.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        let known = [&self.name, &self.mac, &self.path];
        known
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(|label| !label.is_empty() && !label.contains(|at: char| at == '/' || at.is_control()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_from_prefixes_and_masks() {
        for (address, mask, expected) in [
            ("198.51.100.9", Some("255.255.240.0"), Some("198.51.100.9/20")),
            ("198.51.100.2", Some("255.255.255.254"), Some("198.51.100.2/31")),
            ("198.51.100.2", Some("24"), Some("198.51.100.2/24")),
            ("192.0.2.1/32", None, Some("192.0.2.1/32")),
            (
                "2001:db8::1",
                Some("ffff:ffff:ffff:ffff::"),
                Some("2001:db8::1/64"),
            ),
            ("2001:db8::1/128", None, Some("2001:db8::1/128")),
            ("0.0.0.0", Some("0.0.0.0"), Some("0.0.0.0/0")),
            ("198.51.100.2", Some("255.0.255.0"), None),
            ("198.51.100.2", Some("33"), None),
            ("198.51.100.2/33", None, None),
            ("198.51.100.2", None, None),
            ("nowhere", Some("24"), None),
        ] {
            let found = Network::parse(address, mask).map(|network| network.to_string());
            assert_eq!(found.as_deref(), expected, "{address} {mask:?}");
        }
    }

    #[test]
    fn hardware_addresses_and_names_are_what_a_kernel_takes() {
        for (text, expected) in [
            ("02:00:00:00:00:0A", Some("02:00:00:00:00:0a")),
            (" 02-00-00-00-00-0a\n", Some("02:00:00:00:00:0a")),
            ("02:00:00:00:00", None),
            ("02:00:00:00:00:0g", None),
            ("02:00:00:00:00:0a:0b", None),
            ("020000000000", None),
        ] {
            assert_eq!(hardware_address(text).as_deref(), expected, "{text:?}");
        }
        for name in ["eth0", "bond0", "enp1s0", "eth0.12"] {
            assert_eq!(interface_name(name).as_deref(), Some(name));
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "eth0 eth1",
            "eth*",
            "a\nDHCP=yes",
            "sixteen_letters_",
        ] {
            assert_eq!(interface_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn masks_are_written_in_dots() {
        for (prefix, mask) in [(0, "0.0.0.0"), (20, "255.255.240.0"), (32, "255.255.255.255")] {
            let network = Network::new([10, 0, 0, 1].into(), prefix).unwrap();
            assert_eq!(network.mask().unwrap().to_string(), mask);
        }
        assert_eq!(Network::parse("2001:db8::1/64", None).unwrap().mask(), None);
    }
}
