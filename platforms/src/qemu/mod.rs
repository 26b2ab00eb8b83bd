//! `qemu`: a firmware configuration entry, or on machines without that interface a small virtio disk.
//!
//! Host side: `-fw_cfg name=opt/com.coreos/config,file=x.ign`, or
//! `-drive if=none,id=ign,format=raw,readonly=on,file=x.ign -device virtio-blk,serial=ignition,drive=ign`.

use std::time::Duration;

use crate::padding;
use crate::{Access, AccessError, Platform, PlatformError, PlatformId, Reach, UserData};

/// The platform id, which the errors name as well.
const ID: PlatformId = PlatformId::new("qemu");

/// The firmware entry, the same name as the reference so that existing launch scripts work.
const ENTRY: &str = "opt/com.coreos/config";

/// The name udev gives to a virtio disk whose serial is `ignition`.
const DISK: &str = "virtio-ignition";

/// How long the disk may take to appear. The reference waits as long; a guest under emulation can need minutes.
const DISK_WAIT: Duration = Duration::from_secs(300);

/// How long it may take where a firmware entry was expected: other hypervisors know no entries, and mostly give no config.
const INSTEAD_WAIT: Duration = Duration::from_secs(10);

/// A virtual machine of QEMU.
pub struct Qemu;

impl Platform for Qemu {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "Firmware entry `opt/com.coreos/config`; no entry is no config. On s390x and POWER the virtio disk with serial `ignition`, whose absence for 300 s is a failure. Where another machine's kernel shows no firmware entries at all (Cloud Hypervisor), that disk too, for 10 s."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let failed = |source| PlatformError::Access { id: ID, source };
        if !has_fw_cfg(&via.machine().architecture) {
            return Ok(parse_disk(&via.block(DISK, DISK_WAIT).map_err(failed)?));
        }
        match via.fw_cfg(ENTRY) {
            Ok(entry) => Ok(entry.and_then(parse_entry)),
            Err(error @ (AccessError::Absent { .. } | AccessError::NoModule { .. })) => {
                disk_instead(via, error).map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// The disk of a machine whose kernel shows no entries. One that has none, and no disk, has no config, as with the reference;
/// where nobody knows, the error stays what it was.
fn disk_instead(via: &dyn Access, error: AccessError) -> Result<Option<UserData>, AccessError> {
    match via.block(DISK, INSTEAD_WAIT) {
        Ok(bytes) => Ok(parse_disk(&bytes)),
        Err(AccessError::Absent { .. }) if matches!(error, AccessError::Absent { .. }) => Ok(None),
        Err(AccessError::Absent { .. }) => Err(error),
        Err(of_disk) => Err(of_disk),
    }
}

/// Whether QEMU gives this architecture the firmware interface (s390x and POWER have none).
fn has_fw_cfg(architecture: &str) -> bool {
    !matches!(architecture, "s390x" | "powerpc64")
}

/// The entry is the config, byte for byte.
fn parse_entry(bytes: Vec<u8>) -> Option<UserData> {
    UserData::new(bytes)
}

/// A disk has whole sectors: QEMU fills the last one with NUL, which no config begins or ends with.
fn parse_disk(bytes: &[u8]) -> Option<UserData> {
    UserData::new(padding::without(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    macro_rules! recorded {
        ($name:literal) => {
            RecordedAccess::load(include_str!(concat!(
                "../../../fixtures/platforms/qemu/",
                $name
            )))
        };
    }

    fn config(via: &RecordedAccess) -> Result<Option<Vec<u8>>, PlatformError> {
        Qemu.user_data(via).map(|found| found.map(UserData::into_bytes))
    }

    #[test]
    fn the_firmware_entry_is_the_config() {
        let via = recorded!("fw-cfg.json");
        assert_eq!(
            config(&via),
            Ok(Some(b"{\"ignition\":{\"version\":\"3.4.0\"}}".to_vec()))
        );
        assert_eq!(via.asked(), ["fw_cfg opt/com.coreos/config"]);
    }

    #[test]
    fn a_missing_or_empty_entry_is_no_config() {
        assert_eq!(config(&recorded!("fw-cfg-absent.json")), Ok(None));
        assert_eq!(config(&recorded!("fw-cfg-empty.json")), Ok(None));
    }

    #[test]
    fn a_broken_entry_is_an_error_and_not_an_empty_config() {
        let error = config(&recorded!("fw-cfg-wrong-size.json")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the config of platform qemu");
        assert!(
            matches!(
                error,
                PlatformError::Access {
                    source: AccessError::Failed { .. },
                    ..
                }
            ),
            "{error:?}"
        );
    }

    #[test]
    fn mainframes_and_power_read_the_disk_and_drop_its_padding() {
        for via in [recorded!("disk-s390x.json"), recorded!("disk-powerpc64.json")] {
            assert_eq!(
                config(&via),
                Ok(Some(b"{\"ignition\":{\"version\":\"3.4.0\"}}".to_vec()))
            );
            assert_eq!(via.asked(), ["block virtio-ignition"]);
        }
    }

    #[test]
    fn without_firmware_entries_the_disk_is_looked_for() {
        let asked = ["fw_cfg opt/com.coreos/config", "block virtio-ignition"];
        let found = Some(b"{\"ignition\":{\"version\":\"3.4.0\"}}".to_vec());
        for (via, expected) in [
            (recorded!("no-fw-cfg-disk.json"), Ok(found.clone())),
            (recorded!("no-fw-cfg.json"), Ok(None)),
            (recorded!("no-fw-cfg-module-disk.json"), Ok(found)),
        ] {
            assert_eq!(config(&via), expected);
            assert_eq!(via.asked(), asked);
        }
        for (via, why) in [
            (
                recorded!("no-fw-cfg-broken-disk.json"),
                "cannot read virtio-ignition: bad sector",
            ),
            (
                recorded!("no-fw-cfg-module.json"),
                "cannot read the firmware interface of QEMU: kernel module qemu_fw_cfg cannot be loaded: not found",
            ),
        ] {
            let PlatformError::Access { source, .. } = config(&via).unwrap_err() else {
                panic!("{why}")
            };
            assert_eq!(source.to_string(), why);
            assert_eq!(via.asked(), asked);
        }
        // An entry that is there and broken is nobody else's config.
        let via = recorded!("fw-cfg-broken-disk.json");
        assert!(config(&via).is_err());
        assert_eq!(via.asked(), asked[..1]);
    }

    #[test]
    fn a_disk_of_nothing_but_padding_is_no_config() {
        assert_eq!(parse_disk(&[0; 512]), None);
        assert_eq!(parse_disk(&[]), None);
    }

    #[test]
    fn an_absent_disk_is_an_error_with_the_time_it_was_awaited() {
        let error = config(&recorded!("disk-absent.json")).unwrap_err();
        let PlatformError::Access { source, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(source.to_string(), "virtio-ignition did not appear within 300 s");
    }
}
