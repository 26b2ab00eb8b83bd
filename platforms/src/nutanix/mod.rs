//! `nutanix`: Nutanix. A config drive that is always attached, also without a config.

use crate::PlatformId;
use crate::config_drive::metadata::OnDrive;
use crate::config_drive::{AttachedDrive, OPENSTACK};

const ID: PlatformId = PlatformId::new("nutanix");

/// A machine of Nutanix.
pub static NUTANIX: AttachedDrive = AttachedDrive {
    id: ID,
    file: OPENSTACK,
    place: "`/openstack/latest/user_data` of the drive `config-2`. No such drive within 300 s is a failure.",
    metadata: &METADATA,
};

/// What the drive says beside the config. No agent has names for it: these are what another
/// cloud with this drive has.
static METADATA: OnDrive = OnDrive {
    id: ID,
    prefix: "NUTANIX_",
    has_keys: true,
    has_network: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_drive::tests::reads;

    #[test]
    fn the_config_is_on_the_drive() {
        reads(&NUTANIX);
    }
}
