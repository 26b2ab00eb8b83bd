//! A machine in memory: disks, what lies on them, arrays that run, volumes that are open. It does what the programs and the
//! kernel are asked for as far as the disks stage can see it, and takes down whatever was asked for and should not have
//! been. It is no evidence for what a kernel or a program does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use kindling_config_spec::order::{OrderedMap, OrderedSet};
use kindling_config_spec::types::Config;
use kindling_config_spec::units::{Bytes, Lba, MIB, SectorSize};

use crate::gpt::{CopyState, Found, Health, MbrChange, MbrState, Side, Table};
use crate::inventory::disks::{Content, Disk, Signature};
use crate::inventory::stack::{StackKind, Stacked, User};
use crate::plan::partitions::InUse;
use crate::plan::place::{by_disk_link, by_entry, number_of, partition_name};

use super::rules;

/// A run of bytes with an address of its own: a disk, what an array or an open volume shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Space {
    Disk(PathBuf),
    Array(u32),
    Volume(u32),
}

/// Where something starts.
pub(super) type Address = (Space, u64);

/// What lies somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lying {
    pub(super) signature: Signature,
    /// It was there before the first run, or a run that came to its end made it: somebody's data.
    pub(super) precious: bool,
    /// Of a member or a volume: the space that it leads to.
    pub(super) leads_to: Option<u32>,
}

/// An array, as its members describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Array {
    pub(super) name: String,
    pub(super) level: String,
    pub(super) uuid: String,
    pub(super) members: Vec<Address>,
    pub(super) spares: usize,
}

/// What opens a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) keys: OrderedSet<Vec<u8>>,
    pub(super) flags: OrderedSet<String>,
    pub(super) clevis: bool,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) disks: OrderedMap<PathBuf, Disk>,
    pub(super) lying: OrderedMap<Address, Lying>,
    pub(super) arrays: OrderedMap<u32, Array>,
    pub(super) volumes: OrderedMap<u32, Header>,
    /// Arrays that run, with their nodes.
    pub(super) running: OrderedMap<u32, PathBuf>,
    /// Volumes that are open, by the name of the mapping.
    pub(super) open: OrderedMap<String, u32>,
    pub(super) mounted: OrderedSet<Address>,
    /// GUIDs of the partitions that runs made which did not come to their end.
    pub(super) made: OrderedSet<String>,
    /// What was asked for and should not have been.
    pub(super) faults: Vec<String>,
    /// How many changes are left until the power goes.
    pub(super) power: Option<usize>,
    pub(super) last: u32,
}

/// The machine, and the config that says what may go.
pub(super) struct Machine {
    state: Mutex<State>,
    pub(super) config: Config,
}

pub(super) fn sound(table: Table) -> Found {
    let table = Table {
        mbr: MbrChange::Keep,
        source: Side::Primary,
        ..table
    };
    let health = Health {
        primary: CopyState::Good,
        backup: CopyState::Good,
        mbr: MbrState::Protective,
    };
    Found::Gpt { table, health }
}

impl State {
    pub(super) fn add_disk(&mut self, node: &str, alias: &str, sector: SectorSize, table: Option<Table>) {
        let disk = Disk {
            node: node.into(),
            aliases: [PathBuf::from(alias)].into(),
            mapped: None,
            sector,
            size: Bytes(64 * MIB),
            found: table.map_or(Found::Blank, sound),
            in_use: InUse::default(),
            content: Content::Blank,
            assumed: false,
        };
        self.disks.insert(node.into(), disk);
    }

