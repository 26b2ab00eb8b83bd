//! What the service of Hetzner Cloud says of its servers: one document for most of it, and some of it again by itself.

use super::ID;
use crate::document::{Document, Node, behind, required};
use crate::metadata::{Attributes, address, keys_of};
use crate::network::{Interface, cloud_init};
use crate::service::{IMDS, get, text};
use crate::{Access, Attribute, Fact, Metadata, Offers, PlatformError, host_name};

/// What the service says.
pub(super) struct Server;

impl Metadata for Server {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            network: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let request = get(&format!("{IMDS}/hetzner/v1/metadata"), &[]);
        let document = required(via, ID, (&request, "metadata"), Document::yaml)?;
        let server = document.root();
        let mut attributes = Attributes::of("HETZNER_");
        for (key, name, fact) in [
            ("availability-zone", "AVAILABILITY_ZONE", Fact::Zone),
            ("hostname", "HOSTNAME", Fact::Hostname),
            ("instance-id", "INSTANCE_ID", Fact::InstanceId),
            ("public-ipv4", "PUBLIC_IPV4", Fact::PublicIpv4),
        ] {
            attributes.add(name, fact, server.text(key)?.as_deref());
        }
        attributes.add("PUBLIC_IPV6", Fact::Ipv6, ipv6(server)?.as_deref());
        attributes.add("REGION", Fact::Region, server.text("region")?.as_deref());
        if let Some(networks) = part(via, "private-networks")? {
            for (number, network) in networks.root().parts()?.into_iter().enumerate() {
                let address = network.text("ip")?;
                attributes.add(&format!("PRIVATE_IPV4_{number}"), Fact::Ipv4, address.as_deref());
            }
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let name = text(
            via,
            ID,
            &get(&format!("{IMDS}/hetzner/v1/metadata/hostname"), &[]),
        )?;
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let Some(document) = part(via, "public-keys")? else {
            return Ok(Vec::new());
        };
        let found: Result<Vec<String>, _> = document.root().parts()?.iter().map(Node::scalar).collect();
        keys_of(ID, &found?)
    }

    fn network(&self, via: &dyn Access) -> Result<Vec<Interface>, PlatformError> {
        match part(via, "network-config")? {
            Some(document) => cloud_init::interfaces(document.root()),
            None => Ok(Vec::new()),
        }
    }
}

fn part(via: &dyn Access, path: &str) -> Result<Option<Document>, PlatformError> {
    let request = get(&format!("{IMDS}/hetzner/v1/metadata/{path}"), &[]);
    behind(via, ID, (&request, path), Document::yaml)
}

/// The address of the first subnet of version 6 of the first interface.
fn ipv6(server: Node<'_>) -> Result<Option<String>, PlatformError> {
    let Some(network) = server.get("network-config")? else {
        return Ok(None);
    };
    for thing in network.list("config")? {
        if thing.text("type")?.as_deref() != Some("physical") {
            continue;
        }
        for subnet in thing.list("subnets")? {
            if subnet.is("ipv6")? {
                let found = subnet.text("address")?.as_deref().and_then(address);
                return Ok(found
                    .filter(core::net::IpAddr::is_ipv6)
                    .map(|found| found.to_string()));
            }
        }
        break;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines, service};
    use crate::network::units;
    use crate::recorded::RecordedAccess;

    const BASE: &str = "http://169.254.169.254/hetzner/v1/metadata";
    const NETWORK: &str = "version: 1\nconfig:\n- type: physical\n  name: eth0\n  mac_address: 02:00:00:00:00:02\n  \
        subnets:\n  - {type: dhcp, ipv4: true}\n  - type: static\n    address: 2001:db8:1::1/64\n    ipv6: true\n    \
        gateway: fe80::1\n    dns_nameservers: [2001:db8::53]\n";

    fn server() -> RecordedAccess {
        let indented = NETWORK.replace('\n', "\n  ");
        let document = format!(
            "hostname: n1\ninstance-id: 42\npublic-ipv4: 198.51.100.3\navailability-zone: fsn1-dc8\nregion: eu-central\n\
             vendor_data: |\n  Content-Type: multipart/mixed\n\n  #cloud-config\nnetwork-config:\n  {indented}\n"
        );
        let keys = format!(r#"["{KEY}", "{KEY}"]"#);
        service(
            BASE,
            &[
                ("", &document),
                ("/network-config", NETWORK),
                (
                    "/private-networks",
                    "- ip: 10.0.0.2\n  alias_ips: []\n- ip: 10.128.0.2\n",
                ),
                ("/public-keys", &keys),
                ("/hostname", "n1"),
            ],
        )
    }

    #[test]
    fn attributes_name_and_keys_are_read() {
        let via = server();
        assert_eq!(
            lines(&Server, &via),
            [
                "HETZNER_AVAILABILITY_ZONE (zone)=fsn1-dc8",
                "HETZNER_HOSTNAME (hostname)=n1",
                "HETZNER_INSTANCE_ID (instance-id)=42",
                "HETZNER_PUBLIC_IPV4 (public-ipv4)=198.51.100.3",
                "HETZNER_PUBLIC_IPV6 (ipv6)=2001:db8:1::1",
                "HETZNER_REGION (region)=eu-central",
                "HETZNER_PRIVATE_IPV4_0 (ipv4)=10.0.0.2",
                "HETZNER_PRIVATE_IPV4_1=10.128.0.2",
            ]
        );
        assert_eq!(Server.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(Server.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&Server, &via);
    }

    #[test]
    fn interfaces_are_files() {
        let [file] = &units(&Server.network(&server()).unwrap())[..] else {
            panic!("one file")
        };
        assert_eq!(file.name, "20-eth0.network");
        assert_eq!(
            file.text,
            "[Match]\nMACAddress=02:00:00:00:00:02\n\n[Network]\nDHCP=ipv4\nDNS=2001:db8::53\n\n\
             [Address]\nAddress=2001:db8:1::1/64\n\n[Route]\nDestination=::/0\nGateway=fe80::1\n"
        );
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let of = |text: &str| service(BASE, &[("", text)]);
        assert_eq!(
            lines(&Server, &of("hostname: \"a\\nB=1\"\nregion: x\n")),
            ["HETZNER_REGION (region)=x"]
        );
        assert_eq!(Server.hostname(&of("{}")), Ok(None));
        assert_eq!(Server.ssh_keys(&of("{}")), Ok(Vec::new()));
        assert_eq!(Server.network(&of("{}")), Ok(Vec::new()));
        is_malformed(Server.attributes(&of("a: [planted")), "metadata: it is not YAML");
        is_malformed(Server.attributes(&of("planted")), "metadata is not a mapping");
        is_malformed(
            Server.attributes(&RecordedAccess::of_service(&[])),
            "metadata is not there",
        );
        is_malformed(
            Server.ssh_keys(&service(BASE, &[("/public-keys", "planted: 1")])),
            "public-keys is not a list",
        );
    }
}
