//! `digitalocean`: DigitalOcean, by its metadata service.
//!
//! The service has the address for every droplet, so its absence is another service: status 404 is a failure.

mod metadata;

use crate::PlatformId;
use crate::service::{Absent, OneRead};

const ID: PlatformId = PlatformId::new("digitalocean");

/// A machine of DigitalOcean.
pub static DIGITALOCEAN: OneRead = OneRead {
    id: ID,
    url: "http://169.254.169.254/metadata/v1/user-data",
    headers: &[],
    absent: Absent::Failure,
    place: "`http://169.254.169.254/metadata/v1/user-data`. 404 is a failure.",
    metadata: &metadata::Droplet,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::asks;

    #[test]
    fn the_config_is_what_the_service_says() {
        asks(&DIGITALOCEAN, "Get http://169.254.169.254/metadata/v1/user-data");
    }
}
