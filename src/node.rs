//! Becoming a node of the cluster: what the files stage hands to `kindling join`, and every decision on the way there.
//!
//! Nothing here talks to a machine or a network; the facts are `cluster.md`'s, the effects are in [`crate::host`] and driven by
//! [`crate::stages`].

pub mod access;
pub mod answer;
pub mod cause;
pub mod certificate;
pub mod der;
pub mod discovery;
pub mod expand;
pub mod handed;
pub mod kubeconfig;
pub mod name;
pub mod object;
pub mod pace;
pub mod pem;
pub mod preflight;
pub mod request;
pub mod status;
