//! The disks of a config, drawn before and after.

use std::path::Path;

use kindling_config_spec::order::{Gather, OrderedMap};
use kindling_config_spec::types::Config;

use crate::gpt::Found;
use crate::inventory::recorded::Recorded;
use crate::plan::disks::{Known, Place, instead_of_table, plan_layout};
use crate::plan::map::{DiskMap, Filesystem, map};
use crate::plan::step::Erased;
use crate::plan::{Plan, Step, filesystems};

/// The disks of the config with what `plan` makes of them.
pub(super) fn maps(
    config: &Config,
    known: &Known<'_>,
    plan: &Plan,
    inventory: Option<&Recorded>,
) -> Vec<DiskMap> {
    let Ok(layout) = plan_layout(config, known) else {
        return Vec::new();
    };
    let disks = config.storage.disks.iter();
    let drawn = disks.filter_map(|wanted| {
        let (disk, change) = (
            known.disks.get(&wanted.device)?,
            layout.tables.get(&wanted.device)?,
        );
        let before = match &disk.found {
            Found::Gpt { table, .. } => Some(table),
            Found::Blank | Found::Mbr | Found::Damaged(_) => None,
        };
        let on_it: OrderedMap<u32, Filesystem> = layout
            .places
            .iter()
            .filter_map(|(device, place)| match place {
                Place::Partition(partition) if partition.disk == wanted.device => {
                    Some((partition.number, on_device(device, config, plan)?))
                }
                _ => None,
            })
            .into_map();
        let tables = (before, change.table.as_ref());
        let size = (disk.size, disk.sector);
        let drawn = map(&wanted.device, size, tables, &on_it, change.wiped);
        let recorded = inventory.and_then(|inventory| inventory.disk(wanted.device.as_ref()));
        let empty = OrderedMap::new();
        let contents = recorded.map_or(&empty, |recorded| &recorded.contents);
        let drawn = drawn.with_contents(instead_of_table(disk).filter(|_| !change.is_noop()), contents);
        Some(drawn.with_mappings(change.mappings.as_ref()))
    });
    drawn
        .filter(|disk| !disk.partitions.is_empty() || disk.holds.is_some())
        .collect()
}

/// What the plan does with what the config puts on `device`: a member of an array, a volume, a file system.
fn on_device(device: &str, config: &Config, plan: &Plan) -> Option<Filesystem> {
    let is_that = |at: &Path| at == Path::new(device);
    let array = config
        .storage
        .raid
        .iter()
        .find(|array| array.devices.iter().any(|member| member == device));
    let volume = config
        .storage
        .luks
        .iter()
        .find(|volume| volume.device.as_deref() == Some(device));
    let mut found = match (array, volume) {
        (Some(array), _) => Some((format!("member of the array {}", array.name), false)),
        (None, Some(volume)) => Some((format!("the volume {}", volume.name), false)),
        (None, None) => None,
    };
    let mut erases = false;
    let erased = |erase: &Option<Erased>| erase.as_ref().is_some_and(|erase| !erase.unfinished);
    for planned in &plan.steps {
        match &planned.step {
            Step::CreateArray { members, .. } => {
                if let Some(member) = members.iter().find(|member| is_that(&member.device)) {
                    erases = erased(&member.erase);
                    found = found.map(|(what, _)| (what, true));
                }
            }
            Step::FormatVolume { device, erase, .. } if is_that(device) => {
                erases = erased(erase);
                found = found.map(|(what, _)| (what, true));
            }
            Step::WipeSignatures { device, erase, .. } if is_that(device) => erases = !erase.unfinished,
            Step::MakeFilesystem { device, format, .. } if is_that(device) => {
                found = Some((filesystems::name(*format).to_owned(), true));
            }
            Step::KeepFilesystem { device, format } if is_that(device) => {
                found = Some((format.clone(), false))
            }
            _ => {}
        }
    }
    found.map(|(format, made)| Filesystem { format, made, erases })
}
