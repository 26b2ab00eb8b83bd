//! Decisions: config and inventory in, a list of steps out.
//!
//! Nothing here reads a host, a clock or the environment, and nothing here acts. A plan is plain data: it
//! prints ([`show`]), it compares, and `apply` does what it says and decides nothing.

pub mod accounts;
pub mod check;
pub mod conflict;
pub mod crypttab;
pub mod disks;
pub mod entries;
pub mod files;
pub mod filesystems;
pub mod first_boot;
pub mod kargs;
pub mod map;
pub mod mounts;
pub mod nodes;
pub mod offline;
pub mod origins;
#[cfg(test)]
pub(crate) mod page;
pub mod partitions;
pub mod place;
pub mod show;
pub mod split;
pub mod step;
pub mod units;
pub mod volumes;

pub use conflict::Conflict;
pub use step::{Plan, Stage, Step};
