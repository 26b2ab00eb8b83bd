//! What Azure says of a virtual machine: addresses are the wire server's to know, everything else the metadata service's.

use super::ID;
use super::wire::Wire;
use crate::document::{Document, behind};
use crate::metadata::{Attributes, keys};
use crate::service::{IMDS, get, text};
use crate::{
    Access, Attribute, CheckIn, Fact, HttpRequest, Metadata, Offers, PlatformError, StageEnd, host_name,
};

impl Metadata for super::Azure {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            check_in: true,
            failure: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let addresses = Wire::open(via, ID)?.addresses()?;
        let mut attributes = Attributes::of("AZURE_");
        for (name, fact, address) in [
            ("IPV4_DYNAMIC", Fact::Ipv4, addresses.dynamic),
            ("IPV4_VIRTUAL", Fact::PublicIpv4, addresses.virtual_),
        ] {
            let address = address.map(|address| address.to_string());
            attributes.add(name, fact, address.as_deref());
        }
        let size = text(via, ID, &asked("vmSize?api-version=2017-08-01&format=text"))?;
        attributes.add("VMSIZE", Fact::InstanceType, size.as_deref());
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let name = text(via, ID, &asked("name?api-version=2017-08-01&format=text"))?;
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let request = asked("publicKeys?api-version=2021-02-01");
        let Some(document) = behind(via, ID, (&request, "publicKeys"), Document::json)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for key in document.root().parts()? {
            // The service breaks keys into lines as it was given them.
            let data = key.text("keyData")?.unwrap_or_default();
            found.push(data.replace(['\r', '\n'], ""));
        }
        keys(ID, found.iter().map(String::as_str))
    }

    fn check_in(&self, via: &dyn Access) -> Result<CheckIn, PlatformError> {
        Wire::open(via, ID)?.ready()?;
        Ok(CheckIn::Told)
    }

    /// That the machine is ready is told when it has booted, not before.
    fn stage_ended(&self, via: &dyn Access, end: &StageEnd<'_>) -> Result<CheckIn, PlatformError> {
        let Some(record) = end.failure_within(DESCRIPTION_LIMIT) else {
            return Ok(CheckIn::Unsupported);
        };
        Wire::open(via, ID)?.failed(record)?;
        Ok(CheckIn::Told)
    }
}

/// How much the wire server takes of why a machine is not ready.
const DESCRIPTION_LIMIT: usize = 512;

/// A question about the machine. Soon after its start the service does not know it yet, or is being updated.
fn asked(what: &str) -> HttpRequest {
    let url = format!("{IMDS}/metadata/instance/compute/{what}");
    HttpRequest {
        retry_also: vec![404, 410, 429],
        ..get(&url, &[("Metadata", "true")])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Azure;
    use crate::azure::wire::tests::server;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::recorded::RecordedAccess;

    const COMPUTE: &str = "http://169.254.169.254/metadata/instance/compute/";

    fn machine(keys: &str) -> RecordedAccess {
        let at = |what: &str| format!("{COMPUTE}{what}");
        server()
            .with_answer(&at("name?api-version=2017-08-01&format=text"), 200, "n1")
            .with_answer(
                &at("vmSize?api-version=2017-08-01&format=text"),
                200,
                "Standard_D2s_v5\n",
            )
            .with_answer(&at("publicKeys?api-version=2021-02-01"), 200, keys)
    }

    #[test]
    fn attributes_name_and_keys_are_read() {
        let (begin, end) = KEY.split_at(40);
        let path = "/home/core/.ssh/authorized_keys";
        let via = machine(&format!(
            r#"[{{"keyData":"{begin}\r\n{end}\r\n","path":"{path}"}},{{"keyData":"{KEY}","path":"{path}"}},{{"keyData":""}}]"#
        ));
        assert_eq!(
            lines(&Azure, &via),
            [
                "AZURE_IPV4_DYNAMIC (ipv4)=10.0.0.4",
                "AZURE_IPV4_VIRTUAL (public-ipv4)=203.0.113.5",
                "AZURE_VMSIZE (instance-type)=Standard_D2s_v5",
            ]
        );
        assert_eq!(Azure.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(Azure.ssh_keys(&via).unwrap(), [KEY]);
        assert_eq!(
            via.asked().last(),
            Some(&format!(
                "Get {COMPUTE}publicKeys?api-version=2021-02-01 metadata: true, again at [404, 410, 429]"
            ))
        );
        keeps_its_offers(&Azure, &via);
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let via = server();
        assert_eq!(lines(&Azure, &via).len(), 2);
        assert_eq!(Azure.hostname(&via), Ok(None));
        assert_eq!(Azure.ssh_keys(&via), Ok(Vec::new()));
        is_malformed(Azure.ssh_keys(&machine("planted")), "publicKeys is not JSON");
        is_malformed(
            Azure.ssh_keys(&machine(r#"{"planted":1}"#)),
            "publicKeys is not a list",
        );
    }

    #[test]
    fn a_failure_is_told_to_the_wire_server_and_nothing_else_is() {
        let via = server();
        let ended = |failure| {
            Azure.stage_ended(
                &via,
                &StageEnd {
                    stage: "disks",
                    failure,
                },
            )
        };
        assert_eq!(ended(None), Ok(CheckIn::Unsupported));
        assert_eq!(via.asked(), Vec::<String>::new());
        assert_eq!(ended(Some("FAILED\n  why: <a> & b")), Ok(CheckIn::Told));
        let told = via.asked().pop().unwrap();
        let state = "<State>NotReady</State><Details><SubStatus>ProvisioningFailed</SubStatus><Description>FAILED\n  why: \
                     &lt;a&gt; &amp; b</Description></Details>";
        assert!(told.contains(state), "{told}");
    }
}
