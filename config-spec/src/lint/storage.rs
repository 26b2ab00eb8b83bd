//! Devices that nobody makes, and file systems that get in each other's way or are forgotten after the first boot.

mod devices;
mod mounts;

use super::{Check, Setting, catalog as lint};

pub(super) const CHECKS: &[Check] = &[
    devices::devices_are_made,
    mounts::paths_are_not_shared,
    mounts::paths_are_mounted_again,
];
