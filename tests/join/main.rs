//! Joining a cluster against an API server's double over real TLS.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot start its server should panic"
)]

mod discovery;
