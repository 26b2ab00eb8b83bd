//! `gcp`: Google Compute Engine, by its metadata service.
//!
//! The attribute `user-data` of the instance.

mod metadata;

use crate::PlatformId;
use crate::service::{Absent, OneRead};

const ID: PlatformId = PlatformId::new("gcp");

/// Without it the service refuses.
const HEADERS: &[(&str, &str)] = &[("Metadata-Flavor", "Google")];

/// A machine of Google Compute Engine.
pub static GCP: OneRead = OneRead {
    id: ID,
    url: "http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data",
    headers: HEADERS,
    absent: Absent::NoConfig,
    place: "`http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data`. 404 is no config.",
    metadata: &metadata::Instance,
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
