//! `vultr`: Vultr, by its metadata service.

use crate::service::{Absent, OneRead, Table};
use crate::{Fact, PlatformId};

const ID: PlatformId = PlatformId::new("vultr");

/// A machine of Vultr.
pub static VULTR: OneRead = OneRead {
    id: ID,
    url: "http://169.254.169.254/user-data/user-data",
    headers: &[],
    absent: Absent::NoConfig,
    place: "`http://169.254.169.254/user-data/user-data`. 404 is no config.",
    metadata: &METADATA,
};

/// What the service says of an instance.
static METADATA: Table = Table {
    id: ID,
    prefix: "VULTR_",
    base: "http://169.254.169.254/v1/",
    rows: &[
        ("hostname", "HOSTNAME", Some(Fact::Hostname)),
        ("instanceid", "INSTANCE_ID", Some(Fact::InstanceId)),
        ("region/regioncode", "REGION_CODE", Some(Fact::Region)),
    ],
    hostname: "hostname",
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
        asks(&VULTR, "Get http://169.254.169.254/user-data/user-data");
    }

    #[test]
    fn attributes_name_and_keys_are_read() {
        let via = service(
            METADATA.base,
            &[
                ("hostname", "n1"),
                ("instanceid", "42"),
                ("region/regioncode", "AMS"),
                ("public-keys", KEY),
            ],
        );
        assert_eq!(
            lines(&METADATA, &via),
            [
                "VULTR_HOSTNAME (hostname)=n1",
                "VULTR_INSTANCE_ID (instance-id)=42",
                "VULTR_REGION_CODE (region)=AMS",
            ]
        );
        assert_eq!(METADATA.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&METADATA, &via);
    }

    #[test]
    fn what_is_not_said_is_left_out() {
        let via = service(
            METADATA.base,
            &[("instanceid", "42\0"), ("public-keys", "rubbish")],
        );
        assert_eq!(lines(&METADATA, &via), Vec::<String>::new());
        assert_eq!(METADATA.hostname(&via), Ok(None));
        // Of somebody else: the keys of before stay.
        crate::metadata::tests::is_malformed(METADATA.ssh_keys(&via), "has none in it");
    }
}
