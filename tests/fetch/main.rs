//! Fetching over real HTTP and real TLS on loopback.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its server should panic"
)]

mod bomb;
mod client;
mod config_server;
mod exchange;
mod platforms;
mod render;
mod resume;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod server;
mod source;
mod stores;
mod tftp;
#[path = "../support/tftpd.rs"]
#[expect(clippy::disallowed_methods, reason = "it starts a process")]
mod tftpd;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use kindling::fetch::{Fetcher, Network, Pace, SimulatedClock, TransportSettings};
use kindling::host::http::{HttpClient, SystemTrust};
use kindling_config_spec::types::{HttpHeader, Resource, Verification};

/// Real connections; pauses between attempts pass at once.
fn fetcher() -> Fetcher {
    with_settings(TransportSettings::first(Duration::ZERO, false))
}

/// Before the network is up.
fn offline() -> Fetcher {
    with_settings(TransportSettings::first(Duration::ZERO, true))
}

/// A limit in real time.
fn limited(total: Duration) -> Fetcher {
    let client = Network::with(HttpClient::trusting(SystemTrust::none()));
    Fetcher::new(
        Arc::new(client),
        TransportSettings::first(total, false),
        Pace::real(),
    )
}

fn with_settings(settings: TransportSettings) -> Fetcher {
    let client = Network::with(HttpClient::trusting(SystemTrust::none()));
    Fetcher::new(
        Arc::new(client),
        settings,
        Pace::new(Arc::new(SimulatedClock::default()), 1),
    )
}

fn at(url: &str) -> Resource {
    Resource {
        source: Some(url.to_owned()),
        ..Resource::default()
    }
}

fn hashed(url: &str, hash: &str) -> Resource {
    Resource {
        verification: Verification {
            hash: Some(hash.to_owned()),
        },
        ..at(url)
    }
}

fn with_header(url: &str, name: &str, value: &str) -> Resource {
    let header = HttpHeader {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    };
    Resource {
        http_headers: vec![header],
        ..at(url)
    }
}
