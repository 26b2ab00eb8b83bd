//! The network configs that cloud-init reads, versions 1 and 2, as far as platforms write them: plain interfaces.

use super::openstack::{put, route};
use super::{Dhcp, Interface, Network, Route, add_new};
use crate::PlatformError;
use crate::document::Node;

/// Where files of these interfaces stand among others.
const PRIORITY: u8 = 20;

/// The interfaces of a config of either version, also of one that is wrapped in `network:` as in netplan.
///
/// # Errors
/// [`PlatformError::Malformed`] for a value that is not what its key says.
pub(crate) fn interfaces(config: Node<'_>) -> Result<Vec<Interface>, PlatformError> {
    let config = config.get("network")?.unwrap_or(config);
    if config.get("config")?.is_some() {
        return first(config);
    }
    second(config)
}

/// Version 1: a list of things with subnets.
fn first(config: Node<'_>) -> Result<Vec<Interface>, PlatformError> {
    let (mut interfaces, mut shared) = (Vec::new(), Vec::new());
    for thing in config.list("config")? {
        match thing.text("type")?.as_deref() {
            Some("physical") => interfaces.push(physical(thing)?),
            Some("nameserver") => add_new(&mut shared, thing.addresses("address")?),
            _ => {}
        }
    }
    for interface in &mut interfaces {
        add_new(&mut interface.nameservers, shared.iter().copied());
    }
    Ok(interfaces)
}

fn physical(thing: Node<'_>) -> Result<Interface, PlatformError> {
    let mut interface = Interface {
        name: thing.interface("name")?,
        mac: thing.mac("mac_address")?,
        priority: PRIORITY,
        ..Interface::default()
    };
    for subnet in thing.list("subnets")? {
        add_subnet(&mut interface, subnet)?;
    }
    Ok(interface)
}

fn add_subnet(interface: &mut Interface, subnet: Node<'_>) -> Result<(), PlatformError> {
    let kind = subnet.text("type")?.unwrap_or_default();
    let dhcp = match kind.as_str() {
        // Hetzner says only beside which version it means.
        "dhcp" if subnet.is("ipv6")? => Some(Dhcp::V6),
        "dhcp" | "dhcp4" => Some(Dhcp::V4),
        "dhcp6" | "ipv6_dhcpv6-stateful" | "ipv6_dhcpv6-stateless" => Some(Dhcp::V6),
        _ => None,
    };
    if let Some(dhcp) = dhcp {
        interface.dhcp = Some(dhcp.and(interface.dhcp));
    }
    if kind.starts_with("static") {
        interface.addresses.extend(subnet.network("address", "netmask")?);
    }
    for of_subnet in subnet.list("routes")? {
        interface.routes.extend(route(of_subnet)?);
    }
    interface
        .routes
        .extend(subnet.address("gateway")?.map(default_route));
    add_new(&mut interface.nameservers, subnet.addresses("dns_nameservers")?);
    Ok(())
}

fn default_route(gateway: core::net::IpAddr) -> Route {
    Route {
        destination: Network::everywhere(gateway),
        gateway,
    }
}

/// Version 2: a mapping of interfaces, as in netplan.
fn second(config: Node<'_>) -> Result<Vec<Interface>, PlatformError> {
    let mut interfaces = Vec::new();
    if let Some(ethernets) = config.get("ethernets")? {
        for (key, ethernet) in ethernets.pairs()? {
            put(&mut interfaces, self::ethernet(config, key, ethernet)?);
        }
    }
    Ok(interfaces)
}

