//! `network_data.json` of OpenStack's config drives: links, networks on them, and services for all.

use super::{Dhcp, Interface, Route, add_new};
use crate::PlatformError;
use crate::document::Node;

/// One interface for each link that has a network, those with a name first and by their names. Kinds of networks that are
/// not known here are passed over.
///
/// # Errors
/// [`PlatformError::Malformed`] for a value that is not what its key says.
pub(crate) fn interfaces(data: Node<'_>, priority: u8) -> Result<Vec<Interface>, PlatformError> {
    let mut shared = Vec::new();
    for service in data.list("services")? {
        if service.text("type")?.as_deref() == Some("dns") {
            add_new(&mut shared, service.address("address")?);
        }
    }
    let networks = data.list("networks")?;
    let mut interfaces = Vec::new();
    for link in data.list("links")? {
        let id = link.text("id")?;
        let mut on_link = Vec::new();
        for network in &networks {
            if id.is_some() && network.text("link")? == id {
                on_link.push(*network);
            }
        }
        if on_link.is_empty() {
            continue;
        }
        let mut interface = Interface {
            name: link.interface("name")?,
            mac: link.mac("ethernet_mac_address")?,
            priority,
            ..Interface::default()
        };
        for network in on_link {
            add(&mut interface, network)?;
        }
        add_new(&mut interface.nameservers, shared.iter().copied());
        put(&mut interfaces, interface);
    }
    Ok(interfaces)
}

/// Puts an interface where it belongs: those with a name first, by their names.
pub(super) fn put(interfaces: &mut Vec<Interface>, interface: Interface) {
    let comes_later = |known: &Interface| match (&known.name, &interface.name) {
        (Some(known), Some(name)) => known > name,
        (known, name) => known.is_none() && name.is_some(),
    };
    let place = interfaces.iter().position(comes_later);
    interfaces.insert(place.unwrap_or(interfaces.len()), interface);
}

fn add(interface: &mut Interface, network: Node<'_>) -> Result<(), PlatformError> {
    match network.text("type")?.as_deref() {
        Some("ipv4" | "ipv6") => {
            interface
                .addresses
                .extend(network.network("ip_address", "netmask")?);
        }
        Some("ipv4_dhcp") => interface.dhcp = Some(Dhcp::V4.and(interface.dhcp)),
        Some("ipv6_dhcp") => interface.dhcp = Some(Dhcp::V6.and(interface.dhcp)),
        _ => {}
    }
    for route in network.list("routes")? {
        interface.routes.extend(self::route(route)?);
    }
    add_new(&mut interface.nameservers, network.addresses("dns_nameservers")?);
    Ok(())
}

/// `network`, `netmask` and `gateway`; `None` for a route to neighbours, which needs none.
pub(super) fn route(route: Node<'_>) -> Result<Option<Route>, PlatformError> {
    let destination = route.network("network", "netmask")?;
    let gateway = route.address("gateway")?;
    Ok(destination
        .zip(gateway)
        .map(|(destination, gateway)| Route { destination, gateway }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlatformId;
    use crate::document::Document;
    use crate::metadata::tests::is_malformed;
    use crate::network::{arguments, units};

    fn of(text: &str) -> Result<Vec<Interface>, PlatformError> {
        let document = Document::json(PlatformId::new("metal"), "network_data.json", text.as_bytes())?;
        interfaces(document.root(), 10)
    }

    #[test]
    fn networks_are_gathered_on_their_links() {
        let found = of(r#"{"links":[
                {"id":"l2","type":"phy","ethernet_mac_address":"02:00:00:00:00:04"},
                {"id":"l1","name":"eth1","type":"phy"},
                {"id":"l0","name":"eth0","type":"phy","ethernet_mac_address":"02:00:00:00:00:03"},
                {"id":"l9","name":"eth9","type":"phy"}],
            "networks":[
                {"id":"n0","type":"ipv4","link":"l0","ip_address":"10.0.0.5","netmask":"255.255.255.0",
                    "dns_nameservers":["192.0.2.1"],
                    "routes":[{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":"10.0.0.1"},
                        {"network":"10.1.0.0","netmask":"255.255.0.0","gateway":"10.0.0.2"},
                        {"network":"10.0.0.0","netmask":"255.255.255.0"}]},
                {"id":"n1","type":"ipv6","link":"l0","ip_address":"2001:db8::5","netmask":"64",
                    "routes":[{"network":"::","netmask":"::","gateway":"fe80::1"}]},
                {"id":"n2","type":"ipv4_dhcp","link":"l1"},{"id":"n3","type":"ipv6_dhcp","link":"l1"},
                {"id":"n4","type":"ipv6","link":"l2","ip_address":"2001:db8::6/56"},
                {"id":"n5","type":"ipv4","link":"nowhere","ip_address":"10.0.0.9"}],
            "services":[{"type":"dns","address":"192.0.2.53"},{"type":"dns","address":"192.0.2.1"},
                {"type":"ntp","address":"192.0.2.99"}]}"#)
        .unwrap();
        assert_eq!(
            arguments(&found).unwrap(),
            "ip=10.0.0.5:::255.255.255.0::eth0:static ip=[2001:db8::5]:::64::eth0:static \
             rd.route=0.0.0.0/0:10.0.0.1 rd.route=[::/0]:[fe80::1] ip=eth1:dhcp,dhcp6 \
             ip=[2001:db8::6]:::56::02-00-00-00-00-04:static nameserver=192.0.2.1 nameserver=192.0.2.53"
        );
        let files = units(&found);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "10-eth0.network",
                "10-eth1.network",
                "10-02:00:00:00:00:04.network"
            ]
        );
        assert_eq!(
            files[0].text,
            "[Match]\nMACAddress=02:00:00:00:00:03\n\n[Network]\nDNS=192.0.2.1\nDNS=192.0.2.53\n\n\
             [Address]\nAddress=10.0.0.5/24\n\n[Address]\nAddress=2001:db8::5/64\n\n\
             [Route]\nDestination=0.0.0.0/0\nGateway=10.0.0.1\n\n[Route]\nDestination=10.1.0.0/16\nGateway=10.0.0.2\n\n\
             [Route]\nDestination=::/0\nGateway=fe80::1\n"
        );
    }

    #[test]
    fn a_broken_value_is_named() {
        let link = |link: &str, network: &str| {
            of(&format!(
                r#"{{"links":[{{"id":"a"{link}}}],"networks":[{{"link":"a","type":"ipv4"{network}}}]}}"#
            ))
        };
        for (interface, network, what) in [
            (r#","name":"eth0\nplanted""#, "", "network_data.json: name is not"),
            (
                r#","ethernet_mac_address":"planted""#,
                "",
                "ethernet_mac_address is not",
            ),
            ("", r#","ip_address":"planted""#, "ip_address is not"),
            (
                "",
                r#","ip_address":"10.0.0.1","netmask":"255.0.255.0""#,
                "ip_address is not",
            ),
            ("", r#","routes":{"planted":1}"#, "routes is not a list"),
            ("", r#","dns_nameservers":["planted"]"#, "dns_nameservers is not"),
        ] {
            is_malformed(link(interface, network), what);
        }
        is_malformed(of("[1]"), "network_data.json is not a mapping");
        assert_eq!(of("{}"), Ok(Vec::new()));
    }
}
