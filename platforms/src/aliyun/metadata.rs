//! What the service of Alibaba Cloud says of its instances, one address for each thing.

use super::{ID, SERVICE, session};
use crate::metadata::{Attributes, keys_of};
use crate::service::{Row, get, rows, text};
use crate::{Access, Attribute, Fact, Metadata, Offers, PlatformError, host_name};

const ROWS: &[Row] = &[
    ("eipv4", "EIPV4", Some(Fact::PublicIpv4)),
    ("hostname", "HOSTNAME", Some(Fact::Hostname)),
    ("image-id", "IMAGE_ID", None),
    ("instance-id", "INSTANCE_ID", Some(Fact::InstanceId)),
    (
        "instance/instance-type",
        "INSTANCE_TYPE",
        Some(Fact::InstanceType),
    ),
    ("private-ipv4", "IPV4_PRIVATE", Some(Fact::Ipv4)),
    // An instance has an elastic address or this one.
    ("public-ipv4", "IPV4_PUBLIC", Some(Fact::PublicIpv4)),
    ("region-id", "REGION_ID", Some(Fact::Region)),
    ("vpc-id", "VPC_ID", None),
    ("zone-id", "ZONE_ID", Some(Fact::Zone)),
];

impl Metadata for super::Aliyun {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let service = Service::open(via)?;
        let mut attributes = Attributes::of("ALIYUN_");
        let base = format!("{SERVICE}/latest/meta-data/");
        rows(via, ID, (&base, &service.headers()), &mut attributes, ROWS)?;
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let name = Service::open(via)?.text("hostname")?;
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let service = Service::open(via)?;
        let listed = service.text("public-keys/")?.unwrap_or_default();
        let mut found = Vec::new();
        for line in listed.lines() {
            let id = line.trim().trim_end_matches('/');
            if !id.is_empty() {
                found.extend(service.text(&format!("public-keys/{id}/openssh-key"))?);
            }
        }
        keys_of(ID, &found)
    }
}

/// The service with its token, where it gives one.
struct Service<'a> {
    via: &'a dyn Access,
    token: Option<String>,
}

impl<'a> Service<'a> {
    fn open(via: &'a dyn Access) -> Result<Self, PlatformError> {
        Ok(Self {
            via,
            token: session(via)?,
        })
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let token = self.token.as_deref();
        token
            .map(|token| ("X-aliyun-ecs-metadata-token", token))
            .into_iter()
            .collect()
    }

    fn text(&self, path: &str) -> Result<Option<String>, PlatformError> {
        let url = format!("{SERVICE}/latest/meta-data/{path}");
        text(self.via, ID, &get(&url, &self.headers()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aliyun;
    use crate::metadata::tests::{KEY, keeps_its_offers, lines, service};

    const BASE: &str = "http://100.100.100.200/latest/meta-data/";

    #[test]
    fn attributes_name_and_keys_are_read_with_the_token() {
        let via = service(
            BASE,
            &[
                ("hostname", "n1.example"),
                ("image-id", "img-1"),
                ("instance-id", "i-1"),
                ("instance/instance-type", "ecs.g6"),
                ("private-ipv4", "10.0.0.5"),
                ("public-ipv4", "198.51.100.5\n"),
                ("region-id", "eu-central-1"),
                ("vpc-id", ""),
                ("zone-id", "eu-central-1a"),
                ("public-keys/", "0/\nops/"),
                ("public-keys/0/openssh-key", KEY),
                ("public-keys/ops/openssh-key", KEY),
            ],
        )
        .with_answer("http://100.100.100.200/latest/api/token", 200, "ali-tok");
        assert_eq!(
            lines(&Aliyun, &via),
            [
                "ALIYUN_HOSTNAME (hostname)=n1.example",
                "ALIYUN_IMAGE_ID=img-1",
                "ALIYUN_INSTANCE_ID (instance-id)=i-1",
                "ALIYUN_INSTANCE_TYPE (instance-type)=ecs.g6",
                "ALIYUN_IPV4_PRIVATE (ipv4)=10.0.0.5",
                "ALIYUN_IPV4_PUBLIC (public-ipv4)=198.51.100.5",
                "ALIYUN_REGION_ID (region)=eu-central-1",
                "ALIYUN_ZONE_ID (zone)=eu-central-1a",
            ]
        );
        let with_token = |line: &String| line.ends_with("x-aliyun-ecs-metadata-token: ali-tok");
        assert!(via.asked().iter().skip(1).all(with_token), "{:?}", via.asked());
        assert_eq!(Aliyun.hostname(&via).unwrap().as_deref(), Some("n1.example"));
        assert_eq!(Aliyun.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&Aliyun, &via);
    }

    #[test]
    fn an_open_service_that_says_nothing_is_asked_without() {
        let via = service(
            BASE,
            &[
                ("eipv4", "198.51.100.6"),
                ("public-ipv4", "198.51.100.5"),
                ("hostname", ""),
            ],
        );
        assert_eq!(
            lines(&Aliyun, &via),
            [
                "ALIYUN_EIPV4 (public-ipv4)=198.51.100.6",
                "ALIYUN_IPV4_PUBLIC=198.51.100.5"
            ]
        );
        assert!(via.asked().iter().skip(1).all(|line| !line.contains("token")));
        assert_eq!(Aliyun.hostname(&via), Ok(None));
        assert_eq!(Aliyun.ssh_keys(&via), Ok(Vec::new()));
    }
}
