//! `powervs`: PowerVS. A config drive that is always attached, also without a config.

use crate::PlatformId;
use crate::config_drive::metadata::OnDrive;
use crate::config_drive::{AttachedDrive, OPENSTACK};

const ID: PlatformId = PlatformId::new("powervs");

/// A machine of PowerVS.
pub static POWERVS: AttachedDrive = AttachedDrive {
    id: ID,
    file: OPENSTACK,
    place: "`/openstack/latest/user_data` of the drive `config-2`. No such drive within 300 s is a failure.",
    metadata: &METADATA,
};

/// What the drive says beside the config.
static METADATA: OnDrive = OnDrive {
    id: ID,
    prefix: "POWERVS_",
    has_keys: true,
    has_network: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_drive::tests::reads;

    #[test]
    fn the_config_is_on_the_drive() {
        reads(&POWERVS);
    }
}
