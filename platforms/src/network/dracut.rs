//! Interfaces as network arguments of an initramfs (dracut.cmdline(7), "Network").

use core::net::IpAddr;

use super::{Dhcp, Interface, Network, add_new};

/// The arguments that bring the interfaces up, on one line; `None` where there is nothing to bring up.
#[must_use]
pub fn arguments(interfaces: &[Interface]) -> Option<String> {
    let (mut arguments, mut servers): (Vec<String>, Vec<IpAddr>) = (Vec::new(), Vec::new());
    for interface in interfaces {
        let Some(device) = device(interface) else { continue };
        let device = device.as_str();
        let wanted: &[&str] = match interface.dhcp {
            None => &[],
            Some(Dhcp::V4) => &["dhcp"],
            Some(Dhcp::V6) => &["dhcp6"],
            Some(Dhcp::Both) => &["dhcp", "dhcp6"],
        };
        for network in &interface.addresses {
            arguments.push(fixed(device, *network));
        }
        if !wanted.is_empty() {
            arguments.push(format!("ip={device}:{}", wanted.join(",")));
        }
        for route in interface
            .routes
            .iter()
            .filter(|route| route.destination.prefix == 0)
        {
            let (to, through) = (bracketed(route.destination), host(route.gateway));
            arguments.push(format!("rd.route={to}:{through}"));
        }
        add_new(&mut servers, interface.nameservers.iter().copied());
    }
    arguments.extend(
        servers
            .into_iter()
            .map(|server| format!("nameserver={}", host(server))),
    );
    (!arguments.is_empty()).then(|| arguments.join(" "))
}

/// Its name; else its hardware address, whose colons would end the field as well (nm-initrd-generator takes dashes).
fn device(interface: &Interface) -> Option<String> {
    let label = interface.label()?;
    let is_named = interface.name.as_deref() == Some(label);
    Some(if is_named {
        label.to_owned()
    } else {
        label.replace(':', "-")
    })
}

fn fixed(device: &str, network: Network) -> String {
    let mask = network
        .mask()
        .map_or_else(|| network.prefix.to_string(), |mask| mask.to_string());
    format!("ip={}:::{mask}::{device}:static", host(network.address))
}

/// The colons of version 6 would end the field.
fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn bracketed(network: Network) -> String {
    match network.address {
        IpAddr::V4(_) => network.to_string(),
        IpAddr::V6(_) => format!("[{network}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Route;

    #[test]
    fn addresses_and_default_routes_become_arguments() {
        let gateway = [10, 0, 0, 1].into();
        let inside = Route {
            destination: Network::parse("10.1.0.0/16", None).unwrap(),
            gateway,
        };
        let interface = Interface {
            name: Some("eth0".to_owned()),
            addresses: vec![
                Network::parse("10.0.0.5/24", None).unwrap(),
                Network::parse("2001:db8::5/64", None).unwrap(),
            ],
            routes: vec![
                inside,
                Route {
                    destination: Network::everywhere(gateway),
                    gateway,
                },
            ],
            nameservers: vec![[192, 0, 2, 53].into(), [192, 0, 2, 53].into()],
            ..Interface::default()
        };
        assert_eq!(
            arguments(&[interface]).unwrap(),
            "ip=10.0.0.5:::255.255.255.0::eth0:static ip=[2001:db8::5]:::64::eth0:static \
             rd.route=0.0.0.0/0:10.0.0.1 nameserver=192.0.2.53"
        );
    }

    #[test]
    fn dhcp_of_each_version_has_its_word() {
        for (dhcp, expected) in [
            (Dhcp::V4, "dhcp"),
            (Dhcp::V6, "dhcp6"),
            (Dhcp::Both, "dhcp,dhcp6"),
        ] {
            let interface = Interface {
                name: Some("eth0".to_owned()),
                dhcp: Some(dhcp),
                ..Interface::default()
            };
            assert_eq!(arguments(&[interface]), Some(format!("ip=eth0:{expected}")));
        }
        assert_eq!(arguments(&[Interface::default()]), None);
    }
}
