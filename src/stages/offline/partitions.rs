//! The partitions that images have already, shown by the kernel of this machine.

use std::path::PathBuf;

use kindling_config_spec::order::OrderedSet;

use crate::gpt::Found;
use crate::host::devices::{DeviceError, Devices};
use crate::inventory::recorded::Recorded;
use crate::plan::partitions::{KernelView, Shown};

/// Has the kernel show them, but those of disks that are `gone`: not every kernel finds them by itself.
///
/// # Errors
/// As [`Devices::hold`].
pub(super) fn show(
    disks: &Recorded,
    gone: &OrderedSet<PathBuf>,
    devices: &dyn Devices,
) -> Result<(), DeviceError> {
    for one in &disks.disks {
        let disk = &one.disk;
        let Found::Gpt { table, .. } = &disk.found else {
            continue;
        };
        let mut numbers = table.entries.keys();
        // Mappings are made by whoever has the disk.
        let is_done = disk.mapped.is_some() || numbers.all(|number| devices.is_there(&one.node(*number)));
        if is_done || gone.contains(&disk.node) {
            continue;
        }
        let shown = table
            .entries
            .keys()
            .filter_map(|number| Shown::of(table, *number));
        let view = KernelView {
            shown: shown.collect(),
            ..KernelView::default()
        };
        devices.hold(&disk.node, &view)?;
    }
    Ok(())
}
