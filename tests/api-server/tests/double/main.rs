//! Every knob of the double does what it says, seen by a client that knows nothing of it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod approver;
mod certificates;
mod client;
mod discovery;
mod faults;
mod judged;
mod kubelet;
mod life;
mod listener;
mod recorded;
mod watches;
mod who;
