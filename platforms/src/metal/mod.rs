//! `metal`: bare metal, ISO and PXE. The platform itself never has a config; it comes from the kernel command line or
//! from `user.ign`, which the engine asks first.

use crate::{Access, Platform, PlatformError, PlatformId, Reach, UserData};

/// Bare metal.
pub struct Metal;

impl Platform for Metal {
    fn id(&self) -> PlatformId {
        PlatformId::new("metal")
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "Nowhere: `ignition.config.url`, a drive named on the kernel command line, or `user.ign`."
    }

    fn user_data(&self, _via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Deletion;
    use crate::recorded::RecordedAccess;

    #[test]
    fn metal_never_has_a_config_of_its_own() {
        let via = RecordedAccess::load(include_str!("../../../fixtures/platforms/metal/silent.json"));
        assert_eq!(Metal.user_data(&via), Ok(None));
        assert_eq!(Metal.delete_user_data(&via), Ok(Deletion::Unsupported));
        assert_eq!(via.asked(), Vec::<String>::new());
    }
}
