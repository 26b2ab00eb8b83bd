//! `azure`: the metadata service has the user's data. Machines that were given custom data instead have it on a disc, which
//! is attached to every machine at its first boot.

mod metadata;
pub(crate) mod wire;

use crate::config_drive::on_disc;
use crate::service::{Absent, IMDS, from_base64, get, read};
use crate::{Access, HttpRequest, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("azure");

/// The file by which the disc of the provisioning agent is known.
pub(crate) const MARK: &str = "/ovf-env.xml";

/// The custom data on it, as the user wrote them.
pub(crate) const CUSTOM_DATA: &str = "/CustomData.bin";

/// A virtual machine of Azure.
pub struct Azure;

impl Platform for Azure {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`http://169.254.169.254/metadata/instance/compute/userData`, base64; 404, 410 and 429 are tried again. Where that \
         is empty, `/CustomData.bin` of the UDF disc with `/ovf-env.xml`; no such disc within 300 s is a failure."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let url = format!("{IMDS}/metadata/instance/compute/userData?api-version=2021-01-01&format=text");
        let request = HttpRequest {
            // Soon after the start of a machine the service does not know it yet, or is being updated.
            retry_also: vec![404, 410, 429],
            ..get(&url, &[("Metadata", "true")])
        };
        match read(via, ID, &request, Absent::Failure)? {
            Some(bytes) => from_base64(ID, &bytes),
            None => on_disc(via, ID, &["udf"], MARK, CUSTOM_DATA),
        }
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccessError;
    use crate::recorded::RecordedAccess;

    const URL: &str =
        "http://169.254.169.254/metadata/instance/compute/userData?api-version=2021-01-01&format=text";

    fn config(status: u16, body: &str) -> Result<Option<UserData>, PlatformError> {
        Azure.user_data(&RecordedAccess::of_http(&[(URL, status, body)]))
    }

    #[test]
    fn user_data_are_in_base64_and_asked_for_with_the_header() {
        let via = RecordedAccess::of_http(&[(URL, 200, "Y29u\r\nZmln\n")]);
        assert_eq!(Azure.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked(),
            [format!("Get {URL} metadata: true, again at [404, 410, 429]")]
        );
        // Packed once more by the user: the engine unpacks it.
        let packed = "H4sIAAAAAAACA6tWykzPyyzJzM9TsqpWKkstKgYzlYz1DPQMlGprAXruRuAgAAAA";
        let unwrapped = config(200, packed).unwrap().unwrap().into_bytes();
        assert_eq!(unwrapped.get(..2), Some([0x1f, 0x8b].as_slice()));
    }

    #[test]
    fn an_answer_that_is_none_is_a_failure_and_no_disc_is_looked_for() {
        for broken in ["Y29uZmln=", "Y29uZ", "{}"] {
            assert!(
                matches!(config(200, broken), Err(PlatformError::Malformed { .. })),
                "{broken}"
            );
        }
        // A status that was tried again until the time ran out is no answer either.
        for status in [400, 403, 404] {
            let via = RecordedAccess::of_http(&[(URL, status, "")])
                .with_drive("udf", &[(MARK, "<Environment/>"), (CUSTOM_DATA, "config")]);
            assert!(matches!(Azure.user_data(&via), Err(PlatformError::Access { .. })));
            assert_eq!(via.asked().len(), 1);
        }
        let offline = RecordedAccess::of_drives(&[]);
        assert!(Azure.user_data(&offline).unwrap_err().needs_network());
    }

    #[test]
    fn custom_data_are_read_as_they_are_when_there_are_no_user_data() {
        for status in [200, 204] {
            let via = RecordedAccess::of_http(&[(URL, status, "")])
                .with_drive("udf", &[(MARK, "<Environment/>"), (CUSTOM_DATA, "Y29uZmln")]);
            assert_eq!(Azure.user_data(&via), Ok(UserData::new(b"Y29uZmln".to_vec())));
            assert_eq!(
                via.asked().last().map(String::as_str),
                Some("drive FileSystem([\"udf\"]) for 300 s")
            );
        }
    }

    #[test]
    fn a_disc_without_custom_data_is_no_config() {
        for files in [
            [(MARK, "<Environment/>"), ("/other", "")],
            [(MARK, "<Environment/>"), (CUSTOM_DATA, "")],
        ] {
            let via = RecordedAccess::of_http(&[(URL, 200, "")]).with_drive("udf", &files);
            assert_eq!(Azure.user_data(&via), Ok(None));
        }
    }

    #[test]
    fn a_disc_of_somebody_else_or_none_is_a_failure() {
        for via in [
            RecordedAccess::of_http(&[(URL, 200, "")]),
            RecordedAccess::of_http(&[(URL, 200, "")]).with_drive("udf", &[(CUSTOM_DATA, "config")]),
            RecordedAccess::of_http(&[(URL, 200, "")])
                .with_drive("iso9660", &[(MARK, ""), (CUSTOM_DATA, "config")]),
        ] {
            let error = Azure.user_data(&via).unwrap_err();
            assert!(
                matches!(
                    &error,
                    PlatformError::Access {
                        source: AccessError::Absent { .. },
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    }
}
