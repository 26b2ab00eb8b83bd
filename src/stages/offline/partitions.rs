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
        let Found::Gpt { table, .. } = &one.disk.found else {
            continue;
        };
        // Mappings are made by whoever has the disk.
        if one.disk.mapped.is_some() || gone.contains(&one.disk.node) {
            continue;
        }
        let numbers = table.entries.keys();
        let view = KernelView {
            shown: numbers.filter_map(|number| Shown::of(table, *number)).collect(),
            ..KernelView::default()
        };
        devices.hold(&one.disk.node, &view)?;
    }
    Ok(())
}
