//! What of a config counts while others are still to be fetched.

use kindling_config_spec::types::Config;
use kindling_config_spec::types::kindling::Kindling;

/// What a config says about fetching.
pub(super) fn only_settings(config: &Config) -> Config {
    Config {
        ignition: config.ignition.clone(),
        kindling: Kindling {
            transport: config.kindling.transport.clone(),
            ..Kindling::default()
        },
        ..Config::default()
    }
}
