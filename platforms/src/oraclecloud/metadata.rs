//! What the service of Oracle Cloud says of its instances: one document.

use super::{HEADERS, ID};
use crate::document::{Document, required};
use crate::metadata::{Attributes, keys};
use crate::service::{IMDS, get};
use crate::{Access, Attribute, Fact, HttpRequest, Metadata, Offers, PlatformError, host_name};

/// Keys of the document, the established names, and what they are.
const KEYS: [(&str, &str, Option<Fact>); 7] = [
    ("availabilityDomain", "AVAILABILITY_DOMAIN", Some(Fact::Zone)),
    ("compartmentId", "COMPARTMENT_ID", None),
    ("faultDomain", "FAULT_DOMAIN", None),
    ("hostname", "HOSTNAME", Some(Fact::Hostname)),
    ("id", "INSTANCE_ID", Some(Fact::InstanceId)),
    ("shape", "INSTANCE_SHAPE", Some(Fact::InstanceType)),
    ("canonicalRegionName", "REGION_ID", Some(Fact::Region)),
];

impl Metadata for super::OracleCloud {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let document = document(via)?;
        let mut attributes = Attributes::of("ORACLECLOUD_");
        for (key, name, fact) in KEYS {
            attributes.add(name, fact, document.root().text(key)?.as_deref());
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let name = document(via)?.root().text("hostname")?;
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let document = document(via)?;
        let Some(metadata) = document.root().get("metadata")? else {
            return Ok(Vec::new());
        };
        let found = metadata.text("ssh_authorized_keys")?.unwrap_or_default();
        keys(ID, found.lines())
    }
}

fn document(via: &dyn Access) -> Result<Document, PlatformError> {
    let request = HttpRequest {
        // The service counts requests, and says so.
        retry_also: vec![429],
        ..get(&format!("{IMDS}/opc/v2/instance"), HEADERS)
    };
    required(via, ID, (&request, "instance"), Document::json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OracleCloud;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::recorded::RecordedAccess;

    const URL: &str = "http://169.254.169.254/opc/v2/instance";

    fn of(text: &str) -> RecordedAccess {
        RecordedAccess::of_service(&[(URL, 200, text)])
    }

    #[test]
    fn attributes_name_and_keys_are_read() {
        let via = of(&format!(
            r#"{{"availabilityDomain":"x:EU-AD-1","canonicalRegionName":"eu-frankfurt-1","compartmentId":"ocid1.c",
            "faultDomain":"FAULT-DOMAIN-1","hostname":"n1","id":"ocid1.i","shape":"VM.Standard.E4.Flex",
            "metadata":{{"ssh_authorized_keys":"{KEY}\n{KEY}\n\n","nested":{{"a":1}}}}}}"#
        ));
        assert_eq!(
            lines(&OracleCloud, &via),
            [
                "ORACLECLOUD_AVAILABILITY_DOMAIN (zone)=x:EU-AD-1",
                "ORACLECLOUD_COMPARTMENT_ID=ocid1.c",
                "ORACLECLOUD_FAULT_DOMAIN=FAULT-DOMAIN-1",
                "ORACLECLOUD_HOSTNAME (hostname)=n1",
                "ORACLECLOUD_INSTANCE_ID (instance-id)=ocid1.i",
                "ORACLECLOUD_INSTANCE_SHAPE (instance-type)=VM.Standard.E4.Flex",
                "ORACLECLOUD_REGION_ID (region)=eu-frankfurt-1",
            ]
        );
        assert_eq!(
            via.asked(),
            [format!("Get {URL} authorization: Bearer Oracle, again at [429]")]
        );
        assert_eq!(OracleCloud.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(OracleCloud.ssh_keys(&via).unwrap(), [KEY]);
        keeps_its_offers(&OracleCloud, &via);
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let via =
            of(r#"{"id":"ocid1\n.i","shape":null,"hostname":"n1","metadata":{"ssh_authorized_keys":null}}"#);
        assert_eq!(lines(&OracleCloud, &via), ["ORACLECLOUD_HOSTNAME (hostname)=n1"]);
        assert_eq!(OracleCloud.ssh_keys(&via), Ok(Vec::new()));
        assert_eq!(OracleCloud.ssh_keys(&of("{}")), Ok(Vec::new()));
        is_malformed(OracleCloud.attributes(&of("planted")), "instance is not JSON");
        is_malformed(
            OracleCloud.ssh_keys(&of(r#"{"metadata":{"ssh_authorized_keys":["planted"]}}"#)),
            "ssh_authorized_keys is not one value",
        );
        is_malformed(
            OracleCloud.hostname(&RecordedAccess::of_service(&[])),
            "instance is not there",
        );
    }
}
