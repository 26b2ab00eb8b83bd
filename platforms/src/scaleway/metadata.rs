//! What the service of Scaleway says of its instances: one document, which every user may read.

use super::ID;
use crate::document::{Document, Node, required};
use crate::metadata::{Attributes, keys_of};
use crate::service::{get, request, tell};
use crate::{
    Access, Attribute, CheckIn, Fact, HttpMethod, HttpRequest, Metadata, Offers, PlatformError, host_name,
};

/// The document.
const URL: &str = "http://169.254.42.42/conf?format=json";

/// Where the platform is told.
const STATE: &str = "http://169.254.42.42/state";

impl Metadata for super::Scaleway {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            check_in: true,
            ..Offers::default()
        }
    }

    /// Addresses have two names: those that the agent writes, and those that its documentation has.
    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let document = document(via)?;
        let instance = document.root();
        let mut attributes = Attributes::of("SCALEWAY_");
        for (key, name, fact) in [
            ("hostname", "HOSTNAME", Fact::Hostname),
            ("id", "INSTANCE_ID", Fact::InstanceId),
            ("commercial_type", "INSTANCE_TYPE", Fact::InstanceType),
        ] {
            attributes.add(name, fact, instance.text(key)?.as_deref());
        }
        attributes.add(
            "ZONE_ID",
            Fact::Zone,
            below(instance, "location", "zone_id")?.as_deref(),
        );
        for (names, fact, address) in [
            (
                ["IPV4_PRIVATE", "PRIVATE_IPV4"],
                Fact::Ipv4,
                instance.text("private_ip")?,
            ),
            (
                ["IPV4_PUBLIC", "PUBLIC_IPV4"],
                Fact::PublicIpv4,
                below(instance, "public_ip", "address")?,
            ),
            (
                ["IPV6_PUBLIC", "PUBLIC_IPV6"],
                Fact::Ipv6,
                below(instance, "ipv6", "address")?,
            ),
        ] {
            for name in names {
                attributes.add(name, fact, address.as_deref());
            }
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let name = document(via)?.root().text("hostname")?;
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let document = document(via)?;
        let mut found = Vec::new();
        for key in document.root().list("ssh_public_keys")? {
            found.extend(key.text("key")?);
        }
        keys_of(ID, &found)
    }

    fn check_in(&self, via: &dyn Access) -> Result<CheckIn, PlatformError> {
        let request = HttpRequest {
            body: br#"{"state_detail":"booted"}"#.to_vec(),
            ..request(HttpMethod::Patch, STATE, &[("Content-Type", "application/json")])
        };
        tell(via, ID, &request)?;
        Ok(CheckIn::Told)
    }
}

fn document(via: &dyn Access) -> Result<Document, PlatformError> {
    required(via, ID, (&get(URL, &[]), "conf"), Document::json)
}

fn below<'a>(instance: Node<'a>, key: &'a str, name: &'a str) -> Result<Option<String>, PlatformError> {
    instance.get(key)?.map_or(Ok(None), |found| found.text(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scaleway;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::recorded::RecordedAccess;

    fn of(text: &str) -> RecordedAccess {
        RecordedAccess::of_service(&[(URL, 200, text), (STATE, 200, "")])
    }

    #[test]
    fn attributes_name_and_keys_are_read() {
        let via = of(&format!(
            r#"{{"id":"s-1","hostname":"n1","commercial_type":"DEV1-S","location":{{"zone_id":"par1"}},"private_ip":null,
            "public_ip":{{"address":"198.51.100.4"}},"ipv6":null,"ssh_public_keys":[{{"key":"{KEY}"}},{{"key":"{KEY}"}}]}}"#
        ));
        assert_eq!(
            lines(&Scaleway, &via),
            [
                "SCALEWAY_HOSTNAME (hostname)=n1",
                "SCALEWAY_INSTANCE_ID (instance-id)=s-1",
                "SCALEWAY_INSTANCE_TYPE (instance-type)=DEV1-S",
                "SCALEWAY_ZONE_ID (zone)=par1",
                "SCALEWAY_IPV4_PUBLIC (public-ipv4)=198.51.100.4",
                "SCALEWAY_PUBLIC_IPV4=198.51.100.4",
            ]
        );
        assert_eq!(via.asked(), [format!("Get {URL}")]);
        assert_eq!(Scaleway.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(Scaleway.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&Scaleway, &via);
    }

    #[test]
    fn the_platform_is_told_with_a_patch() {
        let via = of("{}");
        assert_eq!(Scaleway.check_in(&via), Ok(CheckIn::Told));
        assert_eq!(
            via.asked(),
            [format!(
                "Patch {STATE} content-type: application/json, with {{\"state_detail\":\"booted\"}}"
            )]
        );
        let via = of("{}").with_answer(STATE, 403, "");
        assert!(matches!(
            Scaleway.check_in(&via),
            Err(PlatformError::Access { .. })
        ));
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let via = of(r#"{"id":"s\n1","private_ip":"10.0.0.4","ipv6":{"address":"2001:db8::4"}}"#);
        assert_eq!(
            lines(&Scaleway, &via),
            [
                "SCALEWAY_IPV4_PRIVATE (ipv4)=10.0.0.4",
                "SCALEWAY_PRIVATE_IPV4=10.0.0.4",
                "SCALEWAY_IPV6_PUBLIC (ipv6)=2001:db8::4",
                "SCALEWAY_PUBLIC_IPV6=2001:db8::4",
            ]
        );
        assert_eq!(Scaleway.ssh_keys(&via), Ok(Vec::new()));
        is_malformed(Scaleway.attributes(&of("planted")), "conf is not JSON");
        is_malformed(
            Scaleway.attributes(&of(r#"{"location":"planted"}"#)),
            "location is not a mapping",
        );
        is_malformed(
            Scaleway.hostname(&RecordedAccess::of_service(&[])),
            "conf is not there",
        );
    }
}
