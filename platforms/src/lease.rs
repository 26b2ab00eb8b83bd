//! Who gave this machine its address, as DHCP clients write it down.

use core::net::Ipv4Addr;
use std::path::Path;

use crate::{Access, AccessError};

/// Where clients keep their leases: networkd, one file per interface; NetworkManager, one per connection, in the initramfs
/// below `/run`; dhclient.
const LEASES: [&str; 4] = [
    "/run/systemd/netif/leases",
    "/run/NetworkManager",
    "/var/lib/NetworkManager",
    "/var/lib/dhcp",
];

/// The DHCP server of the first lease that names one. The lists are read anew each time: interfaces come late.
///
/// # Errors
/// When a lease cannot be read.
pub(crate) fn server(via: &dyn Access) -> Result<Option<Ipv4Addr>, AccessError> {
    first(via, of_server)
}

/// The address in option 245 of the first lease that has it, which is where Azure's machines report.
///
/// # Errors
/// As [`server`].
pub(crate) fn option_245(via: &dyn Access) -> Result<Option<Ipv4Addr>, AccessError> {
    first(via, of_option_245)
}

/// What `parse` finds in the first lease where it finds something.
fn first(via: &dyn Access, parse: fn(&str) -> Option<Ipv4Addr>) -> Result<Option<Ipv4Addr>, AccessError> {
    for directory in LEASES.map(Path::new) {
        for name in via.list(directory)? {
            if !is_lease(&name) {
                continue;
            }
            // One lease that cannot be read is no reason to look at no other.
            let Ok(Some(lease)) = via.file(&directory.join(name)) else {
                continue;
            };
            let found = parse(&String::from_utf8_lossy(&lease));
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

/// Whether a file is called like a lease: by the index of an interface, or so that it says so.
fn is_lease(name: &str) -> bool {
    let is_index = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    is_index || name.ends_with(".lease") || name.ends_with(".leases")
}

/// The server of a lease: `SERVER_ADDRESS=` of systemd's clients, of which one is in NetworkManager, or the last
/// `option dhcp-server-identifier` of dhclient, which adds leases at the end.
fn of_server(lease: &str) -> Option<Ipv4Addr> {
    let address = |text: &str| text.trim().trim_end_matches(';').parse().ok();
    let lines = || lease.lines().map(str::trim);
    let of_systemd = lines().find_map(|line| address(line.strip_prefix("SERVER_ADDRESS=")?));
    let of_dhclient = || {
        lines()
            .filter_map(|line| address(line.strip_prefix("option dhcp-server-identifier ")?))
            .next_back()
    };
    of_systemd.or_else(of_dhclient)
}

/// Four bytes in hexadecimal: `OPTION_245=a83f8110` of systemd's clients, or `option unknown-245 a8:3f:81:10;` of dhclient.
fn of_option_245(lease: &str) -> Option<Ipv4Addr> {
    let address = |text: &str| {
        let digits = text.trim().trim_end_matches(';').replace(':', "");
        let is_whole = digits.len() == 8 && digits.bytes().all(|at| at.is_ascii_hexdigit());
        let bits = u32::from_str_radix(&digits, 16).ok().filter(|_| is_whole)?;
        Some(Ipv4Addr::from(bits))
    };
    // dhclient adds leases at the end.
    let lines = lease.lines().map(str::trim);
    let mut found = lines.filter_map(|line| {
        let value = line.strip_prefix("OPTION_245=");
        address(value.or_else(|| line.strip_prefix("option unknown-245 "))?)
    });
    found.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    #[test]
    fn each_client_has_its_own_spelling() {
        for (lease, expected) in [
            (
                "# This is private data. Do not parse.\nADDRESS=10.1.1.20\nSERVER_ADDRESS=10.1.1.1\nDNS=10.1.1.9\n",
                Some([10, 1, 1, 1]),
            ),
            (
                "lease {\n  option dhcp-server-identifier 10.0.0.1;\n}\nlease {\n  option dhcp-server-identifier 10.0.0.2;\n}\n",
                Some([10, 0, 0, 2]),
            ),
            ("ADDRESS=10.1.1.20\n", None),
            ("SERVER_ADDRESS=http://10.1.1.1/\n", None),
            ("SERVER_ADDRESS=\n", None),
            ("", None),
        ] {
            assert_eq!(of_server(lease), expected.map(Ipv4Addr::from), "{lease}");
        }
    }

    #[test]
    fn the_first_lease_with_a_server_counts_and_other_files_are_none() {
        let via = RecordedAccess::of_drives(&[])
            .with_file("/run/systemd/netif/leases/2", "ADDRESS=10.0.0.9\n")
            .with_file("/run/systemd/netif/leases/2.tmp", "SERVER_ADDRESS=10.0.0.7\n")
            .with_file("/run/systemd/netif/leases/3", "SERVER_ADDRESS=10.0.0.2\n")
            .with_file(
                "/run/NetworkManager/internal-6604b755-eth0.lease",
                "SERVER_ADDRESS=10.0.0.3\n",
            );
        assert_eq!(server(&via), Ok(Some(Ipv4Addr::new(10, 0, 0, 2))));
        let via = RecordedAccess::of_drives(&[])
            .with_file("/run/NetworkManager/resolv.conf", "nameserver 10.0.0.4\n")
            .with_file(
                "/run/NetworkManager/internal-6604b755-eth0.lease",
                "SERVER_ADDRESS=10.0.0.3\n",
            );
        assert_eq!(server(&via), Ok(Some(Ipv4Addr::new(10, 0, 0, 3))));
        assert_eq!(server(&RecordedAccess::of_drives(&[])), Ok(None));
    }

    #[test]
    fn option_245_is_four_bytes() {
        for (lease, expected) in [
            (
                "SERVER_ADDRESS=10.1.1.1\nOPTION_245=a83f8110\n",
                Some([168, 63, 129, 16]),
            ),
            ("OPTION_245=A8:3F:81:10\n", Some([168, 63, 129, 16])),
            (
                "lease {\n  option unknown-245 a8:3f:81:10;\n}\n",
                Some([168, 63, 129, 16]),
            ),
            ("OPTION_245=a83f81\n", None),
            ("OPTION_245=+83f8110\n", None),
            ("SERVER_ADDRESS=10.1.1.1\n", None),
        ] {
            assert_eq!(of_option_245(lease), expected.map(Ipv4Addr::from), "{lease}");
        }
        let via =
            RecordedAccess::of_drives(&[]).with_file("/run/systemd/netif/leases/2", "OPTION_245=0a000009\n");
        assert_eq!(option_245(&via), Ok(Some(Ipv4Addr::new(10, 0, 0, 9))));
    }
}
