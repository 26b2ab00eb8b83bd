//! What Azure Stack Hub says of a machine: its name, and a key. That is in a certificate, and comes in an envelope that the
//! wire server closes for a certificate of the machine's own.

use super::ID;
use crate::azure::wire::Wire;
use crate::document::{Document, behind};
use crate::metadata::keys;
use crate::service::{IMDS, get};
use crate::{Access, Attribute, CheckIn, Metadata, Offers, PlatformError, host_name};

impl Metadata for super::AzureStack {
    fn offers(&self) -> Offers {
        Offers {
            attributes: false,
            hostname: true,
            ssh_keys: true,
            check_in: true,
            ..Offers::default()
        }
    }

    /// None: the agent has no names for any.
    fn attributes(&self, _via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        Ok(Vec::new())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let url = format!("{IMDS}/Microsoft.Compute/identity?api-version=2019-03-11");
        let request = get(&url, &[("Metadata", "true")]);
        let Some(document) = behind(via, ID, (&request, "identity"), Document::json)? else {
            return Ok(None);
        };
        let name = document.root().text("vmName")?;
        Ok(name.as_deref().and_then(host_name))
    }

    /// One at most.
    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let failed = |source| PlatformError::Access { id: ID, source };
        let wire = Wire::open(via, ID)?;
        let Some(url) = wire.certificates()? else {
            return Ok(Vec::new());
        };
        let recipient = via.recipient().map_err(failed)?;
        let envelope = wire.envelope(&url, &recipient.certificate)?;
        let key = via.enclosed_key(&recipient, &envelope).map_err(failed)?;
        keys(ID, key.as_deref())
    }

    fn check_in(&self, via: &dyn Access) -> Result<CheckIn, PlatformError> {
        Wire::open(via, ID)?.ready()?;
        Ok(CheckIn::Told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AzureStack;
    use crate::azure::wire::tests::{server, server_with};
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers};
    use crate::recorded::RecordedAccess;
    use crate::{AccessError, EnvelopeFault};

    const URL: &str = "http://169.254.169.254/Microsoft.Compute/identity?api-version=2019-03-11";

    #[test]
    fn the_name_is_read_and_the_wire_server_told() {
        let via = server().with_answer(URL, 200, r#"{"vmName":"n1","subscriptionId":"0000"}"#);
        assert_eq!(AzureStack.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(via.asked(), [format!("Get {URL} metadata: true")]);
        assert_eq!(AzureStack.attributes(&via), Ok(Vec::new()));
        keeps_its_offers(
            &AzureStack,
            &with_keys(&data("ZW52ZWxvcGU=")).with_answer(URL, 200, r#"{"vmName":"n1"}"#),
        );
        assert_eq!(AzureStack.hostname(&server()), Ok(None));
        let via = server().with_answer(URL, 200, "planted");
        is_malformed(AzureStack.hostname(&via), "identity is not JSON");
    }

    const CERTIFICATES: &str = "http://168.63.129.16/certs?a=1&b=2";

    fn file(data: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><CertificateFile><Version>2012-11-30</Version><Incarnation>1</Incarnation>\
             <Format>Pkcs7BlobWithPfxContents</Format>{data}</CertificateFile>"
        )
    }

    fn data(base64: &str) -> String {
        file(&format!("<Data>{base64}</Data>"))
    }

    /// A machine whose envelopes hold the key, when they are the one that came.
    fn with_keys(file: &str) -> RecordedAccess {
        server_with("<Certificates>http://168.63.129.16/certs?a=1&amp;b=2</Certificates>")
            .with_answer(CERTIFICATES, 200, file)
            .with_envelope(b"envelope", Ok(Some(KEY.to_owned())))
    }

    #[test]
    fn the_key_comes_in_an_envelope_for_this_machine() {
        // Line ends are the server's.
        let via = with_keys(&data("\r\n  ZW52\r\n  ZWxvcGU=\r\n"));
        assert_eq!(AzureStack.ssh_keys(&via).unwrap(), [KEY]);
        let asked = via.asked();
        assert_eq!(
            asked[asked.len() - 3..],
            [
                "a recipient".to_owned(),
                format!(
                    "Get {CERTIFICATES} x-ms-agent-name: com.coreos.afterburn x-ms-version: 2012-11-30 x-ms-cipher-name: \
                     DES_EDE3_CBC x-ms-guest-agent-public-x509-cert: recorded"
                ),
                "open an envelope".to_owned(),
            ]
        );
        let keyless = with_keys(&data("ZW52ZWxvcGU=")).with_envelope(b"envelope", Ok(None));
        assert_eq!(AzureStack.ssh_keys(&keyless), Ok(Vec::new()));
    }

    /// A system without the program is no hindrance then.
    #[test]
    fn a_machine_without_certificates_makes_no_key() {
        let via = server();
        assert_eq!(AzureStack.ssh_keys(&via), Ok(Vec::new()));
        assert!(
            !via.asked().contains(&"a recipient".to_owned()),
            "{:?}",
            via.asked()
        );
    }

    #[test]
    fn what_is_no_answer_is_named() {
        for empty in ["<Certificates/>", "<Certificates> \n</Certificates>"] {
            is_malformed(
                AzureStack.ssh_keys(&server_with(empty)),
                "the goal state has an empty address of certificates",
            );
        }
        for (answer, why) in [
            (String::new(), "the file of certificates is not there"),
            (
                "planted".to_owned(),
                "the file of certificates has an element without an end",
            ),
            (file(""), "the file of certificates has no Data"),
            (data(""), "has Data that is empty or not base64"),
            (data("planted!"), "has Data that is empty or not base64"),
        ] {
            is_malformed(AzureStack.ssh_keys(&with_keys(&answer)), why);
        }
        let refused = AzureStack.ssh_keys(&with_keys("").with_answer(CERTIFICATES, 403, ""));
        assert!(
            matches!(refused, Err(PlatformError::Access { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn an_envelope_that_stays_closed_says_why() {
        let source = AccessError::Envelope {
            fault: EnvelopeFault::Closed,
            why: "openssl ended with status 4".to_owned(),
        };
        let via = with_keys(&data("ZW52ZWxvcGU=")).with_envelope(b"envelope", Err(source.clone()));
        let expected = PlatformError::Access { id: ID, source };
        assert_eq!(AzureStack.ssh_keys(&via), Err(expected));
    }
}
