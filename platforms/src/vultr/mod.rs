//! `vultr`: Vultr, by its metadata service.

use crate::PlatformId;
use crate::service::{Absent, OneRead};

/// A machine of Vultr.
pub static VULTR: OneRead = OneRead {
    id: PlatformId::new("vultr"),
    url: "http://169.254.169.254/user-data/user-data",
    headers: &[],
    absent: Absent::NoConfig,
    place: "`http://169.254.169.254/user-data/user-data`. 404 is no config.",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::asks;

    #[test]
    fn the_config_is_what_the_service_says() {
        asks(&VULTR, "Get http://169.254.169.254/user-data/user-data");
    }
}
