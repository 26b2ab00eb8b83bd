//! `kindling join` against an API server's double over real TLS: every failure of the table and every trouble that heals; and
//! the discovery of a cluster's authorities.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot read its fixtures should panic"
)]

mod discovery;
mod failures;
mod follow;
mod heals;
mod killed;
mod machine;
mod secrets;