fn ethernet(config: Node<'_>, key: &str, ethernet: Node<'_>) -> Result<Interface, PlatformError> {
    let matched = ethernet.get("match")?;
    // With `match`, the key is a name for this document alone, unless it looks like one of the kernel's.
    let name = (matched.is_none() || key.starts_with("eth")).then_some(key);
    let wrong = || config.wrong("ethernets", "has a key that is not the name of an interface");
    let name = name.map(|name| super::interface_name(name).ok_or_else(wrong));
    let mac = matched.map(|matched| matched.mac("macaddress")).transpose()?;
    let mut interface = Interface {
        name: name.transpose()?,
        mac: mac.flatten(),
        priority: PRIORITY,
        ..Interface::default()
    };
    for (version, dhcp) in [("dhcp4", Dhcp::V4), ("dhcp6", Dhcp::V6)] {
        if ethernet.is(version)? {
            interface.dhcp = Some(dhcp.and(interface.dhcp));
        }
    }
    for address in ethernet.list("addresses")? {
        // An address with options is a mapping of one key.
        let text = match address.pairs() {
            Ok(pairs) => pairs
                .first()
                .map(|(key, _)| (*key).to_owned())
                .unwrap_or_default(),
            Err(_) => address.scalar()?,
        };
        let network = ethernet.parsed_network("addresses", &text, None)?;
        interface.addresses.push(network);
    }
    interface.routes = routes(ethernet)?;
    if let Some(servers) = ethernet.get("nameservers")? {
        add_new(&mut interface.nameservers, servers.addresses("addresses")?);
    }
    Ok(interface)
}

