//! What the service of Linode says of its machines: three documents behind the same token as the config.

use super::{ID, session};
use crate::document::{Document, Node, behind};
use crate::metadata::{Attributes, keys_of};
use crate::service::{IMDS, get};
use crate::{Access, Attribute, Fact, Metadata, Offers, PlatformError};

impl Metadata for super::Akamai {
    fn offers(&self) -> Offers {
        Offers {
            ssh_keys: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let token = session(via)?;
        let mut attributes = Attributes::of("AKAMAI_");
        if let Some(instance) = document(via, &token, "instance")? {
            add_instance(&mut attributes, instance.root())?;
        }
        if let Some(network) = document(via, &token, "network")? {
            add_network(&mut attributes, network.root())?;
        }
        Ok(attributes.done())
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let token = session(via)?;
        let Some(document) = document(via, &token, "ssh-keys")? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        if let Some(users) = document.root().get("users")? {
            for (user, _) in users.pairs()? {
                found.extend(users.texts(user)?);
            }
        }
        keys_of(ID, &found)
    }
}

fn document(via: &dyn Access, token: &str, path: &str) -> Result<Option<Document>, PlatformError> {
    let headers = [("Metadata-Token", token), ("Accept", "application/json")];
    let request = get(&format!("{IMDS}/v1/{path}"), &headers);
    behind(via, ID, (&request, path), Document::json)
}

fn add_instance(attributes: &mut Attributes, instance: Node<'_>) -> Result<(), PlatformError> {
    for (key, name, fact) in [
        ("id", "INSTANCE_ID", Some(Fact::InstanceId)),
        ("host_uuid", "INSTANCE_HOST_UUID", None),
        ("label", "INSTANCE_LABEL", None),
        ("region", "INSTANCE_REGION", Some(Fact::Region)),
        ("type", "INSTANCE_TYPE", Some(Fact::InstanceType)),
    ] {
        attributes.add(name, fact, instance.text(key)?.as_deref());
    }
    let tags = instance.texts("tags")?.join(":");
    attributes.add("INSTANCE_TAGS", None, Some(&tags));
    Ok(())
}

fn add_network(attributes: &mut Attributes, network: Node<'_>) -> Result<(), PlatformError> {
    if let Some(ipv4) = network.get("ipv4")? {
        for (key, name, fact) in [
            ("public", "PUBLIC_IPV4", Some(Fact::PublicIpv4)),
            ("private", "PRIVATE_IPV4", Some(Fact::Ipv4)),
            ("shared", "SHARED_IPV4", None),
        ] {
            attributes.add_each(name, fact, ipv4.texts(key)?.iter().map(String::as_str));
        }
    }
    if let Some(ipv6) = network.get("ipv6")? {
        attributes.add("IPV6_SLAAC", Fact::Ipv6, ipv6.text("slaac")?.as_deref());
        attributes.add("IPV6_LINK_LOCAL", None, ipv6.text("link_local")?.as_deref());
        for (key, name) in [("ranges", "IPV6_RANGE"), ("shared_ranges", "IPV6_SHARED_RANGE")] {
            attributes.add_each(name, None, ipv6.texts(key)?.iter().map(String::as_str));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Akamai;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::recorded::RecordedAccess;

    const TOKEN: (&str, u16, &str) = ("http://169.254.169.254/v1/token", 200, "tok-1\n");
    const INSTANCE: &str = "http://169.254.169.254/v1/instance";
    const NETWORK: &str = "http://169.254.169.254/v1/network";
    const KEYS: &str = "http://169.254.169.254/v1/ssh-keys";

    fn machine(instance: &str, network: &str) -> RecordedAccess {
        let keys = format!(r#"{{"users":{{"root":["{KEY}","{KEY}\n"],"ops":["rubbish"],"none":[]}}}}"#);
        RecordedAccess::of_service(&[
            TOKEN,
            (INSTANCE, 200, instance),
            (NETWORK, 200, network),
            (KEYS, 200, &keys),
        ])
    }

    #[test]
    fn both_documents_are_attributes() {
        let via = machine(
            r#"{"id":7,"host_uuid":"aa-bb","label":"n1","region":"us-east","type":"g6-standard-1","tags":["a","b"],
                "specs":{"vcpus":1,"memory":2048,"disk":51200,"transfer":2000,"gpus":0},
                "backups":{"enabled":false,"status":null}}"#,
            r#"{"interfaces":[],"ipv4":{"public":["198.51.100.7/32"],"private":["192.168.128.9/17"],"shared":[]},
                "ipv6":{"slaac":"2001:db8::7/128","ranges":["2001:db8:1::/64"],"link_local":"fe80::7/128",
                "shared_ranges":[]}}"#,
        );
        assert_eq!(
            lines(&Akamai, &via),
            [
                "AKAMAI_INSTANCE_ID (instance-id)=7",
                "AKAMAI_INSTANCE_HOST_UUID=aa-bb",
                "AKAMAI_INSTANCE_LABEL=n1",
                "AKAMAI_INSTANCE_REGION (region)=us-east",
                "AKAMAI_INSTANCE_TYPE (instance-type)=g6-standard-1",
                "AKAMAI_INSTANCE_TAGS=a:b",
                "AKAMAI_PUBLIC_IPV4_0 (public-ipv4)=198.51.100.7/32",
                "AKAMAI_PRIVATE_IPV4_0 (ipv4)=192.168.128.9/17",
                "AKAMAI_IPV6_SLAAC (ipv6)=2001:db8::7/128",
                "AKAMAI_IPV6_LINK_LOCAL=fe80::7/128",
                "AKAMAI_IPV6_RANGE_0=2001:db8:1::/64",
            ]
        );
        assert_eq!(
            via.asked()[1],
            format!("Get {INSTANCE} metadata-token: tok-1 accept: application/json")
        );
        assert_eq!(Akamai.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&Akamai, &via);
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let via = RecordedAccess::of_service(&[TOKEN, (INSTANCE, 200, r#"{"id":7,"label":"a\nB=1"}"#)]);
        assert_eq!(lines(&Akamai, &via), ["AKAMAI_INSTANCE_ID (instance-id)=7"]);
        assert_eq!(Akamai.ssh_keys(&via), Ok(Vec::new()));
        is_malformed(
            Akamai.attributes(&machine("planted", "{}")),
            "instance is not JSON",
        );
        is_malformed(
            Akamai.attributes(&machine("{}", r#"{"ipv4":{"public":[["planted"]]}}"#)),
            "network: public is not one value",
        );
    }
}
