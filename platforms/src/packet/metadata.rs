//! What the service of Equinix Metal says of its machines: one document.

use core::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::ID;
use crate::document::{Document, Node, required};
use crate::metadata::{Attributes, keys_of};
use crate::network::{Bonding, Interface, Network, Route, add_new};
use crate::service::{get, request, tell};
use crate::{
    Access, Attribute, CheckIn, Fact, HttpMethod, HttpRequest, Metadata, Offers, PlatformError, StageEnd,
    host_name,
};

/// What the service says.
pub(super) struct Device;

/// The document. The service refuses the `Accept` of config servers.
const URL: &str = "https://metadata.packet.net/metadata";

/// Where networkd has the nameservers that it knows of; the service names none.
const NETWORKD: &str = "/run/systemd/netif/state";

impl Metadata for Device {
    fn offers(&self) -> Offers {
        Offers {
            attributes: true,
            hostname: true,
            ssh_keys: true,
            network: true,
            network_arguments: false,
            check_in: true,
            failure: true,
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let document = document(via)?;
        let device = document.root();
        let mut attributes = Attributes::of("PACKET_");
        for (key, name, fact) in [
            ("hostname", "HOSTNAME", Some(Fact::Hostname)),
            ("plan", "PLAN", Some(Fact::InstanceType)),
            ("phone_home_url", "PHONE_HOME_URL", None),
        ] {
            attributes.add(name, fact, device.text(key)?.as_deref());
        }
        let addresses = addresses(device)?;
        for (name, is_ipv4, is_public, fact) in [
            ("IPV4_PUBLIC", true, true, Fact::PublicIpv4),
            ("IPV4_PRIVATE", true, false, Fact::Ipv4),
            ("IPV6_PUBLIC", false, true, Fact::Ipv6),
            ("IPV6_PRIVATE", false, false, Fact::Ipv6),
        ] {
            let of_kind = addresses
                .iter()
                .filter(|given| given.is_public == is_public && given.network.address.is_ipv4() == is_ipv4);
            for (number, given) in of_kind.enumerate() {
                let address = given.network.address.to_string();
                attributes.add(&format!("{name}_{number}"), fact, Some(&address));
                let gateway = given.gateway.map(|gateway| gateway.to_string());
                attributes.add(&format!("{name}_GATEWAY_{number}"), None, gateway.as_deref());
            }
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let name = document(via)?.root().text("hostname")?;
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        keys_of(ID, &document(via)?.root().texts("ssh_keys")?)
    }

    fn network(&self, via: &dyn Access) -> Result<Vec<Interface>, PlatformError> {
        let document = document(via)?;
        let (mut parts, mut bonds) = (Vec::new(), Vec::new());
        if let Some(network) = document.root().get("network")? {
            let bonding = bonding(network)?;
            for interface in network.list("interfaces")? {
                add(&mut parts, &mut bonds, interface, bonding)?;
            }
        }
        // All addresses are the first bond's, as the vendor says.
        match bonds.first_mut() {
            Some(bond) => address(bond, via, addresses(document.root())?)?,
            None => via.warn("no interface of this machine is a part of a bond; its addresses are not set"),
        }
        parts.append(&mut bonds);
        if !parts.is_empty() {
            parts.push(others());
        }
        Ok(parts)
    }

    fn check_in(&self, via: &dyn Access) -> Result<CheckIn, PlatformError> {
        let document = document(via)?;
        let device = document.root();
        let url = device.text("phone_home_url")?;
        let url = url.ok_or_else(|| device.wrong("phone_home_url", "is not there"))?;
        let headers = [("Content-Type", "application/json")];
        tell(via, ID, &request(HttpMethod::Post, &url, &headers))?;
        Ok(CheckIn::Told)
    }

    /// An event for each stage, as the reference engine sends them.
    fn stage_ended(&self, via: &dyn Access, end: &StageEnd<'_>) -> Result<CheckIn, PlatformError> {
        let document = document(via)?;
        let device = document.root();
        let home = device.text("phone_home_url")?;
        let home = home.ok_or_else(|| device.wrong("phone_home_url", "is not there"))?;
        let url = format!("{}/events", home.strip_suffix("/phone-home").unwrap_or(&home));
        let (state, what) = match end.failure_within(MESSAGE_LIMIT) {
            Some(record) => ("failed", record),
            None => ("running", "finished successfully"),
        };
        let message = format!("[{}] Ignition status: {what}", end.stage);
        let event = serde_json::json!({ "state": state, "message": message });
        let mut body = Vec::new();
        // By the kind of writer that is linked anyway.
        let to: &mut dyn std::io::Write = &mut body;
        serde_json::to_writer(to, &event).expect("plain data serialises, and memory takes it");
        let request = HttpRequest {
            body,
            ..request(HttpMethod::Post, &url, &[("Content-Type", "application/json")])
        };
        tell(via, ID, &request)?;
        Ok(CheckIn::Told)
    }
}

/// How much of a failure record an event has. The service's own limit is not written down.
const MESSAGE_LIMIT: usize = 2048;

fn document(via: &dyn Access) -> Result<Document, PlatformError> {
    let request = get(URL, &[("Accept", "*/*")]);
    required(via, ID, (&request, "metadata"), Document::json)
}

/// An address of the machine.
struct Given {
    network: Network,
    gateway: Option<IpAddr>,
    is_public: bool,
}

fn addresses(device: Node<'_>) -> Result<Vec<Given>, PlatformError> {
    let mut found = Vec::new();
    let Some(network) = device.get("network")? else {
        return Ok(found);
    };
    for given in network.list("addresses")? {
        if let Some(network) = given.network("address", "netmask")? {
            found.push(Given {
                network,
                gateway: given.address("gateway")?,
                is_public: given.is("public")?,
            });
        }
    }
    Ok(found)
}

fn bonding(network: Node<'_>) -> Result<Option<Bonding>, PlatformError> {
    let Some(bonding) = network.get("bonding")? else {
        return Ok(None);
    };
    let Some(mode) = bonding.text("mode")? else {
        return Ok(None);
    };
    let known = mode.parse().ok().and_then(Bonding::from_number);
    known
        .map(Some)
        .ok_or_else(|| bonding.wrong("mode", "is not a mode of bonding"))
}

/// One interface by its hardware address; the bond that it is a part of, once.
fn add(
    parts: &mut Vec<Interface>,
    bonds: &mut Vec<Interface>,
    interface: Node<'_>,
    bonding: Option<Bonding>,
) -> Result<(), PlatformError> {
    let mac = interface.mac("mac")?;
    let bond = interface.interface("bond")?;
    if let Some(name) = &bond
        && !bonds.iter().any(|known| known.name.as_ref() == Some(name))
    {
        bonds.push(Interface {
            name: Some(name.clone()),
            mac: mac.clone(),
            priority: 5,
            bonding: Some(bonding.ok_or_else(|| interface.wrong("bonding", "has no mode"))?),
            required_for_online: Some("degraded-carrier"),
            ..Interface::default()
        });
    }
    parts.push(Interface {
        mac,
        priority: 10,
        is_unmanaged: bond.is_none(),
        required_for_online: Some("no"),
        bond,
        ..Interface::default()
    });
    Ok(())
}

/// Gives a bond the addresses. Private networks of version 4 are one, everything else is outside.
fn address(bond: &mut Interface, via: &dyn Access, addresses: Vec<Given>) -> Result<(), PlatformError> {
    const INSIDE: Network = Network {
        address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)),
        prefix: 8,
    };
    for given in addresses {
        bond.addresses.push(given.network);
        if let Some(gateway) = given.gateway {
            let is_inside = !given.is_public && gateway.is_ipv4();
            let destination = if is_inside {
                INSIDE
            } else {
                Network::everywhere(gateway)
            };
            bond.routes.push(Route { destination, gateway });
        }
    }
    add_new(&mut bond.nameservers, nameservers(via)?);
    Ok(())
}

