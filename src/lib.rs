//! Kindling: a first-boot provisioning engine.
//!
//! The flow, left to right: a source's text is checked (`kindling_config_spec`), rendered until no reference is
//! left ([`render`]), planned against what the host holds ([`inventory`], [`plan`]), applied ([`apply`]).
//! Left of `apply` everything is pure or read-only; all that can hurt a machine is in [`apply`] and [`host`].
//! Each stage of a boot is a process of its own ([`stages`]).

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
pub mod metadata;
pub mod node;
pub mod plan;
pub mod render;
pub mod report;
pub mod shadow;
pub mod stages;
pub mod state;
pub mod validate;
