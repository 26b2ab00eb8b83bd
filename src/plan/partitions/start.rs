//! Which table the plan starts from, and whether the disk may be touched at all.

use kindling_config_spec::units::Bytes;

use crate::gpt::{CopyState, Extent, Found, Health, MIN_ENTRY_SIZE, MbrChange, Side, Table, erase};
use crate::inventory::stack::User;

use super::want::Want;
use super::{Conflict, KernelChange, Request, TableChange};

/// The table to start from, and the part of the change that is known already.
pub(super) struct Start {
    /// `None` when the disk shall have no table, or none has to be made.
    pub(super) table: Option<Table>,
    pub(super) change: TableChange,
}

/// Chooses the table to start from.
pub(super) fn choose(request: &Request<'_>, wants: &[Want]) -> Result<Start, Vec<Conflict>> {
    let wipe = request.disk.wipe_table == Some(true);
    let asked = wipe || !request.disk.partitions.is_empty();
    let mut conflicts: Vec<Conflict> = disk_in_use(request).filter(|_| asked).into_iter().collect();
    if wipe {
        conflicts.extend(wipe_in_use(request));
    }
    let start = if wipe {
        afresh(request, wants)
    } else {
        as_found(request, wants)
    };
    match start {
        Ok(start) if conflicts.is_empty() => Ok(start),
        Ok(_) => Err(conflicts),
        Err(conflict) => {
            conflicts.push(conflict);
            Err(conflicts)
        }
    }
}

/// A disk used as a whole is not for us. One of which some partitions are used may be changed elsewhere.
fn disk_in_use(request: &Request<'_>) -> Option<Conflict> {
    let may_go = |user: &User| request.disk.wipe_table == Some(true) && !user.stack.is_empty();
    let user = request
        .in_use
        .disk
        .as_ref()
        .filter(|user| request.in_use.partitions.is_empty() && !may_go(user))?;
    Some(Conflict::new(
        &request.pointer,
        "disk-in-use",
        format!("{} is {user}", request.disk.device),
        "name another disk, or take the disk out of the config",
    ))
}

fn wipe_in_use(request: &Request<'_>) -> Option<Conflict> {
    // Arrays and mappings that nobody uses are taken down.
    let users: Vec<String> = request
        .in_use
        .partitions
        .iter()
        .filter(|(_, user)| user.stack.is_empty())
        .map(|(number, user)| format!("{number} is {user}"))
        .collect();
    if users.is_empty() {
        return None;
    }
    Some(Conflict::new(
        format!("{}/wipeTable", request.pointer),
        "table-in-use",
        format!(
            "cannot erase {}: partitions are in use ({})",
            request.disk.device,
            users.join(", ")
        ),
        "leave wipeTable out, and set wipePartitionEntry: true on the partitions to be replaced",
    ))
}

/// `wipeTable`: whatever there is goes.
fn afresh(request: &Request<'_>, wants: &[Want]) -> Result<Start, Conflict> {
    let mut change = TableChange {
        wiped: true,
        erase: stray_backup(request),
        ..unchanged()
    };
    if wants.iter().all(|want| !want.exists) {
        // The disk may become a member of something that wants no table on it.
        change.erase.extend(erase(request.size, request.sector));
        change.kernel = forget_all(request);
        return Ok(Start { table: None, change });
    }
    // Both ends are written by the table itself, which keeps one of the two copies valid all the time.
    let mut table = new_table(request)?;
    if let Found::Gpt { table: old, .. } = request.found {
        table.source = old.source;
    }
    Ok(Start {
        table: Some(table),
        change,
    })
}

/// The header of a backup that a smaller disk left in what is now the middle, for `wipeTable` to erase.
fn stray_backup(request: &Request<'_>) -> Vec<Extent> {
    match request.found {
        Found::Gpt {
            table,
            health:
                Health {
                    backup: CopyState::Misplaced(at),
                    ..
                },
        } if (table.first_usable..=table.last_usable).contains(at) => {
            vec![Extent {
                offset: at.to_bytes(request.sector),
                length: Bytes(request.sector.bytes()),
            }]
        }
        _ => Vec::new(),
    }
}

/// Without `wipeTable`: what is there stays, unless the config names it.
fn as_found(request: &Request<'_>, wants: &[Want]) -> Result<Start, Conflict> {
    let device = &request.disk.device;
    let erase_it = "set wipeTable: true to erase the disk, or name another one";
    let asked = !request.disk.partitions.is_empty();
    let table = match request.found {
        Found::Gpt { table, .. } if asked && table.entry_size != MIN_ENTRY_SIZE => {
            return Err(Conflict::new(
                &request.pointer,
                "table-entry-size",
                format!(
                    "the partition table of {device} has entries of {} bytes, and Linux reads only those of {MIN_ENTRY_SIZE}",
                    table.entry_size
                ),
                erase_it,
            ));
        }
        Found::Gpt { table, .. } => Some(table.clone()),
        Found::Blank if wants.iter().all(|want| !want.exists) => None,
        Found::Blank => Some(Table {
            mbr: MbrChange::Records,
            source: Side::Primary,
            ..new_table(request)?
        }),
        Found::Mbr | Found::Damaged(_) if !asked => None,
        Found::Mbr => {
            return Err(Conflict::new(
                &request.pointer,
                "table-not-gpt",
                format!("{device} holds an MBR partition table or a boot sector, not a GUID partition table"),
                erase_it,
            ));
        }
        Found::Damaged(damage) => {
            return Err(Conflict::new(
                &request.pointer,
                "table-damaged",
                format!(
                    "the partition table of {device} is damaged: at the start {}, at the end {}",
                    describe(&damage.primary),
                    describe(&damage.backup)
                ),
                erase_it,
            ));
        }
    };
    Ok(Start {
        table,
        change: unchanged(),
    })
}

fn describe(state: &CopyState) -> String {
    match state {
        CopyState::Good => "good".to_owned(),
        CopyState::Corrupt(flaw) => flaw.to_string(),
        CopyState::Missing => "nothing".to_owned(),
        CopyState::Misplaced(at) => format!("a copy at sector {}", at.0),
        CopyState::Stale => "a good copy of another table".to_owned(),
    }
}

fn new_table(request: &Request<'_>) -> Result<Table, Conflict> {
    Table::new(request.fresh_disk_guid, request.size, request.sector).map_err(|error| {
        Conflict::new(
            &request.pointer,
            "disk-too-small",
            format!("{}: {error}", request.disk.device),
            "name a larger disk",
        )
    })
}

fn forget_all(request: &Request<'_>) -> Vec<KernelChange> {
    match request.found {
        Found::Gpt { table, .. } => table
            .entries
            .keys()
            .map(|&number| KernelChange::Delete { number })
            .collect(),
        _ => Vec::new(),
    }
}

fn unchanged() -> TableChange {
    TableChange {
        wiped: false,
        erase: Vec::new(),
        write: false,
        table: None,
        kernel: Vec::new(),
        slots: Vec::new(),
        mappings: None,
    }
}
