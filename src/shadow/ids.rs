//! Numbers for new accounts. The way is that of shadow 4.13: above the highest one that is taken, for system accounts
//! below the lowest one; once there is nothing left on that side, the first gap.

use kindling_config_spec::order::{Gather, OrderedSet};

use super::refusal::Why;
use super::table::{Database, Table};
use super::{Databases, Defaults};

/// Which numbers may be given.
#[derive(Clone, Copy)]
pub(super) struct Range {
    min: u32,
    max: u32,
    /// From above.
    down: bool,
}

impl Range {
    /// `kind` is `UID` or `GID`.
    pub(super) fn new(defaults: &Defaults, kind: &'static str, system: bool) -> Result<Self, Why> {
        let id = |name: &str, default: u64| {
            let number = defaults.unsigned(name, default);
            u32::try_from(number).unwrap_or(u32::MAX - 1)
        };
        let first = id(&format!("{kind}_MIN"), 1000);
        let (min, max) = if system {
            let max = id(&format!("SYS_{kind}_MAX"), u64::from(first.saturating_sub(1)));
            (id(&format!("SYS_{kind}_MIN"), 101), max)
        } else {
            (first, id(&format!("{kind}_MAX"), 60_000))
        };
        if max < min {
            return Err(Why::NoneLeft { what: kind });
        }
        let min = if system { min.max(1) } else { min };
        Ok(Self {
            min,
            max,
            down: system,
        })
    }

    /// Whether the number may be taken because it is wanted; those of system accounts may lie below the range.
    pub(super) fn allows(self, id: u32) -> bool {
        let min = if self.down { 1 } else { self.min };
        (min..=self.max).contains(&id)
    }

    /// The number for a new account.
    pub(super) fn choose(self, table: Option<&Table>, elsewhere: impl Fn(u32) -> bool) -> Option<u32> {
        let Self { min, max, down } = self;
        let ids = table.into_iter().flat_map(Table::ids);
        let used: OrderedSet<u32> = ids.filter(|id| (min..=max).contains(id)).into_set();
        let is_free = |id: &u32| !used.contains(id) && !elsewhere(*id);
        if down {
            let start = used
                .first()
                .and_then(|id| id.checked_sub(1))
                .filter(|id| *id >= min);
            let start = start.unwrap_or(max);
            (min..=start).rev().chain((min..=max).rev()).find(is_free)
        } else {
            let start = used
                .last()
                .and_then(|id| id.checked_add(1))
                .filter(|id| *id <= max);
            (start.unwrap_or(min)..=max).chain(min..=max).find(is_free)
        }
    }
}

/// Gives a user a range of a database of ranges, which is put in order for that.
pub(super) fn add_range(
    databases: &mut Databases,
    which: Database,
    owner: &str,
    count: u64,
) -> Result<(), Why> {
    let prefix = if which == Database::Subuid {
        "SUB_UID"
    } else {
        "SUB_GID"
    };
    let min = databases.defaults.unsigned(&format!("{prefix}_MIN"), 100_000);
    let max = databases.defaults.unsigned(&format!("{prefix}_MAX"), 600_100_000);
    let none = Err(Why::NoneLeft { what: prefix });
    if min > max || count >= max || min.saturating_add(count).saturating_sub(1) > max {
        return none;
    }
    let Some(table) = databases.get_mut(which) else {
        return Ok(());
    };
    table.sort_ranges();
    let mut low = min;
    for (first, last) in table.ranges() {
        let high = first.min(max.saturating_add(1));
        if high.saturating_sub(low) >= count {
            break;
        }
        low = low.max(last.saturating_add(1));
        if low > max {
            return none;
        }
    }
    if max.saturating_sub(low).saturating_add(1) < count {
        return none;
    }
    table.append(format!("{owner}:{low}:{count}"));
    Ok(())
}
