//! Butane: YAML with the members of Ignition 3 in snake case, and sugar that is made into them.

mod boot_device;
pub mod files;
mod join;
mod remark;
#[cfg(test)]
mod seen;
pub(crate) mod variant;
