//! Every name of the partitions of a config, so that a path is not compared with each of them.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};

use super::{Partition, entry_links, names, partition};
use crate::inventory::disks::Disk;
use crate::inventory::mapped::{DELIMITERS, mapping_paths};
use crate::plan::partitions::TableChange;

/// One disk of the config, with what becomes of its table.
#[derive(Clone, Copy)]
struct Known<'a> {
    device: &'a str,
    disk: &'a Disk,
    change: &'a TableChange,
}

/// The names of the partitions of all disks that a config lists.
pub struct Names<'a> {
    known: Vec<Known<'a>>,
    /// Disks by what a name of a partition may begin with, as places in `known`.
    disks: OrderedMap<PathBuf, Vec<usize>>,
    /// Partitions by the names that have nothing of the disk's: a place in `known`, and the number.
    own: OrderedMap<PathBuf, Vec<(usize, u32)>>,
}

impl<'a> Names<'a> {
    /// Of the tables as they will be.
    #[must_use]
    pub fn new(tables: &'a OrderedMap<String, TableChange>, disks: &'a OrderedMap<String, Disk>) -> Self {
        let known = tables.iter().filter_map(|(device, change)| {
            Some(Known {
                device,
                disk: disks.get(device)?,
                change,
            })
        });
        let mut all = Self {
            known: known.collect(),
            disks: OrderedMap::new(),
            own: OrderedMap::new(),
        };
        for (at, one) in all.known.iter().enumerate() {
            let paths = one.disk.aliases.iter().map(PathBuf::as_path);
            for path in paths.chain([&*one.disk.node, Path::new(one.device)]) {
                all.disks.entry(path.to_owned()).or_default().push(at);
            }
            let Some(table) = &one.change.table else { continue };
            for (number, entry) in &table.entries {
                for path in entry_links(entry).into_iter().chain(one.mapping_links(*number)) {
                    all.own.entry(path).or_default().push((at, *number));
                }
            }
        }
        all
    }

    /// The partitions that `path` may mean. More than one answer means that nobody can tell.
    #[must_use]
    pub fn at(&self, path: &Path) -> Vec<Partition> {
        let meant = self.meant(path).into_iter();
        let found = meant.filter_map(|(at, number)| {
            let Known { device, disk, change } = *self.known.get(at)?;
            let is_there = change.table.as_ref()?.entries.contains_key(&number);
            let is_meant = is_there && names(path, device, disk, change, number);
            is_meant.then(|| partition(device, disk, change, number))
        });
        found.collect()
    }

    /// Those that have to be looked at for it: few, and all that it may mean are among them.
    fn meant(&self, path: &Path) -> OrderedSet<(usize, u32)> {
        let own = self.own.get(path).into_iter().flatten().copied();
        own.chain(self.by_disk(path).into_iter().flatten()).into_set()
    }

    /// What `path` may mean if it is the name of a disk, a delimiter and a number.
    fn by_disk(&self, path: &Path) -> Option<OrderedSet<(usize, u32)>> {
        let path = path.components().as_path().to_str()?;
        let head = path.trim_end_matches(|last: char| last.is_ascii_digit());
        let number = path.get(head.len()..)?.parse().ok()?;
        let stems = DELIMITERS.iter().filter_map(|between| head.strip_suffix(between));
        let disks = stems.filter_map(|stem| self.disks.get(Path::new(stem))).flatten();
        Some(disks.map(|at| (*at, number)).into_set())
    }
}

