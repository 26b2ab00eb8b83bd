//! `upcloud`: UpCloud, by its metadata service.
//!
//! The service is off by default for custom images.

use crate::PlatformId;
use crate::service::{Absent, OneRead};

/// A machine of UpCloud.
pub static UPCLOUD: OneRead = OneRead {
    id: PlatformId::new("upcloud"),
    url: "http://169.254.169.254/metadata/v1/user_data",
    headers: &[],
    absent: Absent::NoConfig,
    place: "`http://169.254.169.254/metadata/v1/user_data`. 404 is no config.",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::asks;

    #[test]
    fn the_config_is_what_the_service_says() {
        asks(&UPCLOUD, "Get http://169.254.169.254/metadata/v1/user_data");
    }
}