/// Those that networkd was told by DHCP before the bond is set up; none where it does not run.
fn nameservers(via: &dyn Access) -> Result<Vec<IpAddr>, PlatformError> {
    let state = via
        .file(Path::new(NETWORKD))
        .map_err(|source| PlatformError::Access { id: ID, source })?;
    let state = String::from_utf8_lossy(&state.unwrap_or_default()).into_owned();
    let servers = state.lines().find_map(|line| line.strip_prefix("DNS="));
    let words = servers.unwrap_or_default().split_whitespace();
    Ok(words.filter_map(|word| word.parse().ok()).collect())
}

/// Interfaces that the document does not know.
fn others() -> Interface {
    Interface {
        path: Some("pci-*".to_owned()),
        priority: 80,
        is_unmanaged: true,
        ..Interface::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::network::units;
    use crate::recorded::RecordedAccess;

    const HOME: &str = "http://192.0.2.1/phone-home";

    fn of(text: &str) -> RecordedAccess {
        RecordedAccess::of_service(&[(URL, 200, text), (HOME, 200, "")])
    }

    fn machine() -> RecordedAccess {
        let given = |public, address, netmask, gateway| {
            format!(
                r#"{{"id":"a","address_family":4,"public":{public},"management":true,"address":"{address}",
                "netmask":"{netmask}","gateway":"{gateway}"}}"#
            )
        };
        let addresses = [
            given(true, "198.51.100.2", "255.255.255.254", "198.51.100.3"),
            given(
                true,
                "2001:db8::3",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
                "2001:db8::2",
            ),
            given(false, "10.88.0.3", "255.255.255.254", "10.88.0.2"),
        ]
        .join(",");
        of(&format!(
            r#"{{"id":"1","hostname":"n1","iqn":"iqn.x","plan":"c3","facility":"am6","tags":[],
            "ssh_keys":["{KEY}","{KEY}"],"phone_home_url":"{HOME}","network":{{"bonding":{{"mode":4}},"interfaces":[
            {{"name":"eth0","mac":"02:00:00:00:00:0a","bond":"bond0"}},{{"name":"eth1","mac":"02:00:00:00:00:0b","bond":"bond0"}},
            {{"name":"eth2","mac":"02:00:00:00:00:0c"}}],"addresses":[{addresses}]}}}}"#
        ))
        .with_file(NETWORKD, "# private\nOPER_STATE=routable\nDNS=192.0.2.53 2001:db8::53\n")
    }

    #[test]
    fn attributes_name_and_keys_are_read() {
        let via = machine();
        assert_eq!(
            lines(&Device, &via),
            [
                "PACKET_HOSTNAME (hostname)=n1",
                "PACKET_PLAN (instance-type)=c3",
                "PACKET_PHONE_HOME_URL=http://192.0.2.1/phone-home",
                "PACKET_IPV4_PUBLIC_0 (public-ipv4)=198.51.100.2",
                "PACKET_IPV4_PUBLIC_GATEWAY_0=198.51.100.3",
                "PACKET_IPV4_PRIVATE_0 (ipv4)=10.88.0.3",
                "PACKET_IPV4_PRIVATE_GATEWAY_0=10.88.0.2",
                "PACKET_IPV6_PUBLIC_0 (ipv6)=2001:db8::3",
                "PACKET_IPV6_PUBLIC_GATEWAY_0=2001:db8::2",
            ]
        );
        assert_eq!(via.asked(), [format!("Get {URL} accept: */*")]);
        assert_eq!(Device.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&Device, &via);
    }

    #[test]
    fn addresses_are_the_first_bonds() {
        let files = units(&Device.network(&machine()).unwrap());
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "10-02:00:00:00:00:0a.network",
                "10-02:00:00:00:00:0b.network",
                "10-02:00:00:00:00:0c.network",
                "05-bond0.netdev",
                "05-bond0.network",
                "80-pci-*.network",
            ]
        );
        let text = |number: usize| files[number].text.as_str();
        assert_eq!(
            text(0),
            "[Match]\nMACAddress=02:00:00:00:00:0a\n\n[Network]\nBond=bond0\n\n[Link]\nRequiredForOnline=no\n"
        );
        assert_eq!(
            text(2),
            "[Match]\nMACAddress=02:00:00:00:00:0c\n\n[Link]\nUnmanaged=yes\nRequiredForOnline=no\n"
        );
        assert!(text(3).contains("Mode=802.3ad\n") && text(3).contains("MACAddress=02:00:00:00:00:0a\n"));
        assert_eq!(
            text(4),
            "[Match]\nName=bond0\nMACAddress=02:00:00:00:00:0a\n\n[Network]\nDNS=192.0.2.53\nDNS=2001:db8::53\n\n\
             [Link]\nRequiredForOnline=degraded-carrier\n\n[Address]\nAddress=198.51.100.2/31\n\n\
             [Address]\nAddress=2001:db8::3/127\n\n[Address]\nAddress=10.88.0.3/31\n\n\
             [Route]\nDestination=0.0.0.0/0\nGateway=198.51.100.3\n\n[Route]\nDestination=::/0\nGateway=2001:db8::2\n\n\
             [Route]\nDestination=10.0.0.0/8\nGateway=10.88.0.2\n"
        );
        assert_eq!(text(5), "[Match]\nPath=pci-*\n\n[Link]\nUnmanaged=yes\n");
    }

    #[test]
    fn the_platform_is_told_where_it_says() {
        let via = machine();
        assert_eq!(Device.check_in(&via), Ok(CheckIn::Told));
        assert_eq!(
            via.asked().last().map(String::as_str),
            Some("Post http://192.0.2.1/phone-home content-type: application/json")
        );
        for (status, is_thanks) in [(204, true), (404, false), (500, false)] {
            let via = machine().with_answer(HOME, status, "");
            assert_eq!(Device.check_in(&via).is_ok(), is_thanks, "{status}");
        }
        is_malformed(Device.check_in(&of("{}")), "phone_home_url is not there");
    }

    #[test]
    fn every_stage_is_an_event() {
        const EVENTS: &str = "http://192.0.2.1/events";
        let via = machine().with_answer(EVENTS, 200, "");
        let mut told = Vec::new();
        for failure in [None, Some("FAILED")] {
            let end = StageEnd {
                stage: "files",
                failure,
            };
            assert_eq!(Device.stage_ended(&via, &end), Ok(CheckIn::Told));
            told.extend(via.asked().pop());
        }
        let event = |state: &str, message: &str| {
            format!(
                "Post {EVENTS} content-type: application/json, with \
                 {{\"message\":\"[files] Ignition status: {message}\",\"state\":\"{state}\"}}"
            )
        };
        assert_eq!(
            told,
            [
                event("running", "finished successfully"),
                event("failed", "FAILED")
            ]
        );
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let via =
            of(r#"{"hostname":"a\nB=1","plan":"c3","network":{"interfaces":[{"mac":"02:00:00:00:00:0a"}]}}"#);
        assert_eq!(lines(&Device, &via), ["PACKET_PLAN (instance-type)=c3"]);
        assert_eq!(units(&Device.network(&via).unwrap()).len(), 2);
        assert_eq!(Device.network(&of("{}")), Ok(Vec::new()));
        for (network, what) in [
            (r#"{"bonding":{"mode":"planted"}}"#, "mode is not a mode"),
            (r#"{"bonding":{"mode":7}}"#, "mode is not a mode"),
            (
                r#"{"interfaces":[{"mac":"planted"}]}"#,
                "mac is not a hardware address",
            ),
            (
                r#"{"bonding":{"mode":4},"interfaces":[{"bond":"../planted"}]}"#,
                "bond is not the name",
            ),
            (r#"{"interfaces":[{"bond":"bond0"}]}"#, "bonding has no mode"),
            (
                r#"{"bonding":{"mode":4},"interfaces":[{"bond":"bond0"}],"addresses":[{"address":"planted"}]}"#,
                "address is not an address",
            ),
        ] {
            is_malformed(Device.network(&of(&format!(r#"{{"network":{network}}}"#))), what);
        }
        is_malformed(Device.attributes(&of("planted")), "metadata is not JSON");
        is_malformed(
            Device.hostname(&RecordedAccess::of_service(&[])),
            "metadata is not there",
        );
    }
}
