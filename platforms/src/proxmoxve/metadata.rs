//! What the drive of Proxmox says of a machine. The name and the keys are in data for cloud-init; where those are a config of
//! ours, they have neither.

use core::net::IpAddr;

use super::ID;
use crate::config_drive::files_of_any;
use crate::document::Document;
use crate::metadata::{Attributes, keys_of};
use crate::network::{Dhcp, Interface, Network, cloud_init};
use crate::{Access, Attribute, Fact, Metadata, Offers, PlatformError, host_name};

/// How long the drive may take, in seconds: this is also asked early in the initramfs, and a machine may have none.
const WITHIN: u64 = 5;

impl Metadata for super::ProxmoxVe {
    fn offers(&self) -> Offers {
        Offers {
            attributes: true,
            hostname: true,
            ssh_keys: true,
            network: true,
            network_arguments: true,
            check_in: false,
            failure: false,
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let drive = Drive::read(via)?;
        let mut attributes = Attributes::of("PROXMOXVE_");
        let id = drive
            .meta_data
            .as_ref()
            .map(|document| document.root().text("instance-id"));
        attributes.add(
            "INSTANCE_ID",
            Fact::InstanceId,
            id.transpose()?.flatten().as_deref(),
        );
        attributes.add("HOSTNAME", Fact::Hostname, drive.hostname()?.as_deref());
        if let Some(first) = drive.interfaces()?.first() {
            let (ipv4, ipv6) = first.first_addresses();
            attributes.add("IPV4", Fact::Ipv4, ipv4.as_deref());
            attributes.add("IPV6", Fact::Ipv6, ipv6.as_deref());
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        Ok(Drive::read(via)?.hostname()?.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        match Drive::read(via)?.user_data {
            Some(document) => keys_of(ID, &document.root().texts("ssh_authorized_keys")?),
            None => Ok(Vec::new()),
        }
    }

    fn network(&self, via: &dyn Access) -> Result<Vec<Interface>, PlatformError> {
        Drive::read(via)?.interfaces()
    }

    fn network_arguments(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let mut arguments = Vec::new();
        for interface in self.network(via)? {
            add_arguments(&mut arguments, &interface);
        }
        Ok((!arguments.is_empty()).then(|| arguments.join(" ")))
    }
}

/// Without the interface's name: Proxmox counts interfaces, and the kernel calls them by where they are plugged in.
fn add_arguments(arguments: &mut Vec<String>, interface: &Interface) {
    for network in &interface.addresses {
        let through = interface.routes.iter().find(|route| {
            let to = route.destination;
            to.prefix == 0 && to.address.is_ipv4() == network.address.is_ipv4()
        });
        let gateway = through.map(|route| bracketed(route.gateway)).unwrap_or_default();
        let (address, mask) = (bracketed(network.address), mask(*network));
        arguments.push(format!("ip={address}::{gateway}:{mask}:::off"));
    }
    let dhcp = interface.dhcp.map(|dhcp| match dhcp {
        Dhcp::V4 => "ip=dhcp",
        Dhcp::V6 => "ip=dhcp6",
        Dhcp::Both => "ip=dhcp,dhcp6",
    });
    arguments.extend(dhcp.map(str::to_owned));
    if !interface.nameservers.is_empty() {
        let servers: Vec<String> = interface.nameservers.iter().map(IpAddr::to_string).collect();
        arguments.push(format!("nameserver={}", servers.join(",")));
    }
}

fn mask(network: Network) -> String {
    let mask = network.mask().map(|mask| mask.to_string());
    mask.unwrap_or_else(|| network.prefix.to_string())
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// What the drive says; nothing where there is none.
#[derive(Default)]
struct Drive {
    meta_data: Option<Document>,
    /// Where they are for cloud-init.
    user_data: Option<Document>,
    network_config: Option<Document>,
}

impl Drive {
    fn read(via: &dyn Access) -> Result<Self, PlatformError> {
        let paths = ["/meta-data", "/user-data", "/network-config"];
        let Some(files) = files_of_any(via, ID, &["cidata"], &paths, WITHIN)? else {
            return Ok(Self::default());
        };
        let [meta_data, user_data, network_config] = <[_; 3]>::try_from(files).unwrap_or_default();
        let read = |file: Option<Vec<u8>>, what| {
            let file = file.filter(|file| !file.trim_ascii().is_empty());
            file.map(|file| Document::yaml(ID, what, &file)).transpose()
        };
        let is_for_cloud_init = |file: &Vec<u8>| file.starts_with(b"#cloud-config");
        Ok(Self {
            meta_data: read(meta_data, "meta-data")?,
            user_data: read(user_data.filter(is_for_cloud_init), "user-data")?,
            network_config: read(network_config, "network-config")?,
        })
    }

    fn hostname(&self) -> Result<Option<String>, PlatformError> {
        let user_data = self.user_data.as_ref();
        user_data.map_or(Ok(None), |document| document.root().text("hostname"))
    }

    fn interfaces(&self) -> Result<Vec<Interface>, PlatformError> {
        let config = self.network_config.as_ref();
        config.map_or(Ok(Vec::new()), |document| cloud_init::interfaces(document.root()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProxmoxVe;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::network::units;
    use crate::recorded::RecordedAccess;

    const NETWORK: &str = "version: 1\nconfig:\n- type: physical\n  name: eth0\n  mac_address: '02:00:00:00:00:02'\n  \
        subnets:\n  - type: static\n    address: '192.0.2.10'\n    netmask: '255.255.255.0'\n    gateway: '192.0.2.1'\n\
        - type: nameserver\n  address: [192.0.2.53]\n";

    fn drive(user_data: &str, network: &str) -> RecordedAccess {
        RecordedAccess::of_drives(&[
            ("cidata", "/meta-data", "instance-id: i1\n"),
            ("cidata", "/user-data", user_data),
            ("cidata", "/vendor-data", ""),
            ("cidata", "/network-config", network),
        ])
    }

    #[test]
    fn attributes_name_keys_and_arguments_are_read() {
        let user_data = format!(
            "#cloud-config\nhostname: n1\nssh_authorized_keys:\n  - {KEY}\n  - {KEY}\nchpasswd: {{expire: False}}\n"
        );
        let via = drive(&user_data, NETWORK);
        assert_eq!(
            lines(&ProxmoxVe, &via),
            [
                "PROXMOXVE_INSTANCE_ID (instance-id)=i1",
                "PROXMOXVE_HOSTNAME (hostname)=n1",
                "PROXMOXVE_IPV4 (ipv4)=192.0.2.10",
            ]
        );
        assert_eq!(
            ProxmoxVe.network_arguments(&via).unwrap().as_deref(),
            Some("ip=192.0.2.10::192.0.2.1:255.255.255.0:::off nameserver=192.0.2.53")
        );
        assert_eq!(ProxmoxVe.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(ProxmoxVe.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&ProxmoxVe, &via);
        let [file] = &units(&ProxmoxVe.network(&via).unwrap())[..] else {
            panic!("one file")
        };
        assert!(
            file.text
                .contains("[Route]\nDestination=0.0.0.0/0\nGateway=192.0.2.1\n"),
            "{}",
            file.text
        );
    }

    #[test]
    fn every_subnet_has_its_argument() {
        for (subnets, expected) in [
            ("{type: dhcp4}", "ip=dhcp"),
            ("{type: dhcp6}", "ip=dhcp6"),
            ("{type: dhcp4}, {type: dhcp6}", "ip=dhcp,dhcp6"),
            (
                "{type: static, address: 192.0.2.10/24}",
                "ip=192.0.2.10:::255.255.255.0:::off",
            ),
            (
                "{type: static6, address: '2001:db8::5/64', gateway: 'fe80::1'}",
                "ip=[2001:db8::5]::[fe80::1]:64:::off",
            ),
        ] {
            let config = format!("config: [{{type: physical, name: eth0, subnets: [{subnets}]}}]");
            let arguments = ProxmoxVe.network_arguments(&drive("", &config)).unwrap();
            assert_eq!(arguments.as_deref(), Some(expected), "{subnets}");
        }
    }

    #[test]
    fn a_config_of_ours_names_nobody() {
        let via = drive(r#"{"ignition":{"version":"3.0.0"},"hostname":"planted"}"#, "");
        assert_eq!(
            lines(&ProxmoxVe, &via),
            ["PROXMOXVE_INSTANCE_ID (instance-id)=i1"]
        );
        assert_eq!(ProxmoxVe.hostname(&via), Ok(None));
        assert_eq!(ProxmoxVe.ssh_keys(&via), Ok(Vec::new()));
        assert_eq!(ProxmoxVe.network_arguments(&via), Ok(None));
    }

    #[test]
    fn without_a_drive_nothing_is_said_and_what_is_broken_is_named() {
        let via = RecordedAccess::of_drives(&[]);
        assert_eq!(ProxmoxVe.attributes(&via), Ok(Vec::new()));
        assert_eq!(ProxmoxVe.network_arguments(&via), Ok(None));
        let via = RecordedAccess::of_broken_drive("cidata");
        assert!(matches!(
            ProxmoxVe.attributes(&via),
            Err(PlatformError::Access { .. })
        ));
        let name = "#cloud-config\nhostname: \"a\\nB=1\"\n";
        assert_eq!(
            lines(&ProxmoxVe, &drive(name, "")),
            ["PROXMOXVE_INSTANCE_ID (instance-id)=i1"]
        );
        is_malformed(
            ProxmoxVe.hostname(&drive("#cloud-config\nplanted: [", "")),
            "user-data: it is not YAML",
        );
        is_malformed(
            ProxmoxVe.network(&drive("", "config: planted")),
            "config is not a list",
        );
    }
}
