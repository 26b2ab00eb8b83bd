//! Every knob of the double does what it says, seen by a client that knows nothing of it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod client;
mod life;
