//! What Azure Stack Hub says of a machine: its name. Keys are only to be had in a certificate that is made for the asking,
//! which is not done here.

use super::ID;
use crate::azure::wire::Wire;
use crate::document::{Document, behind};
use crate::service::{IMDS, get};
use crate::{Access, Attribute, CheckIn, Metadata, Offers, PlatformError, host_name};

impl Metadata for super::AzureStack {
    fn offers(&self) -> Offers {
        Offers {
            attributes: false,
            hostname: true,
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

    fn check_in(&self, via: &dyn Access) -> Result<CheckIn, PlatformError> {
        Wire::open(via, ID)?.ready()?;
        Ok(CheckIn::Told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AzureStack;
    use crate::azure::wire::tests::server;
    use crate::metadata::tests::{is_malformed, keeps_its_offers};

    const URL: &str = "http://169.254.169.254/Microsoft.Compute/identity?api-version=2019-03-11";

    #[test]
    fn the_name_is_read_and_the_wire_server_told() {
        let via = server().with_answer(URL, 200, r#"{"vmName":"n1","subscriptionId":"0000"}"#);
        assert_eq!(AzureStack.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(via.asked(), [format!("Get {URL} metadata: true")]);
        assert_eq!(AzureStack.attributes(&via), Ok(Vec::new()));
        keeps_its_offers(&AzureStack, &via);
        assert_eq!(AzureStack.hostname(&server()), Ok(None));
        let via = server().with_answer(URL, 200, "planted");
        is_malformed(AzureStack.hostname(&via), "identity is not JSON");
    }
}
