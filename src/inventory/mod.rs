//! The observed host as data. A plan is made from these values and from nothing else.

mod accounts;
pub mod consoles;
pub mod disks;
pub mod mapped;
pub mod mounts;
pub mod observe;
pub mod recorded;
pub mod stack;
pub mod target;
