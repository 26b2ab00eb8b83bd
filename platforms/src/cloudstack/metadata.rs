//! What CloudStack says of a machine: files of the drive, where it has one, else addresses of the virtual router.

use super::{BY_NAME, ID, failed};
use crate::config_drive::files_of_any;
use crate::drive_or_service::LABELS;
use crate::lease;
use crate::metadata::{Attributes, keys_of};
use crate::service::{Row, get, rows, text};
use crate::{Access, AccessError, Attribute, Fact, Metadata, Offers, PlatformError};

/// What the drive has as well, in files that are called like this with `_`.
const ON_DRIVE: [Row; 6] = [
    ("availability-zone", "AVAILABILITY_ZONE", Some(Fact::Zone)),
    ("cloud-identifier", "CLOUD_IDENTIFIER", None),
    ("instance-id", "INSTANCE_ID", Some(Fact::InstanceId)),
    ("local-hostname", "LOCAL_HOSTNAME", Some(Fact::Hostname)),
    ("service-offering", "SERVICE_OFFERING", Some(Fact::InstanceType)),
    ("vm-id", "VM_ID", None),
];

/// What the router alone knows.
const OF_ROUTER: [Row; 3] = [
    ("public-ipv4", "IPV4_PUBLIC", Some(Fact::PublicIpv4)),
    ("local-ipv4", "IPV4_LOCAL", Some(Fact::Ipv4)),
    ("public-hostname", "PUBLIC_HOSTNAME", None),
];

/// The keys, in either place.
const KEYS: &str = "public-keys";

impl Metadata for super::CloudStack {
    fn offers(&self) -> Offers {
        Offers {
            ssh_keys: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let mut attributes = Attributes::of("CLOUDSTACK_");
        let names = ON_DRIVE.map(|(path, ..)| path);
        if let Some(values) = on_drive(via, &names)? {
            for ((_, name, fact), value) in ON_DRIVE.iter().zip(values) {
                attributes.add(name, *fact, value.as_deref());
            }
        } else {
            let base = router(via)?;
            rows(via, ID, (&base, &[]), &mut attributes, &ON_DRIVE)?;
            rows(via, ID, (&base, &[]), &mut attributes, &OF_ROUTER)?;
        }
        Ok(attributes.done())
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let found = match on_drive(via, &[KEYS])? {
            Some(values) => values.into_iter().flatten().next(),
            None => text(via, ID, &get(&format!("{}{KEYS}", router(via)?), &[]))?,
        };
        keys_of(ID, found.as_slice())
    }
}

/// What the files of the drive hold; `None` where there is no drive, or one that cannot be read beside a router that can.
fn on_drive(via: &dyn Access, names: &[&str]) -> Result<Option<Vec<Option<String>>>, PlatformError> {
    let path = |name: &&str| format!("/cloudstack/metadata/{}.txt", name.replace('-', "_"));
    let paths: Vec<String> = names.iter().map(path).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let files = match files_of_any(via, ID, &LABELS, &paths, 0) {
        Ok(files) => files,
        Err(_) if via.machine().is_online => {
            via.warn("the config drive cannot be read; the virtual router is asked");
            None
        }
        Err(error) => return Err(error),
    };
    let read = |file: Option<Vec<u8>>| file.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(files.map(|files| files.into_iter().map(read).collect()))
}

/// What addresses of the virtual router begin with.
fn router(via: &dyn Access) -> Result<String, PlatformError> {
    if !via.machine().is_online {
        return Err(failed(AccessError::NeedsNetwork));
    }
    let server = lease::server(via).map_err(failed)?;
    let host = server.map_or(BY_NAME.to_owned(), |address| address.to_string());
    Ok(format!("http://{host}/latest/meta-data/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CloudStack;
    use crate::metadata::tests::{KEY, keeps_its_offers, lines, service};
    use crate::recorded::RecordedAccess;

    const OF_VM: &[(&str, &str)] = &[
        ("/cloudstack/metadata/vm_id.txt", "vm-9\n"),
        ("/cloudstack/metadata/instance_id.txt", "i-9\nB=1"),
        ("/cloudstack/metadata/service_offering.txt", "Small\n"),
        ("/cloudstack/metadata/public_keys.txt", KEY),
    ];

    #[test]
    fn the_drive_is_read_first() {
        for label in LABELS {
            let via = RecordedAccess::of_drives(&[]).with_drive(label, OF_VM);
            assert_eq!(
                lines(&CloudStack, &via),
                [
                    "CLOUDSTACK_SERVICE_OFFERING (instance-type)=Small",
                    "CLOUDSTACK_VM_ID=vm-9"
                ]
            );
            assert_eq!(CloudStack.ssh_keys(&via).unwrap(), [KEY]);
            keeps_its_offers(&CloudStack, &via);
        }
    }

    fn router_at(host: &str) -> RecordedAccess {
        let keys = format!("{KEY}\n{KEY}\n");
        service(
            &format!("http://{host}/latest/meta-data/"),
            &[
                ("instance-id", "i-1"),
                ("local-hostname", "n1"),
                ("local-ipv4", "10.1.1.20"),
                ("public-ipv4", "198.51.100.20"),
                ("availability-zone", "z1"),
                ("public-keys", &keys),
            ],
        )
    }

    #[test]
    fn without_a_drive_the_router_is_asked() {
        let with_lease =
            router_at("10.1.1.1").with_file("/run/systemd/netif/leases/2", "SERVER_ADDRESS=10.1.1.1\n");
        let broken = router_at("data-server").with_broken_drive("config-2");
        for via in [with_lease, broken, router_at("data-server")] {
            assert_eq!(
                lines(&CloudStack, &via),
                [
                    "CLOUDSTACK_AVAILABILITY_ZONE (zone)=z1",
                    "CLOUDSTACK_INSTANCE_ID (instance-id)=i-1",
                    "CLOUDSTACK_LOCAL_HOSTNAME (hostname)=n1",
                    "CLOUDSTACK_IPV4_PUBLIC (public-ipv4)=198.51.100.20",
                    "CLOUDSTACK_IPV4_LOCAL (ipv4)=10.1.1.20",
                ]
            );
            assert_eq!(CloudStack.ssh_keys(&via).unwrap(), [KEY]);
        }
    }

    #[test]
    fn a_machine_with_neither_cannot_be_told_of() {
        assert!(
            CloudStack
                .attributes(&RecordedAccess::of_drives(&[]))
                .unwrap_err()
                .needs_network()
        );
        let via = RecordedAccess::of_broken_drive("config-2");
        assert!(matches!(
            CloudStack.ssh_keys(&via),
            Err(PlatformError::Access { .. })
        ));
    }
}
