//! What the service of DigitalOcean says of its droplets: one document.

use super::ID;
use crate::document::{Document, Node, required};
use crate::metadata::{Attributes, keys_of};
use crate::network::{Interface, Network, Route, add_new};
use crate::service::{IMDS, get};
use crate::{Access, Attribute, Fact, Metadata, Offers, PlatformError, host_name};

/// What the service says.
pub(super) struct Droplet;

/// The two kinds of interfaces, and which facts their addresses are.
const KINDS: [(&str, &str, Option<Fact>); 2] = [
    ("public", "PUBLIC", Some(Fact::PublicIpv4)),
    ("private", "PRIVATE", Some(Fact::Ipv4)),
];

impl Metadata for Droplet {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            network: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let document = document(via)?;
        let droplet = document.root();
        let mut attributes = Attributes::of("DIGITALOCEAN_");
        attributes.add("HOSTNAME", Fact::Hostname, droplet.text("hostname")?.as_deref());
        attributes.add("REGION", Fact::Region, droplet.text("region")?.as_deref());
        for (kind, name, fact) in KINDS {
            // The number is the interface's, also where it has no such address.
            for (number, interface) in interfaces(droplet, kind)?.into_iter().enumerate() {
                for (key, version, name, fact) in [
                    ("ipv4", "IPV4", name, fact),
                    ("ipv6", "IPV6", name, Some(Fact::Ipv6)),
                    ("anchor_ipv4", "IPV4", "ANCHOR", None),
                ] {
                    let address = match interface.get(key)? {
                        Some(address) if name != "ANCHOR" || kind == "public" => {
                            address.text("ip_address")?
                        }
                        _ => None,
                    };
                    attributes.add(&format!("{version}_{name}_{number}"), fact, address.as_deref());
                }
            }
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let name = document(via)?.root().text("hostname")?;
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        keys_of(ID, &document(via)?.root().texts("public_keys")?)
    }

    /// One interface for each hardware address, in the order of the document.
    fn network(&self, via: &dyn Access) -> Result<Vec<Interface>, PlatformError> {
        let document = document(via)?;
        let droplet = document.root();
        let mut nameservers = Vec::new();
        if let Some(dns) = droplet.get("dns")? {
            add_new(&mut nameservers, dns.addresses("nameservers")?);
        }
        let mut found: Vec<Interface> = Vec::new();
        for (kind, ..) in KINDS {
            for interface in interfaces(droplet, kind)? {
                let mac = interface.mac("mac")?;
                let place = found.iter().position(|known| known.mac == mac);
                let place = place.unwrap_or_else(|| {
                    found.push(Interface {
                        mac,
                        priority: 10,
                        nameservers: nameservers.clone(),
                        ..Interface::default()
                    });
                    found.len() - 1
                });
                add(&mut found[place], interface)?;
            }
        }
        Ok(found)
    }
}

fn document(via: &dyn Access) -> Result<Document, PlatformError> {
    let request = get(&format!("{IMDS}/metadata/v1.json"), &[]);
    required(via, ID, (&request, "v1.json"), Document::json)
}

fn interfaces<'a>(droplet: Node<'a>, kind: &'a str) -> Result<Vec<Node<'a>>, PlatformError> {
    let all = droplet.get("interfaces")?;
    all.map_or(Ok(Vec::new()), |all| all.list(kind))
}

