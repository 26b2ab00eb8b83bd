//! `upcloud`: UpCloud, by its metadata service.
//!
//! The service is off by default for custom images.

use crate::service::{Absent, OneRead, Table};
use crate::{Fact, PlatformId};

const ID: PlatformId = PlatformId::new("upcloud");

/// A machine of UpCloud.
pub static UPCLOUD: OneRead = OneRead {
    id: ID,
    url: "http://169.254.169.254/metadata/v1/user_data",
    headers: &[],
    absent: Absent::NoConfig,
    place: "`http://169.254.169.254/metadata/v1/user_data`. 404 is no config.",
    metadata: &METADATA,
};

/// What the service says of a server.
static METADATA: Table = Table {
    id: ID,
    prefix: "UPCLOUD_",
    base: "http://169.254.169.254/metadata/v1/",
    rows: &[
        ("hostname", "HOSTNAME", Some(Fact::Hostname)),
        ("instance_id", "INSTANCE_ID", Some(Fact::InstanceId)),
        ("region", "REGION", Some(Fact::Region)),
    ],
    hostname: "hostname",
    keys: "public_keys",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metadata;
    use crate::metadata::tests::{KEY, keeps_its_offers, lines, service};
    use crate::service::tests::asks;

    #[test]
    fn the_config_is_what_the_service_says() {
        asks(&UPCLOUD, "Get http://169.254.169.254/metadata/v1/user_data");
    }

    #[test]
    fn attributes_name_and_keys_are_read() {
        let keys = format!("{KEY}\nrubbish\n{KEY}\n");
        let via = service(
            METADATA.base,
            &[
                ("hostname", "n1"),
                ("instance_id", "00aa"),
                ("region", "fi-hel2"),
                ("public_keys", &keys),
            ],
        );
        assert_eq!(
            lines(&METADATA, &via),
            [
                "UPCLOUD_HOSTNAME (hostname)=n1",
                "UPCLOUD_INSTANCE_ID (instance-id)=00aa",
                "UPCLOUD_REGION (region)=fi-hel2",
            ]
        );
        assert_eq!(METADATA.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&METADATA, &via);
    }

    #[test]
    fn what_is_not_said_is_left_out() {
        let via = service(METADATA.base, &[("region", "fi\nB=1")]);
        assert_eq!(lines(&METADATA, &via), Vec::<String>::new());
        assert_eq!(METADATA.hostname(&via), Ok(None));
        assert_eq!(METADATA.ssh_keys(&via), Ok(Vec::new()));
    }
}
