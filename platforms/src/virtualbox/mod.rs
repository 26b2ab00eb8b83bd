//! `virtualbox`: guest properties, which the host sets and the guest may delete.

use crate::{Access, Channel, Deletion, Platform, PlatformError, PlatformId, Reach, UserData};

/// The platform id, which the errors name as well.
const ID: PlatformId = PlatformId::new("virtualbox");

/// The config.
const CONFIG: &str = "/Ignition/Config";

/// Kept for a later format; nobody may set it yet.
const ENCODING: &str = "/Ignition/Config/Encoding";

/// A virtual machine of VirtualBox.
pub struct VirtualBox;

impl Platform for VirtualBox {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "Guest property `/Ignition/Config`; `/Ignition/Config/Encoding` must be empty. No property is no config. Both are deleted after the first boot. Tried with a double of the device only."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let malformed = |why: &str| PlatformError::Malformed {
            id: ID,
            why: why.to_owned(),
        };
        if property(via, ENCODING)?.is_some() {
            return Err(malformed(
                "the guest property /Ignition/Config/Encoding is set, and no encoding is known",
            ));
        }
        let Some(value) = property(via, CONFIG)? else {
            return Ok(None);
        };
        if std::str::from_utf8(&value).is_err() {
            return Err(malformed("the guest property /Ignition/Config is not text"));
        }
        Ok(UserData::new(value))
    }

    /// The encoding goes first: without it the config is still one, and a second run finds what is left.
    fn delete_user_data(&self, via: &dyn Access) -> Result<Deletion, PlatformError> {
        for key in [ENCODING, CONFIG] {
            via.set(Channel::GuestProperties, key, None)
                .map_err(|source| PlatformError::Kept { id: ID, source })?;
        }
        Ok(Deletion::Deleted)
    }
}

/// A property with a value.
fn property(via: &dyn Access, key: &str) -> Result<Option<Vec<u8>>, PlatformError> {
    let value = via
        .get(Channel::GuestProperties, key)
        .map_err(|source| PlatformError::Access { id: ID, source })?;
    Ok(value.filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    fn config(properties: &[(&str, &[u8])]) -> Result<Option<UserData>, PlatformError> {
        VirtualBox.user_data(&RecordedAccess::of_channel(properties))
    }

    #[test]
    fn the_property_is_the_config() {
        let given = config(&[(CONFIG, b"config"), (ENCODING, b"")]);
        assert_eq!(given, Ok(UserData::new(b"config".to_vec())));
        let packed = config(&[(CONFIG, b"H4sIAAAA")]);
        assert_eq!(packed, Ok(UserData::new(b"H4sIAAAA".to_vec())));
    }

    #[test]
    fn no_property_or_an_empty_one_is_no_config() {
        assert_eq!(config(&[]), Ok(None));
        assert_eq!(config(&[(CONFIG, b"")]), Ok(None));
    }

    #[test]
    fn an_encoding_and_what_is_no_text_are_refused() {
        for properties in [
            &[(CONFIG, &b"config"[..]), (ENCODING, b"gzip+base64")][..],
            &[(CONFIG, b"\x1f\x8b\x08")],
        ] {
            let error = config(properties).unwrap_err();
            assert!(matches!(error, PlatformError::Malformed { .. }), "{error:?}");
            assert!(!error.to_string().contains("gzip+base64"), "{error}");
        }
    }

    #[test]
    fn both_properties_are_deleted_the_encoding_first() {
        let via = RecordedAccess::of_channel(&[(CONFIG, b"config"), ("/Other", b"stays")]);
        assert_eq!(VirtualBox.delete_user_data(&via), Ok(Deletion::Deleted));
        assert_eq!(
            via.asked(),
            [
                "set GuestProperties /Ignition/Config/Encoding",
                "set GuestProperties /Ignition/Config"
            ]
        );
        assert_eq!(via.held(), [("/Other".to_owned(), "stays".to_owned())]);
        assert_eq!(VirtualBox.delete_user_data(&via), Ok(Deletion::Deleted));
    }

    #[test]
    fn a_property_that_the_guest_may_not_delete_is_an_error() {
        let via = RecordedAccess::of_channel(&[(CONFIG, b"config")]).read_only();
        let error = VirtualBox.delete_user_data(&via).unwrap_err();
        assert!(matches!(error, PlatformError::Kept { .. }), "{error:?}");
    }
}
