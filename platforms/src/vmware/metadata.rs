//! What VMware's host says of a machine: network arguments, in a guest variable.

use super::{ID, variable, write};
use crate::{Access, Attribute, CheckIn, Metadata, Offers, PlatformError, StageEnd};

/// The variable.
const ARGUMENTS: &str = "afterburn.initrd.network-kargs";

/// The variable that tells why a first boot failed, and how much is put there.
const FAILURE: &str = "kindling.failure";
const VARIABLE_LIMIT: usize = 4096;

impl Metadata for super::VmWare {
    fn offers(&self) -> Offers {
        Offers {
            attributes: false,
            network_arguments: true,
            failure: true,
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

    fn stage_ended(&self, via: &dyn Access, end: &StageEnd<'_>) -> Result<CheckIn, PlatformError> {
        match end.failure_within(VARIABLE_LIMIT) {
            Some(record) => write(via, FAILURE, record.as_bytes())?,
            // A failure that a later try has overcome is none; with the files stage the machine is made.
            None if end.stage == "files" && variable(via, FAILURE)?.is_some() => write(via, FAILURE, b"")?,
            None => return Ok(CheckIn::Unsupported),
        }
        Ok(CheckIn::Told)
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

    #[test]
    fn a_failure_is_a_variable_until_the_machine_is_made() {
        let via = RecordedAccess::of_channel(&[]);
        let ended = |stage, failure| VmWare.stage_ended(&via, &StageEnd { stage, failure });
        assert_eq!(ended("fetch", None), Ok(CheckIn::Unsupported));
        assert_eq!(ended("files", None), Ok(CheckIn::Unsupported));
        assert_eq!(ended("disks", Some("FAILED\n  why: x")), Ok(CheckIn::Told));
        assert_eq!(
            via.held(),
            [("kindling.failure".to_owned(), "FAILED\n  why: x".to_owned())]
        );
        assert_eq!(ended("disks", None), Ok(CheckIn::Unsupported));
        assert_eq!(ended("files", None), Ok(CheckIn::Told));
        assert_eq!(via.held(), [("kindling.failure".to_owned(), String::new())]);
    }
}
