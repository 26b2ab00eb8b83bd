//! `exoscale`: Exoscale, by its metadata service.

use crate::service::{Absent, OneRead, Table};
use crate::{Fact, PlatformId};

const ID: PlatformId = PlatformId::new("exoscale");

/// A machine of Exoscale.
pub static EXOSCALE: OneRead = OneRead {
    id: ID,
    url: "http://169.254.169.254/1.0/user-data",
    headers: &[],
    absent: Absent::NoConfig,
    place: "`http://169.254.169.254/1.0/user-data`. 404 is no config.",
    metadata: &METADATA,
};

/// What the service says of an instance.
static METADATA: Table = Table {
    id: ID,
    prefix: "EXOSCALE_",
    base: "http://169.254.169.254/1.0/meta-data/",
    rows: &[
        ("instance-id", "INSTANCE_ID", Some(Fact::InstanceId)),
        ("local-hostname", "LOCAL_HOSTNAME", Some(Fact::Hostname)),
        ("public-hostname", "PUBLIC_HOSTNAME", None),
        ("availability-zone", "AVAILABILITY_ZONE", Some(Fact::Zone)),
        ("public-ipv4", "PUBLIC_IPV4", Some(Fact::PublicIpv4)),
        ("local-ipv4", "LOCAL_IPV4", Some(Fact::Ipv4)),
        ("service-offering", "SERVICE_OFFERING", Some(Fact::InstanceType)),
        ("cloud-identifier", "CLOUD_IDENTIFIER", None),
        ("vm-id", "VM_ID", None),
    ],
    hostname: "local-hostname",
    keys: "public-keys",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metadata;
    use crate::metadata::tests::{KEY, keeps_its_offers, lines, service};
    use crate::service::tests::asks;

    #[test]
    fn the_config_is_what_the_service_says() {
        asks(&EXOSCALE, "Get http://169.254.169.254/1.0/user-data");
    }

    #[test]
    fn attributes_name_and_keys_are_read() {
        let via = service(
            METADATA.base,
            &[
                ("instance-id", "i-1"),
                ("local-hostname", "n1"),
                ("public-hostname", "p1"),
                ("availability-zone", "ch-gva-2"),
                ("public-ipv4", "198.51.100.8"),
                ("local-ipv4", "10.0.0.8"),
                ("service-offering", "Small"),
                ("cloud-identifier", "exo"),
                ("vm-id", "vm-1"),
                ("public-keys", KEY),
            ],
        );
        assert_eq!(
            lines(&METADATA, &via),
            [
                "EXOSCALE_INSTANCE_ID (instance-id)=i-1",
                "EXOSCALE_LOCAL_HOSTNAME (hostname)=n1",
                "EXOSCALE_PUBLIC_HOSTNAME=p1",
                "EXOSCALE_AVAILABILITY_ZONE (zone)=ch-gva-2",
                "EXOSCALE_PUBLIC_IPV4 (public-ipv4)=198.51.100.8",
                "EXOSCALE_LOCAL_IPV4 (ipv4)=10.0.0.8",
                "EXOSCALE_SERVICE_OFFERING (instance-type)=Small",
                "EXOSCALE_CLOUD_IDENTIFIER=exo",
                "EXOSCALE_VM_ID=vm-1",
            ]
        );
        assert_eq!(METADATA.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(METADATA.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&METADATA, &via);
    }

    #[test]
    fn what_an_instance_does_not_have_is_left_out() {
        let via = service(
            METADATA.base,
            &[
                ("vm-id", "vm-1\n"),
                ("instance-id", "i\nB=1"),
                ("public-keys", "<html>"),
            ],
        );
        assert_eq!(lines(&METADATA, &via), ["EXOSCALE_VM_ID=vm-1"]);
        assert_eq!(METADATA.hostname(&via), Ok(None));
        // Of somebody else: the keys of before stay.
        crate::metadata::tests::is_malformed(METADATA.ssh_keys(&via), "has none in it");
    }
}
