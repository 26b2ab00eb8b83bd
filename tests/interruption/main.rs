//! A stage that is killed at any moment and run again ends as if nothing had happened.
//!
//! Each case runs the real binary on a small root of its own. strace(1) kills it in front of its n-th call that
//! changes something, for every n until a run survives; then it runs again to its end, and the tree is compared
//! with that of a run that nobody disturbed. Needs root, as the machine's first boot has it.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that cannot set up its machines should panic; it says how many kill points it tried"
)]

#[path = "../support/sandbox.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod sandbox;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod server;

mod accounts;
mod fetch;
mod files;
mod kill;
mod machines;
mod privacy;
mod torn;
mod volumes;
