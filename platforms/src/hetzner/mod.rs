//! `hetzner`: Hetzner Cloud, by its metadata service.

mod metadata;

use crate::PlatformId;
use crate::service::{Absent, OneRead};

const ID: PlatformId = PlatformId::new("hetzner");

/// A machine of Hetzner Cloud.
pub static HETZNER: OneRead = OneRead {
    id: ID,
    url: "http://169.254.169.254/hetzner/v1/userdata",
    headers: &[],
    absent: Absent::NoConfig,
    place: "`http://169.254.169.254/hetzner/v1/userdata`. 404 is no config.",
    metadata: &metadata::Server,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::asks;

    #[test]
    fn the_config_is_what_the_service_says() {
        asks(&HETZNER, "Get http://169.254.169.254/hetzner/v1/userdata");
    }
}
