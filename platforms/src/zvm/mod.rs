//! `zvm`: z/VM. The operator sends a file of type `ign` to the guest's virtual card reader.

use crate::padding;
use crate::{Access, Channel, Platform, PlatformError, PlatformId, Reach, UserData};

/// The platform id, which the errors name as well.
const ID: PlatformId = PlatformId::new("zvm");

/// The type of the file, as the reader lists it.
const TYPE: &str = "ign";

/// A guest of z/VM.
pub struct Zvm;

impl Platform for Zvm {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "The first file of type `ign` in reader `000c`, without the NUL bytes around the config; s390x only. No such file is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        if via.machine().architecture != "s390x" {
            return Err(PlatformError::NotHere { id: ID });
        }
        let file = via
            .get(Channel::ZvmReader, TYPE)
            .map_err(|source| PlatformError::Access { id: ID, source })?;
        Ok(file.and_then(|bytes| UserData::new(padding::without(&bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    fn config(files: &[(&str, &[u8])]) -> Result<Option<UserData>, PlatformError> {
        Zvm.user_data(&RecordedAccess::of_channel(files).on("s390x"))
    }

    #[test]
    fn the_file_is_the_config_without_its_padding() {
        let mut cards = b"config".to_vec();
        cards.resize(160, 0);
        assert_eq!(config(&[("ign", &cards)]), Ok(UserData::new(b"config".to_vec())));
    }

    #[test]
    fn no_file_or_one_of_nothing_but_padding_is_no_config() {
        assert_eq!(config(&[]), Ok(None));
        assert_eq!(config(&[("IGN", b"config")]), Ok(None));
        assert_eq!(config(&[("ign", b"")]), Ok(None));
        assert_eq!(config(&[("ign", &[0; 80])]), Ok(None));
    }

    #[test]
    fn other_machines_have_no_such_reader() {
        let via = RecordedAccess::of_channel(&[("ign", b"config")]);
        assert_eq!(Zvm.user_data(&via), Err(PlatformError::NotHere { id: ID }));
        let broken = RecordedAccess::of_http(&[]).on("s390x");
        assert!(matches!(
            Zvm.user_data(&broken),
            Err(PlatformError::Access { .. })
        ));
    }
}