/// The routes, or the gateways of old where there are none.
fn routes(ethernet: Node<'_>) -> Result<Vec<Route>, PlatformError> {
    let mut routes = Vec::new();
    for route in ethernet.list("routes")? {
        let (to, gateway) = (route.text("to")?, route.address("via")?);
        let Some((to, gateway)) = to.zip(gateway) else {
            continue;
        };
        let destination = match to.as_str() {
            "default" => Network::everywhere(gateway),
            to => route.parsed_network("to", to, None)?,
        };
        routes.push(Route { destination, gateway });
    }
    if routes.is_empty() {
        for key in ["gateway4", "gateway6"] {
            routes.extend(ethernet.address(key)?.map(default_route));
        }
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlatformId;
    use crate::document::Document;
    use crate::metadata::tests::is_malformed;
    use crate::network::{arguments, units};

    fn of(text: &str) -> Result<Vec<Interface>, PlatformError> {
        let document = Document::yaml(PlatformId::new("metal"), "network-config", text.as_bytes())?;
        interfaces(document.root())
    }

    fn written(text: &str) -> String {
        arguments(&of(text).unwrap()).unwrap_or_default()
    }

    #[test]
    fn the_first_version_is_a_list() {
        let text = "version: 1\nconfig:\n- type: physical\n  name: eth0\n  mac_address: '02:00:00:00:00:02'\n  subnets:\n  \
                    - {type: dhcp, ipv4: true}\n  - type: static6\n    address: 2001:db8:1::1/64\n    gateway: fe80::1\n    \
                    dns_nameservers: [2001:db8::53]\n  - {type: static, address: 192.0.2.10, netmask: 255.255.255.0, \
                    routes: [{network: 10.0.0.0, netmask: 255.0.0.0, gateway: 192.0.2.1}]}\n- type: nameserver\n  \
                    address: [192.0.2.53, 2001:db8::53]\n- type: bond\n  name: bond0\n";
        let [file] = &units(&of(text).unwrap())[..] else {
            panic!("one file")
        };
        assert_eq!(file.name, "20-eth0.network");
        assert_eq!(
            file.text,
            "[Match]\nMACAddress=02:00:00:00:00:02\n\n[Network]\nDHCP=ipv4\nDNS=2001:db8::53\nDNS=192.0.2.53\n\n\
             [Address]\nAddress=2001:db8:1::1/64\n\n[Address]\nAddress=192.0.2.10/24\n\n\
             [Route]\nDestination=::/0\nGateway=fe80::1\n\n[Route]\nDestination=10.0.0.0/8\nGateway=192.0.2.1\n"
        );
    }

    #[test]
    fn dhcp_has_many_names() {
        for (subnets, expected) in [
            ("[{type: dhcp}]", "ip=eth0:dhcp"),
            ("[{type: dhcp4}, {type: dhcp6}]", "ip=eth0:dhcp,dhcp6"),
            ("[{type: dhcp, ipv6: true}]", "ip=eth0:dhcp6"),
            ("[{type: dhcp6}, {type: dhcp, ipv4: true}]", "ip=eth0:dhcp,dhcp6"),
            ("[{type: ipv6_slaac}]", ""),
        ] {
            let text = format!("config: [{{type: physical, name: eth0, subnets: {subnets}}}]");
            assert_eq!(written(&text), expected, "{subnets}");
        }
    }

    #[test]
    fn the_second_version_is_a_mapping() {
        assert_eq!(
            written("version: 2\nethernets: {eth0: {dhcp4: true, nameservers: {addresses: [192.0.2.53]}}}"),
            "ip=eth0:dhcp nameserver=192.0.2.53"
        );
        let text = "network:\n  version: 2\n  ethernets:\n    nic1:\n      match: {macaddress: '02:00:00:00:00:05'}\n      \
                    dhcp6: true\n    eth1:\n      match: {macaddress: '02:00:00:00:00:04'}\n      addresses: \
                    [192.0.2.9/24, 2001:db8::9/64: {lifetime: 0}]\n      gateway4: 192.0.2.254\n      routes:\n      \
                    - {to: default, via: 192.0.2.1}\n      - {to: default, via: 'fe80::1'}\n      - {to: 10.0.0.0/8, via: \
                    192.0.2.2}\n      - {to: 10.9.0.0/16, scope: link}\n";
        assert_eq!(
            written(text),
            "ip=192.0.2.9:::255.255.255.0::eth1:static ip=[2001:db8::9]:::64::eth1:static \
             rd.route=0.0.0.0/0:192.0.2.1 rd.route=[::/0]:[fe80::1] ip=02-00-00-00-00-05:dhcp6"
        );
        assert_eq!(
            written(
                "ethernets: {eth0: {addresses: [192.0.2.9/24], gateway4: 192.0.2.1, gateway6: 'fe80::1'}}"
            ),
            "ip=192.0.2.9:::255.255.255.0::eth0:static rd.route=0.0.0.0/0:192.0.2.1 rd.route=[::/0]:[fe80::1]"
        );
        assert_eq!(of("version: 2\n"), Ok(Vec::new()));
    }

    #[test]
    fn a_broken_value_is_named() {
        for (text, what) in [
            ("[planted]", "network-config is not a mapping"),
            ("config: planted", "config is not a list"),
            ("config: [{type: physical, name: \"a\\nplanted\"}]", "name is not"),
            (
                "config: [{type: physical, mac_address: planted}]",
                "mac_address is not",
            ),
            (
                "config: [{type: physical, subnets: [{type: static, address: planted}]}]",
                "address is not",
            ),
            ("config: [{type: nameserver, address: planted}]", "address is not"),
            ("ethernets: [planted]", "ethernets is not a mapping"),
            (
                "ethernets: {\"planted x\": {}}",
                "ethernets has a key that is not",
            ),
            ("ethernets: {eth0: {dhcp4: planted}}", "dhcp4 is neither"),
            ("ethernets: {eth0: {addresses: [planted]}}", "addresses is not"),
            (
                "ethernets: {eth0: {routes: [{to: planted, via: 192.0.2.1}]}}",
                "to is not",
            ),
            (
                "ethernets: {eth0: {match: {macaddress: planted}}}",
                "macaddress is not",
            ),
        ] {
            is_malformed(of(text), what);
        }
    }

    /// Whatever stands where, what is written for networkd and the kernel has no line that was not meant.
    #[test]
    fn no_value_becomes_a_line() {
        let whole = "config: [{type: physical, name: eth0, mac_address: '02:00:00:00:00:02', subnets: [{type: static, address: \
                     192.0.2.10, netmask: 255.255.255.0, gateway: 192.0.2.1, dns_nameservers: [192.0.2.53]}]}]";
        let values = [
            "eth0",
            "'02:00:00:00:00:02'",
            "192.0.2.10",
            "255.255.255.0",
            "192.0.2.1,",
            "[192.0.2.53]",
        ];
        for value in values {
            for hostile in [
                "\"a\\nplanted=1\"",
                "\"a planted=1\"",
                "\"\\0planted\"",
                "[planted]",
                "{planted: 1}",
                "planted=/",
            ] {
                let end = if value.ends_with(',') { "," } else { "" };
                let Ok(found) = of(&whole.replace(value, &format!("{hostile}{end}"))) else {
                    continue;
                };
                let mut written = arguments(&found).unwrap_or_default();
                written.extend(units(&found).into_iter().map(|file| file.name + &file.text));
                assert!(!written.contains("planted"), "{value} as {hostile}: {written}");
            }
        }
    }
}