    pub(super) fn next(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    pub(super) fn table(&self, disk: &Path) -> Option<&Table> {
        match &self.disks.get(disk)?.found {
            Found::Gpt { table, .. } => Some(table),
            _ => None,
        }
    }

    /// Where a partition lies, and how long it is.
    pub(super) fn span(&self, disk: &Path, number: u32) -> Option<(u64, u64)> {
        let table = self.table(disk)?;
        let entry = table.entries.get(&number)?;
        let bytes = |sectors: u64| sectors * table.sector_size.bytes();
        Some((bytes(entry.first.0), bytes(entry.size().0)))
    }

    /// The kernel's nodes for a path: several where partitions have one label.
    pub(super) fn nodes(&self, path: &Path) -> Vec<PathBuf> {
        let mut nodes = Vec::new();
        for (node, disk) in &self.disks {
            if path == node || disk.aliases.contains(path) {
                nodes.push(node.clone());
            }
            let Some(table) = self.table(node) else { continue };
            let named = |number: &u32| {
                number_of(disk, path) == Some(*number)
                    || by_disk_link(path, disk, *number)
                    || by_entry(path, table, *number)
            };
            let numbers = table.entries.keys().copied().filter(named);
            nodes.extend(numbers.map(|number| partition_name(node, number)));
        }
        for (id, node) in &self.running {
            let link = self
                .arrays
                .get(id)
                .map(|array| Path::new("/dev/md").join(&array.name));
            if path == node || link.as_deref() == Some(path) {
                nodes.push(node.clone());
            }
        }
        let is_open =
            |name: &str, id: u32| path == Path::new("/dev/mapper").join(name) || path == volume_node(id);
        let open = self.open.iter().filter(|(name, id)| is_open(name, **id));
        nodes.extend(open.map(|(_, id)| volume_node(*id)));
        nodes
    }

    /// The one that a path leads to.
    pub(super) fn real(&self, path: &Path) -> Option<PathBuf> {
        self.nodes(path).into_iter().next()
    }

    /// What a path shows: where it starts, and how long it is.
    pub(super) fn at(&self, path: &Path) -> Option<(Address, u64)> {
        const LONG: u64 = 1 << 40;
        let node = self.real(path)?;
        if let Some(disk) = self.disks.get(&node) {
            return Some(((Space::Disk(node), 0), disk.size.0));
        }
        if let Some((id, _)) = self.running.iter().find(|(_, at)| **at == node) {
            return Some(((Space::Array(*id), 0), LONG));
        }
        if let Some(id) = self.open.values().find(|id| volume_node(**id) == node) {
            return Some(((Space::Volume(*id), 0), LONG));
        }
        self.disks.iter().find_map(|(disk, found)| {
            let (start, size) = self.span(disk, number_of(found, &node)?)?;
            Some(((Space::Disk(disk.clone()), start), size))
        })
    }

    /// The arrays and mappings that stand directly on a place.
    pub(super) fn holders(&self, at: &Address) -> Vec<(Stacked, Address)> {
        let arrays = self.running.iter().filter_map(|(id, node)| {
            let array = self.arrays.get(id)?;
            let name = node.file_name()?.to_string_lossy().into_owned();
            let kind = StackKind::Array;
            let node = node.clone();
            let is_on = array.members.contains(at);
            is_on.then_some((Stacked { node, kind, name }, (Space::Array(*id), 0)))
        });
        let lying = self.lying.get(at).and_then(|lying| lying.leads_to);
        let mappings = self.open.iter().filter_map(|(name, id)| {
            let (node, kind, name) = (volume_node(*id), StackKind::Mapping, name.clone());
            let is_on = lying == Some(*id) && self.volumes.contains_key(id);
            is_on.then_some((Stacked { node, kind, name }, (Space::Volume(*id), 0)))
        });
        arrays.chain(mappings).collect()
    }

    /// Collects what stands on a place, top first; says whether nobody uses any of it.
    fn is_idle(&self, at: &Address, stack: &mut Vec<Stacked>) -> bool {
        self.holders(at).into_iter().all(|(stacked, above)| {
            let idle = !self.mounted.contains(&above) && self.is_idle(&above, stack);
            stack.push(stacked);
            idle
        })
    }

    pub(super) fn user(&self, at: &Address) -> Option<User> {
        if self.mounted.contains(at) {
            return Some("mounted at /somewhere".into());
        }
        let (first, _) = self.holders(at).into_iter().next()?;
        let mut stack = Vec::new();
        if !self.is_idle(at, &mut stack) {
            stack.clear();
        }
        let name = first.node.file_name().unwrap_or_default().to_string_lossy();
        Some(User {
            by: format!("held by {name}"),
            stack,
        })
    }

    /// Whether nothing is changed any more: the power is gone.
    pub(super) fn is_dark(&mut self) -> bool {
        match &mut self.power {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// The power comes back. Of the arrays those run whose members are all there, if udev starts them.
    pub(super) fn boot(&mut self, starts_arrays: bool) {
        self.power = None;
        self.open.clear();
        self.running.clear();
        self.mounted.clear();
        let whole = self.arrays.iter().filter(|(id, array)| {
            let is_member = |at: &Address| self.lying.get(at).and_then(|lying| lying.leads_to) == Some(**id);
            array.members.iter().all(is_member)
        });
        let whole: Vec<u32> = whole.map(|(id, _)| *id).collect();
        if starts_arrays {
            whole
                .into_iter()
                .for_each(|id| drop(self.running.insert(id, array_node(id))));
        }
    }

    pub(super) fn guids(&self, disk: &Path) -> OrderedSet<String> {
        let entries = self
            .table(disk)
            .into_iter()
            .flat_map(|table| table.entries.values());
        entries.map(|entry| entry.guid.to_string()).collect()
    }

    /// What a run that came to its end made belongs to somebody.
    pub(super) fn keep_all(&mut self) {
        self.made.clear();
        self.lying.values_mut().for_each(|lying| lying.precious = true);
    }

    /// Erases what lies within a stretch, of which only what lies at its start can have been seen.
    pub(super) fn erase(&mut self, (space, start): &Address, size: u64, config: &Config, by: &str) {
        let end = start.saturating_add(size);
        let within = self
            .lying
            .keys()
            .filter(|(other, at)| other == space && (*start..end).contains(at));
        let within: Vec<Address> = within.cloned().collect();
        for at in within {
            let is_seen = at.1 == *start;
            if is_seen
                && self.lying.get(&at).is_some_and(|lying| lying.precious)
                && !rules::may_go(self, config, &at)
            {
                let what = self.lying.get(&at).map(|lying| &lying.signature.kind);
                self.faults
                    .push(format!("{by} erases {what:?} at {at:?} without leave"));
            }
            self.lying.remove(&at);
        }
    }
}

/// What tells a case that failed from others, and no more.
impl fmt::Debug for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (node, disk) in &self.disks {
            writeln!(out, "{}: {:?}", node.display(), disk.sector)?;
            for (number, entry) in self.table(node).into_iter().flat_map(|table| &table.entries) {
                let (first, last, label) = (entry.first.0, entry.last.0, &entry.label);
                writeln!(out, "  {number}: {first} to {last}, {label:?}, {}", entry.guid)?;
            }
        }
        for (at, lying) in &self.lying {
            let Signature { kind, label, .. } = &lying.signature;
            writeln!(out, "{at:?}: {kind} {label:?}, leads to {:?}", lying.leads_to)?;
        }
        let (running, open, mounted) = (&self.running, &self.open, &self.mounted);
        writeln!(out, "arrays {:?}", self.arrays)?;
        write!(out, "running {running:?}, open {open:?}, mounted {mounted:?}")
    }
}

pub(super) fn array_node(id: u32) -> PathBuf {
    PathBuf::from(format!("/dev/md{}", 100 + id))
}

pub(super) fn volume_node(id: u32) -> PathBuf {
    PathBuf::from(format!("/dev/dm-{id}"))
}

impl Machine {
    pub(super) fn new(state: State, config: Config) -> Self {
        Self {
            state: Mutex::new(state),
            config,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// The node of the disk, the partition or the array that starts at a place.
    pub(super) fn node_of(&self, at: &Address) -> Option<PathBuf> {
        match &at.0 {
            Space::Array(id) => Some(array_node(*id)),
            Space::Volume(id) => Some(volume_node(*id)),
            Space::Disk(disk) if at.1 == 0 => Some(disk.clone()),
            Space::Disk(disk) => {
                let table = self.table(disk)?;
                let first = Lba(at.1 / table.sector_size.bytes());
                let entry = table.entries.iter().find(|(_, entry)| entry.first == first);
                entry.map(|(number, _)| partition_name(disk, *number))
            }
        }
    }
}
