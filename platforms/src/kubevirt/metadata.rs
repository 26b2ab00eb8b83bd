//! What the drive of KubeVirt says of a machine, whichever of its two kinds it is.

use super::ID;
use crate::config_drive::files_of_any;
use crate::config_drive::metadata::{META_DATA, NETWORK_DATA};
use crate::document::Document;
use crate::metadata::{Attributes, keys_of};
use crate::network::{Interface, arguments, cloud_init, openstack};
use crate::{Access, Attribute, Fact, Metadata, Offers, PlatformError, host_name};

/// How long the drive may take, in seconds: this is also asked early in the initramfs, and a machine may have none.
const WITHIN: u64 = 5;

impl Metadata for super::KubeVirt {
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
        let mut attributes = Attributes::of("KUBEVIRT_");
        attributes.add("HOSTNAME", Fact::Hostname, drive.first(&NAMES)?.as_deref());
        let id = drive.first(&["instance-id", "instance_id", "uuid"])?;
        attributes.add("INSTANCE_ID", Fact::InstanceId, id.as_deref());
        let kind = drive.first(&["instance_type", "instance-type"])?;
        attributes.add("INSTANCE_TYPE", Fact::InstanceType, kind.as_deref());
        let interfaces = drive.interfaces()?;
        if let Some(first) = interfaces.iter().find(|known| !known.addresses.is_empty()) {
            let (ipv4, ipv6) = first.first_addresses();
            attributes.add("IPV4", Fact::Ipv4, ipv4.as_deref());
            attributes.add("IPV6", Fact::Ipv6, ipv6.as_deref());
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        Ok(Drive::read(via)?.first(&NAMES)?.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let drive = Drive::read(via)?;
        let Some(document) = &drive.machine else {
            return Ok(Vec::new());
        };
        let mut found = document.root().values("public_keys")?;
        found.extend(document.root().values("public-keys")?);
        keys_of(ID, &found)
    }

    fn network(&self, via: &dyn Access) -> Result<Vec<Interface>, PlatformError> {
        Drive::read(via)?.interfaces()
    }

    fn network_arguments(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        Ok(arguments(&self.network(via)?))
    }
}

/// What the host is called, on one kind of drive or the other.
const NAMES: [&str; 3] = ["hostname", "local-hostname", "local_hostname"];

/// What one of the drives says; nothing where there is none.
#[derive(Default)]
struct Drive {
    machine: Option<Document>,
    /// As OpenStack writes it.
    links: Option<Document>,
    /// As cloud-init reads it.
    config: Option<Document>,
}

impl Drive {
    fn read(via: &dyn Access) -> Result<Self, PlatformError> {
        let paths = [META_DATA, NETWORK_DATA, "/meta-data", "/network-config"];
        let Some(files) = files_of_any(via, ID, &["config-2", "cidata"], &paths, WITHIN)? else {
            return Ok(Self::default());
        };
        let mut files = files.into_iter();
        let mut next = |what| {
            let file = files
                .next()
                .flatten()
                .filter(|file| !file.trim_ascii().is_empty());
            file.map(|file| Document::yaml(ID, what, &file)).transpose()
        };
        let (meta_data, links) = (next("meta_data.json")?, next("network_data.json")?);
        let (of_seed, config) = (next("meta-data")?, next("network-config")?);
        Ok(Self {
            machine: meta_data.or(of_seed),
            links,
            config,
        })
    }

