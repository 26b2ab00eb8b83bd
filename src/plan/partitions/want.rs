//! What the config asks of one partition, in the units and types of the table.

use kindling_config_spec::order::{self, OrderedMap};
use kindling_config_spec::types::Partition;
use kindling_config_spec::units::{Mib, SectorSize, Sectors};

use super::{Conflict, Request};
use crate::gpt::{Guid, Label};

/// One entry of the config's list, checked on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// Its place in the config's list.
    pub(super) index: usize,
    /// Its place in the config.
    pub(super) pointer: String,
    /// 0 stands for the next free number.
    pub(super) number: u32,
    pub(super) label: Option<Label>,
    /// 0 stands for the start of the largest free block.
    pub(super) start: Option<Sectors>,
    /// 0 stands for the rest of the largest free block.
    pub(super) size: Option<Sectors>,
    pub(super) type_guid: Option<Guid>,
    pub(super) guid: Option<Guid>,
    pub(super) exists: bool,
    pub(super) may_wipe: bool,
    pub(super) may_resize: bool,
}

/// All entries that are sound, those with number 0 last (otherwise in the config's order), and what is wrong with the rest.
pub(super) fn parse_all(request: &Request<'_>) -> (Vec<Want>, Vec<Conflict>) {
    let (mut wants, mut conflicts) = (Vec::new(), Vec::new());
    let mut holders = OrderedMap::new();
    for (index, partition) in request.disk.partitions.iter().enumerate() {
        let pointer = format!("{}/partitions/{index}", request.pointer);
        let found = conflicts.len();
        let want = parse(index, &pointer, partition, request.sector, &mut conflicts);
        if conflicts.len() > found {
            continue;
        }
        if want.number != 0
            && let Some(earlier) = holders.insert(want.number, index)
        {
            conflicts.push(Conflict::new(
                format!("{pointer}/number"),
                "partition-number-repeated",
                format!(
                    "partition number {} is used twice, first by entry {earlier}",
                    want.number
                ),
                "give each partition its own number, or 0 for the next free one",
            ));
            continue;
        }
        wants.push(want);
    }
    order::by_key(&mut wants, |want| want.number == 0);
    (wants, conflicts)
}

fn parse(
    index: usize,
    pointer: &str,
    partition: &Partition,
    sector: SectorSize,
    conflicts: &mut Vec<Conflict>,
) -> Want {
    let mut field = |name: &str, code, value: String, next: &str| {
        let message = format!("{value} cannot be the {name} of a partition");
        conflicts.push(Conflict::new(format!("{pointer}/{name}"), code, message, next));
    };
    let number = u32::try_from(partition.number).unwrap_or_else(|_| {
        let next = "use a number from 1, or 0 for the next free one";
        field(
            "number",
            "partition-number-invalid",
            partition.number.to_string(),
            next,
        );
        0
    });
    let mut mebibytes = |value: Option<i64>, name: &str, code| {
        let value = value?;
        let sectors = u64::try_from(value)
            .ok()
            .and_then(|mib| Mib(mib).to_sectors(sector));
        if sectors.is_none() {
            field(
                name,
                code,
                value.to_string(),
                "use a number of MiB from 0 that a disk can have",
            );
        }
        sectors
    };
    let start = mebibytes(partition.start_mib, "startMiB", "partition-start-invalid");
    let size = mebibytes(partition.size_mib, "sizeMiB", "partition-size-invalid");
    let mut guid = |text: Option<&String>, name: &str, code| {
        let text = text.filter(|text| !text.is_empty())?;
        let parsed = text.parse::<Guid>().ok().filter(|guid| !guid.is_zero());
        if parsed.is_none() {
            let next = "use 8-4-4-4-12 hexadecimal digits, not all zero, or leave it out";
            field(name, code, format!("{text:?}"), next);
        }
        parsed
    };
    let type_guid = guid(partition.type_guid.as_ref(), "typeGuid", "partition-type-invalid");
    let own_guid = guid(partition.guid.as_ref(), "guid", "partition-guid-invalid");
    let label = partition.label.as_ref().and_then(|text| {
        let parsed = text.parse::<Label>();
        if let Err(error) = parsed {
            field(
                "label",
                "partition-label-invalid",
                format!("{text:?}"),
                &error.to_string(),
            );
        }
        parsed.ok()
    });
    Want {
        index,
        pointer: pointer.to_owned(),
        number,
        label,
        start,
        size,
        type_guid,
        guid: own_guid,
        exists: partition.should_exist.unwrap_or(true),
        may_wipe: partition.wipe_partition_entry.unwrap_or(false),
        may_resize: partition.resize.unwrap_or(false),
    }
}