/// Its addresses; the way to their own networks, and to everywhere from an interface that is public.
fn add(interface: &mut Interface, described: Node<'_>) -> Result<(), PlatformError> {
    let is_public = described.text("type")?.as_deref() == Some("public");
    for (key, mask, leads_out) in [
        ("ipv4", "netmask", is_public),
        ("ipv6", "cidr", is_public),
        ("anchor_ipv4", "netmask", false),
    ] {
        let Some(address) = described.get(key)? else {
            continue;
        };
        let Some(network) = address.network("ip_address", mask)? else {
            continue;
        };
        interface.addresses.push(network);
        let Some(gateway) = address.address("gateway")? else {
            continue;
        };
        let everywhere = leads_out.then(|| Network::everywhere(gateway));
        for destination in [Some(network), everywhere].into_iter().flatten() {
            interface.routes.push(Route { destination, gateway });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::network::units;
    use crate::recorded::RecordedAccess;

    fn droplet(text: &str) -> RecordedAccess {
        RecordedAccess::of_service(&[("http://169.254.169.254/metadata/v1.json", 200, text)])
    }

    fn whole() -> RecordedAccess {
        droplet(&format!(
            r#"{{"hostname":"n1","region":"ams3","public_keys":["{KEY}","{KEY}"],"dns":{{"nameservers":["192.0.2.53"]}},
            "interfaces":{{"public":[{{"mac":"02:00:00:00:00:01","type":"public",
                "ipv4":{{"ip_address":"198.51.100.9","netmask":"255.255.240.0","gateway":"198.51.96.1"}},
                "ipv6":{{"ip_address":"2001:db8::9","cidr":64,"gateway":"2001:db8::1"}},
                "anchor_ipv4":{{"ip_address":"10.15.0.5","netmask":"255.255.0.0","gateway":"10.15.0.1"}}}}],
            "private":[{{"mac":"02:00:00:00:00:0B","type":"private"}},{{"mac":"02:00:00:00:00:0B","type":"private",
                "ipv4":{{"ip_address":"10.16.0.2","netmask":"255.255.0.0","gateway":"10.16.0.1"}}}}]}}}}"#
        ))
    }

    #[test]
    fn attributes_are_numbered_by_interface() {
        let via = whole();
        assert_eq!(
            lines(&Droplet, &via),
            [
                "DIGITALOCEAN_HOSTNAME (hostname)=n1",
                "DIGITALOCEAN_REGION (region)=ams3",
                "DIGITALOCEAN_IPV4_PUBLIC_0 (public-ipv4)=198.51.100.9",
                "DIGITALOCEAN_IPV6_PUBLIC_0 (ipv6)=2001:db8::9",
                "DIGITALOCEAN_IPV4_ANCHOR_0=10.15.0.5",
                "DIGITALOCEAN_IPV4_PRIVATE_1 (ipv4)=10.16.0.2",
            ]
        );
        assert_eq!(Droplet.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(Droplet.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&Droplet, &via);
    }

    #[test]
    fn each_hardware_address_is_one_file() {
        let files = units(&Droplet.network(&whole()).unwrap());
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            ["10-02:00:00:00:00:01.network", "10-02:00:00:00:00:0b.network"]
        );
        assert_eq!(
            files[0].text,
            "[Match]\nMACAddress=02:00:00:00:00:01\n\n[Network]\nDNS=192.0.2.53\n\n[Address]\nAddress=198.51.100.9/20\n\n\
             [Address]\nAddress=2001:db8::9/64\n\n[Address]\nAddress=10.15.0.5/16\n\n\
             [Route]\nDestination=198.51.100.9/20\nGateway=198.51.96.1\n\n\
             [Route]\nDestination=0.0.0.0/0\nGateway=198.51.96.1\n\n\
             [Route]\nDestination=2001:db8::9/64\nGateway=2001:db8::1\n\n\
             [Route]\nDestination=::/0\nGateway=2001:db8::1\n\n[Route]\nDestination=10.15.0.5/16\nGateway=10.15.0.1\n"
        );
        assert_eq!(
            files[1].text,
            "[Match]\nMACAddress=02:00:00:00:00:0b\n\n[Network]\nDNS=192.0.2.53\n\n[Address]\nAddress=10.16.0.2/16\n\n\
             [Route]\nDestination=10.16.0.2/16\nGateway=10.16.0.1\n"
        );
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let via = droplet(r#"{"hostname":"a\nB=1","region":null,"interfaces":{"public":null}}"#);
        assert_eq!(lines(&Droplet, &via), Vec::<String>::new());
        assert_eq!(Droplet.hostname(&via), Ok(None));
        assert_eq!(Droplet.network(&via), Ok(Vec::new()));
        is_malformed(Droplet.attributes(&droplet("<planted>")), "v1.json is not JSON");
        is_malformed(
            Droplet.attributes(&RecordedAccess::of_service(&[])),
            "v1.json is not there",
        );
        let mac = r#"{"interfaces":{"public":[{"mac":"planted"}]}}"#;
        is_malformed(Droplet.network(&droplet(mac)), "mac is not a hardware address");
    }
}
