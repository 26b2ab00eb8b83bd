//! Kindling: a first-boot provisioning engine.
//!
//! The flow, left to right: a source's text is checked (`kindling_config_spec`), rendered until no reference is
//! left ([`render`]), planned against what the host holds ([`inventory`], [`plan`]), applied ([`apply`]).
//! Left of `apply` everything is pure or read-only; all that can hurt a machine is in [`apply`] and [`host`].
//! Each stage of a boot is a process of its own ([`stages`]).

// `tracing::warn!` and its kin are the macros of the module `log`.
extern crate self as tracing;

pub mod apply;
pub mod calendar;
pub mod cli;
pub mod fetch;
pub mod gpt;
pub mod host;
pub mod identity;
pub mod inspect;
pub mod inventory;
pub mod invocation;
pub mod log;
pub mod metadata;
pub mod node;
pub mod plan;
pub mod render;
pub mod report;
pub mod shadow;
pub mod stages;
pub mod state;
pub mod validate;

// The name `warn` alone would be an attribute, too, where the macro is defined.
pub(crate) use log::{debug, error, info, warning as warn};
