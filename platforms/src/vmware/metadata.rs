//! What VMware's host says of a machine: network arguments, in a guest variable.

use super::{ID, variable};
use crate::{Access, Attribute, Metadata, Offers, PlatformError};

/// The variable.
const ARGUMENTS: &str = "afterburn.initrd.network-kargs";

impl Metadata for super::VmWare {
    fn offers(&self) -> Offers {
        Offers {
            attributes: false,
            network_arguments: true,
            ..Offers::default()
        }
    }

    /// None: the agent has no names for any.
    fn attributes(&self, _via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        Ok(Vec::new())
    }

    fn network_arguments(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let value = variable(via, ARGUMENTS)?.unwrap_or_default();
        let text = std::str::from_utf8(&value).unwrap_or("\0").trim();
        if text.contains(char::is_control) {
            return Err(PlatformError::Malformed {
                id: ID,
                why: format!("guestinfo.{ARGUMENTS} is not one line of text"),
            });
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VmWare;
    use crate::metadata::tests::{is_malformed, keeps_its_offers};
    use crate::recorded::RecordedAccess;

    fn of(value: &[u8]) -> RecordedAccess {
        RecordedAccess::of_channel(&[(ARGUMENTS, value)])
    }

    #[test]
    fn arguments_are_the_hosts_word_for_word() {
        let arguments = "ip=192.0.2.9::192.0.2.1:255.255.255.0:n1:ens192:off";
        let via = of(format!(" {arguments}\n").as_bytes());
        assert_eq!(
            VmWare.network_arguments(&via).unwrap().as_deref(),
            Some(arguments)
        );
        assert_eq!(VmWare.attributes(&via), Ok(Vec::new()));
        keeps_its_offers(&VmWare, &via);
        assert_eq!(VmWare.network_arguments(&of(b"\n")), Ok(None));
        assert_eq!(
            VmWare.network_arguments(&RecordedAccess::of_channel(&[])),
            Ok(None)
        );
    }

    #[test]
    fn more_than_one_line_is_no_argument() {
        for value in [b"ip=dhcp\nplanted".as_slice(), b"planted\xff"] {
            is_malformed(VmWare.network_arguments(&of(value)), "is not one line of text");
        }
    }
}
