//! `gcp`: Google Compute Engine, by its metadata service.
//!
//! The attribute `user-data` of the instance. Without the header the service refuses.

use crate::PlatformId;
use crate::service::{Absent, OneRead};

/// A machine of Google Compute Engine.
pub static GCP: OneRead = OneRead {
    id: PlatformId::new("gcp"),
    url: "http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data",
    headers: &[("Metadata-Flavor", "Google")],
    absent: Absent::NoConfig,
    place: "`http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data`. 404 is no config.",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::asks;

    #[test]
    fn the_config_is_what_the_service_says() {
        asks(
            &GCP,
            "Get http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data metadata-flavor: Google",
        );
    }
}
