//! Butane: YAML with the members of Ignition 3 in snake case, and sugar that is made into them.

pub mod files;
mod join;
mod remark;
pub(crate) mod variant;
