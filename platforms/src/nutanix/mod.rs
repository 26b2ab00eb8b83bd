//! `nutanix`: Nutanix. A config drive that is always attached, also without a config.

use crate::PlatformId;
use crate::config_drive::{AttachedDrive, OPENSTACK};

/// A machine of Nutanix.
pub static NUTANIX: AttachedDrive = AttachedDrive {
    id: PlatformId::new("nutanix"),
    file: OPENSTACK,
    place: "`/openstack/latest/user_data` of the drive `config-2`. No such drive within 300 s is a failure.",
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
