//! `packet`: Equinix Metal, by its metadata service.
//!
//! The service refuses the `Accept` of config servers.

mod metadata;

use crate::PlatformId;
use crate::service::{Absent, OneRead};

const ID: PlatformId = PlatformId::new("packet");

/// A machine of Equinix Metal.
pub static PACKET: OneRead = OneRead {
    id: ID,
    url: "https://metadata.packet.net/userdata",
    headers: &[("Accept", "*/*")],
    absent: Absent::Failure,
    place: "`https://metadata.packet.net/userdata`. 404 is a failure.",
    metadata: &metadata::Device,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::asks;

    #[test]
    fn the_config_is_what_the_service_says() {
        asks(&PACKET, "Get https://metadata.packet.net/userdata accept: */*");
    }
}
