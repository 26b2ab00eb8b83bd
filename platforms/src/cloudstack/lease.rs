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
pub(super) fn server(via: &dyn Access) -> Result<Option<Ipv4Addr>, AccessError> {
    for directory in LEASES.map(Path::new) {
        for name in via.list(directory)? {
            if !is_lease(&name) {
                continue;
            }
            let lease = via.file(&directory.join(name))?.unwrap_or_default();
            if let Some(server) = parse(&String::from_utf8_lossy(&lease)) {
                return Ok(Some(server));
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
fn parse(lease: &str) -> Option<Ipv4Addr> {
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
            assert_eq!(parse(lease), expected.map(Ipv4Addr::from), "{lease}");
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
}
