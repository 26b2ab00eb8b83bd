//! Interfaces as files of systemd-networkd (systemd.network(5), systemd.netdev(5)).

use std::fmt::Write;

use super::{Bonding, Dhcp, Interface};

/// A file below a directory that networkd reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    /// Its name: `10-eth0.network`.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// One `.network` for each interface that can be told from others, and one `.netdev` for each bond.
#[must_use]
pub fn units(interfaces: &[Interface]) -> Vec<UnitFile> {
    let mut files = Vec::new();
    for interface in interfaces {
        let Some(label) = interface.label() else { continue };
        let name = format!("{:02}-{label}", interface.priority);
        if let Some(bonding) = interface.bonding {
            files.push(UnitFile {
                name: format!("{name}.netdev"),
                text: netdev(interface, label, bonding),
            });
        }
        files.push(UnitFile {
            name: format!("{name}.network"),
            text: network(interface),
        });
    }
    files
}

/// A section with its settings; none where it has no setting.
fn section(text: &mut String, name: &str, settings: &[(&str, Option<String>)]) {
    if settings.iter().all(|(_, value)| value.is_none()) {
        return;
    }
    let gap = if text.is_empty() { "" } else { "\n" };
    let _ = writeln!(text, "{gap}[{name}]");
    for (key, value) in settings {
        if let Some(value) = value {
            let _ = writeln!(text, "{key}={value}");
        }
    }
}

fn network(interface: &Interface) -> String {
    let mut text = String::new();
    // The kernel may call it otherwise than the platform does. Its address is printed on it; a bond is what we call it.
    let by_name = interface.mac.is_none() || interface.bonding.is_some();
    section(
        &mut text,
        "Match",
        &[
            ("Name", interface.name.clone().filter(|_| by_name)),
            ("MACAddress", interface.mac.clone()),
            ("Path", interface.path.clone()),
        ],
    );
    let dhcp = interface.dhcp.map(|dhcp| match dhcp {
        Dhcp::Both => "yes".to_owned(),
        Dhcp::V4 => "ipv4".to_owned(),
        Dhcp::V6 => "ipv6".to_owned(),
    });
    let mut settings = vec![("DHCP", dhcp)];
    settings.extend(
        interface
            .nameservers
            .iter()
            .map(|server| ("DNS", Some(server.to_string()))),
    );
    settings.push(("Bond", interface.bond.clone()));
    section(&mut text, "Network", &settings);
    section(
        &mut text,
        "Link",
        &[
            ("Unmanaged", interface.is_unmanaged.then(|| "yes".to_owned())),
            (
                "RequiredForOnline",
                interface.required_for_online.map(str::to_owned),
            ),
        ],
    );
    for address in &interface.addresses {
        section(&mut text, "Address", &[("Address", Some(address.to_string()))]);
    }
    for route in &interface.routes {
        let (to, through) = (route.destination.to_string(), route.gateway.to_string());
        section(
            &mut text,
            "Route",
            &[("Destination", Some(to)), ("Gateway", Some(through))],
        );
    }
    text
}

fn netdev(interface: &Interface, label: &str, bonding: Bonding) -> String {
    let mut text = String::new();
    section(
        &mut text,
        "NetDev",
        &[
            ("Name", Some(label.to_owned())),
            ("Kind", Some("bond".to_owned())),
            ("MACAddress", interface.mac.clone()),
        ],
    );
    let set = |value: &str| Some(value.to_owned());
    section(
        &mut text,
        "Bond",
        &[
            ("Mode", set(bonding.mode())),
            ("TransmitHashPolicy", set("layer3+4")),
            ("MIIMonitorSec", set(".1")),
            ("UpDelaySec", set(".2")),
            ("DownDelaySec", set(".2")),
            ("LACPTransmitRate", bonding.is_lacp().then(|| "fast".to_owned())),
        ],
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Network, Route};

    #[test]
    fn an_interface_is_written_whole() {
        let gateway = [198, 51, 96, 1].into();
        let interface = Interface {
            mac: Some("02:00:00:00:00:01".to_owned()),
            priority: 10,
            addresses: vec![Network::parse("198.51.100.9/20", None).unwrap()],
            routes: vec![Route {
                destination: Network::everywhere(gateway),
                gateway,
            }],
            nameservers: vec![[192, 0, 2, 53].into()],
            dhcp: Some(Dhcp::V6),
            required_for_online: Some("no"),
            ..Interface::default()
        };
        let [file] = &units(&[interface])[..] else {
            panic!("one file")
        };
        assert_eq!(file.name, "10-02:00:00:00:00:01.network");
        assert_eq!(
            file.text,
            "[Match]\nMACAddress=02:00:00:00:00:01\n\n[Network]\nDHCP=ipv6\nDNS=192.0.2.53\n\n[Link]\n\
             RequiredForOnline=no\n\n[Address]\nAddress=198.51.100.9/20\n\n[Route]\nDestination=0.0.0.0/0\n\
             Gateway=198.51.96.1\n"
        );
    }

    #[test]
    fn a_bond_is_a_device_and_a_network() {
        let bond = Interface {
            name: Some("bond0".to_owned()),
            mac: Some("02:00:00:00:00:0a".to_owned()),
            priority: 5,
            bonding: Bonding::from_number(4),
            ..Interface::default()
        };
        let files = units(&[bond]);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["05-bond0.netdev", "05-bond0.network"]);
        assert_eq!(
            files[0].text,
            "[NetDev]\nName=bond0\nKind=bond\nMACAddress=02:00:00:00:00:0a\n\n[Bond]\nMode=802.3ad\n\
             TransmitHashPolicy=layer3+4\nMIIMonitorSec=.1\nUpDelaySec=.2\nDownDelaySec=.2\nLACPTransmitRate=fast\n"
        );
        assert_eq!(Bonding::from_number(7), None);
    }

    #[test]
    fn an_interface_that_cannot_be_told_from_others_is_left_out() {
        for label in [None, Some(String::new()), Some("../../x".to_owned())] {
            let interface = Interface {
                name: label,
                ..Interface::default()
            };
            assert_eq!(units(&[interface]), []);
        }
    }
}