impl Known<'_> {
    /// The names of a partition that is a mapping.
    fn mapping_links(&self, number: u32) -> Vec<PathBuf> {
        let Some(mapped) = &self.disk.mapped else {
            return Vec::new();
        };
        let names = self.change.mappings.as_ref();
        let named = names.and_then(|names| names.get(&number));
        let paths = named.into_iter().flat_map(|name| mapping_paths(name));
        paths.chain([mapped.partition_link(number)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use kindling_config_spec::units::{Bytes, Lba, SectorSize};

    use super::*;
    use crate::gpt::{Entry, Found, Guid, Table};
    use crate::inventory::disks::Content;
    use crate::inventory::mapped::Mapped;
    use crate::plan::partitions::InUse;
    use crate::plan::place::partition_name;

    const DISKS: u8 = 12;
    const PARTITIONS: u32 = 30;

    fn disk(node: &str, aliases: &[&str], mapped: Option<Mapped>) -> Disk {
        Disk {
            node: node.into(),
            aliases: aliases.iter().map(PathBuf::from).into_set(),
            mapped,
            sector: SectorSize::S512,
            size: Bytes(1 << 40),
            found: Found::Blank,
            in_use: InUse::default(),
            content: Content::Blank,
            assumed: false,
        }
    }

    /// A table of which some labels and numbers are those of other disks too.
    fn table(disk: u8) -> TableChange {
        let mut table = Table::new(Guid::from_random([disk; 16]), Bytes(1 << 40), SectorSize::S512).unwrap();
        for number in 1..=PARTITIONS {
            let mut guid = [disk; 16];
            guid[..4].copy_from_slice(&number.to_le_bytes());
            let label = match number {
                1 => String::new(),
                2 => "twice".to_owned(),
                _ => format!("of {disk}/{number}"),
            };
            let entry = Entry {
                type_guid: Guid::LINUX_FILESYSTEM,
                guid: Guid::from_random(guid),
                first: Lba(u64::from(number) * 2048),
                last: Lba(u64::from(number) * 2048 + 2047),
                attributes: 0,
                label: label.parse().unwrap(),
                extra: Vec::new(),
            };
            table.entries.insert(number, entry);
        }
        TableChange {
            wiped: false,
            erase: Vec::new(),
            write: true,
            table: Some(table),
            kernel: Vec::new(),
            slots: Vec::new(),
            mappings: None,
        }
    }

    #[test]
    fn a_path_is_compared_with_few_and_found_as_if_with_all() {
        let (mut disks, mut tables, mut paths) = (OrderedMap::new(), OrderedMap::new(), Vec::new());
        for at in 0..DISKS {
            let mut change = table(at);
            let id = format!("/dev/disk/by-id/disk{at}");
            let (device, one) = match at % 4 {
                0 => (id.clone(), disk(&format!("/dev/nvme{at}n1"), &[&id], None)),
                1 => (
                    format!("/dev/vd{at}x"),
                    disk(&format!("/dev/vd{at}x"), &[&id], None),
                ),
                2 => (id.clone(), disk(&format!("/dev/loop{at}"), &[], None)),
                _ => {
                    let name = format!("mpath{at}");
                    let names = (1..=PARTITIONS).map(|number| (number, format!("{name}p{number}")));
                    change.mappings = Some(names.into_map());
                    let mapped = Mapped {
                        name: name.clone(),
                        uuid: format!("mpath-{at}"),
                        ..Mapped::default()
                    };
                    (
                        format!("/dev/mapper/{name}"),
                        disk(&format!("/dev/dm-{at}"), &[&id], Some(mapped)),
                    )
                }
            };
            let entries = &change.table.as_ref().unwrap().entries;
            for (number, entry) in entries {
                paths.extend(entry_links(entry));
                paths.extend([
                    partition_name(&one.node, *number),
                    partition_name(Path::new(&device), *number),
                ]);
                paths.extend([&id, &device].map(|link| PathBuf::from(format!("{link}-part{number}"))));
                if let Some(mapped) = &one.mapped {
                    paths.extend(mapping_paths(&format!("{}p{number}", mapped.name)));
                    paths.push(mapped.partition_link(*number));
                }
            }
            disks.insert(device.clone(), one);
            tables.insert(device, change);
        }
        let odd = [
            "/dev/nvme0n1p1/",
            "/dev//vd1x1",
            "/dev/vd1x01",
            "/dev/vd1x99",
            "/dev/vd1x",
            "7",
            "/",
            "",
            "/dev/vd1x-part1",
        ];
        paths.extend(odd.map(PathBuf::from));
        let all = Names::new(&tables, &disks);
        let mut found = 0;
        for path in &paths {
            let with_all = tables.iter().flat_map(|(device, change)| {
                let disk = &disks[device];
                let numbers = change.table.iter().flat_map(|table| table.entries.keys());
                let meant = numbers.filter(move |number| names(path, device, disk, change, **number));
                meant.map(move |number| partition(device, disk, change, *number))
            });
            let with_all: Vec<Partition> = with_all.collect();
            assert_eq!(all.at(path), with_all, "{}", path.display());
            let most = if path.ends_with("twice") {
                usize::from(DISKS)
            } else {
                1
            };
            assert!(all.meant(path).len() <= most, "{}", path.display());
            found += with_all.len();
        }
        assert!(found > usize::from(DISKS) * 30 * 4, "{found}");
    }
}
