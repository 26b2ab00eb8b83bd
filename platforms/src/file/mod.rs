//! `file`: a config on disk, for developers and tests.

use crate::{Access, AccessError, Platform, PlatformError, PlatformId, Reach, UserData};

/// The platform id, which the errors name as well.
const ID: PlatformId = PlatformId::new("file");

/// A config file of the running system, at [`crate::Machine::config_file`].
pub struct File;

impl Platform for File {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "The file that `IGNITION_CONFIG_FILE` names, or `config.ign`. None is a failure."
    }

    /// An absent file is a failure: whoever names a file means that one.
    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let path = &via.machine().config_file;
        let failed = |source| PlatformError::Access { id: ID, source };
        match via.file(path).map_err(failed)? {
            Some(bytes) => Ok(UserData::new(bytes)),
            None => Err(failed(AccessError::Failed {
                what: path.display().to_string(),
                why: "there is no such file".to_owned(),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    fn asked(fixture: &str) -> Result<Option<Vec<u8>>, PlatformError> {
        File.user_data(&RecordedAccess::load(fixture))
            .map(|found| found.map(UserData::into_bytes))
    }

    #[test]
    fn the_file_is_the_config() {
        let config = asked(include_str!("../../../fixtures/platforms/file/present.json"));
        assert_eq!(
            config,
            Ok(Some(b"{\"ignition\":{\"version\":\"3.4.0\"}}".to_vec()))
        );
    }

    #[test]
    fn an_empty_file_is_no_config() {
        assert_eq!(
            asked(include_str!("../../../fixtures/platforms/file/empty.json")),
            Ok(None)
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = asked(include_str!("../../../fixtures/platforms/file/absent.json")).unwrap_err();
        let PlatformError::Access { source, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(
            source.to_string(),
            "cannot read config.ign: there is no such file"
        );
        assert!(!error.needs_network());
    }
}
