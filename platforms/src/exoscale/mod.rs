//! `exoscale`: Exoscale, by its metadata service.

use crate::PlatformId;
use crate::service::{Absent, OneRead};

/// A machine of Exoscale.
pub static EXOSCALE: OneRead = OneRead {
    id: PlatformId::new("exoscale"),
    url: "http://169.254.169.254/1.0/user-data",
    headers: &[],
    absent: Absent::NoConfig,
    place: "`http://169.254.169.254/1.0/user-data`. 404 is no config.",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::asks;

    #[test]
    fn the_config_is_what_the_service_says() {
        asks(&EXOSCALE, "Get http://169.254.169.254/1.0/user-data");
    }
}
