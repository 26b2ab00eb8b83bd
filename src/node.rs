//! Becoming a node of the cluster: what the files stage hands to `kindling join`, and every decision on the way there.
//!
//! Nothing here talks to a machine or a network; the facts are `cluster.md`'s, the effects are in [`crate::host`] and driven by
//! [`crate::stages`].

pub mod expand;
pub mod handed;