    fn first(&self, keys: &[&'static str]) -> Result<Option<String>, PlatformError> {
        let machine = self.machine.as_ref();
        machine.map_or(Ok(None), |document| document.root().first(keys))
    }

    fn interfaces(&self) -> Result<Vec<Interface>, PlatformError> {
        match (&self.links, &self.config) {
            (Some(links), _) => openstack::interfaces(links.root(), 20),
            (None, Some(config)) => cloud_init::interfaces(config.root()),
            (None, None) => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KubeVirt;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::recorded::RecordedAccess;

    const LINKS: &str = r#"{"links":[{"id":"l0","name":"eth0","type":"phy","ethernet_mac_address":"02:00:00:00:00:03"}],
        "networks":[{"id":"n0","type":"ipv4","link":"l0","ip_address":"10.0.0.5","netmask":"255.255.255.0",
        "routes":[{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":"10.0.0.1"}]}],
        "services":[{"type":"dns","address":"192.0.2.53"}]}"#;

    fn seed(machine: &str, network: &str) -> RecordedAccess {
        RecordedAccess::of_drives(&[
            ("cidata", "/meta-data", machine),
            ("cidata", "/network-config", network),
        ])
    }

    #[test]
    fn a_drive_like_openstacks_is_read() {
        let meta_data = format!(
            r#"{{"hostname":"n1","uuid":"u1","instance_type":"small","public_keys":{{"a":"{KEY}","b":"{KEY}"}}}}"#
        );
        let via = RecordedAccess::of_drives(&[
            ("config-2", META_DATA, &meta_data),
            ("config-2", NETWORK_DATA, LINKS),
        ]);
        assert_eq!(
            lines(&KubeVirt, &via),
            [
                "KUBEVIRT_HOSTNAME (hostname)=n1",
                "KUBEVIRT_INSTANCE_ID (instance-id)=u1",
                "KUBEVIRT_INSTANCE_TYPE (instance-type)=small",
                "KUBEVIRT_IPV4 (ipv4)=10.0.0.5",
            ]
        );
        assert_eq!(
            KubeVirt.network_arguments(&via).unwrap().as_deref(),
            Some(
                "ip=10.0.0.5:::255.255.255.0::eth0:static rd.route=0.0.0.0/0:10.0.0.1 nameserver=192.0.2.53"
            )
        );
        assert_eq!(KubeVirt.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&KubeVirt, &via);
    }

    #[test]
    fn a_seed_is_read() {
        let via = seed(
            "instance-id: 007\nlocal-hostname: n1\n",
            "version: 2\nethernets: {eth0: {dhcp4: true, nameservers: {addresses: [192.0.2.53]}}}\n",
        );
        assert_eq!(
            lines(&KubeVirt, &via),
            [
                "KUBEVIRT_HOSTNAME (hostname)=n1",
                "KUBEVIRT_INSTANCE_ID (instance-id)=007"
            ]
        );
        assert_eq!(
            KubeVirt.network_arguments(&via).unwrap().as_deref(),
            Some("ip=eth0:dhcp nameserver=192.0.2.53")
        );
        let wrapped = "network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses: [10.0.0.5/24, '2001:db8::5/64']\n      \
                       routes: [{to: default, via: 10.0.0.1}]\n";
        let via = seed("{}", wrapped);
        assert_eq!(
            lines(&KubeVirt, &via),
            [
                "KUBEVIRT_IPV4 (ipv4)=10.0.0.5",
                "KUBEVIRT_IPV6 (ipv6)=2001:db8::5"
            ]
        );
        assert_eq!(
            KubeVirt.network_arguments(&via).unwrap().as_deref(),
            Some(
                "ip=10.0.0.5:::255.255.255.0::eth0:static ip=[2001:db8::5]:::64::eth0:static rd.route=0.0.0.0/0:10.0.0.1"
            )
        );
    }

    #[test]
    fn without_a_drive_nothing_is_said() {
        let via = RecordedAccess::of_drives(&[]);
        assert_eq!(KubeVirt.attributes(&via), Ok(Vec::new()));
        assert_eq!(KubeVirt.network_arguments(&via), Ok(None));
        assert_eq!(KubeVirt.ssh_keys(&via), Ok(Vec::new()));
        let via = RecordedAccess::of_broken_drive("cidata");
        assert!(matches!(
            KubeVirt.hostname(&via),
            Err(PlatformError::Access { .. })
        ));
    }

    #[test]
    fn what_is_broken_is_named() {
        is_malformed(
            KubeVirt.attributes(&seed("planted: [", "")),
            "meta-data: it is not YAML",
        );
        is_malformed(
            KubeVirt.attributes(&seed("planted", "")),
            "meta-data is not a mapping",
        );
        is_malformed(
            KubeVirt.network(&seed("", "ethernets: planted")),
            "ethernets is not a mapping",
        );
        assert_eq!(
            lines(&KubeVirt, &seed("hostname: \"a\\nB=1\"", "")),
            Vec::<String>::new()
        );
        assert_eq!(KubeVirt.hostname(&seed("hostname: \"a\\nB=1\"", "")), Ok(None));
    }
}
