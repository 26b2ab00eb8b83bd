//! `nvidiabluefield`: a card that is a machine of its own. Its host puts the config into the boot fifo.

use crate::padding;
use crate::{Access, Channel, Platform, PlatformError, PlatformId, Reach, UserData};

/// The platform id, which the errors name as well.
const ID: PlatformId = PlatformId::new("nvidiabluefield");

/// Where the driver shows the fifo.
const FIFO: &str = "/sys/bus/platform/devices/MLNXBF04:00/bootfifo";

/// A BlueField card.
pub struct NvidiaBlueField;

impl Platform for NvidiaBlueField {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "The boot fifo `/sys/bus/platform/devices/MLNXBF04:00/bootfifo`, without the NUL bytes around the config; aarch64 only. No fifo, or an empty one, is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        if via.machine().architecture != "aarch64" {
            return Err(PlatformError::NotHere { id: ID });
        }
        let fifo = via
            .get(Channel::BootFifo, FIFO)
            .map_err(|source| PlatformError::Access { id: ID, source })?;
        Ok(fifo.and_then(|bytes| UserData::new(padding::without(&bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    fn config(fifo: &[(&str, &[u8])]) -> Result<Option<UserData>, PlatformError> {
        NvidiaBlueField.user_data(&RecordedAccess::of_channel(fifo).on("aarch64"))
    }

    #[test]
    fn the_fifo_is_the_config_without_its_padding() {
        let mut bytes = b"\0config".to_vec();
        bytes.resize(107, 0);
        assert_eq!(config(&[(FIFO, &bytes)]), Ok(UserData::new(b"config".to_vec())));
        let packed = b"\x1f\x8b\x08\x00rest";
        assert_eq!(config(&[(FIFO, packed)]), Ok(UserData::new(packed.to_vec())));
    }

    /// The reference goes on with a config without a version here, which its own rules refuse.
    #[test]
    fn a_missing_or_empty_fifo_is_no_config() {
        assert_eq!(config(&[]), Ok(None));
        assert_eq!(config(&[(FIFO, b"")]), Ok(None));
        assert_eq!(config(&[(FIFO, &[0; 64])]), Ok(None));
    }

    #[test]
    fn other_machines_and_a_missing_driver_are_told_apart() {
        let via = RecordedAccess::of_channel(&[(FIFO, b"config")]);
        assert_eq!(
            NvidiaBlueField.user_data(&via),
            Err(PlatformError::NotHere { id: ID })
        );
        assert_eq!(via.asked(), Vec::<String>::new());
        let error = NvidiaBlueField.user_data(&RecordedAccess::of_http(&[]).on("aarch64"));
        assert!(matches!(error, Err(PlatformError::Access { .. })));
    }
}
